"""Comparison with the official counts, on complete and incomplete data sets."""

import shutil

import pytest
from layouts import visa_rows, write_3d, write_loco, write_mask, write_mvtec, write_picture, write_visa_table
from PIL import Image

from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.data import official
from zsas_lib.data.check import COLUMNS, check_dataset
from zsas_lib.data.layouts import visa


def row(table, category, split, kind):
    found = table[(table["category"] == category) & (table["split"] == split) & (table["kind"] == kind)]
    assert len(found) == 1
    return found.iloc[0]


def problems_but_absent_categories(table):
    return [line for line in table.attrs["problems"] if "altogether" not in line]


@pytest.mark.parametrize(
    ("name", "categories", "train", "normal", "anomalous"),
    [
        ("mvtec", 15, 3629, 467, 1258),
        ("visa", 12, 8659, 962, 1200),
        ("btad", 3, 1799, 451, 290),
        ("mpdd", 6, 888, 176, 282),
        ("mvtec-loco", 5, 1778, 575, 993),
        ("mvtec-3d", 10, 2656, 249, 948),
    ],
)
def test_official_totals_are_the_published_ones(name, categories, train, normal, anomalous):
    counts = official.counts(name)
    assert len({part.category for part in counts}) == categories
    totals = [
        sum(count for part, count in counts.items() if part.split == split and (part.kind == "good") == good)
        for split, good in (("train", True), ("test", True), ("test", False))
    ]
    assert totals == [train, normal, anomalous]
    assert all(part.kind == "good" for part in counts if part.split == "train")


def test_mvtec_has_73_kinds_of_defects():
    assert sum(part.kind != "good" for part in official.counts("mvtec")) == 73


@pytest.mark.slow
def test_visa_counts_are_those_of_the_official_table(shared):
    counts = dict.fromkeys(official.counts("visa"), 0)
    for split in ("train", "test"):
        for record in visa.records(shared / "data/visa", split):
            counts[record.category, split, record.defect] += 1
    assert counts == official.counts("visa")


@pytest.mark.parametrize(("name", "pictures"), [("mvtec-loco", 305), ("mvtec-3d", 294)])
def test_validation_pictures_are_normal_and_counted(name, pictures):
    assert official.pictures(name, "validation") == pictures
    assert {part.kind for part in official.counts(name) if part.split == "validation"} == {"good"}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    kinds = {"good": 20, "broken_large": 20, "broken_small": 22, "contamination": 21}
    return write_mvtec(tmp_path_factory.mktemp("written") / "mvtec", {"bottle": kinds}, train=209)


@pytest.fixture
def bottle(written, tmp_path):
    """MVTec AD with one category, which is complete."""
    return shutil.copytree(written, tmp_path / "mvtec")


@pytest.mark.slow
def test_one_complete_category_of_fifteen(bottle):
    table = check_dataset("mvtec", bottle)
    assert list(table.columns) == COLUMNS
    present = table[table["category"] == "bottle"]
    assert present["verdict"].tolist() == ["complete"] * 5
    assert present[["split", "kind"]].values.tolist() == [
        ["train", "good"],
        ["test", "good"],
        ["test", "broken_large"],
        ["test", "broken_small"],
        ["test", "contamination"],
    ]
    assert table["category"].nunique() == 15 and table["found"].sum() == 292
    assert row(table, "cable", "train", "good")["verdict"] == "224 missing"
    assert len(table.attrs["problems"]) == 14
    assert table.attrs["problems"][0] == "Category cable is missing altogether."


@pytest.mark.slow
def test_what_is_missing_is_named(bottle):
    (bottle / "bottle/test/broken_large/007.png").unlink()
    (bottle / "bottle/ground_truth/contamination/003_mask.png").unlink()
    write_picture(bottle / "bottle/test/dust/000.png")
    write_mask(bottle / "bottle/ground_truth/dust/000_mask.png")
    write_picture(bottle / "bottle/test/good/999.png")
    table = check_dataset("mvtec", bottle)
    assert row(table, "bottle", "test", "broken_large")["verdict"] == "1 missing"
    assert row(table, "bottle", "test", "contamination")["verdict"] == "1 without mask"
    assert row(table, "bottle", "test", "contamination")["without_mask"] == 1
    assert row(table, "bottle", "test", "dust")["verdict"] == "not in the official data set"
    assert row(table, "bottle", "test", "good")["verdict"] == "1 too many"
    assert problems_but_absent_categories(table) == [
        "bottle/test/broken_large: 19 of 20 pictures.",
        "Missing mask: bottle/test/contamination/003.png (expected bottle/ground_truth/contamination/003_mask.png).",
        "Not read, in bottle/ground_truth/broken_large: 007_mask.png (masks without a picture of their name).",
    ]


