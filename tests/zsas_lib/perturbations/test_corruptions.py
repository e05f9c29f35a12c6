"""Corruptions against independent implementations: scipy, scikit-image, Pillow, torchvision, numpy, and by hand."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from kornia.filters import motion_blur
from more_perturbations import BRIGHTNESS
from numpy.random import default_rng
from PIL import Image
from scipy import ndimage
from skimage.color import hsv2rgb, rgb2hsv
from torchvision.transforms.functional import adjust_contrast, gaussian_blur

import zsas_lib as zsas
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.data.embedded.camera import Camera
from zsas_lib.data.embedded.products import EVALUATION
from zsas_lib.data.embedded.shoot import draw_setting
from zsas_lib.perturbations import blurs, check_amount, illumination, named, sensor
from zsas_lib.perturbations.corruptions import DEPTH_FREE, spelled
from zsas_lib.perturbations.severity import at_severity

CORRUPTIONS, corrupt = zsas.CORRUPTIONS, zsas.corrupt
WITH_DEPTH = [name for name in CORRUPTIONS if name not in DEPTH_FREE]
SIDE = 112  # half of 224: lengths are half of those in the tables


def photographs(count=2):
    views = [draw_setting(product, 3).shoot(SIDE).image for product in EVALUATION[:count]]
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).contiguous()


def on_planes(function, images):
    return torch.from_numpy(np.stack([[function(plane.numpy()) for plane in image] for image in images])).float()


def given(name, images, depth=3.0):
    return {"depth": torch.full((len(images), *images.shape[-2:]), depth)} if CORRUPTIONS[name].takes_depth else {}


def test_there_are_fourteen_without_depth_and_six_with():
    assert len(DEPTH_FREE) == 14 and len(WITH_DEPTH) == 6
    assert list(CORRUPTIONS) == [record.name for record in CORRUPTIONS.values()] == [*DEPTH_FREE, *WITH_DEPTH]
    for record in CORRUPTIONS.values():
        assert len(record.values) == 6 and record.grid() == [0, 1, 2, 3, 4, 5] and record.motion is None
        steps = np.diff(record.values)
        assert (steps > 0).all() or (steps < 0).all(), "every severity is stronger than the one before"


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_severity_is_stronger_than_the_one_before_and_none_changes_nothing(name):
    images = photographs()
    record, more = CORRUPTIONS[name], given(name, images)
    assert torch.allclose(record.apply(images, 0, **more), images, atol=3e-6)
    changes = [(corrupt(images, f"{name}({s})", **more) - images).abs().mean().item() for s in range(1, 6)]
    assert changes[0] > 0.001 and (np.diff(changes) > 0).all()
    for severity in (1, 5):
        result = corrupt(images, f"{name}({severity})", **more)
        assert result.dtype == images.dtype and result.min() >= -1e-6 and result.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_pictures_of_one_batch_do_not_see_each_other_and_may_have_severities_of_their_own(name):
    images, severities = photographs(3), torch.tensor([1.0, 4.0, 2.5])
    record, more = CORRUPTIONS[name], given(name, images)
    together = record.apply(images, severities, **more)
    for i in range(3):
        further = {key: value[i : i + 1] for key, value in more.items()} | ({"seed": [i]} if record.takes_seed else {})
        alone = record.apply(images[i : i + 1], severities[i].item(), **further)
        assert torch.allclose(together[i], alone[0], atol=1e-5) or record.rounds
        assert (together[i] - alone[0]).abs().mean() < 1e-4


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_gradients_are_those_of_finite_differences(name):
    images = (photographs()[:1, :, 40:72, 40:72] * 0.5 + 0.2).double().contiguous()
    record, more = CORRUPTIONS[name], given(name, images)
    direction = torch.randn(images.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    weights = direction.flip(-1)
    inputs = images.clone().requires_grad_(), torch.tensor([2.3], dtype=torch.float64, requires_grad=True)
    gradient, slope = torch.autograd.grad((record.apply(*inputs, **more) * weights).sum(), inputs, allow_unused=True)
    if record.rounds:
        assert gradient.abs().sum() > 0, "it is passed straight through"
        return
    step = 1e-6
    ends = [(record.apply(images + s * direction, 2.3, **more) * weights).sum() for s in (step, -step)]
    assert (gradient * direction).sum().item() == pytest.approx(
        (ends[0] - ends[1]).item() / 2 / step, rel=1e-3, abs=1e-3
    )
    ends = [(record.apply(images, 2.3 + s, **more) * weights).sum() for s in (step, -step)]
    assert slope.item() == pytest.approx((ends[0] - ends[1]).item() / 2 / step, rel=1e-3, abs=1e-3)


@pytest.mark.slow
def test_defocus_is_a_convolution_with_a_disc():
    """The disc from scratch: how much of each pixel lies within the radius, by 41 x 41 points in it."""
    points = (np.arange(41) - 20) / 41
    for severity, radius in ((1, 1.5), (5, 5.0)):
        places = (np.arange(-7, 8)[:, None] + points).ravel()
        inside = (np.hypot(places[:, None], places) <= radius + 0.001).reshape(15, 41, 15, 41).mean((1, 3))
        images = photographs()
        expected = on_planes(lambda plane: ndimage.convolve(plane, inside / inside.sum(), mode="mirror"), images)
        result = corrupt(images, f"defocus({severity})")
        assert (result - expected).abs().max() < 0.02 and (result - expected).abs().mean() < 0.001


def test_a_motion_is_the_mean_over_a_path():
    """Of 3, 5, 7.5, 10 and 13 pixels more than one: the even ones are an odd number of pixels long."""
    images = photographs()
    result = corrupt(images, "motion_x(4)")
    assert torch.allclose(
        result, on_planes(lambda plane: ndimage.uniform_filter1d(plane, 11, 1, mode="mirror"), images), atol=1e-5
    )
    assert torch.allclose(result, motion_blur(images, 11, 0.0, 0.0, "reflect", "bilinear"), atol=1e-4), "kornia"
    down = on_planes(lambda plane: ndimage.uniform_filter1d(plane, 11, 0, mode="mirror"), images)
    assert torch.allclose(corrupt(images, "motion_y(4)"), down, atol=1e-5)
    ends = torch.zeros(1, 3, 8, SIDE)
    ends[..., 50] = 1
    row = corrupt(torch.nn.functional.pad(ends, (0, 0, 52, 52)), "motion_x(3)")[0, 0, 56]
    expected = torch.tensor([0.75, 1, 1, 1, 1, 1, 1, 1, 0.75]) / 8.5
    assert torch.allclose(row[46:55], expected, atol=1e-6) and row.sum() == pytest.approx(1)


def test_zooms_end_where_hendrycks_and_dietterichs_do():
    steps = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))
    assert blurs.ZOOMS == pytest.approx([1.0, *(np.arange(1, end, step)[-1] for end, step in steps)])


def test_a_zoom_is_the_mean_of_enlarged_pictures():
    images = photographs()
    zooms = 1 + 0.2 * np.linspace(0, 1, 11)
    centre = (SIDE - 1) / 2

    def zoomed(plane):
        own = [
            ndimage.affine_transform(plane, np.eye(2) / z, [centre * (1 - 1 / z)] * 2, order=1, mode="nearest")
            for z in zooms
        ]
        return np.mean(own, 0)

    assert torch.allclose(corrupt(images, "zoom_blur(3)"), on_planes(zoomed, images), atol=1e-4)


def test_a_gaussian_blur_is_scipys_and_torchvisions():
    images = photographs()
    for severity, sigma in ((1, 0.5), (5, 3.0)):
        result = corrupt(images, f"gaussian_blur({severity})")
        assert torch.allclose(
            result, on_planes(lambda plane: ndimage.gaussian_filter(plane, sigma, mode="mirror"), images), atol=2e-4
        )
        assert torch.allclose(result, gaussian_blur(images, [2 * int(4 * sigma + 0.5) + 1] * 2, [sigma] * 2), atol=2e-4)


def test_light_and_air_by_hand():
    images = photographs()
    assert torch.allclose(corrupt(images, "fog(3)"), 0.5 * images + 0.45)
    mean = images.numpy().mean((2, 3), keepdims=True)
    assert np.allclose(corrupt(images, "contrast(2)").numpy(), mean + 0.3 * (images.numpy() - mean), atol=1e-6)
    grey = images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    assert torch.allclose(corrupt(grey, "contrast(1)"), adjust_contrast(grey, 0.4), atol=1e-3)
    flashed = corrupt(torch.full((1, 3, 64, 64), 0.3), "flash(4)")[0, 0]
    y, x = np.mgrid[-63:64:2, -63:64:2] / 64
    assert np.allclose(flashed, 0.3 * (0.5 + 1 / (1 + x**2 + y**2) ** 2), atol=1e-5)


def test_brightness_is_raised_in_hsv():
    images = photographs()
    hsv = rgb2hsv(images.permute(0, 2, 3, 1).numpy())
    hsv[..., 2] = np.clip(hsv[..., 2] + 0.3, 0, 1)
    expected = torch.from_numpy(hsv2rgb(hsv)).permute(0, 3, 1, 2).float()
    assert torch.allclose(corrupt(images, "brightness(3)"), expected, atol=1e-5)
    assert torch.allclose(corrupt(torch.zeros(1, 3, 4, 4), "brightness(2)"), torch.tensor(0.2))


def test_noise_has_the_deviation_it_says_and_a_seed():
    flat = torch.full((2, 3, 200, 200), 0.5)
    noise = corrupt(flat, "gaussian_noise(2)", seed=4) - flat
    assert noise.std().item() == pytest.approx(0.12, rel=0.01) and noise.mean().abs() < 0.001
    assert (noise[0] - noise[1]).abs().mean() > 0.05, "every picture has its own"
    assert torch.equal(corrupt(flat[:1], "gaussian_noise(2)", seed=[5]) - flat[:1], noise[1:])
    assert torch.equal(corrupt(flat, "gaussian_noise(2)", seed=4) - flat, noise)
    assert not torch.equal(corrupt(flat, "gaussian_noise(2)", seed=6) - flat, noise)


@pytest.mark.parametrize("level", [0.2, 0.5, 0.8])
def test_sensor_noise_varies_as_poissons(level):
    """numpy's Poisson variates of 25 electrons at white, and 0.02 of reading."""
    flat = torch.full((1, 3, 300, 300), level)
    noisy = corrupt(flat, "sensor_noise(2)", seed=1)
    expected = default_rng(0).poisson(25 * level, flat.shape) / 25 + default_rng(1).normal(0, 0.02, flat.shape)
    assert noisy.std().item() == pytest.approx(np.clip(expected, 0, 1).std(), rel=0.04)
    assert noisy.mean().item() == pytest.approx(np.clip(expected, 0, 1).mean(), abs=0.01)


