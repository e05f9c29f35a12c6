"""Perturbations against rot90, closed forms, scipy, kornia, torch-rotation and colorsys."""

import colorsys
import math

import kornia
import numpy as np
import pytest
import torch
from scipy import ndimage
from torch_rotation import rotate_three_pass

from zsas_lib.base.errors import UnknownNameError
from zsas_lib.perturbations import RANGES, check_amount, colour, perturb, rotation
from zsas_lib.perturbations.colour import shift_hue, shift_saturation
from zsas_lib.perturbations.rotation import coverage, derotate, rotate, rotate_masks, valid_region

PLANE = (-2, -1)
SHAPES = [(40, 40), (41, 41), (40, 54), (40, 53), (53, 40)]


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def blobs(x, y):
    """A picture known at every point (right of, below the centre), flat towards its border; in [0.3, 0.75]."""
    return 0.3 + 0.4 * np.exp(-((x - 5) ** 2 + (y + 2) ** 2) / 18) + 0.2 * np.exp(-((x + 3) ** 2 + (y - 6) ** 2) / 10)


def grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(width) - (width - 1) / 2, (np.arange(height) - (height - 1) / 2)[:, None]


def source(degrees: float, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels of a picture turned clockwise come from."""
    x, y = grid(height, width)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return x * cos + y * sin, y * cos - x * sin


def picture(height: int = 40, width: int = 40) -> torch.Tensor:
    return torch.tensor(blobs(*grid(height, width)), dtype=torch.float32).expand(1, 3, -1, -1)


@pytest.mark.parametrize("size", [24, 25])
@pytest.mark.parametrize("quarters", [-5, -2, -1, 0, 1, 2, 3, 8])
def test_quarter_turns_are_exact_and_clockwise(size, quarters):
    images = noise(2, 3, size, size)
    torch.testing.assert_close(rotate(images, 90 * quarters), images.rot90(-quarters, PLANE), atol=2e-6, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_half_turn_of_any_shape_is_exact(shape):
    images = noise(2, 3, *shape)
    torch.testing.assert_close(rotate(images, 180), images.rot90(2, PLANE), atol=2e-6, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("degrees", [3.0, -30.0, 44.9, 45.0, 77.0, -90.0, 100.0, 200.0, 725.0])
def test_rotation_has_its_closed_form(shape, degrees):
    expected = torch.tensor(blobs(*source(degrees, *shape)), dtype=torch.float32)
    torch.testing.assert_close(rotate(picture(*shape), degrees)[0, 0], expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("degrees", [12.0, -50.0, 90.0])
def test_rotation_agrees_with_scipy(degrees):
    turned = ndimage.rotate(picture()[0, 0].numpy(), -degrees, reshape=False, order=5, mode="nearest")
    np.testing.assert_allclose(rotate(picture(), degrees)[0, 0].numpy(), turned, atol=1e-3)


@pytest.mark.parametrize("degrees", [12.0, -50.0, 90.0])
def test_rotation_agrees_with_kornia(degrees):
    smooth = torch.nn.functional.interpolate(picture(), scale_factor=4, mode="bicubic")
    turned = kornia.geometry.transform.rotate(smooth, torch.tensor([-degrees]), padding_mode="border")
    torch.testing.assert_close(rotate(smooth, degrees), turned, atol=4e-3, rtol=0)


@pytest.mark.parametrize("degrees", [12.0, -50.0, 89.0])
def test_rotation_agrees_with_torch_rotation_about_the_same_pixel(degrees):
    """Of 40 x 40 pixels it takes pixel 20 for the centre, half a pixel off; of 41 x 41 that is the true one."""
    images = picture(41, 41)
    angle = torch.tensor([-math.radians(degrees)])
    turned = rotate_three_pass(images[..., :40, :40].clone(), angle, padding_mode="replicate")
    torch.testing.assert_close(rotate(images, degrees)[..., :40, :40], turned, atol=1e-3, rtol=0)


@pytest.mark.parametrize("degrees", [20.0, 45.0, -70.0])
def test_corners_repeat_the_nearest_border_pixel(degrees):
    x, y = grid(60, 60)
    ramp = (0.5 + x / 200 + y / 150).astype(np.float32)
    from_x, from_y = (np.clip(origin, -29.5, 29.5) for origin in source(degrees, 60, 60))
    turned = rotate(torch.tensor(ramp).expand(1, 3, -1, -1), degrees)[0, 0].numpy()
    np.testing.assert_allclose(turned, 0.5 + from_x / 200 + from_y / 150, atol=2e-3)


def test_ends_of_rows_do_not_ring_into_each_other():
    """A row from black to white: the Fourier transform sees its two ends as neighbours."""
    ramp = torch.linspace(0.1, 0.9, 60).expand(1, 3, 60, 60)
    from_x, _ = source(20.0, 60, 60)
    turned = rotate(ramp, 20.0)[0, 0].numpy()
    np.testing.assert_allclose(turned[20:40, 20:40], (0.5 + 0.8 * from_x / 59)[20:40, 20:40], atol=1e-4)


@pytest.mark.parametrize("degrees", [-135, -90, -45, 0, 45, 90, 180])
def test_nothing_jumps(degrees):
    step = 1e-2
    before, at, after = (rotate(picture(), degrees + offset) for offset in (-step, 0, step))
    assert (before - at).abs().max() < 5e-4 and (after - at).abs().max() < 5e-4
    torch.testing.assert_close(before + after, 2 * at, atol=2e-5, rtol=0)


def test_angles_have_period_360():
    torch.testing.assert_close(rotate(picture(), 30.0 - 720), rotate(picture(), 30.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("degrees", [17.0, 45.0, -88.0])
def test_rotation_there_and_back_is_the_identity(degrees):
    images = picture(41, 60)
    torch.testing.assert_close(rotate(rotate(images, degrees), -degrees), images, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(30, 30), (24, 31)])
def test_each_image_of_a_batch_turns_by_its_own_angle(shape):
    images, degrees = noise(5, 3, *shape), torch.tensor([0.0, 30.0, 80.0, -91.0, 180.0])
    alone = [rotate(image[None], float(angle)) for image, angle in zip(images, degrees)]
    torch.testing.assert_close(rotate(images, degrees), torch.cat(alone))


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [-70.0, 10.0, 90.0])
def test_gradients_of_the_rotation_are_right(degrees):
    images = (0.3 + 0.4 * noise(2, 1, 5, 4, dtype=torch.float64)).requires_grad_()
    angles = torch.tensor([degrees, 20.0], dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(rotation._turn, (images, angles))
    one_angle = torch.tensor(degrees, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(rotation._turn, (images[:, :, :3, :4].detach().requires_grad_(), one_angle))


def test_rotation_clips_once_and_lets_gradients_through():
    images = (noise(1, 3, 30, 30) > 0.5).float().requires_grad_()
    degrees, weight = torch.tensor([25.0], requires_grad=True), noise(1, 3, 30, 30, seed=1)
    turned, plain = rotate(images, degrees), rotation._turn(images, degrees)
    assert turned.min() == 0 and turned.max() == 1 and plain.min() < -0.01 and plain.max() > 1.01
    torch.testing.assert_close(turned, plain.clamp(0, 1))
    clipped, unclipped = (torch.autograd.grad((out * weight).sum(), (images, degrees)) for out in (turned, plain))
    torch.testing.assert_close(clipped, unclipped)


@pytest.mark.parametrize("degrees", [30.0, 120.0])
def test_inputs_stay_as_they_are(degrees):
    logits = noise(2, 3, 12, 12).requires_grad_()
    images, angles = logits.sigmoid(), torch.tensor([degrees, -degrees], requires_grad=True)
    before = images.detach().clone()
    rotate(images, angles).sum().backward()
    assert torch.equal(images, before) and angles.tolist() == [degrees, -degrees]
    assert logits.grad.abs().sum() > 0 and angles.grad.isfinite().all()


@pytest.mark.parametrize("degrees", [10.0, 30.0, 45.0, 90.0, -60.0])
def test_extrapolated_share_has_its_closed_form(degrees):
    angle = math.radians(degrees)
    corners = 1 - 2 / (1 + abs(math.sin(angle)) + abs(math.cos(angle)))
    assert (~valid_region(degrees, 240, 240)).float().mean() == pytest.approx(corners, abs=1e-3)


def test_coverage_is_one_inside_zero_outside_and_differentiable():
    from_x, from_y = source(30.0, 40, 61)
    outside = np.maximum(np.abs(from_x) - 30.5, np.abs(from_y) - 20)
    share = coverage(30.0, 40, 61).numpy()
    assert (share[outside < -0.51] == 1).all() and (share[outside > 0.51] == 0).all()
    np.testing.assert_array_equal(valid_region(30.0, 40, 61).numpy(), outside <= 0)
    angle = torch.tensor(33.3, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda angle: coverage(angle, 9, 8), angle)


def test_regions_of_several_angles_are_stacked():
    angles = torch.tensor([0.0, 30.0, 90.0])
    regions = valid_region(angles, 20, 30)
    assert regions.shape == (3, 20, 30) and regions[0].all()
    assert torch.equal(regions[1], valid_region(30.0, 20, 30))


def test_zero_fill_empties_what_replicate_continues():
    images, degrees = 0.5 + 0.3 * noise(2, 3, 40, 40), torch.tensor([45.0, -20.0])
    zero, replicate = rotate(images, degrees, fill="zero"), rotate(images, degrees)
    share = coverage(degrees, 40, 40)[:, None].expand_as(images)
    assert (zero[share == 0] == 0).all() and torch.equal(zero[share == 1], replicate[share == 1])


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("gradient", [False, True])
def test_another_fill_is_refused_with_a_gradient_and_without(gradient):
    images = torch.rand(1, 3, 8, 8, requires_grad=gradient)
    with pytest.raises(UnknownNameError, match="fill 'zeros'; known: replicate, zero. Did you mean 'zero'"):
        rotate(images, 45, fill="zeros")
    with pytest.raises(UnknownNameError, match="fill 'reflect'"):
        derotate(images[:, 0], 45, fill="reflect")


def test_derotation_undoes_rotation_where_the_map_is_valid():
    upright = picture(60, 60)[:, 0].expand(2, -1, -1)
    degrees = torch.tensor([30.0, -75.0])
    turned = rotate(upright[:, None], degrees)[:, 0]
    back, valid = derotate(turned, degrees), valid_region(-degrees, 60, 60)
    inside = coverage(-degrees, 60, 60) == 1
    torch.testing.assert_close(back[inside], upright[inside], atol=1e-4, rtol=0)
    assert back[~valid].max() <= 0.5 * upright.max() and (back[coverage(-degrees, 60, 60) == 0] == 0).all()
    torch.testing.assert_close(derotate(turned, degrees, fill="replicate"), upright, atol=1e-3, rtol=0)


def test_derotated_maps_keep_their_range():
    maps = torch.stack([torch.full((20, 20), 7.0), (noise(20, 20) > 0.5).float() * 5 - 3])
    back = derotate(maps, 33.0, fill="replicate")
    torch.testing.assert_close(back[0], maps[0])
    assert back[1].min() >= -3 and back[1].max() <= 2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("degrees", [0.0, 31.0, -58.0, 180.0])
def test_masks_turn_with_the_images(shape, degrees):
    masks = noise(2, *shape) > 0.7
    x, y = source(degrees, *shape)
    column, row = np.rint(x + (shape[1] - 1) / 2 + 1e-5), np.rint(y + (shape[0] - 1) / 2 + 1e-5)
    padded = np.pad(masks.numpy(), ((0, 0), (40, 40), (40, 40)))
    expected = padded[:, row.astype(int) + 40, column.astype(int) + 40]
    assert (rotate_masks(masks, degrees).numpy() != expected).mean() < 1e-2
    assert torch.equal(rotate_masks(masks, torch.tensor([degrees, 0.0]))[1], masks[1])


def test_masks_turn_exactly_by_quarters():
    masks = noise(2, 24, 24) > 0.7
    assert torch.equal(rotate_masks(masks, 90.0), masks.rot90(-1, PLANE))


def colorsys_shifted(images: torch.Tensor, hue: float, saturation: float) -> np.ndarray:
    def shifted(pixel):
        h, s, v = colorsys.rgb_to_hsv(*pixel)
        return colorsys.hsv_to_rgb((h + hue / (2 * math.pi)) % 1, min(max(s + saturation, 0), 1), v)

    return np.apply_along_axis(shifted, 1, images.double().numpy())


@pytest.mark.parametrize("hue, saturation", [(0.7, 0), (-3.0, 0), (9.0, 0), (0, 0.3), (0, -0.4), (2.0, 0.5)])
def test_colour_shifts_agree_with_colorsys(hue, saturation):
    images = noise(2, 3, 12, 12)
    images[0, :, 0] = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]).T.repeat(1, 3)
    shifted = perturb(images, 0, hue, saturation)
    np.testing.assert_allclose(shifted.numpy(), colorsys_shifted(images, hue, saturation), atol=1e-5)
    if saturation == 0:
        torch.testing.assert_close(shift_hue(images, hue), shifted)
    if hue == 0:
        torch.testing.assert_close(shift_saturation(images, saturation), shifted)


def test_hue_wraps_and_shifts_back():
    images = noise(2, 3, 12, 12)
    for turns in (1, -1, 3):
        torch.testing.assert_close(shift_hue(images, 2 * math.pi * turns), images, atol=1e-5, rtol=0)
    torch.testing.assert_close(shift_hue(shift_hue(images, 1.2), -1.2), images, atol=1e-5, rtol=0)


def test_grey_has_no_hue_and_saturates_to_red():
    grey = torch.linspace(0, 1, 16).expand(1, 3, 4, 16).contiguous()
    torch.testing.assert_close(shift_hue(grey, 2.0), grey)
    torch.testing.assert_close(shift_saturation(grey, -0.3), grey)
    red = shift_saturation(grey, 0.25)
    torch.testing.assert_close(red[:, 0], grey[:, 0])
    torch.testing.assert_close(red[:, 1:], 0.75 * grey[:, 1:])


@pytest.mark.parametrize("hue, saturation", [(0.7, 0.0), (0.0, 0.3), (1.0, 0.5), (1.0, -0.5), (0.0, 0.0)])
def test_gradients_stay_finite_near_grey_and_black(hue, saturation):
    spread = torch.logspace(-12, -1, 48) * torch.randn(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    level = torch.cat([torch.logspace(-40, -1, 24), torch.linspace(0, 1, 24)])[:, None]
    images = (level + spread).clamp(0, 1).requires_grad_()
    hue, saturation = (torch.tensor([amount], requires_grad=True) for amount in (hue, saturation))
    shifted = perturb(images, 0, hue, saturation)
    of_images, of_hue, of_saturation = torch.autograd.grad(shifted.sum(), (images, hue, saturation))
    assert shifted.min() >= 0 and shifted.max() <= 1
    assert of_images.abs().max() < 4 * colour.HUE_GAIN
    assert of_hue.isfinite().all() and of_saturation.isfinite().all()


@pytest.mark.slow
def test_gradients_of_the_colour_shifts_are_right():
    images = noise(2, 3, 3, 3, dtype=torch.float64).requires_grad_()
    hue = torch.tensor([0.4, -2.0], dtype=torch.float64, requires_grad=True)
    down = torch.tensor([-0.01, -0.02], dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda *given: perturb(given[0], 0, *given[1:]), (images, hue, down))


def test_saturation_clips_straight_through():
    images = torch.tensor([0.9, 0.2, 0.1]).view(1, 3, 1, 1)
    shift = torch.tensor([0.5], requires_grad=True)
    shifted = shift_saturation(images, shift)
    torch.testing.assert_close(shifted.flatten(), torch.tensor([0.9, 0.9 * 0.125, 0.0]))
    (gradient,) = torch.autograd.grad(shifted.sum(), shift)
    assert gradient.item() == pytest.approx(-0.9 * (1 + 0.875))


def test_perturb_turns_first_and_leaves_zeros_out():
    images = noise(2, 3, 20, 20)
    assert perturb(images) is images
    assert torch.equal(perturb(images, degrees=20), rotate(images, 20))
    turned = rotate(images, 20)
    one_by_one = shift_saturation(shift_hue(turned, 1.0), 0.2)
    torch.testing.assert_close(perturb(images, 20, 1.0, 0.2), one_by_one, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "perturbation, amount", [("rotation", 91), ("hue", -3.2), ("saturation", 0.6), ("hue", math.nan)]
)
def test_amounts_outside_their_range_are_refused(perturbation, amount):
    low, high, unit = RANGES[perturbation]
    with pytest.raises(ValueError, match=rf"{perturbation} in \[{low:g}, {high:g}\] {unit}, got {amount:g}"):
        check_amount(perturbation, amount)
    check_amount(perturbation, low)
    check_amount(perturbation, float(np.float32(high)))


def test_unknown_perturbation_is_named():
    with pytest.raises(UnknownNameError, match="rotations.*Did you mean 'rotation'"):
        check_amount("rotations", 0.0)


@pytest.mark.gpu
def test_gpu_agrees_with_cpu():
    images, degrees = noise(3, 3, 40, 40), torch.tensor([10.0, -50.0, 90.0])
    turned = perturb(images.cuda(), degrees.cuda(), 1.0, 0.2).cpu()
    torch.testing.assert_close(turned, perturb(images, degrees, 1.0, 0.2), atol=1e-4, rtol=0)
    upright = derotate(images[:, 0].cuda(), 30.0).cpu()
    torch.testing.assert_close(upright, derotate(images[:, 0], 30.0), atol=1e-4, rtol=0)
