"""The official layouts and folders in the wild: what is found, and what is said where something is amiss."""

import csv
import shutil
from collections import Counter
from pathlib import Path

import pytest
from layouts import (
    smooth_picture,
    visa_rows,
    write_3d,
    write_loco,
    write_mask,
    write_mvtec,
    write_picture,
    write_visa_table,
)
from PIL import Image

from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.data.layouts import visa
from zsas_lib.data.layouts.folder import category_name
from zsas_lib.data.load import load_dataset
from zsas_lib.data.registry import list_datasets


def kinds(dataset) -> Counter:
    return Counter((record.category, record.defect) for record in dataset.records)


def test_list_datasets():
    assert list_datasets() == [
        "mvtec",
        "visa",
        "btad",
        "mpdd",
        "mvtec-loco",
        "mvtec-3d",
        "folder",
        "embedded-a",
        "embedded-b",
        "embedded-c",
        "embedded-d",
    ]


def test_mvtec(mvtec_root):
    test = load_dataset("mvtec", mvtec_root)
    assert kinds(test) == {
        ("bottle", "good"): 2,
        ("bottle", "broken_large"): 2,
        ("bottle", "contamination"): 1,
        ("grid", "good"): 1,
        ("grid", "bent"): 2,
    }
    anomalous = next(record for record in test.records if record.defect == "bent")
    assert anomalous.path == mvtec_root / "grid/test/bent/000.png"
    assert anomalous.mask_path == mvtec_root / "grid/ground_truth/bent/000_mask.png"
    train = load_dataset("mvtec", str(mvtec_root), split="train")
    assert kinds(train) == {("bottle", "good"): 2, ("grid", "good"): 2}
    assert not any(record.is_anomalous or record.mask_path for record in train.records)


def test_mpdd(mpdd_root):
    test = load_dataset("mpdd", mpdd_root)
    assert kinds(test) == {
        ("connector", "good"): 2,
        ("connector", "parts_mismatch"): 1,
        ("tubes", "good"): 1,
        ("tubes", "anomalous"): 3,
    }


def test_btad_reads_its_mixture_of_formats_and_calls_ok_good(btad_root):
    test = load_dataset("btad", btad_root)
    assert kinds(test) == {(c, kind): n for c in ("01", "02", "03") for kind, n in (("good", 3), ("ko", 2))}
    masks = {record.category: record.mask_path.name for record in test.select(anomalous=True).records}
    assert masks == {"01": "0001.png", "02": "0001.png", "03": "0001.bmp"}
    assert kinds(load_dataset("btad", btad_root, split="train")) == {(c, "good"): 2 for c in ("01", "02", "03")}
    assert all(sample.mask.any() == sample.is_anomalous for sample in test)


def test_visa(visa_root):
    test = load_dataset("visa", visa_root)
    assert kinds(test) == {(c, kind): 2 for c in ("candle", "pcb1") for kind in ("good", "anomaly")}
    assert kinds(load_dataset("visa", visa_root, split="train")) == {("candle", "good"): 2, ("pcb1", "good"): 2}
    for sample in test:
        assert sample.mask.float().mean() == (0.25 if sample.is_anomalous else 0)


def test_visa_groups_an_interleaved_table_by_category(visa_root):
    rows = [row for pair in zip(visa_rows("candle"), visa_rows("pcb1"), strict=True) for row in pair]
    write_visa_table(visa_root, rows)
    categories = [record.category for record in load_dataset("visa", visa_root).records]
    assert categories == sorted(categories)


def test_visa_prepared_by_the_authors_script(tmp_path):
    root = write_mvtec(tmp_path / "1cls", {"candle": {"good": 2, "bad": 3}}, mask_ending="")
    assert kinds(load_dataset("visa", root)) == {("candle", "good"): 2, ("candle", "anomaly"): 3}
    assert kinds(load_dataset("visa", root, split="train")) == {("candle", "good"): 2}


