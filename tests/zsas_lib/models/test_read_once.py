"""Frozen towers that are read once for several models, against evaluations one by one."""

import pytest
import torch
from tiny_clip import tiny_backbone
from toy import toy_dataset
from trained import trained

import zsas_lib as zsas
from zsas_lib.data import dataset
from zsas_lib.models import read_once
from zsas_lib.models.in_windows import with_sentences_of
from zsas_lib.models.read_once import towers_read_once


@pytest.fixture
def pictures(tmp_path):
    return toy_dataset(tmp_path / "toy", {"nut": 2, "ring": 3}, normal=3)


@pytest.fixture
def read(monkeypatch):
    """How many pictures each model has read, in turn."""
    counts = []

    def counting(kind):
        own = kind.features

        def features(self, images, class_names):
            counts.append(len(images))
            return own(self, images, class_names)

        monkeypatch.setattr(kind, "features", features)

    backbone = tiny_backbone()
    for name in ("anomalyclip", "vcpclip", "april-gan"):
        counting(type(trained(name, backbone)))
    return counts


def scores(model, pictures):
    return torch.tensor(zsas.evaluate(model, pictures, resamples=10).to_numpy())


@pytest.mark.slow
def test_models_that_read_the_same_share_it_and_others_read_for_themselves(pictures, read):
    backbone, other = tiny_backbone(), tiny_backbone()
    same = [trained(name, backbone) for name in ("vcpclip+", "vcpclip")]
    expected = [scores(model, pictures) for model in same]
    read.clear()
    with towers_read_once():
        for model, alone in zip(same, expected):
            assert torch.equal(scores(model, pictures).nan_to_num(), alone.nan_to_num())
        assert sum(read) == len(pictures)
        for model in (trained("april-gan", backbone), trained("anomalyclip", backbone), trained("vcpclip", other)):
            read.clear()
            scores(model, pictures)
            assert sum(read) == len(pictures)
        read.clear()
        scores(trained("anomalyclip", backbone, smoothing=1.0, image_score="map"), pictures)
        assert not read, "what is made of it is another matter"
        scores(trained("anomalyclip", backbone, class_norm=True), pictures)
        assert sum(read) == len(pictures)
    read.clear()
    scores(same[0], pictures)
    assert sum(read) == len(pictures), "nothing is kept outside"


@pytest.mark.slow
def test_windows_are_read_once_for_all_sentences(pictures, read):
    backbone = tiny_backbone()
    networks = [with_sentences_of(trained(name, backbone)) for name in ("anomalyclip", "vcpclip+")]
    expected = [scores(model, pictures) for model in networks]
    read.clear()
    with towers_read_once():
        for model, alone in zip(networks, expected):
            assert torch.equal(scores(model, pictures).nan_to_num(), alone.nan_to_num())
        assert sum(read) == len(pictures)
        scores(with_sentences_of(trained("anomalyclip", backbone), scales=[2]), pictures)
        assert sum(read) == 2 * len(pictures)


@pytest.mark.slow
def test_other_names_other_pictures_and_gradients_are_read_anew(read):
    model = trained("april-gan", tiny_backbone())
    images = torch.rand(2, 3, 32, 32)
    with towers_read_once(), torch.no_grad():
        first = model(images, "nut").anomaly_map
        assert torch.equal(model(images.clone(), "nut").anomaly_map, first) and read == [2]
        model(images, ["nut", "ring"])
        model(images.flip(0), "nut")
        assert read == [2, 2, 2]
        with torch.enable_grad():
            asked = images.clone().requires_grad_()
            model(asked, "nut").anomaly_map.sum().backward()
        assert read == [2, 2, 2, 2] and asked.grad.abs().sum() > 0


@pytest.mark.slow
def test_where_there_is_no_room_the_oldest_kind_goes(pictures, read, monkeypatch):
    backbone = tiny_backbone()
    first, second = trained("vcpclip", backbone), trained("anomalyclip", backbone)
    with torch.no_grad():
        size = sum(part.nbytes for part in first.features(pictures[0].image[None], ["nut"]).values())
    monkeypatch.setattr(read_once, "KEPT_BYTES", size * len(pictures))
    with towers_read_once():
        for model in (first, second, first):
            read.clear()
            scores(model, pictures)
            assert sum(read) == len(pictures)
            scores(model, pictures)
            assert sum(read) == len(pictures)
    monkeypatch.setattr(read_once, "KEPT_BYTES", size * len(pictures))
    with towers_read_once():
        scores(first, pictures)
        kept = read_once._kept
        kept.add((backbone, "larger than all room"), ("picture",), {"part": torch.zeros(size * len(pictures) // 4 + 1)})
        read.clear()
        scores(first, pictures)
        assert not read, "nothing goes for what cannot be kept"
    monkeypatch.setattr(read_once, "KEPT_BYTES", size - 1)
    with towers_read_once():
        read.clear()
        scores(first, pictures), scores(first, pictures)
        assert sum(read) == 2 * len(pictures)


def test_pictures_are_read_once_too(pictures, monkeypatch):
    files, real = [], dataset._read
    monkeypatch.setattr(dataset, "_read", lambda record, *how: files.append(record.path) or real(record, *how))
    with towers_read_once():
        for _ in range(2):
            zsas.evaluate(zsas.load_model("local-contrast"), pictures, resamples=10)
    assert len(files) == len(pictures)
