"""The search for the worst case: objective, the three searches, and what may go wrong."""

import logging
import math

import jaxtyping
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from toy import Glow, ToyBackbone

import zsas_lib as zsas
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.models.prediction import AnomalyModel, Prediction
from zsas_lib.perturbations import RANGES
from zsas_lib.robustness.search.amounts import even_shares, into_box, random_amounts
from zsas_lib.robustness.search.history import bound_curve, chosen_points, criterion
from zsas_lib.robustness.search.objective import Objective, segmentation_loss
from zsas_lib.robustness.search.worst_case import COMBINATIONS

SIDE = 24


@pytest.fixture
def pictures():
    """Three pictures, the last without a defect, their masks and names."""
    generator = torch.Generator().manual_seed(0)
    images = (
        nn.functional.avg_pool2d(torch.rand(3, 3, SIDE + 4, SIDE + 4, generator=generator), 5, stride=1) * 0.6 + 0.1
    )
    masks = torch.zeros(3, SIDE, SIDE, dtype=torch.bool)
    masks[0, 4:10, 5:12] = masks[1, 12:20, 10:14] = True
    images[:, 0][masks] += 0.15
    return images, masks, ["bolt", "nut", "nut"]


class Redness(AnomalyModel):
    """Scores each pixel by how red it is, and knows no neighbourhood: smooth in the colour shifts."""

    name = "redness"

    def __init__(self):
        super().__init__(ToyBackbone(), {})

    def forward(self, images, class_names):
        maps = images[:, 0] - images[:, 1:].mean(1)
        return Prediction(maps, maps.amax((1, 2)))


def test_loss_is_the_papers_difference_of_means(pictures):
    _, masks, _ = pictures
    maps = torch.rand(3, SIDE, SIDE)
    shown = torch.rand(3, SIDE, SIDE) < 0.7
    expected = [
        maps[i][~masks[i] & shown[i]].mean() - (maps[i][masks[i] & shown[i]].mean() if masks[i].any() else 0)
        for i in range(3)
    ]
    assert torch.allclose(segmentation_loss(maps, masks, shown), torch.stack(expected), atol=1e-6)


def test_outcome_is_perturb_predict_turn_back_compare(pictures):
    images, masks, names = pictures
    model = Glow()
    amounts = torch.tensor([[30.0, 0.5, -0.2], [-75.0, -2.0, 0.1]])
    found = Objective(model, images, masks, names).outcome(torch.tensor([0, 1]), amounts)
    for i, (degrees, hue, saturation) in enumerate(amounts):
        changed = zsas.perturb(images[i : i + 1], degrees, hue, saturation)
        map_ = zsas.derotate(model(changed, names[i]).anomaly_map, degrees)[0].detach()
        assert torch.allclose(found.maps[i], map_, atol=1e-6)
        assert found.pixel_auroc[i] == pytest.approx(roc_auc_score(masks[i].flatten(), map_.flatten()), abs=1e-6)
        expected = map_[~masks[i]].mean() - map_[masks[i]].mean()
        assert found.loss[i].item() == pytest.approx(expected.item(), abs=1e-6)