@pytest.mark.parametrize("name", ["mvtec-loco", "folder"])
def test_mvtec_loco_lays_the_masks_of_a_picture_over_each_other(tmp_path, name):
    root = write_loco(tmp_path / "loco")
    test = load_dataset(name, root)
    kinds_there = ("good", "logical_anomalies", "structural_anomalies")
    assert kinds(test) == {("pushpins", kind): 1 for kind in kinds_there}
    logical = test[1]
    assert [path.name for path in test.records[1].mask_paths] == ["000.png", "001.png"]
    assert logical.mask.sum() == 12 and logical.mask[:3, :2].all() and logical.mask[:3, 4:6].all()
    assert test[2].mask.sum() == 6
    for split in ("train", "validation"):
        assert kinds(load_dataset(name, root, split=split)) == {("pushpins", "good"): 1}
    before = test.digest
    (root / "pushpins/ground_truth/logical_anomalies/000/001.png").unlink()
    assert load_dataset(name, root).digest != before
    (root / "pushpins/ground_truth/logical_anomalies/000/000.png").unlink()
    with pytest.raises(DataError, match="without a mask"):
        load_dataset(name, root)


def test_mvtec_loco_without_masks_says_where_they_were_expected(tmp_path):
    root = write_loco(tmp_path)
    shutil.rmtree(root / "pushpins/ground_truth/structural_anomalies")
    with pytest.raises(DataError, match=r"expected pushpins/ground_truth/structural_anomalies/000/000\.png"):
        load_dataset("mvtec-loco", root)


@pytest.mark.parametrize("name", ["mvtec-3d", "folder"])
def test_mvtec_3d_reads_colours_and_their_masks(tmp_path, name):
    root = write_3d(tmp_path / "3d")
    test = load_dataset(name, root)
    assert [record.name(root) for record in test.records] == [
        "bagel/test/crack/rgb/000.png",
        "bagel/test/good/rgb/000.png",
    ]
    assert test.records[0].mask_path == root / "bagel/test/crack/gt/000.png" and test.records[1].mask_path is None
    assert [sample.mask.float().mean().item() for sample in test] == [0.25, 0]
    for split in ("train", "validation"):
        assert kinds(load_dataset(name, root, split=split)) == {("bagel", "good"): 1}


@pytest.mark.parametrize("split_type", ["2cls_highshot", "2cls_fewshot"])
def test_visa_two_class_copies_of_the_authors_script(tmp_path, split_type):
    root = tmp_path / split_type
    for split in ("train", "test"):
        for seed, label in enumerate(("good", "bad")):
            write_picture(root / "candle" / split / label / "000.JPG", seed)
        write_mask(root / "candle/ground_truth" / split / "bad/000.png", value=255 if split == "test" else 0)
    test = load_dataset("visa", root)
    assert kinds(test) == {("candle", "anomaly"): 1, ("candle", "good"): 1}
    assert test.records[0].mask_path == root / "candle/ground_truth/test/bad/000.png" and test[0].mask.any()
    assert kinds(load_dataset("visa", root, split="train")) == {("candle", "good"): 1}


def test_visa_table_counts_a_picture_once_and_trains_on_normal_ones(visa_root):
    rows = visa_rows("candle")
    write_visa_table(visa_root, [*rows, rows[0], rows[-1], {**rows[-1], "split": "train"}])
    assert kinds(load_dataset("visa", visa_root)) == {("candle", "good"): 2, ("candle", "anomaly"): 2}
    assert kinds(load_dataset("visa", visa_root, split="train")) == {("candle", "good"): 2}


@pytest.mark.parametrize("change", [{"label": "anomaly"}, {"object": "pcb1"}])
def test_visa_table_says_two_things_of_a_picture(visa_root, change):
    rows = visa_rows("candle")
    write_visa_table(visa_root, [*rows, {**rows[0], **change}])
    with pytest.raises(DataError, match=r"lists candle/Data/Images/Normal/0000\.JPG as candle, normal and as "):
        load_dataset("visa", visa_root)


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


