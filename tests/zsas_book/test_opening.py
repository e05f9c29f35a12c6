"""What chapters open with."""

from contextlib import ExitStack

import numpy as np
import pytest
import torch
from toy import SIZE, Glow, ToyBackbone, toy_dataset

from zsas_book import opening, record
from zsas_lib.base import ledger
from zsas_lib.base.ledger import requested
from zsas_lib.data import dataset as data
from zsas_lib.models.load import load_model
from zsas_lib.perturbations.rotation import rotate
from zsas_lib.training.ready import Asked


@pytest.fixture
def pictures(tmp_path):
    return toy_dataset(tmp_path, {"ring": 4, "star": 4})


def test_pictures_are_the_test_pictures_half_of_them_damaged():
    pictures = opening.pictures_of("embedded-b", None, ["ceramic_ring", "woven_sheet"], 4, 36)
    assert pictures.categories == ("ceramic_ring", "woven_sheet") and pictures.image_size == 36
    assert len(pictures) == 8 and sum(record.is_anomalous for record in pictures.records) == 4


@pytest.mark.parametrize("watched", [set(), {"zsas_lib"}])
def test_the_process_of_a_page_reads_each_picture_once(monkeypatch, watched):
    read, own = [], data._read
    monkeypatch.setattr(data, "_read", lambda *asked: read.append(asked) or own(*asked))
    monkeypatch.setattr(ledger, "watched", watched)
    with ExitStack() as page:
        monkeypatch.setattr(opening, "_to_the_end", page)
        for _ in range(2):
            pictures = opening.pictures_of("embedded-b", None, ["ceramic_ring"], 2, 36)
            assert [sample.category for sample in pictures] == 2 * ["ceramic_ring"]
    assert len(read) == (2 if watched else 4)


@pytest.mark.slow
def test_of_the_normal_pictures_there_may_be_fewer():
    given = ("embedded-b", None, ["ceramic_ring", "woven_sheet"], 8, 36)
    every, few = opening.pictures_of(*given), opening.pictures_of(*given, normal_per_category=1)
    damaged = [kept for kept in every.records if kept.is_anomalous]
    assert [kept for kept in few.records if kept.is_anomalous] == damaged and len(damaged) == 8
    assert [kept.category for kept in few.records if not kept.is_anomalous] == ["ceramic_ring", "woven_sheet"]
    assert opening.pictures_of(*given, normal_per_category=50).records == every.records


def test_auxiliary_pictures_are_those_of_the_other_data_set():
    auxiliary = opening.auxiliary_of("embedded-b", per_category=2)
    assert auxiliary.name == "embedded-a" and len(auxiliary) == 2 * len(auxiliary.categories)


def test_settings_of_a_training_have_a_seed_only_where_one_is_given():
    settings = opening.training_settings(3, 8, None, False, True)
    assert settings == {"epochs": 3, "training_batch_size": 8, "rate": None, "augment": False, "decay": True}
    assert opening.training_settings(3, 8, None, False, True, 0) == settings | {"seed": 0}


def test_a_damaged_picture_is_found_by_its_number(pictures):
    sample = opening.damaged_sample(pictures, 5)
    assert sample.category == "star" and sample.mask.any()
    with pytest.raises(ValueError, match="ring, star has 8 damaged pictures, so picture=8 is none; take 0 to 7"):
        opening.damaged_sample(pictures, 8)


def test_items_are_spread_from_the_first_to_the_last():
    assert opening.spread_out(range(10), 4) == [0, 3, 6, 9]
    assert opening.spread_out("ab", 5) == ["a", "b"]


def test_examples_are_damaged_and_of_different_categories(pictures):
    assert [sample.category for sample in opening.damaged_examples(pictures, 2)] == ["ring", "star"]


def test_a_sample_is_found_by_the_path_that_tables_name(pictures):
    assert opening.sample_at(pictures, "star/5.png").path == pictures.root / "star/5.png"


def test_a_map_is_the_model_s_without_a_gradient(pictures):
    network, sample = Glow(), pictures[3]
    found = opening.map_of(network, sample)
    torch.testing.assert_close(found, network(sample.image[None], "ring").anomaly_map[0].detach())
    assert not found.requires_grad and found.shape == (SIZE, SIZE)


