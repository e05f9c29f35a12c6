"""Trainings at the worst point of a cheap look."""

from weakref import WeakKeyDictionary

import pytest
import torch

import zsas_lib as zsas
from zsas_lib.training import examples, glanced
from zsas_lib.training.examples import Examples
from zsas_lib.training.perturbed import separation

ALL = ["rotation", "hue", "saturation"]
LEARNERS = ["anomalyclip", "vcpclip+", "vcpclip"]


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(examples, "_points", WeakKeyDictionary())


def test_a_look_reads_a_lattice_and_the_damage():
    masks = torch.zeros(2, 48, 48, dtype=torch.bool)
    masks[0, 4:8, 4:8], masks[1, 20:24, 28:30] = True, True
    places, damaged = glanced.places_looked_at(masks, (12, 12))
    lattice = {12 * row + column for row in (0, 3, 6, 9, 11) for column in (0, 3, 6, 9, 11)}
    assert places.shape == (2, 25 + 18)
    for own, shares, (place, share) in zip(places, damaged, ((13, 1.0), (12 * 5 + 7, 0.5))):
        assert lattice < {*own.tolist()} and len({*own.tolist()}) == 43 and own.tolist() == sorted(own.tolist())
        assert shares[own == place].item() == share and shares.sum().item() == share


@pytest.mark.parametrize("name", LEARNERS)
def test_a_glance_at_all_patches_is_the_whole(backbone, pictures, name):
    """The map before it is enlarged, and what the towers say."""
    model = zsas.load_model(name, backbone)
    images = torch.stack([pictures[place].image for place in range(2)])
    count = backbone.patches[0] * backbone.patches[1]
    with torch.no_grad():
        whole = model.features(images, ["nut", "ring"])
        read = model.glance(images, ["nut", "ring"], torch.arange(count).expand(2, -1))
        for part in whole:
            assert torch.allclose(whole[part], read[part], atol=1e-5)
        maps = model.scored(whole)
        assert torch.allclose(maps, model.compare(whole, backbone.patches)[0].flatten(1), atol=1e-5)
        few = model.glance(images, ["nut", "ring"], torch.tensor([[0, 5], [3, 2]]))
        assert model.scored(few).shape == (2, 2) and not torch.allclose(
            few["patches"][0, 0, 0], whole["patches"][0, 0, 0]
        )


def test_a_look_is_the_mean_where_normal_minus_where_damaged(backbone, monkeypatch):
    model = zsas.load_model("anomalyclip", backbone)
    monkeypatch.setattr(type(model), "scored", lambda self, read: torch.tensor([[0.5, 0.1, 0.3], [0.2, 0.4, 0.6]]))
    found = glanced.looks(model.train(), {}, torch.tensor([[1.0, 0.0, 0.5], [0.0, 0.0, 0.0]]))
    assert found.tolist() == pytest.approx([0.25 / 1.5 - 0.65 / 1.5, 0.4]) and model.training


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", LEARNERS)
def test_of_copies_made_for_a_step_it_takes_those_that_look_worst(backbone, pictures, name):
    model, seen = zsas.load_model(name, backbone), []
    given = Examples(model, pictures, augment=True, perturbed=ALL, looks=3)
    assert given.points is None and given.whole is None
    made, given._pictures = given._pictures, lambda *asked: seen.append(made(*asked)) or seen[-1]
    for features, masks, is_anomalous in given.shuffled(4):
        images, all_masks, names, all_anomalous = seen.pop()
        found = glanced.looks(model, *glanced.glanced(model, images, all_masks, names)).view(3, -1)
        rows = found.argmax(0) * len(masks) + torch.arange(len(masks))
        assert torch.equal(masks, all_masks[rows]) and torch.equal(is_anomalous, all_anomalous[rows])
        with torch.no_grad():
            assert torch.equal(features["patches"], model.features(images[rows], names)["patches"])


@pytest.mark.slow
def test_of_the_points_drawn_the_worst_is_read_whole(backbone, pictures, monkeypatch):
    model = zsas.load_model("anomalyclip", backbone)
    given = Examples(model, pictures, augment=False, perturbed=["hue"], looks=8)
    kept, count = given.points, len(pictures)
    assert (kept.amounts[:count] == 0).all() and kept.amounts.shape == (glanced.POINTS * count, 1)
    scores = glanced.looks(model, kept.features, kept.damaged).view(glanced.POINTS, count)
    torch.manual_seed(5)
    drawn = torch.rand(count, glanced.POINTS).argsort(1)[:, :8]
    torch.manual_seed(5)
    kept.worst(model, given._pictures, torch.arange(count), 8)
    best = [max(own.tolist(), key=lambda point: scores[point, place].item()) for place, own in enumerate(drawn)]
    assert [*kept.whole] == [point * count + place for place, point in enumerate(best)]
    for row, (features, masks, is_anomalous) in kept.whole.items():
        image, own, names, anomalous = given._pictures([row % count], kept.amounts[[row]])
        assert torch.equal(own, masks) and torch.equal(anomalous, is_anomalous)
        with torch.no_grad():
            assert torch.equal(model.features(image, names)["patches"], features["patches"])


@pytest.mark.slow
def test_looks_that_are_too_large_are_not_kept(backbone, pictures, monkeypatch):
    monkeypatch.setattr(examples, "CACHED_BYTES", 1000)
    model = zsas.load_model("anomalyclip", backbone)
    given = Examples(model, pictures, augment=False, perturbed=["hue"], looks=2)
    assert given.points is None and sum(len(masks) for _, masks, _ in given.shuffled(5)) == len(pictures)


def test_separation_weighs_patches_by_their_damage():
    assert separation(torch.tensor([[0.2, 0.8]]), torch.tensor([[0.5, 1.0]])).item() == pytest.approx(0.2 - 0.6)
    assert separation(torch.tensor([[0.2, 0.8]]), torch.zeros(1, 2)).item() == pytest.approx(0.5)
