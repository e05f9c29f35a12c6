"""Maps in the mean over copies and put together of parts, with models whose maps are known."""

import pytest
import torch

from zsas_lib.base.errors import UnknownNameError
from zsas_lib.models.load import load_model
from zsas_lib.models.prediction import AnomalyModel, Prediction
from zsas_lib.robustness.averaging import COPIES, PARTS, SINGLE, WAYS, Averaged, InParts, passes_of, ways
from zsas_lib.store.results import describe_model


class Red(AnomalyModel):
    """A map that is the red of a picture plus a slope over the place; the score is the map's first pixel."""

    name = "red"
    device = torch.device("cpu")

    def __init__(self, slope: float):
        super().__init__(None, {"slope": slope})
        self.asked = []

    def forward(self, images, class_names):
        self.asked.append((images, list(class_names)))
        maps = images[:, 0] + self.options["slope"] * torch.arange(images.shape[-1])
        return Prediction(maps, maps[:, 0, 0])


@pytest.fixture
def images():
    return torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def test_turned_copies_take_out_what_hangs_on_the_place(images):
    """A slope over the columns, turned back four times, is the same everywhere but for its mean."""
    found = Averaged(Red(0.1), "turned")(images, "ring")
    expected = images[:, 0] + 0.1 * 11 / 2
    torch.testing.assert_close(found.anomaly_map, expected, atol=1e-4, rtol=0)
    corners = torch.stack([images[:, 0, row, column] for row in (0, -1) for column in (0, -1)])
    torch.testing.assert_close(found.image_score, corners.mean(0), atol=1e-4, rtol=0)


def test_tinted_copies_are_tinted_and_not_moved(images):
    model = Red(0.0)
    found = Averaged(model, "tinted")(images, ["ring", "nut"])
    assert len(model.asked) == 4 and torch.equal(model.asked[0][0], images) and model.asked[3][1] == ["ring", "nut"]
    torch.testing.assert_close(found.anomaly_map, torch.stack([own[:, 0] for own, _ in model.asked]).mean(0))


def test_parts_are_enlarged_and_put_where_they_are(images):
    model = Red(0.0)
    smooth = torch.linspace(0, 1, 40).expand(2, 3, 40, 40).clone()
    found = InParts(model)(smooth, "ring")
    assert [own.shape for own, _ in model.asked] == [smooth.shape] * 4
    torch.testing.assert_close(found.anomaly_map, smooth[:, 0], atol=0.03, rtol=0)
    assert found.image_score.tolist() == pytest.approx([16 / 39] * 2, abs=0.03), "the highest of the parts' scores"
    constant = InParts(model)(torch.full((1, 3, 9, 9), 0.5), "ring").anomaly_map
    torch.testing.assert_close(constant, torch.full((1, 9, 9), 0.5))


@pytest.mark.slow
def test_each_way_is_another_for_the_store_and_knows_what_it_is_around(backbone):
    model = load_model("winclip", backbone, scales=(2,))
    made = ways(model)
    assert list(made) == list(WAYS) and made[SINGLE] is model
    described = [str(describe_model(own, ["ring"])) for own in made.values()]
    other = load_model("winclip", backbone, scales=(3,))
    assert len({*described, str(describe_model(ways(other)[PARTS], ["ring"]))}) == len(WAYS) + 1
    assert type(model) in made["turned"].classes and made["turned"].device == model.device
    assert not made["turned"].learnable() and made["turned"].name == "winclip"
    images = torch.rand(1, 3, *backbone.size)
    with torch.no_grad():
        assert made["turned"](images, "ring").anomaly_map.shape == images[:, 0].shape
    assert [passes_of(way) for way in WAYS] == [1, 4, 4, 4] and all(
        len(own) == 4 and own[0] == 0 for of in COPIES.values() for own in of.values()
    )
    for refused in (lambda: ways(model, ["shaken"]), lambda: Averaged(model, "shaken")):
        with pytest.raises(UnknownNameError, match="shaken"):
            refused()