def test_valid_fill_leaves_out_what_the_turned_image_did_not_show(pictures):
    images, masks, names = pictures
    model, degrees = Glow(), torch.tensor([45.0])
    found = Objective(model, images, masks, names, ["rotation"], "valid").outcome(torch.tensor([0]), degrees[:, None])
    region = zsas.valid_region(-45.0, SIDE, SIDE)
    map_ = zsas.derotate(model(zsas.rotate(images[:1], 45.0), "bolt").anomaly_map, 45.0, fill="replicate")[0].detach()
    assert found.pixel_auroc[0] == pytest.approx(roc_auc_score(masks[0][region], map_[region]), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("search", ["adam", "grid", "random", "two-fidelity"])
@pytest.mark.parametrize("select", ["pixel_auroc", "loss"])
@pytest.mark.parametrize("goal", ["worst", "best"])
def test_a_point_that_turns_the_damage_out_of_view_is_no_answer(search, select, goal):
    """The damage lies in a corner, which most turns leave out; the second picture is sound, the third damaged all over,
    so that neither ever has an AUROC."""
    images = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    masks = torch.zeros(3, SIDE, SIDE, dtype=torch.bool)
    masks[0, :3, :3], masks[2] = True, True
    turns = torch.linspace(-80, 80, 9)[:, None]
    objective = Objective(Glow(), images, masks, "bolt", ["rotation"], "valid")
    tried = objective.outcome(torch.zeros(9, dtype=int), turns)
    assert 2 < tried.pixel_auroc.isnan().sum() < 9 and torch.equal(tried.loss.isnan(), tried.pixel_auroc.isnan())
    others = objective.outcome(torch.tensor([1, 2]), turns[:2])
    assert others.loss.isfinite().all() and others.pixel_auroc.isnan().all()
    found = zsas.worst_case(
        Glow(),
        images,
        masks,
        "bolt",
        ["rotation"],
        search,
        steps=16,
        restarts=2,
        goal=goal,
        select=select,
        fill="valid",
    )
    assert found.loss.isfinite().all() and found.pixel_auroc.isfinite().tolist() == [True, False, False]
    own = found.history[found.history.image == 0]
    assert search != "random" or own.pixel_auroc.isna().any()
    if select == "pixel_auroc":
        assert found.pixel_auroc[0] == pytest.approx(getattr(own.pixel_auroc, "min" if goal == "worst" else "max")())
    else:
        seen = own.loss[own.pixel_auroc.notna()]
        assert found.loss[0] == pytest.approx(getattr(seen, "max" if goal == "worst" else "min")())


def test_amounts_that_are_not_searched_over_change_nothing(pictures):
    images, masks, names = pictures
    found = zsas.worst_case(Glow(), images, masks, names, ["hue"], "random", steps=4)
    assert (found.degrees == 0).all() and (found.saturation == 0).all()
    assert (found.history[["degrees", "saturation"]] == 0).all().all()


@pytest.mark.slow
@pytest.mark.parametrize("search", ["adam", "grid", "random"])
@pytest.mark.parametrize("over", COMBINATIONS, ids="+".join)
def test_a_worst_case_is_no_better_than_the_unperturbed_image(pictures, search, over):
    images, masks, names = pictures
    model = Glow()
    found = zsas.worst_case(model, images, masks, names, over, search, steps=12, restarts=2, batch_size=5)
    clean = Objective(model, images, masks, names, ["hue"]).outcome(torch.arange(3), torch.zeros(3, 1))
    assert (found.pixel_auroc[:2] <= clean.pixel_auroc[:2] + 1e-6).all() and found.pixel_auroc[2].isnan()
    assert found.loss[2] >= clean.loss[2] - 1e-6
    for perturbation, column in {"rotation": "degrees", "hue": "hue", "saturation": "saturation"}.items():
        low, high, _ = RANGES[perturbation]
        tried = found.history[column]
        assert tried.between(low - 1e-4, high + 1e-4).all()
    first = found.history.groupby("image").first()
    assert (first[["degrees", "hue", "saturation"]].abs() < 1e-6).all().all()
    assert (found.forward_passes == (25 if search == "adam" else 13)).all()


@pytest.mark.slow
def test_the_returned_map_is_the_one_that_was_judged(pictures):
    images, masks, names = pictures
    found = zsas.worst_case(Glow(), images, masks, names, search="grid", steps=30)
    for i in (0, 1):
        assert found.pixel_auroc[i] == pytest.approx(
            roc_auc_score(masks[i].flatten(), found.anomaly_map[i].flatten()), abs=1e-5
        )


@pytest.mark.slow
def test_adam_climbs_as_torch_does_alone(pictures):
    """One image and one start after the other, with an optimiser of its own, gives the same steps as all at once."""
    images, masks, names = pictures
    found = zsas.worst_case(Redness(), images, masks, names, steps=12, restarts=2, seed=[3, 4, 5])
    starts = random_amounts(tuple(RANGES), 2, [3, 4, 5])
    starts[:, 0] = 0
    for i in range(3):
        for start in range(2):
            amounts = [starts[i, start, j].clone().requires_grad_() for j in range(3)]
            adam = torch.optim.Adam([{"params": [a], "lr": lr} for a, lr in zip(amounts, (5.0, 0.1, 0.1))])
            rows = found.history.query(f"image == {i} and start == {start}").sort_values("step")
            for row in rows.itertuples():
                degrees, hue, saturation = amounts
                clipped = [
                    degrees + (degrees.clamp(-90, 90) - degrees).detach(),
                    hue,
                    saturation + (saturation.clamp(-0.5, 0.5) - saturation).detach(),
                ]
                changed = zsas.perturb(images[i : i + 1], *(a[None] for a in clipped))
                map_ = zsas.derotate(Redness()(changed, "x").anomaly_map, clipped[0][None])
                loss = map_[0][~masks[i]].mean() - (map_[0][masks[i]].mean() if masks[i].any() else 0)
                assert row.degrees == pytest.approx(clipped[0].item(), abs=2e-3)
                assert row.loss == pytest.approx(loss.item(), abs=2e-5)
                adam.zero_grad()
                (-loss).backward()
                adam.step()


@pytest.mark.slow
def test_searching_over_more_is_never_weaker(pictures):
    images, masks, names = pictures
    histories, bounds = [], {}
    for over in COMBINATIONS:
        known = pd.concat(histories) if histories else None
        found = zsas.worst_case(Glow(), images, masks, names, over, "grid", steps=8, known=known)
        bounds[over] = found.pixel_auroc[:2]
        histories.append(found.history)
    for more in COMBINATIONS:
        for less in COMBINATIONS:
            if set(less) < set(more):
                assert (bounds[more] <= bounds[less] + 1e-6).all()


@pytest.mark.slow
def test_the_best_case_is_the_other_end(pictures):
    images, masks, names = pictures
    worst = zsas.worst_case(Redness(), images, masks, names, ["saturation"], "grid", steps=30)
    best = zsas.worst_case(Redness(), images, masks, names, ["saturation"], "grid", steps=30, goal="best")
    assert (best.pixel_auroc[:2] >= worst.pixel_auroc[:2]).all() and best.loss[2] < worst.loss[2]
    assert (worst.saturation[:2] != best.saturation[:2]).any()


@pytest.mark.slow
def test_selection_by_loss_takes_the_highest_loss(pictures):
    images, masks, names = pictures
    found = zsas.worst_case(Glow(), images, masks, names, search="random", steps=25, select="loss")
    assert torch.allclose(
        found.loss, torch.tensor(found.history.groupby("image").loss.max().to_numpy()).float(), atol=1e-6
    )


@pytest.mark.slow
def test_the_grid_finds_the_minimum_of_a_known_function():
    """A model whose map is good except near one rotation and one saturation."""

    class Trap(AnomalyModel):
        name = "trap"

        def forward(self, images, class_names):
            mean = images.mean((1, 2, 3))
            away = (images[:, 0] - images[:, 2]).mean((1, 2)).clamp(-1, 1)
            good = ((away - 0.2).abs() * 4).clamp(max=1)
            truth = torch.zeros_like(images[:, 0])
            truth[:, 8:16, 8:16] = 1
            noise = torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(1)).expand_as(truth)
            return Prediction(good[:, None, None] * truth + (1 - good[:, None, None]) * noise, mean)

    image = torch.tensor([0.7, 0.5, 0.3])[None, :, None, None].expand(1, 3, SIDE, SIDE).clone()
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    mask[:, 8:16, 8:16] = True
    grid = zsas.worst_case(Trap(ToyBackbone(), {}), image, mask, "x", ["hue", "saturation"], "grid", steps=60)
    assert grid.pixel_auroc[0] < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("search", ["adam", "grid", "random"])
