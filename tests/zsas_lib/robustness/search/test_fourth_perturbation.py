"""A fourth perturbation, registered for a while, is swept and searched like the three of paper S."""

import pandas as pd
import pytest
import torch
from more_perturbations import BRIGHTNESS, MOVE, brighten
from sklearn.metrics import roc_auc_score
from toy import Glow, Speckled, toy_dataset

import zsas_lib as zsas
from zsas_lib import metrics
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.data.dataset import stacked
from zsas_lib.perturbations import OF_PAPER_S, PERTURBATIONS
from zsas_lib.robustness.search.comparison import bound_curves
from zsas_lib.robustness.search.cost import study_cost
from zsas_lib.robustness.search.objective import Objective
from zsas_lib.robustness.search.per_category import CHOSEN, ORIGINAL, halves, shared_amounts
from zsas_lib.robustness.search.transfer import transferred
from zsas_lib.robustness.search.whole_sets import bounds, worst_cases
from zsas_lib.robustness.search.worst_case import COMBINATIONS


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"bolt": 2}, normal=2)


@pytest.fixture(scope="module")
def batch(data):
    """A normal picture and two damaged ones, their masks and names."""
    found = stacked([data[i] for i in range(1, len(data))])
    return found.images, found.masks, found.categories


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(PERTURBATIONS, "brightness", BRIGHTNESS)


@pytest.mark.slow
def test_a_sweep_over_it(data, registered, tmp_path):
    table = zsas.uniform_sweep(Speckled(), data, "brightness", [0.5, 1.0, 1.75], resamples=5)
    values = table[table.category == "bolt"].set_index("value")
    assert set(table.unit) == {"fraction"} and set(table.perturbation) == {"brightness"}
    assert values.pixel_auroc[1.0] == zsas.evaluate(Speckled(), data, resamples=5).pixel_auroc["bolt"]
    samples = stacked(list(data))
    by_hand = Speckled()(brighten(samples.images, 1.75), "bolt").anomaly_map
    assert values.pixel_auroc[1.75] == pytest.approx(metrics.pixel_auroc(by_hand, samples.masks))
    stored = zsas.stored(
        zsas.uniform_sweep, Speckled(), data, "brightness", [0.5, 1.0, 1.75], resamples=5, store=tmp_path
    )
    pd.testing.assert_frame_equal(stored, table, atol=1e-9)


@pytest.mark.slow
def test_a_sweep_takes_its_grid_where_no_values_are_given(data, registered):
    table = zsas.uniform_sweep(Glow(), data, "brightness", resamples=5)
    assert table[table.category == "bolt"].value.tolist() == BRIGHTNESS.grid()
    with pytest.raises(ValueError, match=r"brightness in \[0.5, 1.75\] fraction, got 0"):
        zsas.uniform_sweep(Glow(), data, "brightness", [0.0])


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("derotation", ["zero", "valid", "mask"])
def test_one_that_moves_pixels_meets_the_mask_as_a_rotation_does(data, monkeypatch, derotation):
    monkeypatch.setitem(PERTURBATIONS, "move", MOVE)
    table = zsas.uniform_sweep(Speckled(), data, "move", [-4, 0, 4], derotation=derotation, resamples=5)
    found = table[table.category == "bolt"].set_index("value").pixel_auroc
    samples = stacked(list(data))
    maps = Speckled()(MOVE.apply(samples.images, 4), "bolt").anomaly_map.detach()
    masks, back = samples.masks, torch.cat([maps[:, :, 4:], torch.zeros_like(maps[:, :, :4])], 2)
    if derotation == "mask":
        back, masks = maps, torch.cat([torch.zeros_like(masks[:, :, :4]), masks[:, :, :-4]], 2)
    if derotation == "valid":
        back, masks = back[:, :, :-4], masks[:, :, :-4]
    assert found[4] == pytest.approx(roc_auc_score(masks.flatten(), back.flatten()), abs=1e-6)
    assert found[0] == zsas.evaluate(Speckled(), data, resamples=5).pixel_auroc["bolt"]


