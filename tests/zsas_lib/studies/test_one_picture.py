"""One picture from close by: maps, thresholds, contrast and perturbations, on numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from toy import Glow, toy_dataset

from zsas_lib.base.errors import UnknownNameError
from zsas_lib.data.dataset import Sample
from zsas_lib.perturbations.rotation import derotate, rotate_masks, valid_region
from zsas_lib.studies.one_picture import (
    contrast_table,
    example_amounts,
    map_table,
    rim_contrast,
    threshold_table,
    views,
)

MASK = torch.zeros(4, 4, dtype=torch.bool)
MASK[0, :2] = True
MAP = torch.arange(16.0).flip(0).reshape(4, 4)  # 15, 14 in the mask


def test_a_map_is_scored_against_the_mask_of_its_picture():
    table = map_table({"right": MAP, "wrong": -MAP}, MASK)
    assert table.pixel_auroc.tolist() == [1.0, 0.0] and table.pixel_f1_max["right"] == 1.0
    assert table.aupro["right"] == pytest.approx(1.0) and table.aupro["wrong"] == pytest.approx(0.0)
    assert table.loc["right", ["lowest", "highest"]].tolist() == [0.0, 15.0]
    assert table.spread["wrong"] == pytest.approx(np.std(np.arange(16), ddof=1))


def test_a_threshold_covers_what_lies_at_or_above_it():
    table = threshold_table(MAP, MASK, [16.0, 14.0, 12.0])
    assert table.covered.tolist() == [0.0, 2 / 16, 4 / 16]
    assert table.f1.tolist() == pytest.approx([0.0, 1.0, 2 / 3]) and table.iou.tolist() == pytest.approx(
        [0.0, 1.0, 0.5]
    )


def test_no_mask_and_nothing_above_the_threshold_have_no_f1():
    assert np.isnan(threshold_table(MAP, torch.zeros_like(MASK), [16.0]).loc[0, ["f1", "iou"]].tolist()).all()


def picture(inside: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A grey picture with a red square, and the square's mask."""
    image, mask = torch.full((3, 20, 20), 0.25), torch.zeros(20, 20, dtype=torch.bool)
    mask[8:12, 8:12] = True
    image[0, mask] = inside
    return image, mask


def test_contrast_is_the_distance_of_mean_colours_of_defect_and_rim():
    image, mask = picture(0.75)
    assert rim_contrast(image, mask) == pytest.approx(0.5)
    image[:, 0] = 1.0  # further than six pixels away
    assert rim_contrast(image, mask) == pytest.approx(0.5)
    assert rim_contrast(image, mask, rim=8) < 0.5


def test_without_a_defect_or_a_rim_there_is_no_contrast():
    image, mask = picture(0.75)
    assert np.isnan(rim_contrast(image, torch.zeros_like(mask)))
    assert np.isnan(rim_contrast(image, torch.ones_like(mask)))


def test_contrasts_are_shares_of_the_original_s_and_what_cannot_be_measured_has_no_row():
    def sample(inside, lost=False):
        image, mask = picture(inside)
        return Sample(image, mask & (not lost), True, "ring", "glow", Path("glow.png"))

    changed = {"hue": {-1.0: sample(0.5), 0.0: sample(0.75)}, "rotation": {90.0: sample(0.75, lost=True)}}
    table = contrast_table(sample(0.75), changed)
    assert table[["perturbation", "value"]].values.tolist() == [["hue", -1.0], ["hue", 0.0]]
    assert table["share of the original"].tolist() == pytest.approx([0.5, 1.0])


def test_example_amounts_go_over_the_range_and_never_twice_to_the_same():
    assert example_amounts("rotation") == [-90.0, -45.0, 0.0, 45.0, 90.0]
    assert example_amounts("hue") == [-2.0944, -1.0472, 0.0, 1.0472, 2.0944]
    assert example_amounts("saturation", 3) == [-0.5, 0.0, 0.5]
    with pytest.raises(UnknownNameError, match="perturbation"):
        example_amounts("blur")


@pytest.fixture
def sample(tmp_path):
    return toy_dataset(tmp_path, {"ring": 2})[3]


def test_a_turned_picture_s_map_is_turned_back_and_judged_where_it_was_shown(sample):
    table, seen = views(Glow(), sample, "rotation", [0.0, 30.0], batch_size=1)
    assert table.value.tolist() == [0.0, 30.0] and table.perturbation.unique().tolist() == ["rotation"]
    assert torch.equal(seen[0].image, sample.image) and torch.equal(seen[0].upright, seen[0].anomaly_map)
    assert torch.equal(seen[1].mask, rotate_masks(sample.mask[None], 30.0)[0])
    assert torch.equal(seen[1].upright, derotate(seen[1].anomaly_map[None], 30.0)[0])
    where = valid_region(-30.0, *sample.mask.shape)
    damaged, sound = (seen[1].upright[where & part].numpy() for part in (sample.mask, ~sample.mask))
    above = (damaged[:, None] > sound[None]).mean() + (damaged[:, None] == sound[None]).mean() / 2
    assert table.pixel_auroc[1] == pytest.approx(above, abs=1e-6)
    assert table.map_max[1] == pytest.approx(float(seen[1].anomaly_map.max()))


def test_a_shift_in_colour_leaves_the_mask_and_the_batch_size_does_not_matter(sample):
    table, seen = views(Glow(), sample, "saturation", [-0.5, 0.0, 0.5], batch_size=2)
    assert all(torch.equal(view.mask, sample.mask) for view in seen)
    assert not torch.equal(seen[0].image, sample.image)
    again, _ = views(Glow(), sample, "saturation", [-0.5, 0.0, 0.5])
    assert np.allclose(table.image_score, again.image_score)