def test_same_seed_same_result_whatever_the_company(pictures, search):
    images, masks, names = pictures
    together = zsas.worst_case(Glow(), images, masks, names, search=search, steps=10, restarts=2)
    alone = zsas.worst_case(
        Glow(), images[1:2], masks[1:2], names[1:2], search=search, steps=10, restarts=2, batch_size=3
    )
    columns = ["degrees", "hue", "saturation", "loss", "pixel_auroc"]
    mine = together.history[together.history.image == 1].sort_values(["start", "step", "passes"])
    theirs = alone.history.sort_values(["start", "step", "passes"])
    np.testing.assert_allclose(mine[columns], theirs[columns], atol=1e-3)


def test_a_gradient_that_is_not_finite_ends_its_start_and_no_other(pictures, caplog):
    class Cliff(Redness):
        def forward(self, images, class_names):
            maps = super().forward(images, class_names).anomaly_map
            spoilt = [(map_ * 0).sqrt() + map_ if name == "bolt" else map_ for map_, name in zip(maps, class_names)]
            return Prediction(torch.stack(spoilt), maps.amax((1, 2)))

    images, masks, names = pictures
    with caplog.at_level(logging.WARNING):
        found = zsas.worst_case(Cliff(), images, masks, names, ["saturation"], steps=10, restarts=2)
    assert "Image 0, start 0, step 0: the loss or its gradient is not finite" in caplog.text
    assert "Image 1" not in caplog.text
    tried = found.history.groupby("image").size()
    assert tried[0] == 2 and tried[1] == tried[2] == 10
    assert found.pixel_auroc[:2].isfinite().all()


