"""zsas_lib.training.selection: which epoch is kept, by which pictures, and that test data choose none by accident."""

import pandas as pd
import pytest
import torch
from toy import toy_dataset
from trained import learned

import zsas_lib as zsas
from zsas_lib.base.errors import DataError, OptionError, UnknownNameError
from zsas_lib.training.fit import fit
from zsas_lib.training.ready import trained, training_place
from zsas_lib.training.selection import selection_of


@pytest.fixture
def auxiliary(tmp_path):
    return toy_dataset(tmp_path / "auxiliary", {"nut": 4, "ring": 4}, normal=4)


@pytest.fixture
def target(tmp_path):
    return toy_dataset(tmp_path / "target", {"bolt": 3, "wing": 3})


def names(dataset):
    return [record.name(dataset.root) for record in dataset.records]


@pytest.mark.slow
@pytest.mark.parametrize("by", ["pixel_ap", "image_ap"])
def test_the_epoch_that_is_best_on_the_target_is_kept(backbone, auxiliary, target, by):
    """Against every epoch evaluated by hand; that a metric sees none of it, the last one shows."""
    found = []
    settings = {"epochs": 4, "training_batch_size": 4, "rate": 0.05, "augment": False}
    model = zsas.load_model("april-gan", backbone)

    def watch(epoch, network):
        found.append((float(zsas.evaluate(network, target.squashed(32)).loc["mean", by]), epoch, learned(network)))

    fit(model, auxiliary, each_epoch=watch, **settings)
    assert model.trained["select"] == "last" and model.trained["kept_epoch"] == 4
    assert [epoch for _, epoch, _ in found] == [1, 2, 3, 4] and torch.equal(learned(model), found[3][2])
    _, epoch, parameters = max(found, key=lambda own: own[0])
    fit(model, auxiliary, select="target", select_by=by, target=target, **settings)
    assert model.trained["kept_epoch"] == epoch and torch.equal(learned(model), parameters)
    assert model.trained["target"] == [target.name, target.squashed(32).digest]
    assert model.trained["select"] == "target" and model.trained["select_by"] == by


def test_test_data_choose_nothing_by_accident(backbone, auxiliary, target, tmp_path):
    model = zsas.load_model("april-gan", backbone)
    with pytest.raises(OptionError, match="select='target' and no target; expected the test data that choose"):
        fit(model, auxiliary, select="target")
    for select in (None, "last", "auxiliary"):
        with pytest.raises(OptionError, match=f"a target and select={select!r}; test data choose an epoch with"):
            fit(model, auxiliary, select=select, target=target)
    with pytest.raises(OptionError, match="no target"):
        trained(model, auxiliary, select="target", store=tmp_path)
    with pytest.raises(UnknownNameError, match="selection of an epoch 'targte'.*'target'"):
        fit(model, auxiliary, select="targte", target=target)
    with pytest.raises(UnknownNameError, match="metric that chooses an epoch 'loss'"):
        fit(model, auxiliary, select="target", target=target, select_by="loss")
    assert model.trained is None


def test_one_of_four_pictures_of_each_product_and_kind_is_held_out(tmp_path):
    dataset = toy_dataset(tmp_path, {"bolt": 9, "nut": 4, "ring": 1}, normal=2)
    found = selection_of(dataset, "auxiliary", "pixel_ap", [], None, 32)
    judging = [(r.category, r.is_anomalous, int(r.path.stem)) for r in found.judges.records]
    assert judging == [
        *(("bolt", False, 1), ("bolt", True, 5), ("bolt", True, 9)),
        *(("nut", False, 1), ("nut", True, 5), ("ring", False, 1)),
    ]
    assert len(found.chosen) + len(judging) == len(dataset) and not {*found.chosen.records} & {*found.judges.records}


