"""Masks that say nothing, and data sets without any."""

import shutil
import warnings

import numpy as np
import pytest
import torch
from layouts import write_btad, write_mask, write_mvtec, write_picture
from PIL import Image
from toy import Glow, toy_dataset

from zsas_lib.base.errors import DataError
from zsas_lib.data import dataset as dataset_module
from zsas_lib.data import extreme_masks
from zsas_lib.data.check import check_dataset
from zsas_lib.data.dataset import read_sample
from zsas_lib.data.extreme_masks import extreme
from zsas_lib.data.load import load_dataset
from zsas_lib.data.record import Record
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.robustness.sweeps import uniform_sweep


@pytest.fixture
def extremes(tmp_path):
    """Four damaged pictures: two with a blank mask, one with a full one, one with one that is as it should be."""
    root = write_mvtec(tmp_path / "set", {"nut": {"good": 1, "dent": 4}})
    folder = root / "nut/ground_truth/dent"
    for name, value in (("000", 0), ("002", 0), ("003", 255)):
        Image.new("L", (24, 18), value).save(folder / f"{name}_mask.png")
    return root


def test_loading_names_blank_and_full_masks_in_one_warning(extremes):
    with pytest.warns(UserWarning) as caught:
        dataset = load_dataset("folder", extremes)
    assert len(caught) == 1
    said = str(caught[0].message)
    assert said.startswith(
        f"Of the 4 masks of anomalous pictures of data set 'folder' in {extremes}, these say nothing:"
    )
    assert "2 blank (nut/ground_truth/dent/000_mask.png, nut/ground_truth/dent/002_mask.png) and 1 full (" in said
    assert "001_mask" not in said and len(dataset) == 5


def test_nothing_is_said_of_masks_that_are_not_read(extremes):
    write_mvtec(extremes, {"cup": {"good": 1, "dent": 1}})
    assert len(load_dataset("folder", extremes, categories="cup")) == 2
    assert len(load_dataset("folder", extremes, split="train")) == 4


def test_the_check_names_blank_and_full_masks(extremes):
    assert check_dataset("folder", extremes).attrs["problems"] == [
        f"The mask nut/ground_truth/dent/{name}_mask.png of an anomalous picture is {kind}."
        for name, kind in (("000", "blank"), ("002", "blank"), ("003", "full"))
    ]


@pytest.mark.slow
def test_masks_that_are_blank_as_published_are_no_problem(tmp_path):
    root = write_btad(tmp_path / "btad", (1, 1, 30))
    for number in (5, 28):
        write_mask(root / f"03/ground_truth/ko/{number:04}.bmp", value=0)
    said = check_dataset("btad", root).attrs["problems"]
    assert [line for line in said if "mask" in line] == [
        "The mask 03/ground_truth/ko/0005.bmp of an anomalous picture is blank."
    ]
    with pytest.warns(UserWarning, match=r"2 blank \(03/ground_truth/ko/0005\.bmp, 03/ground_truth/ko/0028\.bmp\)"):
        load_dataset("btad", root)


def test_several_masks_of_one_picture_count_together(tmp_path):
    halves = []
    for name, box in (("0", (0, 0, 12, 18)), ("1", (12, 0, 24, 18)), ("none", (0, 0, 0, 0))):
        mask = Image.new("L", (24, 18))
        mask.paste(255, box)
        halves.append(tmp_path / f"{name}.png")
        mask.save(halves[-1])
    left, right, blank = halves
    picture = write_picture(tmp_path / "p.png")
    expected = {(left, right): "full", (left, blank): None, (blank,): "blank", (blank, blank): "blank", (left,): None}
    for masks, kind in expected.items():
        record = Record(picture, masks[0], "nut", "dent", masks[1:])
        assert extreme(record, "half-maximum") == kind
        assert read_sample(record).mask.float().mean() == {"full": 1, "blank": 0, None: 0.5}[kind]