def test_a_start_without_an_answer_ends_there(caplog):
    """The damage lies in a corner, which most turns leave out: no gradient leads back from there, and no pass is spent
    on the same point again."""
    image = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    mask[0, :2, :2] = True
    with caplog.at_level(logging.WARNING):
        found = zsas.worst_case(
            Redness(), image, mask, "bolt", "rotation", steps=40, restarts=8, seed=[0], fill="valid", select="loss"
        )
    lost = found.history.loss.isna()
    assert lost.sum() > 2 and lost.groupby(found.history.start).sum().max() == 1
    for start, own in found.history.groupby("start"):
        ended = own.loss.isna().any()
        assert own.loss.iloc[:-1].notna().all() and (ended or len(own) == 5)
        assert ended == (f"Image 0, start {start}, step {own.step.iloc[-1]}: the loss or its gradient" in caplog.text)
    assert found.forward_passes.tolist() == [2 * len(found.history) + 1] and found.loss.isfinite().all()


def test_an_image_without_any_finite_map_is_an_error(pictures):
    class Broken(Redness):
        def forward(self, images, class_names):
            prediction = super().forward(images, class_names)
            return Prediction(prediction.anomaly_map * torch.nan, prediction.image_score)

    with pytest.raises(ValueError, match="redness gave no finite map for image 0 at any point tried"):
        zsas.worst_case(Broken(), *pictures, search="random", steps=2)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"over": ["rotatoin"]}, UnknownNameError, "rotatoin.*rotation"),
        ({"over": []}, ValueError, "Expected one or more different perturbations"),
        ({"over": ["hue", "hue"]}, ValueError, "Expected one or more different perturbations"),
        ({"search": "adma"}, UnknownNameError, "adma.*adam"),
        ({"goal": "worse"}, UnknownNameError, "worse.*worst"),
        ({"select": "los"}, UnknownNameError, "los.*loss"),
        ({"fill": "zeros"}, UnknownNameError, "zeros.*zero"),
        ({"steps": 0}, ValueError, "got steps=0"),
        ({"steps": 4, "restarts": 5}, ValueError, "steps=4 and restarts=5"),
        ({"restarts": 0}, ValueError, "restarts=0"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1; got 0"),
        ({"masks": None}, ValueError, "Expected a bool mask for every image"),
        ({"masks": torch.zeros(3, SIDE, SIDE)}, ValueError, "got torch.float32"),
        ({"masks": torch.zeros(2, SIDE, SIDE, dtype=torch.bool)}, ValueError, r"got torch.bool \(2, 24, 24\)"),
        ({"class_names": ["bolt"]}, ValueError, "1 names"),
    ],
)
def test_bad_input_ends_in_one_sentence(pictures, changes, error, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    images, masks, names = pictures
    arguments = {"masks": masks, "class_names": names, "steps": 2, "restarts": 1} | changes
    with pytest.raises(error, match=message):
        zsas.worst_case(Glow(), images, **arguments)


@pytest.mark.slow
def test_adam_climbs_also_where_no_gradient_is_wanted_and_one_perturbation_needs_no_list(pictures):
    images, masks, names = pictures
    settings = {"search": "adam", "steps": 4, "restarts": 2}
    expected = zsas.worst_case(Redness(), images, masks, names, ["hue"], **settings)
    with torch.no_grad():
        found = zsas.worst_case(Redness(), images, masks, names, "hue", **settings)
    assert torch.equal(found.hue, expected.hue) and found.forward_passes.tolist() == expected.forward_passes.tolist()


def test_the_box_wraps_the_hue_and_clips_the_others():
    over = ("rotation", "hue", "saturation")
    inside = into_box(over, torch.tensor([[100.0, math.pi + 1, -0.7], [-30.0, -4.0, 0.2]]))
    assert torch.allclose(inside, torch.tensor([[90.0, 1 - math.pi, -0.5], [-30.0, 2 * math.pi - 4, 0.2]]), atol=1e-5)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_even_shares_are_more_even_than_chance(dimensions):
    """No hole is larger than in most random sets (largest distance of a probe to its nearest point)."""
    probes = torch.rand(2000, dimensions, generator=torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(1)

    def hole(points):
        return torch.cdist(probes, points).amin(1).max().item()

    chance = sorted(hole(torch.rand(60, dimensions, generator=rng)) for _ in range(20))
    assert hole(even_shares(60, dimensions)) < chance[2]


def test_criterion_bests_and_curve_of_a_small_history():
    history = pd.DataFrame(
        {
            "image": [0, 0, 0, 1, 1, 1],
            "start": 0,
            "step": [0, 1, 2] * 2,
            "passes": [1, 2, 3] * 2,
            "loss": [0.1, 0.3, np.nan, 0.2, 0.5, 0.4],
            "pixel_auroc": [0.9, 0.7, np.nan, 0.8, 0.85, 0.6],
        }
    )
    assert criterion(history).tolist() == [0.9, 0.7, math.inf, 0.8, 0.85, 0.6]
    assert criterion(history, "best", "loss").tolist() == [0.1, 0.3, math.inf, 0.2, 0.5, 0.4]
    assert chosen_points(history).step.tolist() == [1, 2]
    assert chosen_points(history, select="loss").step.tolist() == [1, 1]
    curve = bound_curve(history, at=[1, 2, 3])
    assert curve.pixel_auroc.tolist() == pytest.approx([0.85, 0.75, 0.65])


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("seed", [[1], [1, 2, 3, 4], [1, 2, -3], [0.5, 1, 2], "one", 1.5, -1])
def test_seeds_are_one_or_as_many_as_images(pictures, seed):
    with pytest.raises(ValueError, match="Expected one seed of at least 0, or one for each of 3 images"):
        zsas.worst_case(Glow(), *pictures, ["hue"], "random", steps=2, seed=seed)


@pytest.mark.usefixtures("unchecked_types")
def test_seeds_of_numpys_kind_are_seeds(pictures):
    def found(seed):
        return zsas.worst_case(Glow(), *pictures, ["hue"], "random", steps=3, seed=seed).history

    pd.testing.assert_frame_equal(found(np.int64(4)), found(4))
    pd.testing.assert_frame_equal(found(np.arange(3)), found([0, 1, 2]))


@pytest.mark.parametrize("search", ["adam", "random"])
def test_a_search_gives_nothing_a_gradient_and_takes_pictures_that_want_one(pictures, search):
    images, masks, names = pictures
    model, asked = Glow(), images.clone().requires_grad_()
    searched = {"search": search, "steps": 4, "restarts": 2}
    found = zsas.worst_case(model, asked, masks, names, **searched)
    assert asked.grad is None and model.gain.grad is None
    pd.testing.assert_frame_equal(found.history, zsas.worst_case(Glow(), images, masks, names, **searched).history)


def test_pictures_in_bfloat16_are_searched_from_seeds_of_their_own(pictures):
    images, masks, names = pictures
    images = images.bfloat16()
    found = zsas.worst_case(Glow(), images, masks, names, search="random", steps=3)
    drawn = found.history.loc[found.history.step == 0].groupby("image").hue.last()
    assert drawn.nunique() == 3 and found.pixel_auroc[:2].isfinite().all()
