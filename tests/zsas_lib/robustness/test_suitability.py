"""Corner error and saturation against scipy and colorsys, and the choice of categories that follows from them."""

import colorsys
import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage
from toy import toy_dataset

from zsas_lib.base.errors import UnknownNameError
from zsas_lib.robustness.suitability import (
    QUANTITIES,
    Cut,
    category_table,
    choices,
    chroma,
    corner_error,
    corner_map,
    cut_above,
    ordered_pairs,
    picture_table,
    saturation,
    selected,
    widest_cut,
    widest_gap,
)


def smooth(seed: int, shape: tuple[int, int] = (48, 48)) -> np.ndarray:
    """A picture without fine detail, on which interpolations agree: (height, width, 3) in [0, 1]."""
    picture = ndimage.gaussian_filter(np.random.default_rng(seed).random((*shape, 3)), (4, 4, 0), mode="nearest")
    return (picture - picture.min()) / np.ptp(picture)


def batch(*pictures: np.ndarray) -> torch.Tensor:
    return torch.tensor(np.stack(pictures), dtype=torch.float32).permute(0, 3, 1, 2)


@pytest.mark.parametrize("shape", [(48, 48), (41, 60)])
def test_corner_error_is_equation_6(shape):
    """With scipy's spline rotation of picture and mask; the two interpolations differ by a few percent."""
    pictures = [smooth(seed, shape) for seed in range(3)]
    mask = ndimage.rotate(np.ones(shape), -45, reshape=False, order=1, cval=0) < 0.5
    expected = []
    for picture in pictures:
        turned = ndimage.rotate(picture, -45, reshape=False, order=5, mode="nearest")
        squares = ((picture - turned) ** 2).mean(-1)
        expected.append((mask * squares).sum() / mask.sum())
    np.testing.assert_allclose(corner_error(batch(*pictures)).numpy(), expected, rtol=0.05)


def test_corner_error_is_nil_where_nothing_reaches_the_corners():
    x, y = np.meshgrid(np.arange(48) - 23.5, np.arange(48) - 23.5)
    disc = np.where((np.hypot(x, y) < 15)[..., None], (0.8, 0.3, 0.1), (0.5, 0.5, 0.5))
    full = np.where((abs(x) < 6)[..., None], (0.8, 0.3, 0.1), (0.5, 0.5, 0.5))
    errors = corner_error(batch(disc, full))
    assert errors[0] < 1e-5 < 0.01 < errors[1]


def test_saturation_and_chroma_are_those_of_hsv():
    pictures = np.random.default_rng(0).random((2, 6, 5, 3))
    pictures[0, 0, 0] = 0
    pictures[0, 0, 1] = 0.4
    by_hand = [[colorsys.rgb_to_hsv(*pixel)[1] for pixel in picture.reshape(-1, 3)] for picture in pictures]
    np.testing.assert_allclose(saturation(batch(*pictures)), np.mean(by_hand, axis=1), atol=1e-6)
    np.testing.assert_allclose(chroma(batch(*pictures)), np.ptp(pictures, axis=-1).mean((1, 2)), atol=1e-6)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"lamp": 3, "star": 2}, sizes=(32, 40))


def test_one_row_per_picture(dataset):
    table = picture_table(dataset, batch_size=2)
    assert list(table) == ["path", "category", "defect", "is_anomalous", *QUANTITIES]
    assert len(table) == len(dataset) and table["path"][0] == "lamp/0.png" and table["is_anomalous"].sum() == 5
    sample = dataset[7]
    assert table["corner_error"][7] == pytest.approx(float(corner_error(sample.image[None])))
    assert list(picture_table(dataset, ["chroma"])["chroma"]) == pytest.approx(list(table["chroma"]))
    with pytest.raises(UnknownNameError, match="quantity 'corner_eror'.*Did you mean 'corner_error'"):
        picture_table(dataset, ["corner_eror"])


def test_categories_are_ordered_by_their_mean_over_pictures():
    rows = [("far", 0.5), ("near", 0.1), ("far", 0.7), ("near", 0.2), ("lone", 0.3)]
    table = category_table(pd.DataFrame(rows, columns=["category", "corner_error"]), "corner_error")
    assert list(table.index) == ["near", "lone", "far"] and list(table["pictures"]) == [2, 1, 2]
    assert table["corner_error"].tolist() == pytest.approx([0.15, 0.3, 0.6])
    assert table["corner_error_se"].tolist() == pytest.approx([0.05, math.nan, 0.1], nan_ok=True)


def test_the_widest_gap_is_one_of_ratios():
    assert widest_gap(pd.Series([0.5, 0.001, 0.002, 0.3, 0.02])) == pytest.approx(math.sqrt(0.02 * 0.3))
    for errors in ([0.1], [0.1, 0.1]):
        with pytest.raises(ValueError, match="no gap to put a threshold in, so give one"):
            widest_gap(pd.Series(errors))


def test_a_threshold_that_selects_nothing_is_one_clear_sentence():
    errors = pd.Series({"nut": 0.002, "disc": 0.02, "sheet": 0.2})
    assert selected(errors, 0.02) == ["nut", "disc"]
    message = r"No category has an error of at most 0.001; the smallest is 0.002 \(nut\). Raise the threshold."
    with pytest.raises(ValueError, match=message):
        selected(errors, 0.001)


ERRORS = pd.Series({"nut": 0.01, "pill": 0.02, "leather": 0.04, "bar": 0.64})
FIT = pd.Series({"nut": True, "pill": None, "leather": False, "bar": True}, dtype=object)


def test_a_cut_lies_in_the_middle_of_its_neighbours_by_ratio():
    assert cut_above(ERRORS, pd.Series([True, False, True, False], ERRORS.index)) == pytest.approx((0.16, 16))
    assert widest_cut(ERRORS) == pytest.approx((0.16, 16))
    assert widest_cut(ERRORS).threshold == widest_gap(ERRORS)


def test_choices_say_what_is_missed_and_what_is_let_in():
    table = choices(ERRORS, FIT, {"low": Cut(0.01), "gap": widest_cut(ERRORS)})
    assert table.kept.tolist() == [1, 3] and table.threshold.tolist() == pytest.approx([0.01, 0.16])
    assert table.missed.tolist() == [["bar"], ["bar"]] and table["let in"].tolist() == [[], ["leather"]]
    assert math.isnan(table["neighbours' ratio"]["low"]) and table["neighbours' ratio"]["gap"] == pytest.approx(16)


def test_pairs_in_order_are_those_with_the_smaller_error_at_what_may_be_turned():
    assert ordered_pairs(ERRORS, FIT) == (1, 2)  # nut before leather; bar behind it
    assert ordered_pairs(ERRORS, FIT.where(FIT.eq(True), None)) == (0, 0)


def test_the_map_of_the_corners_has_the_corner_error_as_its_mean_square():
    image = torch.from_numpy(smooth(3)).permute(2, 0, 1).float()
    squares = corner_map(image).square()
    extrapolated = squares > 0
    assert squares.sum() / extrapolated.sum() == pytest.approx(float(corner_error(image[None])[0]), rel=0.01)
    assert not extrapolated[12:36, 12:36].any()
