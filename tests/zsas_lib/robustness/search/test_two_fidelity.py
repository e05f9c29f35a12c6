"""Cheap looks, and the search that they guide: what it spends, what it reports, and that it finds more with less."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from toy import Glow, ToyBackbone, toy_dataset

import zsas_lib as zsas
from zsas_lib.models.prediction import AnomalyModel, Prediction
from zsas_lib.perturbations import PERTURBATIONS
from zsas_lib.robustness.search.cost import study_cost
from zsas_lib.robustness.search.looks import Look, judged, look_cost
from zsas_lib.robustness.search.objective import Objective
from zsas_lib.robustness.search.two_fidelity import _Picture, plan

SIDE, OVER = 24, ("rotation", "saturation")
WIDE, SMALL, ROUGH_WIDE = 5, 12, 3


class Sketched(AnomalyModel):
    """Scores how red a square around a pixel is; roughly so on a small picture, with a square about as large there.

    ``lies`` turns what a look says around."""

    name, looks_cheaply = "sketched", True

    def __init__(self, lies: bool = False):
        super().__init__(ToyBackbone(), {"lies": lies})
        self.exact, self.rough = 0, 0

    @staticmethod
    def red(images, wide):
        weights = torch.tensor([1.0, -0.5, -0.5])[None, :, None, None] * torch.ones(1, 1, wide, wide) / wide**2
        return nn.functional.conv2d(images, weights, padding=wide // 2)[:, 0]

    def forward(self, images, class_names):
        self.exact += len(images)
        maps = self.red(images, WIDE)
        return Prediction(maps, maps.amax((1, 2)))

    def rough_map(self, images, class_names, masks):
        self.rough += len(images)
        maps = self.red(nn.functional.adaptive_avg_pool2d(images, SMALL), ROUGH_WIDE)
        maps[:, 0, 0] = torch.nan
        return -maps if self.options["lies"] else maps


@pytest.fixture
def pictures():
    """Three pictures, the last without a defect, their masks and names."""
    generator = torch.Generator().manual_seed(0)
    images = nn.functional.avg_pool2d(torch.rand(3, 3, SIDE + 4, SIDE + 4, generator=generator), 5, stride=1)
    images, masks = images * 0.6 + 0.1, torch.zeros(3, SIDE, SIDE, dtype=torch.bool)
    masks[0, 4:10, 5:12] = masks[1, 12:20, 10:14] = True
    images[:, 0][masks] += 0.15
    return images, masks, ["bolt", "nut", "nut"]


def test_a_coarse_map_is_judged_by_the_pixels_of_its_cells():
    """As if every pixel had its cell's score: scikit-learn's number, which knows ties, and the loss of S eq. (4)."""
    rng = np.random.default_rng(0)
    maps, masks = torch.tensor(rng.integers(0, 5, (2, 3, 4)) / 4), torch.tensor(rng.random((2, 12, 16)) < 0.3)
    counted = torch.tensor(rng.random((2, 3, 4)) < 0.8)
    damaged = nn.functional.adaptive_avg_pool2d(masks.double(), (3, 4))
    loss, found = judged(maps, counted, damaged)
    for place in range(2):
        seen = np.kron(counted[place], np.ones((4, 4))) > 0
        values, truth = np.kron(maps[place], np.ones((4, 4)))[seen], masks[place].numpy()[seen]
        assert found[place].item() == pytest.approx(roc_auc_score(truth, values), abs=1e-9)
        assert loss[place].item() == pytest.approx(values[~truth].mean() - values[truth].mean(), abs=1e-9)
    loss, found = judged(maps[:1], torch.ones_like(counted[:1]), 0 * damaged[:1])
    assert loss.item() == pytest.approx(maps[0].mean().item()) and found.isnan().all()


class SeesAll(Sketched):
    """What its cheap look says is no less than what it says."""

    def rough_map(self, images, class_names, masks):
        return self(images, class_names).anomaly_map


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("fill", ["zero", "valid"])
def test_a_look_that_sees_all_says_what_an_exact_pass_says_of_a_turned_picture(pictures, fill):
    """Damage and background that leave the picture, and corners that come in, count as in the exact number."""
    images, masks, names = (part[:2] for part in pictures)
    masks = masks.clone()
    masks[0, :5, :5] = True  # leaves the picture when it is turned by an eighth
    objective, index = Objective(SeesAll(), images, masks, names, ["rotation"], fill), torch.arange(2)
    for degrees in (45.0, -30.0):
        amounts = torch.full((2, 1), degrees)
        exact = objective.outcome(index, amounts)
        for select, number in (("pixel_auroc", exact.pixel_auroc), ("loss", -exact.loss)):
            said = Look(objective).values(index, amounts, "worst", select)
            assert said == pytest.approx(number.numpy(), abs=0.02 if select == "pixel_auroc" else 0.01), degrees


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("fill", ["zero", "valid"])
def test_a_look_sees_the_perturbed_picture_and_is_judged_upright(pictures, fill):
    """On a grid four times as fine as the rough map's, without the cell of which nothing is known."""
    images, masks, names = pictures
    objective = Objective(model := Sketched(), images, masks, names, OVER, fill)
    amounts = torch.tensor([[40.0, 0.2], [-75.0, -0.3], [10.0, 0.1]])
    degrees, fine = amounts[:, 0], 4 * SMALL
    turned = PERTURBATIONS["rotation"].motion.masks_along(masks, degrees)
    rough = model.rough_map(zsas.perturb(images, degrees, 0, amounts[:, 1]), names, turned)
    known = torch.ones(3, 1, SMALL, SMALL)
    known[..., 0, 0] = 0
    enlarged = [
        nn.functional.interpolate(own, (fine, fine), mode="bilinear") for own in (rough[:, None].nan_to_num(), known)
    ]
    blind = torch.zeros(3, fine, fine)
    blind[:, :4, :4] = 1
    maps = torch.where(blind > 0, 0, (enlarged[0] / enlarged[1])[:, 0])
    maps = zsas.derotate(maps, degrees, "zero" if fill == "zero" else "replicate")
    shown = zsas.valid_region(-degrees, fine, fine)
    counted = ~shown & (fill == "zero") | shown & (zsas.derotate(blind, degrees, "replicate") <= 0.5)
    loss, own = judged(maps, counted, nn.functional.adaptive_avg_pool2d(masks.double(), fine))
    found = Look(objective).values(torch.arange(3), amounts, "worst", "pixel_auroc")
    assert found == pytest.approx([own[0].item(), own[1].item(), -loss[2].item()], abs=1e-6)
    assert Look(objective).values(torch.arange(2), amounts[:2], "best", "loss") == pytest.approx(loss[:2], abs=1e-6)


