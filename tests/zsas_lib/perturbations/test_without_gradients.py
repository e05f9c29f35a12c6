"""What is turned and shifted without gradients equals what gradients are taken of, and is more exact."""

import math

import pytest
import torch

from zsas_lib.perturbations import perturb
from zsas_lib.perturbations.colour import GREY, shift_hsv
from zsas_lib.perturbations.rotation import derotate, rotate

SHAPES = [(24, 24), (25, 25), (20, 33), (33, 20), (21, 40), (1, 7)]
ANGLES = torch.tensor([0.0, 3.0, -30.0, 45.0, 77.0, -90.0, 200.0, 725.0])


def noise(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def differentiable(function, planes, *amounts, **options):
    return function(planes.clone().requires_grad_(), *amounts, **options).detach()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fill", ["replicate", "zero"])
def test_turning_equals_the_steps_that_gradients_are_taken_of(shape, fill):
    images, maps = noise(len(ANGLES), 3, *shape), 5 * noise(len(ANGLES), *shape) - 2
    angles = ANGLES.double()
    for function, planes in ((rotate, images), (derotate, maps)):
        expected = differentiable(function, planes, angles, fill=fill)
        torch.testing.assert_close(function(planes, angles, fill=fill), expected, atol=1e-11, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_turned_by_0_planes_are_the_same_to_the_last_digit_and_their_gradients_those_of_a_turn(dtype):
    angles = torch.tensor([0.0, 30.0], dtype=dtype)
    images, maps = noise(2, 3, 20, 33, dtype=dtype), 5 * noise(2, 20, 33, dtype=dtype) - 2
    for function, planes, fill in ((rotate, images, "replicate"), (derotate, maps, "zero")):
        for found in (function(planes, angles, fill=fill), differentiable(function, planes, angles, fill=fill)):
            assert torch.equal(found[0], planes[0]) and not torch.equal(found[1], planes[1])
        weights, slopes = noise(*planes.shape, dtype=dtype), []
        for degrees in (0.0, 1e-6):
            angle, at = torch.tensor([degrees], dtype=dtype, requires_grad=True), planes[:1].clone().requires_grad_()
            (function(at, angle, fill="replicate") * weights[:1]).sum().backward()
            slopes.append(torch.cat([angle.grad, at.grad.flatten()]))
        torch.testing.assert_close(*slopes, atol=1e-3, rtol=0)


@pytest.mark.parametrize("angle", [math.nan, math.inf])
def test_an_angle_that_is_no_number_spoils_no_other_picture(angle):
    images, angles = noise(3, 3, 20, 33), torch.tensor([30.0, angle, 30.0], dtype=torch.float64)
    for found in (rotate(images, angles), differentiable(rotate, images, angles)):
        assert found[1].isnan().all() and found[::2].isfinite().all()
    maps = derotate(images[:, 0], angles)
    assert maps[1].isnan().all() and torch.equal(maps[2], derotate(images[2:, 0], 30.0)[0])


@pytest.fixture
def threads_again():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads_again")
def test_however_many_threads_share_the_pictures_they_are_turned_alike_and_torch_keeps_its_threads():
    images, found = noise(len(ANGLES), 3, 20, 33, dtype=torch.float32), []
    for threads in (1, 2, 3, 2 * len(ANGLES)):
        torch.set_num_threads(threads)
        found.append((rotate(images, ANGLES), derotate(images[:, 0], ANGLES)))
        assert torch.get_num_threads() == threads
    for own in found[1:]:
        assert all(map(torch.equal, own, found[0]))


@pytest.mark.slow
def test_many_channels_of_a_large_picture_are_turned_in_parts():
    images = noise(1, 5, 300, 260)
    torch.testing.assert_close(rotate(images, 40.0), differentiable(rotate, images, 40.0), atol=1e-11, rtol=0)


def test_single_precision_is_nearer_the_exact_turn_than_with_float32_angles():
    images, angles = noise(4, 3, 96, 96), torch.tensor([10.0, 30.0, 44.0, -40.0])
    exact = rotate(images, angles.double())
    ours = (rotate(images.float(), angles) - exact).abs().max()
    theirs = (differentiable(rotate, images.float(), angles) - exact).abs().max()
    assert ours < 2e-6 and ours < theirs


def test_the_rim_of_a_turned_map_is_zero_where_it_is_exactly():
    maps, angles = torch.ones(8, 120, 120), torch.linspace(-80, 80, 8)
    exact = derotate(maps.double(), angles.double()) == 0
    assert ((derotate(maps, angles) == 0) == exact).all()


@pytest.mark.parametrize("hue", [-math.pi, -1.0, 0.0, 0.3, 2.0, math.pi])
@pytest.mark.parametrize("saturation", [-0.5, 0.0, 0.4])
def test_shifted_colours_equal_those_that_gradients_are_taken_of(hue, saturation):
    images = noise(3, 3, 40, 50)
    images[0, :, :10] = images[0, :1, :10]  # grey
    images[0, :, :10, :5] = 0.0
    images[0, 0, :5] += GREY / 2  # almost
    images[1] = (images[1] * 3).round() / 3  # ties, all corners of the cube
    amounts = torch.full((3,), hue, dtype=torch.float64), torch.tensor([saturation, 0.0, 0.1], dtype=torch.float64)
    kept = images.clone()
    found = shift_hsv(images, *amounts)
    torch.testing.assert_close(found, differentiable(shift_hsv, images, *amounts), atol=1e-9, rtol=0)
    assert torch.equal(images, kept)


def test_one_amount_serves_all_pictures():
    images = noise(3, 3, 9, 8)
    each = torch.full((3,), 0.5, dtype=torch.float64)
    torch.testing.assert_close(perturb(images, 20 * each, each, each / 2), perturb(images, 10.0, 0.5, 0.25))


def test_nothing_is_shifted_or_turned_of_an_empty_batch():
    assert perturb(torch.empty(0, 3, 8, 8), torch.empty(0), torch.empty(0)).shape == (0, 3, 8, 8)


def test_gradients_of_the_amounts_alone_are_taken():
    images, amounts = noise(2, 3, 16, 16), torch.full((2,), 0.3, dtype=torch.float64, requires_grad=True)
    perturb(images, amounts, amounts, amounts).sum().backward()
    assert amounts.grad.isfinite().all() and (amounts.grad != 0).all()
