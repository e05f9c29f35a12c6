import pytest
import torch
from scipy.ndimage import gaussian_filter

from zsas_lib.perturbations.smoothing import gaussian_smoothed


@pytest.fixture
def planes():
    return torch.rand(3, 40, 57, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.49, 4.0, 12.0, 30.0])
def test_planes_are_smoothed_as_scipy_does_even_where_the_kernel_is_larger(planes, sigma):
    expected = torch.from_numpy(gaussian_filter(planes.numpy(), sigma, axes=(1, 2)))
    torch.testing.assert_close(gaussian_smoothed(planes, sigma), expected, atol=2e-6, rtol=0)


def test_no_smoothing_is_the_same_tensor(planes):
    assert gaussian_smoothed(planes, 0.0) is planes


def test_sums_and_constants_stay(planes):
    smoothed = gaussian_smoothed(planes.double(), 3.0)
    torch.testing.assert_close(smoothed.sum((1, 2)), planes.double().sum((1, 2)))
    torch.testing.assert_close(gaussian_smoothed(torch.full((1, 9, 9), 0.7), 5.0), torch.full((1, 9, 9), 0.7))


def test_gradient_is_the_smoothing_itself(planes):
    """Mirroring makes the filter its own transpose."""
    planes = planes.double().requires_grad_()
    weight = torch.rand(planes.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (gradient,) = torch.autograd.grad((gaussian_smoothed(planes, 2.0) * weight).sum(), planes)
    torch.testing.assert_close(gradient, gaussian_smoothed(weight, 2.0))
