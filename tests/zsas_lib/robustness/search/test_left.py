"""What worst cases leave: chance levels, drops, shares lost, the hardest pictures, angles."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from toy import Glow, toy_dataset

from zsas_lib.robustness.search import left
from zsas_lib.robustness.search.single import before_and_after
from zsas_lib.robustness.search.whole_sets import worst_cases

ALL = "rotation + hue"
BOUNDS = pd.DataFrame(
    [
        ("nut", "none", 0.9),
        ("nut", "rotation", 0.8),
        ("nut", ALL, 0.6),
        ("bolt", "none", 0.8),
        ("bolt", "rotation", 0.7),
        ("bolt", ALL, 0.75),
        ("mean", "none", 0.85),
        ("mean", "rotation", 0.75),
        ("mean", ALL, 0.675),
    ],
    columns=["category", "combination", "pixel_auroc"],
)
CASES = pd.DataFrame(
    [
        ("nut", 0, True, 0.9, 0.5, 30.0),
        ("nut", 1, True, 0.9, 0.2, -45.0),
        ("bolt", 2, True, 0.8, 0.6, 3.0),
        ("bolt", 3, False, np.nan, np.nan, 0.0),
    ],
    columns=["category", "picture", "is_anomalous", "before", "after", "degrees"],
)


@pytest.fixture
def cases():
    rows = CASES.assign(hue=0.1, saturation=0.0)
    clean = rows.assign(combination="none", pixel_auroc=rows.before, degrees=0.0, hue=0.0)
    worst = rows.assign(combination=ALL, pixel_auroc=rows.after)
    return pd.concat([clean, worst], ignore_index=True).drop(columns=["before", "after"])


def test_chance_levels_are_the_metrics_own_and_the_floor_of_f1(tmp_path):
    pictures = toy_dataset(tmp_path, {"bolt": 2, "nut": 1}, normal=1)
    masks = [pictures[i].mask.float().mean().item() for i in range(len(pictures))]
    floors = [2 * share / (1 + share) for share in (np.mean(masks[:3]), np.mean(masks[3:]))]
    levels = left.chance_levels(pictures, batch_size=2)
    assert levels == pytest.approx({"pixel_auroc": 0.5, "aupro": 0.15, "pixel_f1_max": np.mean(floors)})


def test_drops_are_in_points_from_the_unperturbed_pictures():
    table = left.drops(BOUNDS)
    assert list(table) == ["rotation", ALL] and list(table.index) == ["bolt", "nut"]
    np.testing.assert_allclose(table, [[10, 5], [10, 30]])
    assert list(left.by_combination(BOUNDS)) == ["none", "rotation", ALL]


def test_the_share_lost_is_of_what_lay_above_chance():
    assert left.share_lost(BOUNDS, "pixel_auroc", ALL, {"pixel_auroc": 0.5}) == pytest.approx(0.5)
    assert np.isnan(left.share_lost(BOUNDS, "pixel_auroc", ALL, {"pixel_auroc": 0.85}))


def test_trainings_are_averaged_row_by_row():
    mean = left.over_trainings([BOUNDS, BOUNDS.assign(pixel_auroc=BOUNDS.pixel_auroc - 0.1)])
    pd.testing.assert_frame_equal(mean, BOUNDS.assign(pixel_auroc=BOUNDS.pixel_auroc - 0.05))


def test_pictures_are_ordered_by_their_loss_and_the_hardest_are_of_different_categories(cases):
    lost = left.picture_losses(cases, ALL)
    assert list(lost.index) == [("nut", 1), ("nut", 0), ("bolt", 2)]
    assert lost.tolist() == pytest.approx([70, 40, 20])
    hardest = left.hardest_cases(cases, ALL)
    assert list(hardest) == ["category", "picture", "original", "worst", "degrees", "hue", "saturation"]
    assert hardest.picture.tolist() == [1, 2] and hardest.worst.tolist() == [0.2, 0.6]
    assert hardest.original.tolist() == [0.9, 0.8] and hardest.degrees.tolist() == [-45.0, 3.0]
    assert len(left.hardest_cases(cases, ALL, count=1)) == 1


def test_angles_are_counted_in_bins_around_their_middles(cases):
    counts = left.angle_counts({"zero": cases[cases.combination == ALL]})
    assert list(counts.index) == list(range(-90, 91, 15))
    assert counts.zero[counts.zero > 0].to_dict() == {-45: 1, 0: 2, 30: 1}
    assert left.upright_share(cases[cases.combination == ALL]) == 50.0


def test_who_is_upright_in_one_alone_is_counted_and_judged_by_a_sign_test():
    one = pd.DataFrame({"degrees": [0.0, -7.4, 7.4, -3.0, -80.0, 5.0, -7.5, 60.0, 0.0]})
    other = pd.DataFrame({"degrees": [0.0, -7.6, 30.0, -60.0, -5.0, 90.0, 7.5, -60.0, -12.0]})
    here, there, chance = left.upright_alone(one, other)
    assert (here, there, chance) == (5, 1, pytest.approx(binomtest(5, 6, 0.5).pvalue))
    assert left.upright_alone(other, one) == (1, 5, pytest.approx(chance))
    assert left.upright_alone(one, one) == (0, 0, 1.0)
    assert left.upright_alone(one[3:5], other[3:5]) == (1, 1, 1.0), "no more than certain"


@pytest.mark.slow
def test_a_picture_before_and_after_is_as_the_search_found_it(tmp_path):
    pictures = toy_dataset(tmp_path / "data", {"bolt": 1}, normal=1)
    found = worst_cases(Glow(), pictures, combinations=[("rotation", "hue")], search="grid", steps=6, store=tmp_path)
    own = found[found.picture == 1].set_index("combination")
    outcome = before_and_after(Glow(), pictures[1], own.loc["rotation + hue"])
    assert outcome.pixel_auroc.tolist() == pytest.approx(own.pixel_auroc.tolist(), abs=1e-6)
    assert outcome.loss.tolist() == pytest.approx(own.loss.tolist(), abs=1e-6)
