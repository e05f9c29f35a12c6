import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zsas_lib.losses import dice_loss, focal_loss


def focal_by_loops(probabilities, masks):
    losses = []
    for p, y in zip(probabilities.flatten().tolist(), masks.flatten().tolist()):
        smoothed = (1 - 1e-5, 1e-5) if y else (1e-5, 1 - 1e-5)
        likely = smoothed[0] * p + smoothed[1] * (1 - p) + 1e-5
        losses.append(-((1 - likely) ** 2) * math.log(likely))
    return sum(losses) / len(losses)


def dice_by_loops(probabilities, masks):
    losses = []
    for image, mask in zip(probabilities.tolist(), masks.tolist()):
        pixels = [(p, y) for row, labels in zip(image, mask) for p, y in zip(row, labels)]
        both = sum(p for p, y in pixels if y)
        losses.append(1 - (2 * both + 1) / (sum(p for p, _ in pixels) + sum(y for _, y in pixels) + 1))
    return sum(losses) / len(losses)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.integers(1, 3), st.sampled_from([0.0, 0.2, 1.0]))
def test_losses_equal_loops(seed, batch, share):
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.rand(batch, 4, 5, generator=generator, dtype=torch.float64)
    masks = torch.rand(batch, 4, 5, generator=generator) < share
    assert focal_loss(probabilities, masks).item() == pytest.approx(focal_by_loops(probabilities, masks), rel=1e-9)
    assert dice_loss(probabilities, masks).item() == pytest.approx(dice_by_loops(probabilities, masks), rel=1e-9)


def test_focal_loss_of_a_coin_and_of_certainty():
    masks = torch.rand(2, 6, 6, generator=torch.Generator().manual_seed(0)) < 0.5
    assert focal_loss(torch.full((2, 6, 6), 0.5), masks).item() == pytest.approx(math.log(2) / 4, rel=1e-4)
    assert abs(focal_loss(masks.float(), masks).item()) < 1e-9
    assert focal_loss((~masks).float(), masks).item() == pytest.approx(-math.log(2e-5), rel=1e-3)


def test_focal_loss_has_a_finite_gradient_at_certainty():
    probabilities = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]], requires_grad=True)
    focal_loss(probabilities, torch.tensor([[[True, True], [False, False]]])).backward()
    assert (
        probabilities.grad.isfinite().all() and (probabilities.grad[0, 0, 0] < 0) and (probabilities.grad[0, 1, 0] > 0)
    )


def test_dice_loss_of_perfect_and_of_normal_pictures():
    masks = torch.zeros(2, 20, 20, dtype=torch.bool)
    masks[0, 3:9, 4:12] = True
    assert dice_loss(masks.float(), masks).item() == pytest.approx(0, abs=1e-6)
    normal = torch.zeros(1, 518, 518, dtype=torch.bool)
    assert dice_loss(torch.full((1, 518, 518), 0.1), normal).item() == pytest.approx(0.99996, abs=5e-6)


def test_dice_loss_is_per_picture():
    probabilities = torch.rand(2, 9, 9, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(2, 9, 9, dtype=torch.bool)
    masks[0, :2], masks[1, :7] = True, True
    each = [dice_loss(probabilities[i : i + 1], masks[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(dice_loss(probabilities, masks), sum(each) / 2)
    assert abs(each[0] - each[1]) > 0.1


def focal_written_out(abnormal, masks):
    true = torch.where(masks, abnormal, 1 - abnormal)
    true = (1 - 1e-5) * true + 1e-5 * (1 - true) + 1e-5
    return (-((1 - true) ** 2) * true.log()).mean()


def dice_written_out(probability, masks):
    numbers = masks.to(probability)
    both, all_ = (probability * numbers).sum((1, 2)), probability.sum((1, 2)) + numbers.sum((1, 2))
    return (1 - (2 * both + 1) / (all_ + 1)).mean()


@pytest.mark.parametrize(
    "loss, written_out, size",
    [
        *((focal_loss, focal_written_out, size) for size in [(3, 5, 6), (5, 200, 220), (1, 300, 300), (7,)]),
        *((dice_loss, dice_written_out, size) for size in [(3, 5, 6), (5, 200, 220), (1, 300, 300)]),
    ],
)
def test_gradients_are_those_of_the_formula(loss, written_out, size):
    """Of pictures that go through together, of several parts, and of labels of pictures; strided as a layer's maps."""
    generator = torch.Generator().manual_seed(0)
    layers = torch.rand(size[0], 2, *size[1:], generator=generator, dtype=torch.float64, requires_grad=True)
    masks = torch.rand(size, generator=generator) < 0.3
    found, expected = loss(layers[:, 1], masks), written_out(layers[:, 1], masks)
    torch.testing.assert_close(found, expected)
    ours, theirs = (torch.autograd.grad(3 * own, layers)[0] for own in (found, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=0)


def test_losses_are_differentiated_once_only():
    probabilities, masks = torch.full((1, 2, 2), 0.4, requires_grad=True), torch.ones(1, 2, 2, dtype=torch.bool)
    for loss in (focal_loss, dice_loss):
        (slope,) = torch.autograd.grad(loss(probabilities, masks), probabilities, create_graph=True)
        assert not slope.requires_grad


@pytest.mark.parametrize("loss", [focal_loss, dice_loss])
def test_autocast_changes_nothing_of_float32(loss):
    probabilities = torch.rand(2, 40, 40, generator=torch.Generator().manual_seed(0), requires_grad=True)
    masks = torch.rand(2, 40, 40, generator=torch.Generator().manual_seed(1)) < 0.2
    expected = loss(probabilities, masks)
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(probabilities, masks)
        ours = torch.autograd.grad(found, probabilities)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(ours, torch.autograd.grad(expected, probabilities), rtol=1e-6, atol=0)