@pytest.mark.slow
def test_masks_of_another_size_and_truncated_pictures(bottle):
    write_mask(bottle / "bottle/ground_truth/broken_small/000_mask.png", size=(9, 9))
    cut = bottle / "bottle/train/good/100.png"
    cut.write_bytes(cut.read_bytes()[:200])
    quick = problems_but_absent_categories(check_dataset("mvtec", bottle))
    assert len(quick) == 1 and "000_mask.png is 9x9" in quick[0]
    thorough = problems_but_absent_categories(check_dataset("mvtec", bottle, decode=True))
    assert len(thorough) == 2 and f"{cut} cannot be read" in thorough[0]


def test_visa_counts_what_exists_of_what_the_table_lists(visa_root):
    (visa_root / "candle/Data/Images/Normal/0000.JPG").unlink()
    (visa_root / "candle/Data/Masks/Anomaly/001.png").unlink()
    write_visa_table(visa_root, [line for name in ("candle", "pcb1", "cashew") for line in visa_rows(name)])
    table = check_dataset("visa", visa_root)
    assert row(table, "candle", "train", "good")["found"] == 1
    assert row(table, "candle", "test", "anomaly")[["found", "without_mask"]].tolist() == [2, 1]
    assert row(table, "pcb1", "test", "anomaly")["verdict"] == "98 missing"
    problems = table.attrs["problems"]
    assert "Missing picture: candle/Data/Images/Normal/0000.JPG." in problems
    assert "Category cashew is missing altogether." in problems
    assert not any("cashew/Data" in line for line in problems)


def test_btad_and_mpdd(btad_root, mpdd_root):
    table = check_dataset("btad", btad_root)
    assert table["category"].tolist() == ["01"] * 3 + ["02"] * 3 + ["03"] * 3
    assert table["expected"].tolist() == [400, 21, 49, 399, 30, 200, 1000, 400, 41]
    assert set(table["found"]) == {2, 3}
    table = check_dataset("mpdd", mpdd_root)
    assert row(table, "tubes", "test", "anomalous")["verdict"] == "66 missing"


@pytest.mark.parametrize("name", ["folder", "embedded-b"])
def test_without_official_counts(mvtec_root, name):
    (mvtec_root / "grid/ground_truth/bent/000_mask.png").unlink()
    table = check_dataset(name, mvtec_root)
    assert table["expected"].isna().all()
    assert row(table, "bottle", "test", "good")["verdict"] == "present"
    assert row(table, "grid", "test", "bent")["verdict"] == "1 without mask"
    assert len(table.attrs["problems"]) == 1


def problems(name, root, **options):
    """What a check says of a data set but for the official pictures that are not there."""
    said = check_dataset(name, root, **options).attrs["problems"]
    return [line for line in said if "altogether" not in line and " of " not in line.partition(":")[2]]


@pytest.mark.parametrize(("name", "write"), [("mvtec-loco", write_loco), ("mvtec-3d", write_3d)])
def test_a_small_copy_of_an_official_layout_has_nothing_unread(tmp_path, name, write):
    root = write(tmp_path / name)
    assert problems(name, root, decode=True) == []
    table = check_dataset(name, root)
    found = table[table.found > 0]
    assert found.found.tolist() == [1] * len(found) and not table.without_mask.any()
    assert list(dict.fromkeys(found.split)) == ["train", "validation", "test"]


def test_where_no_picture_was_read_something_is_wrong(tmp_path):
    (tmp_path / "part/test/good").mkdir(parents=True)
    said = check_dataset("folder", tmp_path).attrs["problems"]
    assert said[0].startswith(f"No pictures in {tmp_path}. Expected MVTec-like folders")
    assert said[1] == "Empty folder: part/test/good."


ONE_SIDED = "Category part has no {} test pictures: no score can tell both kinds apart."


def test_test_pictures_of_one_kind_alone_are_named(tmp_path):
    write_picture(tmp_path / "part/test/dent/0.png")
    write_mask(tmp_path / "part/ground_truth/dent/0_mask.png")
    assert problems("folder", tmp_path) == [ONE_SIDED.format("normal")]
    write_picture(tmp_path / "part/test/Good/1.png", seed=1)  # in any letter case
    write_picture(tmp_path / "part/train/GOOD/2.png", seed=2)
    assert problems("folder", tmp_path) == []
    write_picture(tmp_path / "other/train/good/0.png", seed=3)
    assert problems("folder", tmp_path) == ["Category other has no test pictures: nothing can be evaluated."]