def test_the_objective_leaves_out_what_two_motions_together_did_not_show(batch, monkeypatch):
    monkeypatch.setitem(PERTURBATIONS, "move", MOVE)
    objective = Objective(Speckled(), *batch[:2], "bolt", ["move", "rotation"], "valid")
    assert objective.over == ("rotation", "move")
    found = objective.outcome(torch.tensor([1]), torch.tensor([[90.0, 3.0]]))
    moved = MOVE.apply(batch[0][1:2].rot90(-1, (-2, -1)), 3)
    map_ = Speckled()(moved, "bolt").anomaly_map[0].detach()
    truth = batch[1][1].rot90(-1)[:, :-3]
    assert truth.any()
    assert found.pixel_auroc[0] == pytest.approx(roc_auc_score(truth.flatten(), map_[:, 3:].flatten()), abs=1e-4)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("search", ["adam", "grid", "random"])
@pytest.mark.parametrize("over", [("brightness",), ("brightness", "rotation"), ("brightness", *OF_PAPER_S)], ids=len)
def test_every_search_goes_over_it(batch, registered, search, over):
    model = Speckled()
    found = zsas.worst_case(model, *batch, over, search, steps=12, restarts=2, seed=1)
    assert list(found.amounts) == ["degrees", "hue", "saturation", "factor"]
    assert torch.equal(found.factor, found.amounts["factor"]) and "factor" in dir(found)
    tried = found.history
    assert tried.factor.between(0.5, 1.75).all() and tried.factor.nunique() > 6
    first = tried.groupby("image").first()
    assert (first.factor == 1).all() and (first[["degrees", "hue", "saturation"]].abs() < 1e-6).all().all()
    assert tried.groupby("image").size().tolist() == [12] * 3
    if "rotation" not in over:
        assert (tried.degrees == 0).all() and (found.degrees == 0).all()
    clean = first.pixel_auroc.to_numpy()
    changed = zsas.perturb(batch[0], **found.amounts)
    maps = zsas.derotate(model(changed, "bolt").anomaly_map, found.degrees)
    for i in (1, 2):
        own = roc_auc_score(batch[1][i].flatten(), maps[i].detach().flatten())
        assert found.pixel_auroc[i] == pytest.approx(own, abs=1e-4) and own <= clean[i] + 1e-4
    other_order = zsas.worst_case(model, *batch, over[::-1], search, steps=12, restarts=2, seed=1)
    pd.testing.assert_frame_equal(other_order.history, tried)


@pytest.mark.slow
def test_a_search_over_it_makes_use_of_what_is_known_of_others(batch, registered):
    alone = zsas.worst_case(Speckled(), *batch, ["rotation"], "random", steps=8)
    assert "factor" not in alone.history
    both = zsas.worst_case(Speckled(), *batch, ["rotation", "brightness"], "grid", steps=6, known=alone.history)
    assert (both.pixel_auroc[1:] <= alone.pixel_auroc[1:] + 1e-6).all()
    joined = pd.concat([both.history, alone.history])  # without a factor where that was not searched over
    again = zsas.worst_case(Speckled(), *batch, ["rotation", "brightness"], "grid", steps=6, known=joined)
    assert (again.pixel_auroc[1:] <= both.pixel_auroc[1:] + 1e-6).all()
    less = zsas.worst_case(Speckled(), *batch, ["rotation"], "random", steps=1, known=both.history)
    neutral = both.history[both.history.factor == 1].groupby("image").pixel_auroc.min()
    assert less.pixel_auroc[1:].tolist() == pytest.approx(neutral[1:].tolist(), abs=1e-6)