def test_visa_real_table(shared, tmp_path):
    shutil.copytree(shared / "data/visa/split_csv", tmp_path / "split_csv")
    train, test = visa.records(tmp_path, "train"), visa.records(tmp_path, "test")
    assert len(train) == 8659 and not any(record.is_anomalous for record in train)
    assert Counter(record.is_anomalous for record in test) == {False: 962, True: 1200}
    assert all((record.mask_path is not None) == record.is_anomalous for record in test)
    assert len({record.category for record in test}) == 12
    with pytest.raises(DataError, match=r"Pictures listed .* not found .*: candle/Data/Images/.* and 2159 more\."):
        load_dataset("visa", tmp_path)


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


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("embedded-a", "visa_root"),
        ("embedded-b", "mvtec_root"),
        ("embedded-c", "btad_root"),
        ("embedded-d", "mpdd_root"),
    ],
)
def test_embedded_is_written_unless_a_root_is_given(name, layout, request, monkeypatch):
    import zsas_lib.data.embedded as embedded

    root, calls = request.getfixturevalue(layout), []
    monkeypatch.setattr(embedded, "written", lambda wanted: calls.append(wanted) or root, raising=False)
    assert load_dataset(name).name == name and calls == [name]
    assert load_dataset(name, root).root == root and calls == [name]


def test_unknown_data_set():
    with pytest.raises(UnknownNameError, match=r"Unknown data set 'mvtek'; known: btad, .*Did you mean 'mvtec'\?"):
        load_dataset("mvtek")


def test_unknown_category(mvtec_root):
    with pytest.raises(UnknownNameError, match="Unknown category 'botle'; known: bottle, grid. Did you mean 'bottle'"):
        load_dataset("mvtec", mvtec_root, categories=["botle"])


def test_unknown_split(mvtec_root):
    with pytest.raises(
        UnknownNameError, match=r"Unknown split 'tests'; known: test, train, validation\. Did you mean 'test'\?"
    ):
        load_dataset("mvtec", mvtec_root, split="tests")


