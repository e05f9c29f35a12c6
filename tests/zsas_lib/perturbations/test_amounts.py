"""Amounts as people write them: numbers, lists, arrays and tensors of any precision mean the same."""

import math

import numpy as np
import pytest
import torch

import zsas_lib as zsas
from zsas_lib.perturbations.amounts import as_amount
from zsas_lib.perturbations.corruptions import CORRUPTIONS
from zsas_lib.perturbations.rotation import coverage, rotate_masks

pytestmark = pytest.mark.usefixtures("unchecked_types")
IMAGES = torch.rand(3, 3, 30, 31, generator=torch.Generator().manual_seed(0))
GIVEN = [1.0, 20.0, 0.0]
KINDS = {"list": list, "tuple": tuple, "array": np.array, "half": lambda own: torch.tensor(own, dtype=torch.bfloat16)}
FUNCTIONS = {
    "rotate": zsas.rotate,
    "derotate": lambda images, amount: zsas.derotate(images[:, 0], amount),
    "hue": zsas.shift_hue,
    "saturation": lambda images, amount: zsas.shift_saturation(images, amount),
    "perturb": lambda images, amount: zsas.perturb(images, degrees=amount, hue=amount),
    "fog": lambda images, amount: CORRUPTIONS["fog"].apply(images, np.array(amount) / 10),
}


@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_lists_and_arrays_are_amounts_with_gradients_and_without(function, kind, wanted):
    if function == "fog" and kind == "half":
        pytest.skip("numpy has no bfloat16")
    images = IMAGES.clone().requires_grad_(wanted)
    found = FUNCTIONS[function](images, KINDS[kind](GIVEN))
    expected = FUNCTIONS[function](images, torch.tensor(GIVEN) if function != "fog" else GIVEN)
    assert found.shape == expected.shape and len(found) == 3
    torch.testing.assert_close(found.detach(), expected.detach(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
def test_masks_regions_and_coverage_turn_as_pictures_do_whatever_the_angle_is_written_in(dtype):
    masks = torch.rand(1, 239, 301, generator=torch.Generator().manual_seed(0)) > 0.5
    angle = torch.tensor([33], dtype=dtype)  # exact in all of them
    assert torch.equal(rotate_masks(masks, angle), rotate_masks(masks, 33.0))
    assert torch.equal(zsas.valid_region(angle, 239, 301)[0], zsas.valid_region(33.0, 239, 301))
    assert torch.equal(coverage([33.0], 20, 30)[0], coverage(33.0, 20, 30))


def test_an_amount_stays_a_number_where_it_is_one():
    assert as_amount(0) == 0 and isinstance(as_amount(0), int)
    assert torch.equal(as_amount([1, 2.5]), torch.tensor([1, 2.5]))
    with pytest.raises(ValueError, match="Expected one amount for all of 3 images, or one each, got 2"):
        as_amount([1, 2], 3)
    with pytest.raises(ValueError, match="Expected a number as an amount"):
        as_amount("ten")


@pytest.mark.parametrize("severity", [-1, 5.5, 20, math.nan, [1, 2, 6]])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severities_that_are_none_are_refused(name, severity):
    depth = {"depth": torch.ones(3, 30, 31)} if CORRUPTIONS[name].takes_depth else {}
    with pytest.raises(ValueError, match=r"Expected severities in \[0, 5\], got"):
        CORRUPTIONS[name].apply(IMAGES, severity, **depth)


def test_brightness_raises_what_is_nearly_black_too():
    nearly = torch.tensor([0.0, 1e-8, 1e-7, 1e-6, 1e-3]).reshape(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert zsas.corrupt(nearly, "brightness(3)")[0, 0, 0].tolist() == pytest.approx(
        [0.3, 0.3, 0.3, 0.3, 0.301], abs=2e-6
    )


def test_noise_has_seeds_of_numpys_kind():
    expected = zsas.corrupt(IMAGES, "gaussian_noise(2)", seed=1)
    assert torch.equal(zsas.corrupt(IMAGES, "gaussian_noise(2)", seed=np.int64(1)), expected)
    assert torch.equal(zsas.corrupt(IMAGES, "gaussian_noise(2)", seed=np.arange(1, 4)), expected)


def test_depths_are_tensors():
    with pytest.raises(ValueError, match="as a torch.Tensor, got ndarray"):
        CORRUPTIONS["fog_3d"].apply(IMAGES, 1, depth=np.ones((3, 30, 31)))


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("shape", [(1, 6), (6, 1)])
def test_a_row_or_a_column_of_amounts_is_one_for_each_image_with_a_gradient_too(shape):
    """Of pictures so large that they are perturbed a few at a time."""
    images = torch.rand(6, 3, 320, 320, generator=torch.Generator().manual_seed(0))
    amounts = torch.linspace(-1, 1, 6)
    for function in (zsas.rotate, zsas.shift_hue, zsas.shift_saturation):
        expected = function(images, amounts)
        found = function(images.clone().requires_grad_(), amounts.reshape(shape)).detach()
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    masks = images[:, 0] > 0.5
    assert torch.equal(rotate_masks(masks, amounts.reshape(shape)), rotate_masks(masks, amounts))
