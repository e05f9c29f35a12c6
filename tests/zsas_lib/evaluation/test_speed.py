"""zsas_lib.evaluation.speed: live tensors counted, predictions timed."""

import pytest
import torch
from torch import nn

from zsas_lib.evaluation.speed import milliseconds, peak_memory


class Chain(nn.Module):
    """Two products of 1000 x 1000 numbers, 4 MB each, of which the first dies; then a view, and a sum."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1000, 1000))
        self.calls = 0

    def forward(self, images, class_names):
        self.calls += 1
        product = images[0, 0] @ self.weight.T
        second = product * 2
        del product
        third = second.view(-1)[:10] + 1
        more = torch.ones(500, 1000)
        return third.sum() + more.sum()


def test_what_lives_at_once_is_counted_and_weights_images_and_views_are_not():
    assert peak_memory(Chain(), torch.ones(1, 3, 1000, 1000), "nut") == pytest.approx(8.0, abs=0.01)


def test_the_first_prediction_is_not_timed_and_times_are_per_picture():
    model = Chain()
    times = milliseconds(model, torch.ones(4, 3, 1000, 1000), "nut", repeats=3)
    assert len(times) == 3 and model.calls == 4 and all(time > 0 for time in times)