def test_a_damaged_mask_is_named_when_it_is_read(extremes):
    (extremes / "nut/ground_truth/dent/001_mask.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="2 blank"):
        dataset = load_dataset("folder", extremes)
    with pytest.raises(DataError, match="001_mask.png cannot be read"):
        list(dataset)
    assert any("001_mask.png cannot be read" in line for line in check_dataset("folder", extremes).attrs["problems"])


@pytest.fixture
def maskless(tmp_path):
    """A toy in folders, and the same without its masks."""
    toy = toy_dataset(tmp_path / "toy", {"lamp": 3, "star": 2})
    for record in toy.records:
        for root in ("whole", "bare"):
            place = tmp_path / root / record.category / "test" / record.defect / record.path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(record.path, place)
        if record.mask_path:
            place = tmp_path / "whole" / record.category / "ground_truth" / record.defect / record.path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(record.mask_path, place)
    return tmp_path


def bare(maskless):
    with pytest.warns(UserWarning, match="has no pixel masks: none of its 5 anomalous pictures has one, such as lamp/"):
        return load_dataset("folder", maskless / "bare")


@pytest.mark.slow
def test_without_masks_there_are_image_level_numbers(maskless):
    whole = evaluate(Glow(), load_dataset("folder", maskless / "whole"), resamples=10)
    dataset = bare(maskless)
    assert not dataset.has_masks and load_dataset("folder", maskless / "whole").has_masks
    table = evaluate(Glow(), dataset, resamples=10)
    images = [column for column in table if column.startswith("image_")]
    np.testing.assert_array_equal(table[images], whole[images])
    assert table[images].notna().all(axis=None) and table.drop(columns=images).isna().all(axis=None)
    assert table.spread["image_auroc"].equals(whole.spread["image_auroc"])
    rows = table.per_image
    assert rows.anomalous_fraction.isna().all() and rows.pixel_auroc.isna().all()
    assert rows.image_score.equals(whole.per_image.image_score)
    swept = uniform_sweep(Glow(), dataset, "hue", [0.0], resamples=10).set_index("category")
    np.testing.assert_array_equal(swept[images], table[images])
    assert swept.pixel_auroc.isna().all()


def test_without_masks_what_needs_them_is_refused(maskless):
    dataset = bare(maskless).select(["lamp"], anomalous=True)
    for read in (lambda: dataset[0], lambda: next(dataset.batches(2))):
        with pytest.raises(
            DataError, match=r"lamp/test/glow/3\.png is anomalous and has no mask, which is needed here"
        ):
            read()
    batch = next(dataset.batches(2, needs_masks=False))
    assert batch.is_anomalous.all() and not batch.masks.any()
    normal = bare(maskless).select(anomalous=False)
    assert normal.has_masks and normal[0].mask.dtype == torch.bool


def test_the_check_says_once_that_there_are_no_masks(maskless):
    table = check_dataset("folder", maskless / "bare")
    assert table.without_mask.sum() == 5
    assert table.attrs["problems"] == [
        "None of 5 anomalous pictures has a mask, such as lamp/ground_truth/glow/3_mask.png: image-level numbers only."
    ]


def test_one_mask_is_enough_to_ask_for_the_others(maskless):
    shutil.copytree(maskless / "whole/star/ground_truth", maskless / "bare/star/ground_truth")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match="Anomalous pictures of data set 'folder' without a mask"):
            load_dataset("folder", maskless / "bare")
        assert load_dataset("folder", maskless / "bare", categories="star").has_masks


def test_a_mask_is_looked_at_again_only_when_its_file_has_changed(mvtec_root, monkeypatch):
    monkeypatch.setattr(dataset_module, "_CLOCK_GRAIN_NS", -1)
    record = next(r for r in load_dataset("mvtec", mvtec_root).records if r.is_anomalous)
    before = extreme(record, "nonzero")
    with monkeypatch.context() as patch:
        patch.setattr(extreme_masks, "mask_levels", lambda path: pytest.fail("looked at again"))
        assert extreme(record, "nonzero") == before is None
    with Image.open(record.mask_path) as mask:
        size = mask.size
    Image.new("L", size).save(record.mask_path)
    assert extreme(record, "nonzero") == "blank"