@pytest.mark.slow
def test_whole_sets_are_studied_with_it(data, registered, tmp_path):
    options = {"search": "grid", "steps": 6, "restarts": 1, "store": tmp_path}
    combinations = [("brightness", "rotation"), ("brightness",), ("rotation",)]
    cases = worst_cases(Speckled(), data, combinations=combinations, **options)
    assert list(cases.combination[:4]) == ["none", "rotation", "brightness", "rotation + brightness"]
    assert list(cases)[4:8] == ["degrees", "hue", "saturation", "factor"]
    own = {name: rows.reset_index(drop=True) for name, rows in cases.groupby("combination")}
    assert (own["none"].factor == 1).all() and (own["rotation"].factor == 1).all()
    damaged = own["none"].is_anomalous
    assert (own["brightness"].factor[damaged] != 1).any()
    for less in ("none", "rotation", "brightness"):
        assert (own["rotation + brightness"].pixel_auroc <= own[less].pixel_auroc + 1e-9)[damaged].all()

    model = Speckled()
    table = bounds(model, data, combinations=combinations, resamples=5, **options)
    assert model.seen == len(data) * 4  # what was searched is stored
    clean = table[(table.category == "bolt") & (table.combination == "none")].iloc[0]
    assert clean.pixel_auroc == pytest.approx(zsas.evaluate(Speckled(), data).pixel_auroc["bolt"], abs=1e-6)

    both = cases[cases.combination == "rotation + brightness"]
    again = transferred(Speckled(), data, both)
    pd.testing.assert_frame_equal(again, both, atol=1e-5, check_dtype=False)

    three = worst_cases(Speckled(), data, combinations=[("rotation",)], **options)
    assert "factor" not in three and len(three) == 2 * len(data)


@pytest.mark.slow
def test_one_for_a_whole_category(data, registered):
    table = shared_amounts(Speckled(), data, over=["brightness", "hue"], points=6, goal="worst", resamples=5)
    assert list(table.columns[3:7]) == ["degrees", "hue", "saturation", "factor"]
    assert (table.factor[table.amounts == ORIGINAL] == 1).all() and (table.degrees == 0).all()
    chosen = table[table.amounts == CHOSEN].iloc[0]
    part = stacked(list(halves(data)[0]))
    maps = Speckled()(zsas.perturb(part.images, hue=chosen.hue, factor=chosen.factor), "bolt").anomaly_map
    assert chosen.factor != 1 and chosen.pixel_auroc == pytest.approx(metrics.pixel_auroc(maps, part.masks), abs=1e-4)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("search", ["adam", "grid"])
def test_its_cost_and_its_bound_curve(data, registered, search):
    options = {"search": search, "steps": 6, "restarts": 2}
    cost = study_cost(Glow(), data, combinations=[("brightness",), ("hue", "brightness")], **options)
    assert cost.points == len(data) * 2 * 6
    curve = bound_curves(Glow(), data, over=("brightness",), search=search, passes=6, restarts=1)
    curve = curve[curve.category == "bolt"]
    assert (curve.groupby("picture").pixel_auroc.diff().dropna() <= 0).all() and curve.passes.max() == 6


def test_the_papers_three_stay_the_default(batch, registered):
    assert len(COMBINATIONS) == 7 and set(COMBINATIONS[-1]) == set(OF_PAPER_S)
    found = zsas.worst_case(Glow(), *batch, search="random", steps=3)
    assert list(found.amounts) == ["degrees", "hue", "saturation"]
    with pytest.raises(AttributeError, match="'WorstCase' object has no attribute 'factor'"):
        found.factor


def test_what_is_not_registered_is_unknown(data, batch):
    message = "perturbation 'brightness'; known: hue, rotation, saturation"
    with pytest.raises(UnknownNameError, match=message):
        zsas.worst_case(Glow(), *batch, ["brightness"], steps=5)
    with pytest.raises(UnknownNameError, match=message):
        worst_cases(Glow(), data, combinations=[("rotation", "brightness")])
    with pytest.raises(UnknownNameError, match=message):
        shared_amounts(Glow(), data, over=["brightness", "hue"])
    with pytest.raises(UnknownNameError, match=message):
        study_cost(Glow(), data, combinations=[("brightness",)])
    with pytest.raises(UnknownNameError, match="perturbation 'glare'; known: .*hue.*rotation.*saturation"):
        zsas.uniform_sweep(Glow(), data, "glare")