def test_in_low_light_the_picture_gets_darker_and_the_noise_does_not():
    flat = torch.full((1, 3, 300, 300), 0.5)
    for severity, exposure in ((1, 0.6), (5, 0.12)):
        dark = corrupt(flat, f"low_light({severity})", seed=3)
        assert dark.mean().item() == pytest.approx(0.5 * exposure, rel=0.01)
        assert dark.var().item() == pytest.approx(0.5 * exposure / 200 + 0.01**2, rel=0.03)


def test_colours_are_rounded_to_even_steps():
    ramp = torch.linspace(0, 1, 256).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert corrupt(ramp, "colour_quantisation(5)").unique().tolist() == [0, 1]
    third = corrupt(ramp, "colour_quantisation(4)")
    assert np.allclose(third.unique(), [0, 1 / 3, 2 / 3, 1]) and (third - ramp).abs().max() <= 1 / 6 + 1e-6
    assert third.mean().item() == pytest.approx(0.5, abs=1e-3), "a picture gets no darker, as where bits are cut off"


@pytest.mark.parametrize("severity, quality", [(1, 25), (3, 15), (5, 7)])
@pytest.mark.parametrize("size", [(112, 112), (97, 75)])
def test_jpeg_is_pillows(severity, quality, size):
    images = (photographs(3)[..., : size[0], : size[1]] * 255).round() / 255
    expected = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray((255 * image).round().byte().permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
        expected.append(torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) / 255)
    expected = torch.stack(expected)
    differences = (corrupt(images, f"jpeg({severity})") - expected).abs() * 255
    assert differences.mean() < 0.6 < 5 < (images - expected).abs().mean() * 255
    assert (differences > 3).float().mean() < 0.04


