"""Pixel AUROC picture by picture against counting every pair."""

import pytest
import torch

from zsas_lib.metrics.pictures import picture_aurocs


def counted(scores: torch.Tensor, normal: torch.Tensor, anomalous: torch.Tensor) -> float:
    hits, others = scores[anomalous].double()[:, None], scores[normal].double()[None]
    return ((hits > others).double() + (hits == others).double() / 2).mean().item()


@pytest.mark.parametrize("levels", [2, 7, 10_000])
def test_ties_count_one_half_and_pixels_of_neither_class_nothing(levels):
    drawn = torch.Generator().manual_seed(levels)
    maps = (torch.rand(5, 20, 23, generator=drawn) * levels).floor() / levels
    kinds = torch.randint(3, maps.shape, generator=drawn)
    found = picture_aurocs(maps, kinds == 0, kinds == 1)
    expected = [counted(*of) for of in zip(maps, kinds == 0, kinds == 1)]
    assert found.tolist() == pytest.approx(expected, abs=1e-7)


def test_scores_beyond_all_others():
    maps = torch.tensor([[[0.0, 1.0], [2.0, 2.0]], [[0.0, 1.0], [-1.0, 0.5]]])
    normal = torch.tensor([[True, True], [False, False]]).expand(2, 2, 2)
    assert picture_aurocs(maps, normal, ~normal).tolist() == [1.0, 0.25]


def test_one_class_has_no_number():
    everything = torch.ones(1, 4, 4, dtype=torch.bool)
    assert picture_aurocs(torch.rand(1, 4, 4), everything, ~everything).isnan().all()
    assert picture_aurocs(torch.rand(1, 4, 4), ~everything, everything).isnan().all()
