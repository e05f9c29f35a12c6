"""Patches that a training calls normal with more weight."""

import pytest
import torch

import zsas_lib as zsas
from zsas_lib.base.errors import OptionError
from zsas_lib.training.examples import Examples
from zsas_lib.training.hard_patches import HARD, hard_loss, without_hard


def test_the_loss_is_the_maps_where_patches_are_hard_over_all_patches(backbone, monkeypatch):
    model = zsas.load_model("april-gan", backbone)
    rows, columns = backbone.patches
    maps = torch.rand(3, rows, columns)
    asked = []

    def compare(self, features, size):
        asked.append((features["number"].tolist(), size))
        return maps[features["number"]], maps.amax((1, 2))

    monkeypatch.setattr(type(model), "compare", compare)
    hard = torch.zeros(3, rows * columns, dtype=torch.bool)
    hard[0, [1, 5]] = hard[2, 0] = True
    found = hard_loss(model, {"number": torch.arange(3)}, hard)
    expected = (maps[0].flatten()[[1, 5]].sum() + maps[2, 0, 0]) / (3 * rows * columns)
    assert found.item() == pytest.approx(expected.item()) and asked == [([0, 2], (rows, columns))]
    assert hard_loss(model, {"number": torch.arange(3)}, torch.zeros_like(hard)).item() == 0 and len(asked) == 1


def test_each_picture_comes_with_its_own_patches(backbone, pictures):
    model = zsas.load_model("anomalyclip", backbone)
    count = len(pictures)
    given = Examples(model, pictures, augment=False, hard=[[number] for number in range(count)])
    order = []
    for features, masks, _ in given.shuffled(5):
        said, hard = without_hard(features)
        assert HARD not in said and hard.shape == (len(masks), backbone.patches[0] * backbone.patches[1])
        assert (hard.sum(1) == 1).all()
        for number, patches in zip(hard.int().argmax(1).tolist(), said["patches"]):
            assert torch.equal(patches, given.whole[0]["patches"][number])
            order.append(number)
    assert sorted(order) == list(range(count))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["anomalyclip", "vcpclip+"])
def test_hard_patches_end_lower_than_without(backbone, pictures, name):
    found = {}
    hard = [[0, 1]] * len(pictures)
    for given, weight in ((None, 1.0), (hard, 100.0)):
        model = zsas.load_model(name, backbone)
        settings = {"epochs": 4, "training_batch_size": 4, "augment": False, "rate": 0.01}
        zsas.fit(model, pictures, hard=given, hard_weight=weight, **settings)
        images = torch.stack([pictures[place].image for place in range(len(pictures))])
        with torch.no_grad():
            maps = model.compare(model.features(images, ["nut"] * len(images)), backbone.patches)[0]
        found[given is None] = float(maps.flatten(1)[:, :2].mean())
        assert model.trained["hard"] == given and model.trained["hard_weight"] == weight
    assert found[False] < found[True] - 0.02


@pytest.mark.slow
def test_none_and_no_hard_patch_are_the_same_training(backbone, pictures):
    learned = []
    for given in (None, [[]] * len(pictures)):
        model = zsas.load_model("anomalyclip", backbone)
        zsas.fit(model, pictures, epochs=1, training_batch_size=4, hard=given)
        learned.append(torch.cat([value.flatten() for value in model.learnable().values()]))
    assert torch.equal(*learned)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"hard": [[0]]}, "hard patches of 1 pictures; expected those of 12"),
        ({"hard": [[99]] * 12}, r"hard\[0\]=99; expected numbers of patches in 0..15"),
        ({"hard": [[-1]] * 12}, r"hard\[0\]=-1; expected numbers of patches"),
        ({"hard_weight": 3.0}, "hard_weight=3.0 and nothing hard; expected `hard` with it"),
        ({"hard": [[0]] * 12, "hard_weight": -1.0}, "hard_weight=-1.0; expected a weight of at least 0"),
        ({"hard": [[0]] * 12, "augment": True}, "in which no patch stays where it is"),
        ({"hard": [[0]] * 12, "zoom": 0.5}, "in which no patch stays where it is"),
        ({"hard": [[0]] * 12, "perturbed": ["hue"]}, "in which no patch stays where it is"),
    ],
)
def test_what_cannot_be_is_one_sentence(backbone, pictures, given, sentence):
    with pytest.raises(OptionError, match=sentence):
        zsas.fit(zsas.load_model("anomalyclip", backbone), pictures, epochs=1, **given)
