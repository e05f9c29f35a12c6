from pathlib import Path

import pytest

from zsas_book.project.parameters import Parameter, ParameterError
from zsas_book.project.together import categories_of, learns, misfits, missing, require_together
from zsas_lib.base.errors import DataError
from zsas_lib.data.embedded.catalogue import SETS
from zsas_lib.data.load import load_dataset

DECLARED = (
    Parameter("dataset", "str", False, "embedded-b", kind="data set"),
    Parameter("data_root", "str", False, None, kind="folder"),
    Parameter("categories", "str", True, None, kind="category"),
    Parameter("perturbation", "str", False, "hue", kind="perturbation"),
    Parameter("values", "float", True, None, kind="amount of the perturbation"),
    Parameter("model", "str", False, "winclip", kind="model"),
    Parameter("auxiliary_root", "str", False, None, kind="folder"),
    Parameter("weights", "str", False, None, kind="file"),
    Parameter("backbone", "str", False, "embedded", kind="backbone"),
    Parameter("placements", "str", True, ["mirror"], kind="placement"),
    Parameter("window_categories", "str", True, None, kind="category"),
    Parameter("held_out", "str", True, None, kind="auxiliary category"),
)
VALUES = {parameter.name: parameter.default for parameter in DECLARED}


def told(root: Path, **given) -> list[str]:
    values = VALUES | given
    return [*missing(DECLARED, values, root), *misfits(DECLARED, values, root)]


@pytest.mark.slow
def test_the_categories_of_embedded_data_are_known_before_they_are_drawn(monkeypatch, tmp_path):
    drawn = {name: list(load_dataset(name).categories) for name in SETS}
    monkeypatch.setenv("ZSAS_CACHE", str(tmp_path))
    assert {name: list(categories_of(name, None)) for name in drawn} == drawn
    assert list(tmp_path.iterdir()) == []


def test_what_goes_together_is_silent(mvtec_root, tmp_path):
    (tmp_path / "my.pt").touch()
    given = {"dataset": "folder", "data_root": mvtec_root.name, "categories": ["grid"], "weights": "my.pt"}
    assert told(mvtec_root.parent, **given | {"perturbation": "saturation", "values": [-0.5, 0.5]}) == []
    assert told(tmp_path, categories=["ceramic_ring"], weights="random", values=[3.1]) == []
    assert told(tmp_path, window_categories=["ceramic_ring"]) == []
    assert told(tmp_path, categories=["ceramic_ring", "woven_sheet"], window_categories=["woven_sheet"]) == []
    assert told(tmp_path, held_out=["cork_sheet"]) == []
    alike = ["brushed_gear", "cork_sheet"]  # a data set's and its auxiliary one's may be called alike
    told_apart = misfits(DECLARED, VALUES | {"categories": alike[:1], "held_out": alike}, tmp_path, lambda *_: alike)
    assert [*told_apart] == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"dataset": "folder", "data_root": "mvtec", "categories": ["bottle", "ceramic_ring"]},
            "Parameter 'categories' names 'ceramic_ring', but data set 'folder' in {root}/mvtec has bottle, grid; "
            "give it too: -p categories bottle, or None for all.",
        ),
        (
            {"dataset": "embedded-a", "categories": ["ceramic_ring"]},
            "Parameter 'categories' names 'ceramic_ring', but data set 'embedded-a' has brushed_gear, ",
        ),
        (
            {"categories": ["ceramic_ring"], "window_categories": ["ceramic_ring", "woven_sheet"]},
            "Parameter 'window_categories' names 'woven_sheet', but parameter 'categories' has ceramic_ring; "
            "give it too: -p window_categories ceramic_ring, or None for all.",
        ),
        ({"dataset": "folder"}, "Data set 'folder' needs root=FOLDER"),
        ({"dataset": "folder", "data_root": "none"}, "No folder {root}/none for data set"),
        (
            {"dataset": "mvtec", "data_root": "mvtec", "model": "anomalyclip"},
            "Data set 'visa' needs root=FOLDER",
        ),
        (
            {"dataset": "folder", "data_root": "mvtec", "model": "anomalyclip"},
            "anomalyclip learns from an auxiliary data set, and 'folder' has none; take a data set that has one (mvtec",
        ),
        (
            {"perturbation": "saturation", "values": [0.0, 2.1]},
            "Parameter 'values' has 2.1, but saturation takes -0.5 to 0.5 (fraction); give it too: -p values -0.5,0.5",
        ),
        ({"values": [4.0]}, "Parameter 'values' has 4, but hue takes -3.14159 to 3.14159 (radians); give it too: "),
        (
            {"categories": ["ceramic_rign"]},
            "Parameter 'categories' names 'ceramic_rign', but data set 'embedded-b' has brushed_hexagon, ",
        ),
        (
            {"placements": ["mirror", "rotatio(15)"]},
            "Parameter 'placements': Unknown placement 'rotatio'; known: mirror, rotation, scale, ",
        ),
        (
            {"held_out": ["cork_sheet", "ceramic_ring"]},
            "Parameter 'held_out' names 'ceramic_ring', but data set 'embedded-a' has brushed_gear, ",
        ),
        ({"placements": ["rotation(15"]}, "Parameter 'placements': Expected a placement such as 'mirror' or "),
        ({"weights": "my.pt"}, "Parameter 'weights' is 'my.pt', but there is no {root}/my.pt."),
        ({"backbone": "local-dir:vit"}, "Parameter 'backbone' is 'local-dir:vit', but there is no {root}/vit."),
    ],
)
def test_what_does_not_go_together_is_one_sentence(given, message, mvtec_root, monkeypatch):
    monkeypatch.delenv("ZSAS_DATA", raising=False)
    (found,) = told(mvtec_root.parent, **given)
    assert found.startswith(message.format(root=mvtec_root.parent))


def test_a_misspelt_category_is_told_with_the_closest_one(tmp_path):
    (found,) = told(tmp_path, categories=["ceramic_rign"])
    assert found.endswith("or None for all. Did you mean 'ceramic_ring'?")


def test_missing_data_and_misfits_are_raised(mvtec_root):
    with pytest.raises(DataError, match="No folder"):
        require_together(DECLARED, VALUES | {"dataset": "folder", "data_root": "none"}, mvtec_root.parent)
    with pytest.raises(ParameterError, match="Parameter 'categories' names 'x'"):
        require_together(DECLARED, VALUES | {"categories": ["x"]}, mvtec_root.parent)


def test_a_chapter_learns_where_one_of_its_models_does():
    assert learns({"auxiliary_root": None}) and learns({"auxiliary_root": None, "models": ["winclip", "vcpclip"]})
    assert not learns({"auxiliary_root": None, "model": "winclip"}) and not learns({"model": "vcpclip"})
    assert not learns({"auxiliary_root": None, "models": ["winclip"]})