@pytest.mark.parametrize("name", WITH_DEPTH)
@pytest.mark.parametrize("depth", [0.5, 4.0])
def test_where_all_depths_are_equal_a_corruption_is_its_twin(name, depth):
    images = photographs()
    for severity in (1, 3, 5):
        with_depth = corrupt(images, f"{name}({severity})", **given(name, images, depth))
        twin = corrupt(images, f"{CORRUPTIONS[name].twin}({severity})")
        assert torch.allclose(with_depth, twin, atol=2e-6)


def stepped(near, far):
    """A noisy picture, the left half of which is near."""
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    depth = torch.full((1, 64, 96), far)
    depth[..., :48] = near
    return images, depth


def halves(images):
    """The variation of the left and of the right half, away from where they meet."""
    return images[..., 8:32].std().item(), images[..., 64:88].std().item()


@pytest.mark.parametrize(
    "name, weaker", [("near_focus", 0), ("far_focus", 1), ("xy_motion", 1), ("z_motion", 1), ("fog_3d", 0)]
)
def test_depth_says_where_it_is_strong(name, weaker):
    images, depth = stepped(2.0, 3.0)
    left = halves(corrupt(images, f"{name}(3)", depth=depth))
    assert left[weaker] > 1.15 * left[1 - weaker]


