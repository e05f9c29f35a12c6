"""The official layouts: what is found in them."""

import shutil
from collections import Counter

import pytest
from layouts import (
    kinds,
    visa_rows,
    write_3d,
    write_loco,
    write_mask,
    write_mvtec,
    write_picture,
    write_visa_table,
)

from zsas_lib.base.errors import DataError
from zsas_lib.data.layouts import visa
from zsas_lib.data.load import load_dataset
from zsas_lib.data.registry import list_datasets


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


@pytest.mark.slow
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
    shown = ("candle", "pcb1", "bottle", "grid", "01", "02", "03", "connector", "tubes")
    monkeypatch.setattr("zsas_lib.data.embedded.catalogue.PRODUCTS", dict.fromkeys(shown))  # as if they were embedded
    monkeypatch.setattr(embedded, "written", lambda wanted: calls.append(wanted) or root, raising=False)
    assert load_dataset(name).name == name and calls == [name]
    assert load_dataset(name, root).root == root and calls == [name]


def test_sound_pictures_of_btad_may_lie_in_good(btad_root):
    before = load_dataset("btad", btad_root)
    (btad_root / "01/test/ok").rename(btad_root / "01/test/good")
    after = load_dataset("btad", btad_root)

    def kinds(dataset):
        return sorted((record.category, record.path.name, record.defect) for record in dataset.records)

    assert kinds(after) == kinds(before)


@pytest.mark.parametrize(
    ("row", "said"), [("candle,test,normal", "line 8: expected"), ("pcb\xe9,test,normal,a.png,", "UTF-8")]
)
def test_a_broken_row_of_visas_table_is_named(visa_root, row, said):
    table = visa_root / "split_csv/1cls.csv"
    lines = table.read_bytes().splitlines()[:7]
    table.write_bytes(b"\n".join([*lines, row.encode("latin-1")]) + b"\n")
    with pytest.raises(DataError, match=said):
        load_dataset("visa", visa_root)
