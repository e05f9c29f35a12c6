"""Models made ready for a data set: only those that learn read its auxiliary one."""

import sys

import pytest
from toy import toy_dataset

from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.data.registry import auxiliary_name
from zsas_lib.models.load import load_model
from zsas_lib.training.ready import Asked, model_for, ready_model, training_place
from zsas_lib.training.recipes import SHORT_TRAININGS


def test_a_model_that_learns_nothing_needs_no_auxiliary_data(backbone, tmp_path):
    model = model_for("winclip", backbone, "folder", auxiliary_root=tmp_path / "nowhere", scales=(2,))
    assert model.name == "winclip" and model.options["scales"] == [2]


@pytest.mark.slow
def test_one_that_learns_is_trained_on_the_auxiliary_data(backbone, tmp_path, monkeypatch):
    asked = []

    def load_dataset(name, root):
        asked.append((name, root))
        return toy_dataset(tmp_path / "data", {"bolt": 3, "nut": 2}, normal=2)

    monkeypatch.setattr(sys.modules[model_for.__module__], "load_dataset", load_dataset)
    settings = {"epochs": 1, "training_batch_size": 2, "seed": 3}
    model = model_for(
        "anomalyclip",
        backbone,
        "mvtec",
        auxiliary_root="/data/visa",
        per_category=2,
        store=tmp_path,
        fit=settings,
        smoothing=2.0,
    )
    assert asked == [("visa", "/data/visa")] and model.options["smoothing"] == 2.0
    assert model.trained["epochs"] == 1 and model.trained["seed"] == 3 and model.history.shape[0] == 2
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1


def test_what_is_missing_is_named(backbone, tmp_path):
    with pytest.raises(UnknownNameError, match="data set with an auxiliary one 'folder'"):
        model_for("anomalyclip", backbone, "folder")
    with pytest.raises(DataError, match="nowhere"):
        model_for("anomalyclip", backbone, "mvtec", auxiliary_root=tmp_path / "nowhere")


@pytest.mark.slow
def test_a_ready_model_is_trained_if_it_learns(backbone, tmp_path):
    pictures = toy_dataset(tmp_path / "toy", {"nut": 3, "ring": 3})
    assert ready_model("winclip", backbone, pictures, store=tmp_path, scales=[2]).options["scales"] == [2]
    model = ready_model("april-gan", backbone, pictures, store=tmp_path, fit={"epochs": 1}, smoothing=4.0)
    assert model.trained["epochs"] == 1 and model.options["smoothing"] == 4.0


def test_auxiliary_data_are_never_the_data_tested_on():
    assert auxiliary_name("mvtec") == "visa" and auxiliary_name("embedded-b") == "embedded-a"
    assert all(auxiliary_name(name) != name for name in ("visa", "btad", "mpdd", "embedded-a"))
    assert auxiliary_name("embedded-c") == auxiliary_name("embedded-d") == "embedded-a"
    with pytest.raises(UnknownNameError, match="mvtec"):
        auxiliary_name("mvtecc")


def test_the_recipe_gives_what_is_not_given(backbone, tmp_path, monkeypatch):
    """On a small backbone the short recipe, elsewhere the paper's; a setting that is None is the recipe's."""
    pictures = toy_dataset(tmp_path / "toy", {"nut": 3, "ring": 3})
    asked = []
    monkeypatch.setattr(
        sys.modules[model_for.__module__], "trained", lambda model, _, **given: asked.append((model, given)) or model
    )
    for recipe in (None, "paper", "short"):
        fit = {"seed": 2, "epochs": None, "decay": None, "rate": 0.5}
        ready_model("vcpclip", backbone, pictures, store=tmp_path, recipe=recipe, fit=fit)
    (_, auto), (released, paper), (small, short) = asked
    assert auto == paper == {"store": tmp_path, "seed": 2, "rate": 0.5}
    assert short == {"store": tmp_path, "seed": 2} | dict(SHORT_TRAININGS["vcpclip"].fit) | {"rate": 0.5}
    assert small.options["smoothing"] == 14.0 != released.options["smoothing"]


@pytest.mark.slow
def test_a_training_is_known_by_the_pictures_as_it_reads_them(backbone, tmp_path):
    """Two pages that load what is learned from at other sizes have one training."""
    pictures = toy_dataset(tmp_path / "toy", {"nut": 3, "ring": 3})
    for size in (32, 48):
        ready_model("april-gan", backbone, pictures.squashed(size), store=tmp_path, fit={"epochs": 1})
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1


@pytest.mark.slow
def test_where_a_training_is_kept_is_known_before_it_is_done(backbone, tmp_path):
    pictures = toy_dataset(tmp_path / "toy", {"nut": 3, "ring": 3})
    model = load_model("april-gan", backbone)
    asked = Asked(model, pictures, {"epochs": 1, "seed": 4}, tmp_path)
    assert not asked.place.exists() and asked.ready() is model
    assert asked.place.is_file() and asked.place == training_place(model, pictures, store=tmp_path, seed=4, epochs=1)
    assert Asked(load_model("winclip", backbone), None, {}, None).place is None
