"""Gaps between clean pictures and worst cases, compared between trainings."""

import pytest
import torch
from toy import toy_dataset

import zsas_lib as zsas
from zsas_lib.base.errors import OptionError, UnknownNameError
from zsas_lib.perturbations import OF_PAPER_S
from zsas_lib.robustness import robust_training as study
from zsas_lib.robustness.search.whole_sets import NONE, bounds, combination_name
from zsas_lib.training.glanced import POINTS
from zsas_lib.training.perturbed import COPIES, require_perturbed, separation

WORST = combination_name(OF_PAPER_S)


@pytest.fixture(scope="module")
def tables():
    """Bounds of two maps without a model, as if they were trainings."""
    names = ["ceramic_ring", "woven_sheet"]
    pictures = zsas.load_dataset("embedded-b", categories=names, image_size=36).select(per_category=4)
    searching = {"combinations": [OF_PAPER_S], "search": "random", "steps": 3, "resamples": 12}
    return [bounds(zsas.load_model(name), pictures, **searching) for name in ("local-contrast", "median-colour")]


def mean(table, combination, metric="aupro"):
    return table[(table.category == "mean") & (table.combination == combination)][metric].iloc[0]


@pytest.mark.slow
def test_the_gap_of_each_training_is_set_against_the_first(tables):
    one, other = tables
    rows = study.changes({"plain": [one], "random": [other]}, "aupro").set_index("training")
    gaps = {name: mean(own, NONE) - mean(own, WORST) for name, own in zip(rows.index, tables)}
    assert rows.gap.to_dict() == pytest.approx(gaps)
    assert rows.clean_gap["random"] == pytest.approx(mean(other, NONE) - mean(one, NONE))
    assert rows.worst_gap["random"] == pytest.approx(mean(other, WORST) - mean(one, WORST))
    assert rows.closed_gap["random"] == pytest.approx(gaps["plain"] - gaps["random"])
    assert rows.share["random"] == pytest.approx(1 - gaps["random"] / gaps["plain"])
    assert rows.closed_low["random"] < rows.closed_gap["random"] < rows.closed_high["random"]
    assert rows.loc["plain", ["clean_gap", "worst_gap", "closed_gap", "closed_se"]].tolist() == [0, 0, 0, 0]


@pytest.mark.slow
def test_no_share_is_closed_of_a_gap_that_is_not_open(tables):
    one, other = tables
    worst = one.combination == WORST
    for clean in (0.4, 0.5):  # the worst cases are as good as pictures as they are, or better
        closed = one.assign(aupro=one.aupro.where(worst, clean).where(~worst, 0.5))
        closed.replicates, closed.attrs = one.replicates, one.attrs
        rows = study.changes({"plain": [closed], "random": [other]}, "aupro")
        assert rows.share.isna().all() and rows.gap[0] == pytest.approx(clean - 0.5)


@pytest.mark.slow
def test_runs_are_averaged_and_a_single_category_has_no_interval(tables):
    one, other = tables
    rows = study.changes({"first": [one, other], "second": [other, one]}, "aupro", by="way")
    assert rows.way.tolist() == ["first", "second"] and rows.closed_gap.tolist() == pytest.approx([0, 0])
    assert rows.closed_se[0] == 0 < rows.closed_se[1], "trainings apart"


def test_trainings_differ_in_the_copies_alone():
    made = study.trainings([*study.TRAININGS])
    assert list(made) == ["plain", "random", "worst of looks"]
    assert [own["looks"] for own in made.values()] == [1, 1, study.LOOKS]
    assert {(own["augment"], own["zoom"]) for own in made.values()} == {(False, 0.0)}
    for own in made.values():
        require_perturbed(own["perturbed"], own["looks"])
    assert [study.points(name, glances=False) for name in made] == [1, COPIES, COPIES]
    assert [study.points(name, glances=True) for name in made] == [1, COPIES, POINTS]
    with pytest.raises(UnknownNameError, match="Unknown training 'adversarial'"):
        study.trainings(["adversarial"])


@pytest.mark.slow
def test_a_look_is_set_against_the_whole_map(backbone, tmp_path, monkeypatch):
    """A look that is the whole map agrees with it; what it gains and costs follows from what it says."""
    pictures = toy_dataset(tmp_path / "toy", {"nut": 2, "ring": 2}).squashed(32)
    model = zsas.load_model("anomalyclip", backbone)
    zsas.fit(model, pictures, epochs=1, training_batch_size=4)
    found = study.looks_against_exact(model, pictures)
    assert found.category.tolist() == [pictures[place].category for place in range(len(pictures))]
    assert found.patches.nunique() == found.cost.nunique() == 1 and 0 < found.cost[0]
    assert found["rank"].between(-1, 1).all() and (found.gained <= 1).all()
    given, whole, real = {}, type(model).compare, study.glanced

    def looks(model, read, damaged):  # what the whole map will say
        images, masks = given["pictures"]
        features = model.features(images, ["nut"] * len(images))
        with torch.no_grad():
            own = whole(model, features, model.backbone.image.seen)[0]
        return separation(own.flatten(1), masks.float().flatten(1))

    def glanced(model, images, masks, names):
        given["pictures"] = images, masks
        return real(model, images, masks, names)

    monkeypatch.setattr(study, "glanced", glanced)
    monkeypatch.setattr(study, "looks", looks)
    same = study.looks_against_exact(model, pictures)
    assert same["rank"].tolist() == pytest.approx([1.0] * len(pictures))
    assert same.gained.tolist() == pytest.approx([1.0] * len(pictures))
    monkeypatch.setattr(study, "looks", lambda *own: -looks(*own))
    assert (study.looks_against_exact(model, pictures)["rank"] < -0.99).all()
    with pytest.raises(OptionError, match="april-gan has no cheap look"):
        study.looks_against_exact(zsas.load_model("april-gan", backbone), pictures)