def test_depth_by_hand():
    images, depth = stepped(2.0, 4.0)  # a mean of 3: 1.5 and 0.75 times as near
    foggy = corrupt(images, "fog_3d(3)", depth=depth)
    assert torch.allclose(foggy[..., :48], 0.9 + (images[..., :48] - 0.9) * 0.5 ** (2 / 3))
    assert torch.allclose(foggy[..., 48:], 0.9 + (images[..., 48:] - 0.9) * 0.5 ** (4 / 3))
    plain, lit = corrupt(images * 0.2, "flash(4)"), corrupt(images * 0.2, "flash_3d(4)", depth=depth)
    without = images * 0.2 * 0.5
    assert torch.allclose((lit - without)[..., :48], 2.25 * (plain - without)[..., :48], atol=1e-5)
    moved = corrupt(images, "xy_motion(2)", depth=depth)  # 10 pixels at the mean depth, 7.5 to the right
    between = (blurs.motion_x(images, 5 / 6) + blurs.motion_x(images, 2)) / 2  # of 5 and of 10 pixels
    assert torch.allclose(moved[..., 48:], between[..., 48:], atol=1e-5)


def test_the_focus_is_where_it_says():
    """Near: at 1 / 1.25 of the mean depth, far: at 1 / 0.75 of it."""
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    depth = torch.full((1, 64, 96), 4.0)
    depth[..., :24], depth[..., 24:48] = 3.2, 4.8
    assert depth.mean() == 4
    assert torch.equal(corrupt(images, "near_focus(5)", depth=depth)[..., :24], images[..., :24])
    depth[..., :24], depth[..., 24:48] = 4 / 0.75, 8 - 4 / 0.75
    assert torch.allclose(corrupt(images, "far_focus(5)", depth=depth)[..., :24], images[..., :24], atol=1e-4)


