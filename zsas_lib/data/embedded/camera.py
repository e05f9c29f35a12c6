"""Where a picture of a bench is taken from: a camera that tilts, rolls and stands near, over a height field.

A bench lies in the plane of x (to the right) and y (downwards), its heights rise towards the camera; all lengths are in
half widths of the picture, in which the upright camera sees x and y from -1 to 1.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import map_coordinates

from .fields import Number, pixel_grid

Plane = Float[np.ndarray, "height width"]

STEEPEST = np.deg2rad(75)


@dataclass(frozen=True)
class Camera:
    """A camera that looks at the middle of the bench.

    ``tilt`` (radians, up to 75 degrees) is how far from upright it stands, ``direction`` (radians, clockwise from x)
    on which side; ``roll`` turns it around its own axis, clockwise. ``distance`` (half widths) is from the middle of
    the bench to the lens; with ``perspective`` what is nearer is larger and hides what lies behind, without it rays are
    parallel, as in the telecentric lenses of inspection, and the distance is only the depth's zero.

    Raises ValueError for a tilt outside [0, 75] degrees, or a distance at which the bench's corners lie behind the
    lens.
    """

    tilt: Number = 0.0
    direction: Number = 0.0
    roll: Number = 0.0
    distance: Number = 4.0
    perspective: bool = False

    def __post_init__(self):
        if not 0 <= self.tilt <= STEEPEST + 1e-6:
            raise ValueError(
                f"Expected a tilt of 0 to 75 degrees, got {np.rad2deg(self.tilt):g}; tilt the camera less."
            )
        nearest = np.sqrt(2) * np.tan(self.tilt) + 0.5
        if self.perspective and not self.distance > nearest:
            raise ValueError(
                f"Expected a distance above {nearest:.2f} half widths at a tilt of {np.rad2deg(self.tilt):g} degrees, "
                f"got {self.distance:g}; nearer, part of the bench lies beside the lens. Move the camera away."
            )

    @property
    def is_upright(self) -> bool:
        """Whether it sees the bench as it is drawn."""
        return bool(self.tilt == 0 and self.roll == 0) and not self.perspective


UPRIGHT = Camera()


def look(camera: Camera, height: Float[np.ndarray, "side side"], size: int) -> tuple[Plane, Plane, Plane]:
    """What each pixel of the camera's picture, ``size`` wide, shows of a height field: x and y on the bench, and its
    depth.

    ``height`` (half widths) is on a square grid of as fine pixels around the middle of the bench, which may be wider
    than the picture; outside of it it is mirrored. The depth is along the camera's axis from the lens, in half widths.
    The first surface that a ray meets is what is seen: rays go down in steps of at most a pixel sideways, and the last
    step is cut linearly.
    """
    x, y = pixel_grid(size)
    cos, sin = np.cos(camera.roll), np.sin(camera.roll)
    first, second = cos * x - sin * y, sin * x + cos * y
    axis, right, down = _axes(camera)
    start = [right[i] * first + down[i] * second for i in range(3)]
    nearness = 1 / camera.distance if camera.perspective else 0.0
    ray = [axis[i] - nearness * start[i] for i in range(3)]

    low, high = float(height.min()), float(height.max())
    steepest = float(np.max(np.hypot(ray[0], ray[1]) / ray[2]))
    steps = 1 + int(np.ceil((high - low) * steepest * size / 2))
    travelled = (high - start[2]) / ray[2]
    step = (low - high) / steps / ray[2]

    def clearance(travelled: np.ndarray) -> np.ndarray:
        x, y, z = (start[i] + travelled * ray[i] for i in range(3))
        return z - sample(height, x, y, size)

    above = clearance(travelled)
    going = above > 1e-6
    for _ in range(steps if high > low else 0):
        left = clearance(travelled + step)
        share = np.where(left > 0, 1, above / np.maximum(above - left, 1e-9))
        travelled = np.where(going, travelled + share * step, travelled)
        going = going & (left > 1e-6)
        above = left
    seen = [(start[i] + travelled * ray[i]).astype(np.float32) for i in (0, 1)]
    return seen[0], seen[1], (camera.distance - travelled).astype(np.float32)


def sample(plane: np.ndarray, x: Plane, y: Plane, size: int) -> np.ndarray:
    """A plane (side, side) or (side, side, channel), as in `look`, at points of the bench, linearly between its pixels;
    outside of it, mirrored."""
    side = len(plane)
    places = np.stack([y * (size / 2) + (side - 1) / 2, x * (size / 2) + (side - 1) / 2])
    channels = plane.reshape(side, side, -1)
    taken = [map_coordinates(channels[..., i], places, order=1, mode="reflect") for i in range(channels.shape[2])]
    return np.stack(taken, -1).reshape(*x.shape, *plane.shape[2:])


def around(plane: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """A plane of the bench, twice as wide: outside of the bench lies its ``ground``, mirrored."""
    margin = len(plane) // 2
    wide = np.pad(ground, [(margin, margin)] * 2 + [(0, 0)] * (plane.ndim - 2), mode="symmetric")
    wide[margin : margin + len(plane), margin : margin + len(plane)] = plane
    return wide


def _axes(camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The camera's axis towards the lens and its picture's x and y: those of the bench, turned by the tilt about the
    line at right angles to ``direction``."""
    towards = np.array([np.cos(camera.direction), np.sin(camera.direction), 0.0])
    axis = np.sin(camera.tilt) * towards + np.cos(camera.tilt) * np.array([0.0, 0.0, 1.0])
    turned = np.cos(camera.tilt) * towards - np.sin(camera.tilt) * np.array([0.0, 0.0, 1.0])
    right, down = (unit + (unit @ towards) * (turned - towards) for unit in np.eye(3)[:2])
    return axis, right, down
