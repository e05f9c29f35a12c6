import pytest
import torch
import torch.nn.functional as F

from zsas_lib.models.enlarged import enlarged


def by_torch(planes, size, corners_aligned):
    return F.interpolate(planes, size, mode="bilinear", align_corners=corners_aligned)


@pytest.mark.parametrize("corners_aligned", [False, True])
@pytest.mark.parametrize("old, new", [((4, 4), (24, 24)), ((3, 5), (16, 7)), ((6, 6), (3, 4)), ((1, 2), (5, 5))])
def test_planes_and_their_gradient_are_those_of_torch(old, new, corners_aligned):
    planes = torch.randn(2, 3, *old, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    above = torch.randn(2, 3, *new, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours, theirs = planes.clone().requires_grad_(), planes.clone().requires_grad_()
    found, expected = (
        enlarged(ours, new, corners_aligned=corners_aligned),
        by_torch(theirs, new, corners_aligned),
    )
    assert found.grad_fn.name() != expected.grad_fn.name()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found, ours, above), torch.autograd.grad(expected, theirs, above))


def test_what_is_not_differentiated_is_torchs_to_the_bit():
    planes = torch.rand(2, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(enlarged(planes, (30, 30)), by_torch(planes, (30, 30), False))
    with torch.no_grad():
        assert torch.equal(enlarged(planes.requires_grad_(), (30, 30)), by_torch(planes, (30, 30), False))


def test_other_types_and_autocast_are_left_to_torch():
    planes = torch.rand(2, 1, 5, 5, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    assert torch.equal(enlarged(planes, (20, 20)), by_torch(planes, (20, 20), False))
    with torch.autocast("cpu", torch.bfloat16):
        wide = planes.detach().float().requires_grad_()
        assert enlarged(wide, (20, 20)).dtype == torch.float32


def test_weights_made_in_inference_serve_a_gradient():
    with torch.inference_mode():
        enlarged(torch.rand(1, 1, 7, 7), (21, 21))
    planes = torch.rand(1, 1, 7, 7, requires_grad=True)
    with torch.inference_mode():
        enlarged(planes, (21, 21))
    enlarged(planes, (21, 21)).sum().backward()
    torch.testing.assert_close(planes.grad.sum(), torch.tensor(441.0))