def test_depths_of_the_renderer_are_taken():
    setting = replace(draw_setting(EVALUATION[0], 3), camera=Camera(0.6, 1.0, perspective=True), lift=10.0)
    view = setting.shoot(64)
    images, depth = torch.from_numpy(view.image).permute(2, 0, 1)[None], torch.from_numpy(view.depth)[None]
    for name in WITH_DEPTH:
        difference = corrupt(images, f"{name}(3)", depth=depth) - corrupt(images, f"{CORRUPTIONS[name].twin}(3)")
        assert 0.0005 < difference.abs().mean() < 0.2, "it does something that its twin does not"


def test_a_parameter_is_linear_between_severities():
    values = at_severity(blurs.RADII, torch.tensor([0.0, 0.5, 1.0, 2.5, 5.0]), torch.zeros(5, 3, 4, 4))
    assert values.flatten().tolist() == [0, 1.5, 3, 5, 10]


def test_lengths_grow_with_the_picture():
    small = photographs()
    large = small.repeat_interleave(2, -1).repeat_interleave(2, -2)
    again = torch.nn.functional.avg_pool2d(corrupt(large, "defocus(4)"), 2)
    assert (again - corrupt(small, "defocus(4)")).abs().mean() < 0.004 < (small - again).abs().mean()


@pytest.mark.parametrize(
    "corruption, words",
    [
        ("defocus(6)", "Expected a severity of 1, 2, 3, 4 or 5 for 'defocus', got 6."),
        ("defocus(0)", "got 0."),
        ("defocus(-1)", "got -1."),
        ("defocus(2.5)", "got 2.5."),
        ("defocus()", "got none."),
        ("defocus", r"Expected a severity of 'defocus', 1 to 5, such as 'defocus\(3\)'; got 'defocus'."),
        ("near_focus(2)", "Expected the depth of every pixel, got pictures without"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(corruption, words):
    with pytest.raises(ValueError, match=words):
        corrupt(torch.rand(1, 3, 16, 16), corruption)


def test_other_bad_input():
    images = torch.rand(2, 3, 16, 16)
    with pytest.raises(UnknownNameError, match="Did you mean 'defocus'"):
        corrupt(images, "defocs(3)")
    with pytest.raises(ValueError, match="Expected no depth for 'fog'"):
        corrupt(images, "fog(3)", depth=torch.ones(2, 16, 16))
    for depth in (torch.zeros(2, 16, 16), torch.full((2, 16, 16), torch.inf)):
        with pytest.raises(ValueError, match="positive and finite"):
            corrupt(images, "fog_3d(3)", depth=depth)
    with pytest.raises(ValueError, match="one for each of 2 images, got 3 seeds"):
        corrupt(images, "gaussian_noise(3)", seed=[1, 2, 3])
    with pytest.raises(ValueError, match=r"Expected a fog in \[0, 5\] severity, got 6"):
        check_amount("fog", 6)
    assert named("fog") is CORRUPTIONS["fog"] and spelled(" fog ( 4 ) ") == (CORRUPTIONS["fog"], 4)
    assert named("rotation") is zsas.PERTURBATIONS["rotation"]


def test_a_perturbation_of_the_same_name_comes_first(monkeypatch):
    monkeypatch.setitem(zsas.PERTURBATIONS, "brightness", BRIGHTNESS)
    assert named("brightness") is BRIGHTNESS


def test_tables_stand_where_they_are_told():
    assert CORRUPTIONS["jpeg"].values is sensor.QUALITIES and CORRUPTIONS["fog_3d"].values is illumination.TRANSMISSIONS