def test_held_out_pictures_choose_and_are_not_trained_on(auxiliary):
    """One in four normal and one in four damaged pictures of each category, where no categories are held out."""
    parts = selection_of(auxiliary, "auxiliary", "pixel_ap", [], None, 32)
    assert names(parts.judges) == ["nut/3.png", "nut/7.png", "ring/3.png", "ring/7.png"]
    assert sorted(names(parts.judges) + names(parts.chosen)) == sorted(names(auxiliary))
    whole = selection_of(auxiliary, None, "pixel_ap", ["ring"], None, 32)
    assert whole.settings["select"] == "auxiliary"
    assert whole.judges.categories == ("ring",) and whole.chosen.categories == ("nut",)
    last = selection_of(auxiliary, "last", "pixel_ap", ["ring"], None, 32)
    assert last.judges is None and last.chosen.categories == ("nut",), "held out, and not asked"


def test_the_target_may_choose_beside_held_out_categories(auxiliary, target):
    parts = selection_of(auxiliary, "target", "aupro", ["ring"], target, 32)
    assert parts.chosen.categories == ("nut",) and names(parts.judges) == names(target)


def test_pictures_that_cannot_choose_are_refused(auxiliary, target):
    """Without this the first epoch would be kept whatever it is: nan is higher than nothing."""
    with pytest.raises(DataError, match="6 pictures of data set 'toy'.* have no pixel_ap; expected a category with"):
        selection_of(auxiliary, "target", "pixel_ap", [], target.select(anomalous=False), 32)
    with pytest.raises(DataError, match="have no image_auroc; expected .* anomalous pictures and normal ones"):
        selection_of(auxiliary, "target", "image_auroc", [], target.select(anomalous=True), 32)
    bare = target.part([type(record)(record.path, None, record.category, record.defect) for record in target.records])
    with pytest.raises(DataError, match="no mask of 6 anomalous .*; pixel_ap is to choose the epoch"):
        selection_of(auxiliary, "target", "pixel_ap", [], bare, 32)
    assert selection_of(auxiliary, "target", "image_auroc", [], bare, 32).judges is not None


@pytest.mark.slow
def test_a_training_is_known_by_what_chooses_its_epoch(backbone, auxiliary, target, tmp_path):
    model = zsas.load_model("april-gan", backbone)

    def place(**options):
        return training_place(model, auxiliary, store=tmp_path, epochs=1, **options)

    chosen = {"select": "target", "target": target}
    places = [
        place(),
        place(select="auxiliary"),
        place(held_out=["ring"]),
        place(held_out=["ring"], select="last"),
        place(**chosen),
        place(**chosen, select_by="aupro"),
        place(select="target", target=target.select(["bolt"])),
    ]
    assert len(set(places)) == len(places)
    assert place(select="last") == place() and place(held_out=["ring"], select="auxiliary") == places[2]
    assert place(select="target", target=target.squashed(48)) == places[4], "read at the backbone's size"
    with pytest.raises(TypeError, match="function"):
        place(each_epoch=print)


@pytest.mark.slow
def test_a_resumed_training_remembers_its_best_epoch(backbone, auxiliary, target, tmp_path, monkeypatch):
    qualities = iter([0.6, 0.2, 0.4])

    def judged(model, dataset, **_):
        if (quality := next(qualities)) == 0.4 and not resumed:
            raise KeyboardInterrupt
        return pd.DataFrame({"pixel_ap": [quality]}, index=["mean"])

    monkeypatch.setattr("zsas_lib.training.fit.evaluate", judged)
    model, resumed = zsas.load_model("april-gan", backbone), False
    settings = {"epochs": 3, "training_batch_size": 4, "augment": False, "checkpoint": tmp_path / "c"}
    with pytest.raises(KeyboardInterrupt):
        fit(model, auxiliary, select="target", target=target, **settings)
    with pytest.raises(DataError, match="another training, with select target, not last"):
        fit(model, auxiliary, **settings)
    qualities, resumed = iter([0.4]), True
    fit(model, auxiliary, select="target", target=target, **settings)
    assert model.trained["kept_epoch"] == 1
