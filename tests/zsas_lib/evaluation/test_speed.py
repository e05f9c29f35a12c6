"""zsas_lib.evaluation.speed: live tensors counted, predictions timed."""

import pytest
import torch
from torch import nn

from zsas_lib.evaluation import speed
from zsas_lib.evaluation.speed import costs, milliseconds, peak_memory
from zsas_lib.models.learned import UntrainedModelError
from zsas_lib.models.load import load_model


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


@pytest.mark.slow
def test_the_first_prediction_is_not_timed_and_times_are_per_picture():
    model = Chain()
    times = milliseconds(model, torch.ones(4, 3, 1000, 1000), "nut", repeats=3)
    assert len(times) == 3 and model.calls == 4 and all(time > 0 for time in times)


@pytest.mark.slow
def test_costs_have_a_row_per_model_and_leave_an_untrained_one_untrained(backbone, monkeypatch):
    monkeypatch.setattr(speed, "milliseconds", lambda model, images, names, repeats: [3.0, 1.0, 2.5][:repeats])
    models = {"first": load_model("winclip", backbone), "second": load_model("vcpclip", backbone)}
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    table = costs(models, images, "nut", repeats=3).set_index("model")
    assert table.loc["first", ["ms per picture", "fastest", "slowest"]].tolist() == [2.5, 1.0, 3.0]
    learned = sum(value.numel() for value in models["second"].learnable().values())
    weights = sum(value.numel() for value in backbone.clip.parameters())
    assert table.learned.to_dict() == {"first": 0, "second": learned}
    assert table["weights MB"].tolist() == pytest.approx([4e-6 * weights, 4e-6 * (weights + learned)])
    assert (table["peak MB"] > 0).all()
    assert table["sentences per picture"].to_dict() == {"first": 0, "second": 2}
    with pytest.raises(UntrainedModelError):
        models["second"](images, "nut")