def test_only_a_rotation_moves_the_mask(pictures):
    sample = opening.damaged_sample(pictures, 0)
    turned = opening.perturbed_sample(sample, "rotation", 90.0)
    torch.testing.assert_close(turned.image, rotate(sample.image[None], 90.0)[0])
    np.testing.assert_array_equal(turned.mask, torch.rot90(sample.mask, -1, (0, 1)))
    tinted = opening.perturbed_sample(sample, "hue", 1.0)
    assert tinted.mask is sample.mask and not torch.equal(tinted.image, sample.image)
    assert opening.perturbed_sample(sample, "hue", 0.0) is sample


def test_models_that_learn_are_trained_once_for_each_seed(monkeypatch):
    asked, tower = [], ToyBackbone()

    def model_asked_for(name, tower, dataset, *, fit, **options):
        asked.append((name, dataset, fit, options))
        return Asked(Glow(channel=fit["seed"]), None, {}, None)

    monkeypatch.setattr(opening, "model_asked_for", model_asked_for)
    found = opening.networks_of(["winclip", "anomalyclip"], tower, "mvtec", [1, 2], {"epochs": 2}, per_category=5)
    channels = {name: [network.options["channel"] for network in own] for name, own in found.items()}
    assert channels == {"winclip": [1], "anomalyclip": [1, 2]}
    assert asked[-1] == ("anomalyclip", "mvtec", {"epochs": 2, "seed": 2}, {"per_category": 5})
    found = opening.networks_of(["anomalyclip", "april-gan"], tower, "mvtec", [1, 2], {}, ["anomalyclip"])
    assert [len(own) for own in found.values()] == [1, 2], "the first from one seed alone"


def test_models_that_read_the_same_are_trained_from_one_seed_after_the_other(monkeypatch, backbone):
    """The order of trainings; what is given is by model, and by seed within."""
    done = []

    def ready(self):
        done.append((self.model.name, self.fit["seed"]))
        return self.model

    def model_asked_for(name, tower, dataset, *, fit, **options):
        return Asked(load_model(name, tower), None, fit, None)

    monkeypatch.setattr(opening, "model_asked_for", model_asked_for)
    monkeypatch.setattr(Asked, "ready", ready)
    names = ["winclip", "vcpclip", "april-gan", "vcpclip+"]
    found = opening.networks_of(names, backbone, "mvtec", [5, 2], {})
    vcp = [(name, seed) for seed in (5, 2) for name in ("vcpclip", "vcpclip+")]
    assert done == [("winclip", 5), *vcp, ("april-gan", 5), ("april-gan", 2)]
    assert {name: [network.name for network in own] for name, own in found.items()} == {
        name: [name] * (1 if name == "winclip" else 2) for name in names
    }


def test_models_may_have_a_backbone_each(monkeypatch):
    towers, asked = {"winclip": ToyBackbone(), "anomalyclip": ToyBackbone()}, {}

    def model_asked_for(name, tower, _, **__):
        asked[name] = tower
        return Asked(Glow(), None, {}, None)

    monkeypatch.setattr(opening, "model_asked_for", model_asked_for)
    opening.networks_of(list(towers), towers, "mvtec", [1], {})
    assert asked == towers


@pytest.mark.slow
def test_a_map_without_a_backbone_is_drawn_and_recorded(pictures):
    network, sample = load_model("median-colour"), pictures[0]
    assert torch.equal(opening.map_of(network, sample), network(sample.image[None], "lamp").anomaly_map[0])
    assert record(map=network).facts["subjects"]["map"] == {"model": "median-colour", "options": {"of": "colour"}}


@pytest.mark.slow
def test_two_chapters_find_one_evaluation_for_each_model_and_training(tmp_path, monkeypatch):
    """Whatever else they ask for: the second reads what the first has stored."""
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "store"))
    pictures = toy_dataset(tmp_path / "toy", {"nut": 2, "ring": 2})
    networks = {"winclip": [Glow()], "anomalyclip": [Glow(channel=1), Glow(channel=2)]}
    requested.clear()
    first = opening.runs_of(networks, pictures, 5)
    assert len(requested) == 3 * 2 and all(requested.values())
    requested.clear()
    again = opening.runs_of({"anomalyclip": [Glow(channel=2)]}, pictures.select(["ring"]), 5)
    assert len(requested) == 1 and not any(requested.values())
    assert again["anomalyclip"][0].pixel_auroc["ring"] == first["anomalyclip"][1].pixel_auroc["ring"]
    requested.clear()