@pytest.mark.slow
def test_passes_count_looks_by_their_cost_and_stay_within_what_is_given(pictures):
    model = Sketched()
    cost = Look(Objective(model, *pictures, OVER)).cost  # counted once for a model
    assert cost == look_cost(model, "bolt", (SIDE, SIDE))
    assert cost == pytest.approx((SMALL * ROUGH_WIDE) ** 2 / (SIDE * WIDE) ** 2)
    for passes in (3, 7, 30):
        model.exact = model.rough = 0
        found = zsas.worst_case(model, *pictures, OVER, "two-fidelity", steps=passes)
        spending = plan(passes, cost)
        last = found.history.groupby("image").passes.max()
        assert last.to_numpy() == pytest.approx(spending.exact + cost * spending.looks) and (last <= passes).all()
        assert found.history.groupby("image").size().tolist() == [spending.exact] * 3
        assert (model.exact - 3, model.rough) == (3 * spending.exact, 3 * spending.looks), "and the chosen maps"
        assert (found.forward_passes == math.ceil(last.iloc[0]) + 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("lies", [False, True])
def test_what_is_reported_is_exact_and_no_better_than_the_unperturbed_picture(pictures, lies):
    images, masks, names = pictures
    model = Sketched(lies)
    found = zsas.worst_case(model, images, masks, names, OVER, "two-fidelity", steps=20)
    first = found.history.groupby("image").first()
    assert (first[["degrees", "saturation"]].abs() < 1e-6).all().all()
    assert (found.pixel_auroc[:2].numpy() <= first.pixel_auroc[:2] + 1e-6).all() and found.pixel_auroc[2].isnan()
    assert found.loss[2] >= first.loss[2] - 1e-6
    for place in (0, 1):
        own = roc_auc_score(masks[place].flatten(), found.anomaly_map[place].flatten())
        assert found.pixel_auroc[place] == pytest.approx(own, abs=1e-5)
    assert not found.history.duplicated(["image", "degrees", "saturation"]).any()


@pytest.mark.slow
def test_looks_that_are_right_find_more_than_as_many_passes_without_them(pictures):
    images, masks, names = (part[:2] for part in pictures)
    bounds = {
        search: zsas.worst_case(Sketched(), images, masks, names, search=search, steps=14).pixel_auroc.mean()
        for search in ("two-fidelity", "grid")
    }
    assert bounds["two-fidelity"] < 0.75 * bounds["grid"]


@pytest.mark.slow
def test_same_pictures_same_points_whatever_the_company(pictures):
    """Of hues: without any colour, which is where saturation leads, this model's map is rounding, and so is what a
    search makes of it."""
    images, masks, names = pictures
    over = ("rotation", "hue")
    together = zsas.worst_case(Sketched(), images, masks, names, over, "two-fidelity", steps=10).history
    own = (images[1:2], masks[1:2], names[1:2])
    alone = zsas.worst_case(Sketched(), *own, over, "two-fidelity", steps=10, batch_size=3).history
    columns = ["passes", "degrees", "hue", "loss", "pixel_auroc"]
    np.testing.assert_allclose(together.loc[together.image == 1, columns], alone[columns], atol=1e-4)


def test_looks_and_exact_numbers_at_an_angle_tell_of_it_a_quarter_of_a_turn_later():
    known = np.concatenate([np.linspace(0.02, 0.48, 24), [0.55, 0.95]])
    valley, later = 1 - np.exp(-(((known % 0.5 - 0.2) / 0.03) ** 2)), np.array([[0.7], [0.85]])
    picture, flat = (_Picture(("rotation",)) for _ in range(2))
    picture.looked(known[:, None], valley)
    looks = picture.looks.expected(later)
    assert looks[0] < 0.5 < looks[1]
    flat.looked(known[:, None], np.zeros(len(known)))
    flat.next(known[:, None], valley, 3, 10)
    beside = flat.beside.expected(later)
    assert beside[0] < 0.5 < beside[1]


def test_further_looks_go_where_those_before_were_low():
    picture, places = _Picture(("saturation",)), np.linspace(0, 1, 12)[:, None]
    picture.looked(places, (places[:, 0] - 0.3) ** 2)
    near = np.abs(picture.unseen(8) - 0.3)
    assert np.median(near) < 0.15 and near.min() < 0.03


def test_a_look_that_is_not_finite_counts_as_the_highest_of_its_picture():
    picture, places = _Picture(("saturation",)), np.linspace(0, 1, 4)[:, None]
    picture.looked(places, np.array([0.2, np.inf, 0.6, 0.4]))
    assert picture.rough.tolist() == [0.2, 0.6, 0.6, 0.4]


@pytest.mark.slow
def test_points_of_smaller_searches_inform_and_compete(pictures):
    smaller = zsas.worst_case(Sketched(), *pictures, ["saturation"], "two-fidelity", steps=12)
    larger = [
        zsas.worst_case(Sketched(), *pictures, OVER, "two-fidelity", steps=12, known=known)
        for known in (smaller.history, None)
    ]
    assert (larger[0].pixel_auroc[:2] <= smaller.pixel_auroc[:2] + 1e-6).all()
    columns = ["degrees", "saturation"]
    assert not np.allclose(larger[0].history[columns], larger[1].history[columns]), "what is known informs"


@pytest.mark.slow
def test_a_model_without_a_cheap_look_is_searched_by_exact_passes_alone(pictures):
    found = [zsas.worst_case(Glow(), *pictures, OVER, search, steps=6) for search in ("two-fidelity", "grid")]
    pd.testing.assert_frame_equal(*(own.history for own in found))
    with pytest.raises(NotImplementedError, match="glow has no cheap look"):
        Look(Objective(Glow(), *pictures, OVER))


@pytest.mark.parametrize("passes", [1, 2])
def test_too_few_passes_for_a_look_and_a_point_are_refused(pictures, passes):
    with pytest.raises(ValueError, match=f"at least 3 passes .*cheap looks of 0.09 passes.*got {passes}.*search=.grid"):
        zsas.worst_case(Sketched(), *pictures, OVER, "two-fidelity", steps=passes)


@pytest.mark.parametrize("cost", [0.01, 0.15, 0.45, 0.9])
@pytest.mark.parametrize("passes", [3, 4, 5, 12, 50, 1000])
def test_a_plan_spends_no_more_than_it_is_given(passes, cost):
    if passes < 2 + 2 * cost:
        return
    made = plan(passes, cost)
    assert 2 <= made.looks <= min(256, 8 * made.exact) and made.exact >= 2 and made.first >= 1
    assert passes - 1 < made.looks * cost + made.exact <= passes + 1e-6


@pytest.mark.slow
def test_a_study_s_cost_counts_exact_points_and_all_passes(tmp_path):
    data = toy_dataset(tmp_path, {"bolt": 1, "nut": 1}, normal=1)
    found = study_cost(Sketched(), data, combinations=[("rotation",), OVER], search="two-fidelity", steps=12)
    exact = plan(12, look_cost(Sketched(), "bolt", (32, 32))).exact
    assert (found.points, found.passes) == (4 * 2 * exact, 4 * 2 * 13) and found.seconds > 0
    without = study_cost(Glow(), data, combinations=[OVER], search="two-fidelity", steps=12)
    assert (without.points, without.passes) == (4 * 12, 4 * 13)


def test_a_cost_that_cannot_be_counted_is_an_error(pictures, monkeypatch):
    monkeypatch.setattr(Glow, "looks_cheaply", True)
    with pytest.raises(ValueError, match="glow has a cheap look, but no operations that torch counts"):
        Look(Objective(Glow(), *pictures, OVER))


@pytest.mark.slow
def test_winclip_s_look_costs_a_seventh_of_a_pass():
    model = zsas.load_model("winclip", zsas.load_backbone("embedded"))
    assert 0.12 < look_cost(model, "ceramic ring") < 1 / 6
