"""Trainings under perturbations, and pictures that are met more often than others."""

from weakref import WeakKeyDictionary

import pytest
import torch
from trained import learned

import zsas_lib as zsas
from zsas_lib.base.errors import OptionError, UnknownNameError
from zsas_lib.training import examples, perturbed
from zsas_lib.training.examples import Examples
from zsas_lib.training.fit import fit

ALL = ["rotation", "hue", "saturation"]


def test_amounts_fill_their_ranges_and_some_change_nothing():
    amounts = perturbed.drawn_amounts(ALL, 4000, kept=0.25, generator=torch.Generator().manual_seed(0))
    for column, name in zip(amounts.T, ALL):
        low, high, _ = zsas.RANGES[name]
        assert low <= column.min() < low + 0.01 * (high - low) and high - 0.01 * (high - low) < column.max() <= high
    assert (amounts == 0).all(1).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert not (perturbed.drawn_amounts(ALL, 400) == 0).any()


def test_pictures_and_masks_are_changed_together():
    images, masks = torch.rand(2, 3, 16, 16), torch.zeros(2, 16, 16, dtype=torch.bool)
    masks[:, 1, 3] = True
    turned, moved = perturbed.changed(images, masks, ["rotation", "hue"], torch.tensor([[90.0, 0.0], [0.0, 1.0]]))
    assert torch.allclose(turned[0], images[0].rot90(-1, (1, 2)), atol=1e-4)
    assert torch.equal(moved[0], masks[0].rot90(-1, (0, 1))) and torch.equal(moved[1], masks[1])
    assert torch.allclose(turned[1], zsas.shift_hue(images[1:], 1.0)[0], atol=1e-5)


def test_a_look_is_the_mean_where_normal_minus_where_damaged(backbone, monkeypatch):
    model = zsas.load_model("april-gan", backbone)
    rows, columns = backbone.patches
    maps = torch.rand(2, rows, columns)
    monkeypatch.setattr(type(model), "compare", lambda self, features, size: (maps, maps.amax((1, 2))))
    masks = torch.zeros(2, 32, 32, dtype=torch.bool)
    masks[0, : 32 // rows, : 32 // columns] = True
    found = perturbed.looked_at(model.train(), {}, masks)
    rest = (maps[0].sum() - maps[0, 0, 0]) / (rows * columns - 1)
    assert found.tolist() == pytest.approx([float(rest - maps[0, 0, 0]), float(maps[1].mean())], abs=1e-6)
    assert model.training


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False])
def test_of_the_looks_a_step_takes_the_worst(backbone, pictures, monkeypatch, kept):
    """From what is kept of all copies and from copies made for the step alike."""
    monkeypatch.setattr(examples, "_kept", WeakKeyDictionary())
    if not kept:
        monkeypatch.setattr(examples, "CACHED_BYTES", 0)
    model = zsas.load_model("april-gan", backbone)
    seen = []

    def looked(model, features, masks):
        found = torch.arange(len(masks), dtype=torch.float32).remainder(7)
        seen.append((features, masks, found))
        return found

    monkeypatch.setattr(examples, "looked_at", looked)
    given = Examples(model, pictures, augment=False, perturbed=ALL, looks=3)
    assert bool(given.whole) is kept
    for features, masks, is_anomalous in given.shuffled(4):
        all_features, all_masks, found = seen[-1]
        count = len(masks)
        assert len(all_masks) == 3 * count and len(is_anomalous) == count
        best = found.view(3, count).argmax(0) * count + torch.arange(count)
        assert torch.equal(masks, all_masks[best])
        assert all(torch.equal(own, all_features[name][best]) for name, own in features.items())


@pytest.mark.slow
def test_kept_copies_begin_with_the_pictures_as_they_are(backbone, pictures):
    model = zsas.load_model("april-gan", backbone)
    plain = Examples(model, pictures, augment=False).whole
    copies = Examples(model, pictures, augment=False, perturbed=["hue"]).whole
    count = len(pictures)
    assert len(copies[1]) == perturbed.COPIES * count
    for name, own in plain[0].items():
        assert torch.equal(copies[0][name][:count], own)
    moving = next(name for name, own in plain[0].items() if own.is_floating_point())
    assert not torch.allclose(copies[0][moving][count : 2 * count], plain[0][moving], atol=1e-3)
    assert torch.equal(copies[1], plain[1].repeat(perturbed.COPIES, 1, 1)), "a hue moves no mask"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["anomalyclip", "vcpclip+"])
def test_a_training_under_perturbations_is_another_and_the_same_again(backbone, pictures, name):
    found = []
    for given in ({}, {"perturbed": ALL}, {"perturbed": ALL, "looks": 2}, {"perturbed": ALL, "looks": 2}):
        model = zsas.load_model(name, backbone)
        log = fit(model, pictures, epochs=2, training_batch_size=4, augment=False, **given)
        assert model.trained["perturbed"] == given.get("perturbed", []) and len(log) == 6
        found.append(learned(model))
    assert torch.equal(found[2], found[3])
    assert not torch.equal(found[0], found[1]) and not torch.equal(found[1], found[2])


def test_weights_say_how_often_a_picture_is_met(backbone, pictures):
    model = zsas.load_model("april-gan", backbone)
    count = len(pictures)
    weights = [0.0, 4.0, *[1.0] * (count - 2)]
    given = Examples(model, pictures, augment=False, weights=weights)
    asked = count * torch.tensor(weights) / sum(weights)
    for _ in range(5):
        met = given._order().bincount(minlength=count)
        assert len(given._order()) == count and ((met - asked).abs() < 1).all()
    even = Examples(model, pictures, augment=False, weights=[2.0] * count)
    assert sorted(even._order().tolist()) == list(range(count))


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"perturbed": ["blur"]}, UnknownNameError, "Unknown perturbation 'blur'"),
        ({"perturbed": ["hue"], "looks": 0}, OptionError, "looks=0; expected a whole number in 1..8"),
        ({"looks": 2}, OptionError, "looks=2 and nothing to look at"),
        ({"weights": [1.0]}, OptionError, "1 weights that sum up to 1; expected one for each of 12"),
        ({"weights": [0.0] * 12}, OptionError, "12 weights that sum up to 0"),
        ({"weights": [1.0] * 11 + [float("nan")]}, OptionError, r"weights\[11\]=nan; expected a weight"),
    ],
)
def test_what_cannot_be_is_one_sentence(backbone, pictures, given, error, sentence):
    with pytest.raises(error, match=sentence):
        fit(zsas.load_model("april-gan", backbone), pictures, epochs=1, **given)
