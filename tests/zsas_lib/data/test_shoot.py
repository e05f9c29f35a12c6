"""Shots with everything chosen: cameras, depth, styles, and the ten factors."""

from dataclasses import replace

import numpy as np
import pytest

from zsas_lib.base.errors import UnknownNameError
from zsas_lib.data.embedded.camera import Camera, look, sample
from zsas_lib.data.embedded.factors import FACTORS, named
from zsas_lib.data.embedded.fields import pixel_grid
from zsas_lib.data.embedded.products import EVALUATION
from zsas_lib.data.embedded.render import render
from zsas_lib.data.embedded.scene import Layers
from zsas_lib.data.embedded.shoot import draw_setting, pictures

PART = next(p for p in EVALUATION if p.name == "ceramic ring")
SHEET = next(p for p in EVALUATION if p.name == "leather sheet")
X, Y = pixel_grid(64)


@pytest.mark.parametrize("product", EVALUATION, ids=lambda product: product.name)
def test_a_drawn_setting_is_what_render_draws(product):
    for seed, variation in ((3, 0.15), (4, 1.0)):
        view = draw_setting(product, seed, variation=variation).shoot(48)
        assert np.array_equal(view.image, render(product, seed, 48, variation=variation).image)
    assert np.array_equal(pictures([draw_setting(product, 3)], 48)[0], render(product, 3, 48).image.transpose(2, 0, 1))


def test_depth_from_above_is_the_distance_minus_the_heights():
    setting = replace(draw_setting(PART, 1), lift=10.0)
    view = setting.shoot(64)
    assert np.allclose(view.depth, 4 - 0.02 * (view.layers.relief + 10 * view.layers.cover), atol=1e-6)
    inside, outside = view.layers.distance < -0.05, view.layers.distance > 0.1
    assert view.depth[inside].max() < view.depth[outside].min() - 0.15, "the part stands out by its lift"


def test_a_tilted_flat_bench_is_foreshortened():
    flat, tilt = np.zeros((64, 64), np.float32), np.deg2rad(60)
    x, y, depth = look(Camera(tilt), flat, 64)
    assert np.allclose(x, 2 * X, atol=1e-5) and np.allclose(y, Y, atol=1e-5), "1 / cos 60 degrees, away from the side"
    assert np.allclose(depth, 4 - X * np.tan(tilt), atol=1e-5), "the side that the camera is on is nearer"
    x, y, _ = look(Camera(tilt, direction=np.pi / 2), flat, 64)
    assert np.allclose(x, X, atol=1e-5) and np.allclose(y, 2 * Y, atol=1e-5)
    x, y, _ = look(Camera(roll=np.pi / 2), flat, 64)
    assert np.allclose(x, -Y, atol=1e-5) and np.allclose(y, X, atol=1e-5)


def test_perspective_makes_what_is_near_larger_and_parallax_shifts_what_is_high():
    raised = np.full((128, 128), 0.5, np.float32)
    x, y, depth = look(Camera(perspective=True, distance=4), raised, 64)
    assert np.allclose(x, X * 3.5 / 4, atol=1e-5) and np.allclose(y, Y * 3.5 / 4, atol=1e-5)
    assert np.allclose(depth, 3.5, atol=1e-5)
    tilt = np.deg2rad(30)
    x, _, _ = look(Camera(tilt), raised, 64)
    assert np.allclose(x, X / np.cos(tilt) + 0.5 * np.tan(tilt), atol=1e-5), "it looks shifted away from the camera"


def test_a_high_wall_hides_what_lies_behind_it():
    """Seen from the right at 45 degrees, a block of height 0.4 from x = 0 to 0.2 hides the bench from -0.4 to 0."""
    wall = np.where((X > 0) & (X < 0.2), 0.4, 0).astype(np.float32)
    x, _, _ = look(Camera(np.pi / 4), wall, 64)
    assert not ((x > -0.34) & (x < -0.06)).any()
    assert ((x > -0.6) & (x < -0.44)).any() and ((x > 0.25) & (x < 0.5)).any()


def test_views_of_one_setting_show_the_same_thing_at_the_same_point_of_the_bench():
    setting = replace(draw_setting(PART, 2), blur=0.0, noise=0.0, lift=8.0)
    above = setting.shoot(96)
    camera = Camera(np.deg2rad(25), 0.7, 0.4, perspective=True)
    aside = replace(setting, camera=camera).shoot(96)
    shown = (np.abs(aside.x) < 0.95) & (np.abs(aside.y) < 0.95)
    again = sample(above.lit, aside.x, aside.y, 96)
    assert np.abs(again - aside.lit)[shown].max() < 1e-4
    assert np.abs(sample(above.u, aside.x, aside.y, 96) - aside.u)[shown].max() < 1e-4
    assert np.abs(above.lit - aside.lit)[shown].mean() > 0.02, "the picture itself is another"


