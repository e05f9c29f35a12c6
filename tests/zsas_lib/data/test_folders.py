"""Folders in the wild: where pictures and masks are found, and what a category is called."""

from pathlib import Path

import pytest
from layouts import (
    kinds,
    smooth_picture,
    write_mask,
    write_picture,
)
from PIL import Image

from zsas_lib.base.errors import DataError
from zsas_lib.data.layouts.folder import category_name
from zsas_lib.data.load import load_dataset


def test_images_and_masks_that_tell_kinds_apart(tmp_path):
    for seed, name in enumerate(("good/0.png", "dent/1.webp", "dent/2.png")):
        write_picture(tmp_path / "part/images" / name, seed)
    for name in ("1.png", "2_mask.png"):
        write_mask(tmp_path / "part/masks/dent" / name)
    for root in (tmp_path, tmp_path / "part"):
        dataset = load_dataset("folder", root)
        assert kinds(dataset) == {("part", "good"): 1, ("part", "dent"): 2}
        assert [sample.mask.any().item() for sample in dataset] == [record.is_anomalous for record in dataset.records]
    with pytest.raises(DataError, match="No train pictures"):
        load_dataset("folder", tmp_path, split="train")


def test_images_and_masks_that_do_not(tmp_path):
    write_picture(tmp_path / "images/0.png")
    write_mask(tmp_path / "masks/0.png")
    with pytest.raises(DataError, match=r"holds images, masks\..*normal belong into images/good"):
        load_dataset("folder", tmp_path)


def test_pictures_in_folders_of_a_kind(tmp_path):
    for seed, name in enumerate(
        ("good/cam1/0.png", "good/cam2/0.png", "dent/cam1/0.png", "dent/cam2/0.png", "dent/3.png")
    ):
        write_picture(tmp_path / "test" / name, seed)
    for name in ("cam1/0_mask.png", "cam2/0_mask.png", "3_mask.png"):
        write_mask(tmp_path / "ground_truth/dent" / name)
    dataset = load_dataset("folder", tmp_path)
    masks = [record.mask_path.relative_to(tmp_path).as_posix() for record in dataset.records if record.is_anomalous]
    assert masks == [f"ground_truth/dent/{name}_mask.png" for name in ("3", "cam1/0", "cam2/0")]
    assert len(dataset) == 5


def test_names_that_begin_with_underscores_are_read(tmp_path):
    write_picture(tmp_path / "__part/test/__dent/__0.png")
    write_mask(tmp_path / "__part/ground_truth/__dent/__0.png")
    write_picture(tmp_path / "__MACOSX/__part/test/good/0.png")
    assert kinds(load_dataset("folder", tmp_path)) == {("__part", "__dent"): 1}


@pytest.mark.parametrize("way", ["part/test/..", "part/.", "part/test/good/../.."])
def test_a_category_is_called_by_its_folder_whatever_the_way_to_it(tmp_path, way):
    write_picture(tmp_path / "part/test/good/x.png")
    assert load_dataset("folder", tmp_path / way).categories == ("part",)
    assert load_dataset("folder", f"{tmp_path}/{way}").categories == ("part",)


def test_the_root_of_a_file_system_has_a_name_too():
    assert category_name(Path("/")) == "object"


def test_dotted_names_and_those_of_splits_are_categories(tmp_path):
    for seed, name in enumerate(("screw.v2", "usb3.0", "test", "train", "mean")):
        write_picture(tmp_path / name / "test/good/0.png", seed)
    assert load_dataset("folder", tmp_path).categories == ("mean", "screw.v2", "test", "train", "usb3.0")


def test_converted_copies_beside_their_originals_are_warned_of(tmp_path):
    original = smooth_picture(tmp_path / "part/test/good/a.png", seed=1)
    with Image.open(original) as picture:
        picture.save(original.with_suffix(".jpg"), quality=75)
    smooth_picture(tmp_path / "part/test/good/b.png", seed=2)
    smooth_picture(tmp_path / "part/test/good/b.bmp", seed=3)
    with pytest.warns(
        UserWarning, match=r"^1 pictures .* count twice: part/test/good/a\.jpg and part/test/good/a\.png"
    ):
        assert len(load_dataset("folder", tmp_path)) == 4


@pytest.mark.parametrize(
    ("picture", "mask"),
    [
        ("a.jpg", "a.png"),
        ("a.JPG", "a_mask.PNG"),
        ("a.png", "a_mask.png"),
        ("a.bmp", "a.bmp"),
        ("a.tif", "a_mask.tiff"),
        ("a.webp", "a.webp"),
        ("a.JFIF", "a.ppm"),
    ],
)
def test_folder_accepts_many_endings(tmp_path, picture, mask):
    write_picture(tmp_path / "part/test/good/x.jpeg")
    write_picture(tmp_path / "part/test/dent" / picture)
    write_mask(tmp_path / "part/ground_truth/dent" / mask)
    (tmp_path / "part/test/dent/._a.png").touch()
    (tmp_path / "part/test/dent/Thumbs.db").touch()
    (tmp_path / "__MACOSX/part/test").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    for root, name in ((tmp_path, "part"), (tmp_path / "part", "part")):
        dataset = load_dataset("folder", root)
        assert kinds(dataset) == {(name, "good"): 1, (name, "dent"): 1}
        assert [sample.mask.any().item() for sample in dataset] == [record.is_anomalous for record in dataset.records]


def test_folder_called_by_its_resolved_name(tmp_path, monkeypatch):
    write_picture(tmp_path / "part/test/good/x.png")
    monkeypatch.chdir(tmp_path / "part")
    assert load_dataset("folder", ".").categories == ("part",)


def test_folder_prefers_the_mask_named_mask(tmp_path):
    write_picture(tmp_path / "test/dent/0.png")
    write_mask(tmp_path / "ground_truth/dent/0.png", value=0)
    write_mask(tmp_path / "ground_truth/dent/0_mask.png")
    assert load_dataset("folder", tmp_path)[0].mask.any()


def test_hazelnut_photographs(shared):
    root = shared / "data/hazelnut_toy"
    test = load_dataset("folder", root, image_size=64)
    assert kinds(test) == {("hazelnut", "good"): 6, ("hazelnut", "colour"): 17}
    sample = next(sample for sample in test if sample.is_anomalous)
    assert sample.image.shape == (3, 64, 64) and 0.005 < sample.mask.float().mean() < 0.2
    train = load_dataset("folder", root / "hazelnut", split="train")
    odd = next(index for index, record in enumerate(train.records) if record.path.name == "01.jpg")
    assert len(train) == 28 and train[odd].image.shape == (3, 522, 512)
