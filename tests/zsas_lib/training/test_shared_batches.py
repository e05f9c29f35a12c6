"""Trainings that draw the same random pictures read them once, and learn what they would have learned alone."""

import pytest
import torch

import zsas_lib as zsas
from zsas_lib.models.vcpclip import VCPCLIP
from zsas_lib.training import shared_batches
from zsas_lib.training.examples import Examples
from zsas_lib.training.shared_batches import batch_once, batches_shared

SETTINGS = {"epochs": 2, "training_batch_size": 5, "augment": True, "zoom": 0.5}


@pytest.fixture
def read(monkeypatch):
    """How many pictures were read by the towers."""
    counts, own = [], VCPCLIP.features
    monkeypatch.setattr(
        VCPCLIP, "features", lambda self, images, names: counts.append(len(images)) or own(self, images, names)
    )
    return counts


def learned(name, backbone, pictures, seed):
    model = zsas.load_model(name, backbone)
    log = zsas.fit(model, pictures, seed=seed, **SETTINGS)
    return torch.cat([value.flatten() for value in model.learnable().values()]), log.loss.tolist()


@pytest.mark.slow
def test_models_that_draw_alike_share_what_is_read(backbone, pictures, read):
    asked = [("vcpclip", 0), ("vcpclip+", 0), ("vcpclip", 1), ("vcpclip+", 1)]
    alone = [learned(name, backbone, pictures, seed) for name, seed in asked]
    each = 2 * len(pictures)
    assert sum(read) == 4 * each
    read.clear()
    with batches_shared():
        for number, (name, seed) in enumerate(asked):
            found, losses = learned(name, backbone, pictures, seed)
            assert torch.equal(found, alone[number][0]) and losses == alone[number][1]
            assert sum(read) == (number // 2 + 1) * each, "another seed reads anew"
    read.clear()
    learned("vcpclip", backbone, pictures, 0)
    assert sum(read) == each, "nothing is kept outside"


def test_what_is_drawn_between_batches_moves_neither_order_nor_changes(backbone, pictures):
    model = zsas.load_model("vcpclip", backbone)

    def met(between):
        torch.manual_seed(3)
        batches = []
        for features, masks, _ in Examples(model, pictures, augment=True, zoom=0.5).shuffled(4):
            batches.append((features["whole"], masks))
            torch.rand(between)
        return batches, torch.rand(1)

    (first, after), (second, later) = met(0), met(5)
    assert len(first) == 3
    for (whole, masks), (other, others) in zip(first, second, strict=True):
        assert torch.equal(whole, other) and torch.equal(masks, others)
    assert after != later, "and these are the training's own numbers"


def test_another_setting_or_state_is_read_anew_and_random_numbers_go_on(backbone):
    def drawn():
        values = torch.rand(2)
        return {"drawn": values}, torch.zeros(2, 1, 1, dtype=torch.bool), torch.zeros(2, dtype=torch.bool)

    torch.manual_seed(3)
    first, following = drawn()[0]["drawn"], torch.rand(1)
    with batches_shared():
        for what in ("a", "b"):
            torch.manual_seed(3)
            batch = batch_once(backbone, what, drawn)
            assert torch.equal(batch[0]["drawn"], first) and torch.equal(torch.rand(1), following)
            torch.manual_seed(3)
            assert batch_once(backbone, what, drawn)[0]["drawn"] is batch[0]["drawn"]
        assert not torch.equal(batch_once(backbone, "a", drawn)[0]["drawn"], first), "another state"


def test_the_oldest_batches_go_where_there_is_no_room(backbone, monkeypatch):
    def made(number):
        return (
            {"n": torch.full((100,), number)},
            torch.zeros(1, 1, 1, dtype=torch.bool),
            torch.zeros(1, dtype=torch.bool),
        )

    size = 100 * made(1.0)[0]["n"].element_size() + 2
    monkeypatch.setattr(shared_batches, "SHARED_BYTES", 2 * size)
    with batches_shared():
        first = [batch_once(backbone, str(number), lambda n=number: made(float(n))) for number in range(3)]
        again = [batch_once(backbone, str(number), lambda n=number: made(float(n))) for number in (1, 2, 0)]
    assert again[0] is first[1] and again[1] is first[2] and again[2] is not first[0]
