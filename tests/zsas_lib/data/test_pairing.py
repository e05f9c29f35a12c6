"""Which mask belongs to which picture."""

from pathlib import Path

import pytest

from zsas_lib.base.errors import DataError
from zsas_lib.data.dataset import read_sample
from zsas_lib.data.layouts.folder import MASK_NAMES
from zsas_lib.data.layouts.pairing import paired
from zsas_lib.data.record import Record


def pairs(folder: Path, pictures: list[str], masks: list[str], names=MASK_NAMES):
    for name in (*(f"kind/{name}" for name in pictures), *(f"masks/{name}" for name in masks)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    found = paired([folder / "kind" / name for name in pictures], folder / "kind", [folder / "masks"], names)
    return {
        name: pairing.doubt or [mask.relative_to(folder / "masks").as_posix() for mask in pairing.masks]
        for name, pairing in zip(pictures, found)
    }


@pytest.mark.parametrize(
    ("pictures", "masks", "wanted"),
    [
        (["1.jpg", "1.png"], ["1_mask.jpg", "1_mask.png"], [["1_mask.jpg"], ["1_mask.png"]]),
        (["1.JPG", "1.bmp"], ["1.bmp", "1.jpg"], [["1.jpg"], ["1.bmp"]]),
        (["1.jpg"], ["1.bmp", "1_mask.png"], [["1_mask.png"]]),
        (["a.png", "a_mask.png"], ["a_mask.png", "a_mask_mask.png"], [["a_mask.png"], ["a_mask_mask.png"]]),
        (["a.png"], ["a/000.png", "a/001.png"], [["a/000.png", "a/001.png"]]),
        (["cam/a.png", "a.png"], ["cam/a.png", "a.png"], [["cam/a.png"], ["a.png"]]),
        (["cam/a.png"], ["a.png"], [["a.png"]]),
        (["a.b.png", "a.c.png"], ["a.b_mask.png", "a.c.png"], [["a.b_mask.png"], ["a.c.png"]]),
        (["a{0}.png"], ["a{0}_mask.png"], [["a{0}_mask.png"]]),
        (["a.png"], ["b.png"], [[]]),
    ],
)
def test_masks_are_found_by_name_and_ending(tmp_path, pictures, masks, wanted):
    assert list(pairs(tmp_path, pictures, masks).values()) == wanted


@pytest.mark.parametrize(
    ("pictures", "masks"),
    [
        (["1.jpg", "1.png"], ["1_mask.png"]),
        (["1.jpg", "1.png"], ["1_mask.bmp"]),
        (["a.png", "a_mask.png"], ["a_mask.png"]),
        (["cam1/a.png", "cam2/a.png"], ["a.png"]),
        (["1.jpg", "1.png"], ["1/000.png", "1/001.png"]),
    ],
)
def test_one_mask_for_two_pictures_is_in_doubt(tmp_path, pictures, masks):
    doubts = set(pairs(tmp_path, pictures, masks).values())
    assert len(doubts) == 1 and f"{pictures[0]} and {pictures[1]} would share the mask {Path(masks[0]).name}" in str(
        doubts
    )


def test_two_masks_for_one_picture_are_in_doubt(tmp_path):
    (doubt,) = pairs(tmp_path, ["1.png"], ["1_mask.bmp", "1_mask.jpg"]).values()
    assert doubt == "1_mask.bmp and 1_mask.jpg may each be its mask; keep one of them"


def test_a_picture_in_doubt_is_not_read(tmp_path):
    record = Record(tmp_path / "1.png", tmp_path / "1_mask.png", "part", "dent", doubt="1.png and 1.jpg would share it")
    with pytest.raises(
        DataError, match=r"Nobody can say which mask is that of .*1\.png: 1\.png and 1\.jpg would share"
    ):
        read_sample(record)
