"""The official layouts and folders in the wild: what is found, and what is said where something is amiss."""

import csv
import shutil
from collections import Counter

import pytest
from layouts import visa_rows, write_mask, write_mvtec, write_picture, write_visa_table

from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.data.layouts import visa
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


@pytest.mark.parametrize(("name", "layout"), [("embedded-a", "visa_root"), ("embedded-b", "mvtec_root")])
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
