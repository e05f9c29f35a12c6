"""What is there and not read is named, with the reason."""

import os

import pytest
from layouts import write_btad, write_mask, write_picture, write_visa

from zsas_lib.data.check import check_dataset
from zsas_lib.data.unread import unread


@pytest.fixture
def root(tmp_path):
    """Folders of which everything is read."""
    write_picture(tmp_path / "part/train/good/0.png", 1)
    write_picture(tmp_path / "part/test/good/0.png", 2)
    write_picture(tmp_path / "part/test/dent/0.png", 3)
    write_mask(tmp_path / "part/ground_truth/dent/0_mask.png")
    return tmp_path


def said(root, name="folder"):
    return check_dataset(name, root).attrs["problems"]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("part/test/good/0.gif", "Not read, in part/test/good: 0.gif (files *.gif are not read; save them as .png)."),
        (
            "part/test/good/0.HEIC",
            "Not read, in part/test/good: 0.HEIC (files *.HEIC are not read; save them as .png).",
        ),
        (
            "part/ground_truth/dent/9_mask.png",
            "Not read, in part/ground_truth/dent: 9_mask.png (masks without a picture",
        ),
        ("part/ground_truth/good/0.png", "Not read, in part/ground_truth/good: 0.png (masks of normal pictures)."),
        (
            "part/train/dent/0.png",
            "Not read, in part/train/dent: 0.png (pictures for training are normal ones, in the folder of these).",
        ),
        (
            "part/validation/dent/0.png",
            "Not read, in part/validation/dent: 0.png (pictures for training are normal ones, in the folder of these).",
        ),
        ("part/train/good/xyz/0.gif", "Not read, in part/train/good/xyz: 0.gif (files *.gif are not read"),
        ("part/images/0.webp", "Not read, in part/images: 0.webp (the layout has no pictures there)."),
        ("part/test/0.png", "Not read, in part/test: 0.png (the layout has no pictures there)."),
        ("loose.jpg", "Not read, in .: loose.jpg (the layout has no pictures there)."),
        ("elsewhere/images/0.png", "Not read, in elsewhere/images: 0.png (the layout has no pictures there)."),
        ("part/test/good/xyz.d/0.npy", "Not read, in part/test/good/xyz.d: 0.npy (files *.npy are not read"),
    ],
)
def test_a_picture_that_is_not_read(root, path, line):
    assert said(root) == []
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(b"")
    (found,) = said(root)
    assert found.startswith(line)


def test_a_picture_without_an_ending_is_one_by_its_content(root):
    write_picture(root / "part/test/good/1.png", 4).rename(root / "part/test/good/1")
    (root / "part/test/good/notes").write_text("no picture")
    assert said(root) == ["Not read, in part/test/good: 1 (their names have no ending)."]


def test_many_are_counted(root):
    for number in range(5):
        write_picture(root / f"part/photos/{number}.png", number)
    assert said(root) == [
        "Not read, in part/photos: 0.png, 1.png, 2.png and 2 more (the layout has no pictures there)."
    ]


def test_what_systems_leave_is_passed_over(root):
    for name in ("part/test/good/._0.png", "__MACOSX/part/test/good/0.png", "part/.cache/0.png", "part/test/Thumbs.db"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name in ("readme.txt", "license.pdf", "part/info.json"):
        (root / name).touch()
    assert said(root) == []


def test_links_are_followed_once(tmp_path, root):
    os.symlink(root, root / "part/again")
    os.symlink(root / "part", root / "linked")
    assert unread(root, {root / "part/train/good/0.png"})[0].startswith("Not read, in linked/")
    assert len(unread(root, set())) == 4


def test_a_mask_beside_another_of_the_same_picture(root):
    write_mask(root / "part/ground_truth/dent/0.png")
    write_mask(root / "part/ground_truth/dent/1.png")  # the same kind has no picture of that name
    assert said(root) == [
        "Not read, in part/ground_truth/dent: 0.png (another mask of the same picture is read).",
        "Not read, in part/ground_truth/dent: 1.png (masks without a picture of their name).",
    ]


def test_what_the_table_of_visa_does_not_list(tmp_path):
    root = write_visa(tmp_path, ["candle"])
    write_picture(root / "candle/Data/Images/Normal/9999.JPG")
    write_mask(root / "candle/Data/Masks/Anomaly/999.png")
    (root / "candle/Data/Images/Normal/9.gif").touch()
    write_picture(root / "candle/cover.png")
    assert [line for line in said(root, "visa") if line.startswith("Not read")] == [
        "Not read, in candle: cover.png (the layout has no pictures there).",
        "Not read, in candle/Data/Images/Normal: 9.gif (files *.gif are not read; save them as .png).",
        "Not read, in candle/Data/Images/Normal: 9999.JPG (split_csv/1cls.csv does not list them).",
        "Not read, in candle/Data/Masks/Anomaly: 999.png (split_csv/1cls.csv does not list them).",
    ]


def test_masks_of_the_normal_pictures_of_btad(tmp_path):
    root = write_btad(tmp_path)
    write_mask(root / "01/ground_truth/ok/0000.png")
    write_picture(root / "01/train/ko/0000.bmp")
    assert [line for line in said(root, "btad") if line.startswith("Not read")] == [
        "Not read, in 01/ground_truth/ok: 0000.png (masks of normal pictures).",
        "Not read, in 01/train/ko: 0000.bmp (pictures for training are normal ones, in the folder of these).",
    ]