SOURCES = {
    "mvtec": ("mvtec.com/company/research/datasets/mvtec-ad", "CC BY-NC-SA 4.0"),
    "visa": ("github.com/amazon-science/spot-diff", "CC BY 4.0"),
    "btad": ("github.com/pankajmishra000/VT-ADL", "CC BY-SA 4.0"),
    "mpdd": ("github.com/stepanje/MPDD", "CC BY-NC-SA 4.0"),
    "mvtec-loco": ("mvtec.com/company/research/datasets/mvtec-loco", "CC BY-NC-SA 4.0"),
    "mvtec-3d": ("mvtec.com/company/research/datasets/mvtec-3d-ad", "CC BY-NC-SA 4.0"),
    "folder": ("MVTec-like folders", "ground_truth"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_missing_root(tmp_path, name):
    with pytest.raises(DataError) as caught:
        load_dataset(name, tmp_path / "nowhere")
    for part in (f"No folder {tmp_path / 'nowhere'} for data set {name!r}", "Expected", "ROOT/", *SOURCES[name]):
        assert part in str(caught.value)
    with pytest.raises(DataError, match=rf"Data set '{name}' needs root=FOLDER.*Expected .*ROOT/"):
        load_dataset(name)


def test_embedded_root_that_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"No folder .* for data set 'embedded-b'.* Leave root out to have it made\."):
        load_dataset("embedded-b", tmp_path / "nowhere")


def test_root_that_is_a_file(tmp_path):
    with pytest.raises(DataError, match=r"there is a file\. Expected .*Unpack it and pass its folder\."):
        load_dataset("mvtec", write_picture(tmp_path / "a.png"))


@pytest.mark.parametrize("name", SOURCES)
def test_empty_root(tmp_path, name):
    with pytest.raises(DataError) as caught:
        load_dataset(name, tmp_path)
    for part in (str(tmp_path), "Expected", "ROOT/", *SOURCES[name]):
        assert part in str(caught.value)


def test_root_that_holds_something_else(tmp_path):
    (tmp_path / "holiday").mkdir()
    with pytest.raises(DataError, match=r"No category folders in .*: it holds holiday\. Expected MVTec AD"):
        load_dataset("mvtec", tmp_path)


@pytest.mark.parametrize("name", ["mvtec", "folder"])
def test_root_one_level_too_high(mvtec_root, name):
    with pytest.raises(DataError, match=rf"Did you mean {mvtec_root}\?"):
        load_dataset(name, mvtec_root.parent)


def test_visa_root_one_level_too_high(visa_root):
    with pytest.raises(DataError, match=rf"No split_csv/1cls.csv in .*Did you mean {visa_root}\?"):
        load_dataset("visa", visa_root.parent)


def test_root_one_level_too_low(mvtec_root):
    with pytest.raises(DataError, match=rf"folder of one category: give its parent, {mvtec_root}\."):
        load_dataset("mvtec", mvtec_root / "bottle")


def test_no_pictures_of_the_split(tmp_path):
    write_picture(tmp_path / "part/test/good/0.png")
    with pytest.raises(DataError, match=r"No train pictures in .*Expected MVTec-like folders"):
        load_dataset("folder", tmp_path, split="train")


def test_no_masks(mvtec_root):
    shutil.rmtree(mvtec_root / "bottle/ground_truth")
    with pytest.raises(DataError) as caught:
        load_dataset("mvtec", mvtec_root)
    for name in ("broken_large/000", "broken_large/001", "contamination/000"):
        assert f"bottle/test/{name}.png (expected bottle/ground_truth/{name}_mask.png)" in str(caught.value)
    assert "without a mask" in str(caught.value)
    assert len(load_dataset("mvtec", mvtec_root, categories="grid")) == 3
    assert len(load_dataset("mvtec", mvtec_root, split="train")) == 4


def test_one_btad_mask_missing(btad_root):
    (btad_root / "03/ground_truth/ko/0001.bmp").unlink()
    with pytest.raises(DataError, match=r"without a mask .*: 03/test/ko/0001\.bmp \(expected 03/ground_truth/ko/0001"):
        load_dataset("btad", btad_root)


def test_visa_lists_files_that_do_not_exist(visa_root):
    (visa_root / "pcb1/Data/Images/Anomaly/001.JPG").unlink()
    with pytest.raises(DataError, match=r"not found in .*: pcb1/Data/Images/Anomaly/001\.JPG\. Complete"):
        load_dataset("visa", visa_root)
    assert len(load_dataset("visa", visa_root, categories=["candle"])) == 4
    (visa_root / "candle/Data/Masks/Anomaly/000.png").unlink()
    with pytest.raises(DataError, match=r"without a mask.*expected candle/Data/Masks/Anomaly/000\.png"):
        load_dataset("visa", visa_root, categories=["candle"])


def test_visa_table_names_no_mask_for_an_anomaly(visa_root):
    rows = visa_rows("candle")
    rows[-1]["mask"] = ""
    write_visa_table(visa_root, rows)
    with pytest.raises(DataError, match=r"candle/Data/Images/Anomaly/001\.JPG \(no mask is listed\)"):
        load_dataset("visa", visa_root)


def test_visa_table_lacks_columns(visa_root):
    table = visa_root / "split_csv/1cls.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["object", "label", "image"], ["candle", "normal", "x.JPG"]])
    with pytest.raises(DataError, match=r"1cls\.csv lacks the columns split, mask; expected object, split, label"):
        load_dataset("visa", visa_root)


def test_visa_table_holds_an_unknown_label(visa_root):
    write_visa_table(visa_root, [{**visa_rows("candle")[0], "split": "test", "label": "fine"}])
    with pytest.raises(DataError, match=r"labels candle/.*/0000\.JPG as 'fine'; expected normal or anomaly"):
        load_dataset("visa", visa_root)
