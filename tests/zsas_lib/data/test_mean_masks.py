"""The mean of a category's masks is read once, and known to the processes that follow."""

import layouts
import numpy as np
import pytest
import torch
from PIL import Image

import zsas_lib as zsas
from zsas_lib.base.errors import DataError
from zsas_lib.data import known_masks, mean_masks
from zsas_lib.data.mean_masks import mean_mask

COUNT = 3


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A category of a few masks, which count as many here: the left upper quarter, but for one, which is a pixel."""
    monkeypatch.setenv("ZSAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mean_masks, "MANY", COUNT)
    root = layouts.write_mvtec(tmp_path / "set", {"nut": {"good": 1, "dent": COUNT}})
    dot = np.zeros((18, 24), np.uint8)
    dot[17, 23] = 255
    Image.fromarray(dot).save(root / "nut/ground_truth/dent/002_mask.png")
    return root


@pytest.fixture
def read(monkeypatch):
    seen, whole = [], mean_masks.whole_mask
    monkeypatch.setattr(mean_masks, "whole_mask", lambda record, *rest: (seen.append(record), whole(record, *rest))[1])
    return seen


def damaged(root, rule=None):
    return zsas.load_dataset("folder", root, mask_rule=rule).select(anomalous=True)


def test_the_share_of_each_cell_is_found_once_and_the_same_after(root, read):
    expected = np.zeros((6, 6))
    expected[:3, :3], expected[5, 5] = 2 / 3, 1 / 3 / 12
    first = mean_mask(damaged(root), 6)
    np.testing.assert_allclose(first, expected, atol=1e-12)
    assert len(read) == COUNT
    assert torch.equal(mean_mask(damaged(root), 6), first) and len(read) == COUNT
    assert mean_mask(damaged(root), 3).shape == (3, 3) and len(read) == 2 * COUNT
    mean_mask(damaged(root, "nonzero"), 6)
    assert len(read) == 3 * COUNT, "another rule may find another mean"


def test_a_mask_or_a_picture_that_changed_is_read_again(root, read):
    before = mean_mask(damaged(root), 6)
    Image.fromarray(np.full((18, 24), 255, np.uint8)).save(root / "nut/ground_truth/dent/001_mask.png")
    with pytest.warns(UserWarning, match="1 full"):
        assert mean_mask(damaged(root), 6)[0, 5] == pytest.approx(float(before[0, 5]) + 1 / 3)
    layouts.write_picture(root / "nut/test/dent/001.png", size=(12, 9))
    with pytest.warns(UserWarning, match="1 full"), pytest.raises(DataError, match="is 12x9 but its mask"):
        mean_mask(damaged(root), 6)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\xff"])
def test_a_damaged_file_is_as_good_as_none(content, root, read):
    before = mean_mask(damaged(root), 6)
    (kept,) = (root.parent / "cache" / "masks").glob("*.npy")
    kept.write_bytes(content)
    assert torch.equal(mean_mask(damaged(root), 6), before) and len(read) == 2 * COUNT
    assert kept.stat().st_size > len(content)


def test_nothing_is_kept_of_few_masks_or_where_nothing_can_be_written(root, read, monkeypatch):
    monkeypatch.setattr(mean_masks, "MANY", COUNT + 1)
    mean_mask(damaged(root), 6)
    assert not (root.parent / "cache").exists()
    monkeypatch.setattr(mean_masks, "MANY", COUNT)
    (root.parent / "cache").touch()
    mean_mask(damaged(root), 6)
    mean_mask(damaged(root), 6)
    assert len(read) == 3 * COUNT


def test_only_the_last_means_are_kept_beside_what_else_is_known_of_masks(root, monkeypatch):
    monkeypatch.setattr(mean_masks, "KEPT_MEANS", 2)
    known_masks.keep(root, {("rule", ("a", 1, 2, 3)): "full"})
    for side in (3, 4, 5):
        mean_mask(damaged(root), side)
    folder = root.parent / "cache" / "masks"
    assert len(list(folder.glob("*.npy"))) == 2 and known_masks.recalled(root) != {}
