"""What is said where a data set is not what it should be: names, roots, tables, pictures and masks."""

import csv
import shutil

import pytest
from layouts import (
    visa_rows,
    write_mvtec,
    write_picture,
    write_visa_table,
)

from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.data.load import load_dataset


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


def test_photographs_are_no_embedded_data_set(tmp_path):
    root = write_mvtec(tmp_path / "photographs", {"hazelnut": {"good": 1, "cracked": 1}})
    with pytest.raises(
        DataError, match="is no copy of the embedded data set 'embedded-b': it holds hazelnut.*'folder'"
    ):
        load_dataset("embedded-b", root)