def test_beside_the_bench_there_is_ground_and_no_second_part():
    view = replace(draw_setting(PART, 2), camera=Camera(np.deg2rad(60))).shoot(64)
    assert (view.layers.cover[np.abs(view.x) > 1.05] == 0).all() and (np.abs(view.x) > 1.05).any()
    assert all(plane.dtype == np.float32 for plane in vars(view.layers).values()) and isinstance(view.layers, Layers)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"tilt": 1.5}, "Expected a tilt of 0 to 75 degrees, got 85.9"),
        ({"tilt": -0.1}, "0 to 75"),
        ({"tilt": 1.0, "perspective": True, "distance": 2.0}, "Move the camera away"),
    ],
)
def test_a_camera_that_cannot_be_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        Camera(**options)


def test_a_drawing_is_flat_and_outlined():
    photograph, drawing = (draw_setting(PART, 2, style).shoot(96) for style in ("photograph", "drawing"))
    assert np.array_equal(photograph.layers.cover, drawing.layers.cover), "the same pose"
    assert np.allclose(drawing.image, np.clip(drawing.layers.albedo, 0, 1), atol=1e-6), "no light, no noise"
    line = np.abs(drawing.layers.distance) < 0.01
    assert drawing.image[line].max() < 0.2 < drawing.image[~line].mean()
    with pytest.raises(UnknownNameError, match="photograph"):
        draw_setting(PART, 2, "photo")


def test_spread_widens_the_pose_and_keeps_the_rest():
    plain = [draw_setting(PART, seed) for seed in range(40)]
    wide = [draw_setting(PART, seed, spread=1.0) for seed in range(40)]
    assert all(replace(one, pose=two.pose) == two for one, two in zip(plain, wide))
    ratios = [two.pose.scale / one.pose.scale for one, two in zip(plain, wide)]
    assert 1 / 1.6 < min(ratios) < 0.8 and 1.25 < max(ratios) < 1.6
    assert 0.2 < max(abs(place) for setting in wide for place in setting.pose.centre) < 0.36


def test_there_are_ten_factors_and_each_changes_one_thing():
    setting = draw_setting(PART, 5)
    changed = {
        name: {
            key
            for key, value in vars(factor.apply(setting, factor.levels[0])).items()
            if value != getattr(setting, key)
        }
        for name, factor in FACTORS.items()
    }
    one = {"partial view": "pose", "larger": "pose", "smaller": "pose", "lighting": "light", "pattern": "ink"}
    others = {"pose": "camera", "background": "product", "colour": "product", "texture": "blend", "shape": "warp"}
    assert changed == {name: {what} for name, what in (others | one).items()}


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("factor", FACTORS.values(), ids=lambda factor: factor.name)
def test_a_factor_changes_the_picture_more_at_a_higher_level_and_always_alike(factor):
    distances = np.zeros(len(factor.levels))
    for seed in range(6):
        setting = replace(draw_setting(PART, seed), noise=0.0)
        seen = [factor.apply(setting, level).shoot(48).image for level in factor.levels]
        distances += [np.abs(image - setting.shoot(48).image).mean() for image in seen]
        assert np.array_equal(seen[1], factor.apply(setting, factor.levels[1]).shoot(48).image)
    if factor.name != "background":  # whose kinds have no order
        assert distances[1] > 1.2 * distances[0] and distances[2] > 1.2 * distances[0]
    assert distances.min() / 6 > 0.003


def test_the_levels_say_what_they_do():
    setting = replace(draw_setting(PART, 5), noise=0.0, blur=0.0)
    view = setting.shoot(96)
    assert named("larger").apply(setting, 1.5).pose.scale == pytest.approx(1.5 * setting.pose.scale)
    moved = np.subtract(named("partial view").apply(setting, 0.4).pose.centre, setting.pose.centre)
    assert np.hypot(*moved) == pytest.approx(0.4)
    assert np.allclose(named("lighting").apply(setting, 0.5).shoot(96).lit, 0.5 * view.lit, atol=1e-5)
    assert np.rad2deg(named("pose").apply(setting, 20).camera.tilt) == pytest.approx(20)
    solid = view.layers.distance < -0.1
    striped = named("pattern").apply(setting, 0.25).shoot(96).layers.print
    assert striped[solid].mean() == pytest.approx(0.25, abs=0.05)
    assert named("colour").apply(setting, 0.0).shoot(96).image.tolist() == view.image.tolist()
    blended, ground = named("texture").apply(setting, 0.4).shoot(96).layers, view.layers.cover == 0
    assert np.array_equal(blended.albedo[ground], view.layers.albedo[ground])
    assert not np.array_equal(blended.albedo, view.layers.albedo)


def test_a_part_that_fills_the_picture_has_no_outline_to_change():
    setting = draw_setting(SHEET, 1)
    for name, factor in FACTORS.items():
        if factor.outlined:
            with pytest.raises(ValueError, match="fills the picture; leave it out"):
                factor.apply(setting, factor.levels[0])
        else:
            assert (
                np.abs(factor.apply(setting, factor.levels[-1]).shoot(48).image - setting.shoot(48).image).mean() > 0.01
            )
    with pytest.raises(UnknownNameError, match="lighting"):
        named("light")