def test_pictures_of_a_set_without_masks_are_read_in_full_by_themselves(tmp_path):
    write_picture(tmp_path / "part/test/good/0.png")
    for number in range(2):
        write_picture(tmp_path / f"part/test/dent/{number}.png", seed=number + 1)
    (line,) = check_dataset("folder", tmp_path, decode=True).attrs["problems"]
    assert line.startswith("None of 2 anomalous pictures has a mask")
    content = (tmp_path / "part/test/dent/1.png").read_bytes()
    (tmp_path / "part/test/dent/1.png").write_bytes(content[: len(content) // 2])
    _, line = check_dataset("folder", tmp_path, decode=True).attrs["problems"]
    assert "dent/1.png" in line and "mask" not in line


def test_a_link_to_nothing_is_called_one(tmp_path):
    for kind in ("good", "dent"):
        write_picture(tmp_path / f"part/test/{kind}/0.png", seed=len(kind))
    write_mask(tmp_path / "part/ground_truth/dent/0_mask.png")
    (tmp_path / "part/test/good/b.png").symlink_to(tmp_path / "gone.png")
    assert problems("folder", tmp_path) == ["Not read, in part/test/good: b.png (a link to nothing)."]


def test_a_category_without_pictures_beside_another(tmp_path):
    write_picture(tmp_path / "part/test/good/0.png")
    (tmp_path / "other/train/good").mkdir(parents=True)
    assert problems("folder", tmp_path) == ["Empty folder: other/train/good.", ONE_SIDED.format("anomalous")]
    (tmp_path / "third").mkdir()
    assert "Empty folder: third." in problems("folder", tmp_path)


def turned(path, size, **options):
    """A picture of this size whose orientation tag turns it by a quarter."""
    tag = Image.Exif()
    tag[0x0112] = 6
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, 9).save(path, exif=tag, **options)


def test_sizes_are_compared_after_turning(tmp_path):
    turned(tmp_path / "part/test/dent/fits.jpg", (24, 18))
    write_mask(tmp_path / "part/ground_truth/dent/fits.png", size=(18, 24))
    write_picture(tmp_path / "part/test/good/0.png")
    assert problems("folder", tmp_path) == []
    turned(tmp_path / "part/test/dent/lies.jpg", (24, 18), quality=50)
    write_mask(tmp_path / "part/ground_truth/dent/lies.png", size=(24, 18))
    (line,) = problems("folder", tmp_path)
    assert "lies.jpg is 18x24 but its mask" in line and "lies.png is 24x18" in line


def test_a_mask_that_two_pictures_claim(tmp_path):
    for name in ("1.jpg", "1.png"):
        write_picture(tmp_path / "part/test/dent" / name, seed=len(name) + ord(name[2]))
    write_mask(tmp_path / "part/ground_truth/dent/1_mask.png")
    table = check_dataset("folder", tmp_path)
    assert row(table, "part", "test", "dent")["verdict"] == "2 without mask"
    assert "1.jpg and 1.png would share the mask 1_mask.png" in table.attrs["problems"][0]


def test_what_the_table_of_visa_says_twice_or_for_training(visa_root):
    rows = [line for name in ("candle", "pcb1") for line in visa_rows(name)]
    rows += [rows[0], {**rows[0], "split": "test"}, {**rows[-1], "split": "train"}]
    write_visa_table(visa_root, rows)
    said = problems("visa", visa_root)
    assert said == [
        "split_csv/1cls.csv lists 1 pictures twice, which count once, such as candle/Data/Images/Normal/0000.JPG.",
        "split_csv/1cls.csv lists 2 pictures for training and for testing, such as candle/Data/Images/Normal/0000.JPG.",
        "split_csv/1cls.csv lists 1 anomalous pictures for training, which are not read: training pictures are normal "
        "ones, as in the official 1cls.csv.",
    ]


def test_nothing_to_check(tmp_path):
    with pytest.raises(UnknownNameError, match="Unknown data set 'mvtech'.*Did you mean 'mvtec'"):
        check_dataset("mvtech", tmp_path)
    with pytest.raises(DataError, match="No folder .*nowhere for data set 'mpdd'"):
        check_dataset("mpdd", tmp_path / "nowhere")
    with pytest.raises(DataError, match="No category folders in .*: it is empty. Expected MPDD as unpacked"):
        check_dataset("mpdd", tmp_path)
