"""One shot of a product with everything chosen: pose, light, camera, blur, noise, print, outline, material.

`render` draws all of this from a seed; here it is said, so that one thing can be changed and the rest kept. With what
`render` draws (`draw_setting`), the picture is the same to the bit.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy.random import default_rng

from ...base.errors import UnknownNameError
from .camera import UPRIGHT, Camera, Plane, around, look, sample
from .fields import Number, pixel_grid, smoothstep
from .products import Product
from .scene import Layers, Light, Pose, build_layers, draw_light, draw_pose, gloss_of, part_coordinates, photograph
from .scene import shine as lit_by
from .shapes import REACHES_EDGE

Warp = Callable[[Plane, Plane], tuple[Plane, Plane]]
Ink = Callable[[Plane, Plane, float], Plane]

AWAY = 100.0
"""How far to shift a part, in its own coordinates, so that only its ground is seen."""
FLAT = Light(0.0, float(np.pi / 2), 1.0, (0.0, 0.0), 1.0, (1.0, 1.0, 1.0))
"""Light that shades nothing: every surface shows its own colour."""


@dataclass(frozen=True)
class View:
    """What a shot gives; all planes are of the picture's size, as the camera sees them.

    ``image`` and ``lit`` (before blur, noise and clipping) are RGB, the former in [0, 1]; ``layers`` as `scene.Layers`;
    ``x`` and ``y`` are where on the bench a pixel looks, ``u`` and ``v`` where on the part (its own coordinates, after
    a warp): two views of one setting show the same point where these agree. ``depth`` is along the camera's axis from
    the lens, in half widths of the picture; smaller is nearer.
    """

    image: Float[np.ndarray, "height width 3"]
    lit: Float[np.ndarray, "height width 3"]
    layers: Layers
    x: Plane
    y: Plane
    u: Plane
    v: Plane
    depth: Plane


def shoot(
    product: Product,
    pose: Pose,
    light: Light,
    seed: int,
    size: int,
    *,
    blur: Number = 0.5,
    noise: Number = 0.008,
    warp: Warp | None = None,
    ink: Ink | None = None,
    camera: Camera = UPRIGHT,
    lift: Number = 0.0,
    blend: tuple[str, Number] | None = None,
    outline: Number = 0.0,
    gloss: Number | None = None,
    shadow: bool | None = None,
) -> View:
    """A square picture of ``size`` pixels; the same arguments give the same pixels.

    ``blur`` is in pixels of a picture 512 wide, ``noise`` a standard deviation of values in [0, 1]. ``warp`` bends the
    part's coordinates (u, v) before its outline and material are drawn; ``ink`` gives the print's coverage for (u, v)
    and the width of an edge, in the place of the product's print. ``lift`` is how high the part lies over its ground,
    in 1/100 of the picture's width: seen from the side it hides ground behind it. ``blend`` mixes another material
    (a name, a weight in [0, 1]) into the part's own, in the same colours. ``outline`` draws a dark line of this width
    (half widths of the picture) around the part. ``gloss`` and ``shadow`` are the product's where None.

    The light stands still on the bench while the camera moves. A highlight is as seen from above, and the cast shadow
    does not grow with the lift.
    """
    grid = pixel_grid(size)

    def coordinates(x: Plane, y: Plane) -> tuple[Plane, Plane]:
        u, v = part_coordinates(x, y, pose)
        return warp(u, v) if warp else (u, v)

    u, v = coordinates(*grid)
    inked = ink(u, v, 2.0 / size / pose.scale) if ink else None
    layers = build_layers(product, pose, seed, u, v, inked)
    if blend is not None:
        layers = _blended(layers, build_layers(replace(product, material=blend[0]), pose, seed, u, v, inked), blend[1])
    if outline:
        reach = outline / pose.scale
        line = smoothstep(reach, reach / 2, np.abs(layers.distance))
        layers = replace(layers, albedo=layers.albedo * (1 - 0.9 * line[..., None]))
    gloss = gloss_of(product) if gloss is None else gloss
    lit = lit_by(layers, light, gloss, not product.is_texture if shadow is None else shadow)

    def image(lit: np.ndarray) -> np.ndarray:
        return photograph(default_rng([seed, 3]), lit, blur, noise)

    if camera.is_upright:
        return View(image(lit), lit, layers, *grid, u, v, np.float32(camera.distance) - _height(layers, lift))
    ground, lit_ground = layers, lit
    if product.shape not in REACHES_EDGE:  # the part is on the bench only, its ground goes on
        ground = build_layers(product, pose, seed, u + np.float32(AWAY), v)
        lit_ground = lit_by(ground, light, gloss, False)
    x, y, depth = look(camera, around(_height(layers, lift), _height(ground, lift)), size)
    seen = {
        name: sample(around(plane, getattr(ground, name)), x, y, size).astype(np.float32)
        for name, plane in vars(layers).items()
    }
    lit = sample(around(lit, lit_ground), x, y, size)
    return View(image(lit), lit, Layers(**seen), x, y, *coordinates(x, y), depth)


def _height(layers: Layers, lift: Number) -> Plane:
    return (2 / 100 * (layers.relief + lift * layers.cover)).astype(np.float32)


def _blended(layers: Layers, other: Layers, weight: Number) -> Layers:
    share = weight * layers.cover
    return replace(
        layers,
        albedo=layers.albedo * (1 - share[..., None]) + other.albedo * share[..., None],
        relief=layers.relief * (1 - share) + other.relief * share,
    )


@dataclass(frozen=True)
class Setting:
    """Everything that `shoot` is told but the size: what a factor changes one thing of."""

    product: Product
    pose: Pose
    light: Light
    seed: int
    blur: Number = 0.5
    noise: Number = 0.008
    warp: Warp | None = None
    ink: Ink | None = None
    camera: Camera = UPRIGHT
    lift: Number = 0.0
    blend: tuple[str, Number] | None = None
    outline: Number = 0.0
    gloss: Number | None = None
    shadow: bool | None = None

    def shoot(self, size: int) -> View:
        return shoot(**vars(self), size=size)


def draw_setting(
    product: Product, seed: int, style: str = "photograph", *, variation: Number = 0.15, spread: Number = 0.0
) -> Setting:
    """How one picture of a product is taken, from a seed.

    In the style "photograph" it is what `render` draws: ``variation`` in [0, 1] widens light and camera from a steady
    bench to anything. A "drawing" is a diagram: flat colours with a dark outline on a pale, even ground, without light,
    gloss, shadow, blur or noise; its pose is the same. ``spread`` in [0, 1] widens the pose: the part is up to 1.6
    times larger or smaller and up to 0.3 half widths farther from the middle; at 0 it lies as in the data sets.

    Raises UnknownNameError for another style.
    """
    if style not in STYLES:
        raise UnknownNameError("style", style, STYLES)
    rng = default_rng([seed, 0])
    pose, light = draw_pose(rng, product), draw_light(rng, variation)
    blur, noise = rng.uniform(0.3, 0.8 + 1.2 * variation), rng.uniform(0.004, 0.012 + 0.03 * variation)
    if spread:
        wide = default_rng([seed, 5])
        scale = float(pose.scale * 1.6 ** wide.uniform(-spread, spread))
        x, y = np.asarray(pose.centre) + wide.uniform(-0.3 * spread, 0.3 * spread, 2)
        pose = Pose(pose.angle, scale, (float(x), float(y)))
    return STYLES[style](Setting(product, pose, light, seed, blur, noise))


def _drawing(setting: Setting) -> Setting:
    tone = default_rng([setting.seed, 6]).uniform(0.88, 1.0)
    product = replace(setting.product, ground="matte", ground_colour=(tone, tone, tone))
    return replace(setting, product=product, light=FLAT, blur=0.0, noise=0.0, outline=0.03, gloss=0.0, shadow=False)


STYLES: dict[str, Callable[[Setting], Setting]] = {"photograph": lambda setting: setting, "drawing": _drawing}
"""The sources of pictures: how a setting as `render` draws it is changed."""


def pictures(settings: Iterable[Setting], size: int) -> Float[np.ndarray, "picture 3 height width"]:
    """The pictures of settings, one after the other: float32 RGB in [0, 1], as models take them."""
    return np.stack([setting.shoot(size).image.transpose(2, 0, 1) for setting in settings])
