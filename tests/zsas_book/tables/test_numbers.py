import numpy as np
import pandas as pd
import pytest
from mini_project import REPOSITORY

from zsas_book.figures import publish_table
from zsas_book.project.chapters import load_pages
from zsas_book.site.claims import claims
from zsas_book.site.judging import CHANCE, FAILS, HOLDS, NO_NUMBER, ClaimError, judge
from zsas_book.site.rerun import number_differences, summary
from zsas_book.tables.numbers import published_numbers, read_published
from zsas_lib.papers import reported


@pytest.fixture
def computed(tmp_path):
    """The files of one computed page."""
    files = tmp_path / "sweep_files"
    files.mkdir()
    pd.DataFrame(
        {
            "category": ["nut", "nut", "mean", "mean"],
            "unit": "degrees",
            "value": [0, 45, 0, 45],
            "seed": 0,
            "auroc": [0.9, 0.8, 0.7, 0.6],
            "auroc_se": [0.01, 0.01, 0.01, 0.2],
        }
    ).to_csv(files / "sweep.csv", index=False)
    pd.DataFrame({"claim": ["up", "down"], "reported": [1.5, np.nan], "verdict": ["same", "other"]}).to_csv(
        files / "reported.csv", index=False
    )
    return tmp_path


def test_every_number_has_a_row_in_words_and_its_spread(computed):
    numbers = published_numbers(computed / "sweep_files").set_index(["table", "row", "column"])
    assert numbers.loc[("sweep", "category=nut; unit=degrees; value=45", "auroc")].tolist() == [0.8, 0.01]
    assert numbers.loc[("reported", "claim=up", "reported")].value == 1.5
    assert len(numbers) == 4 * 2 + 1 and numbers.index.is_unique
    assert published_numbers(computed / "absent").empty


@pytest.mark.slow
def test_names_that_look_like_something_else_stay_names(tmp_path, monkeypatch):
    monkeypatch.setenv("ZSAS_PAGE_FILES", str(tmp_path))
    names = ["01", "NA", "1e5", "None", "<M8>"]
    table = pd.DataFrame({"category": names, "x": [1.0, 2e-7, np.nan, 3e9, -np.inf], "n": [0, 1, 2, 3, 40]})
    table["sure"], table["seldom"] = [True, False, True, True, False], [None, "a", None, None, "2"]
    publish_table(table, "t")
    publish_table(table.drop(columns="category").assign(category=["1", "2", "3", "4", "05"]), "u")
    read = read_published(tmp_path / "t.csv")
    assert read.category.tolist() == names and read.seldom.tolist()[1::3] == ["a", "2"]
    assert read[["x", "n", "sure"]].equals(table[["x", "n", "sure"]]) and read.seldom.isna().sum() == 3
    assert read_published(tmp_path / "u.csv").category.tolist() == ["1", "2", "3", "4", "05"]
    assert "category=01" in published_numbers(tmp_path).row.tolist()
    (tmp_path / "page_files").mkdir()
    (tmp_path / "t.csv").rename(tmp_path / "page_files" / "t.csv")
    assert judge("page:t[category=01][n] < page:t[category=NA][n]", tmp_path).word == HOLDS


def test_rows_that_nothing_tells_apart_are_counted(tmp_path):
    pd.DataFrame({"name": ["a", "a"], "x": [1.0, 2.0]}).to_csv(tmp_path / "t.csv", index=False)
    assert published_numbers(tmp_path).row.tolist() == ["name=a", "name=a; 2"]


@pytest.mark.slow
def test_differences_hold_every_number_of_both(computed, tmp_path):
    other = tmp_path / "other_files"
    other.mkdir()
    changed = pd.read_csv(computed / "sweep_files" / "sweep.csv").query("value == 0").assign(auroc=[0.95, 0.7])
    changed.to_csv(other / "sweep.csv", index=False)
    changed = pd.concat([changed, changed.assign(value=90)])
    changed.to_csv(other / "sweep.csv", index=False)
    table = number_differences(computed / "sweep_files", other)
    row = table.set_index(["row", "column"]).loc[("category=nut; unit=degrees; value=0", "auroc")]
    assert (row.book, row.run) == (0.9, 0.95) and row.difference == pytest.approx(0.05)
    assert table.difference.notna().tolist() == sorted(table.difference.notna(), reverse=True)
    assert summary(table) == "13 numbers: 3 are the same, 1 differ, 4 are only in this run, 5 only in the book's."


@pytest.mark.parametrize(
    ("test", "word"),
    [
        ("sweep:sweep[category=nut; value=0][auroc] > sweep:sweep[category=nut; value=45][auroc]", HOLDS),
        ("sweep:sweep[category=nut; value=0][auroc] < sweep:sweep[category=nut; value=45][auroc]", FAILS),
        ("sweep:sweep[category=mean; value=0][auroc] > sweep:sweep[category=mean; value=45][auroc]", CHANCE),
        ("max sweep:sweep[][auroc] - min sweep:sweep[][auroc] > 0.2", CHANCE),
        ("max sweep:sweep[category=nut][auroc] - min sweep:sweep[category=nut][auroc] > 0.05", HOLDS),
        ("sweep:reported[claim=up][reported] = 1.5", HOLDS),
        ("sweep:sweep[category=nut; value=0][auroc] > 2 * sweep:sweep[category=nut; value=0][auroc]", FAILS),
        ("sweep:reported[claim=up][verdict]", "same"),
        ("sweep:reported[claim=up][verdict] = none", FAILS),
        ("other:sweep[][auroc] > 0", NO_NUMBER),
        ("sweep:sweep[category=bolt][auroc] > 0", NO_NUMBER),
        ("sweep:sweep[][auprc] > 0", NO_NUMBER),
    ],
)
def test_a_claim_is_judged_by_the_published_numbers(computed, test, word):
    assert judge(test, computed).word == word


def test_a_test_that_cannot_be_read_is_an_error(computed):
    with pytest.raises(ClaimError, match="no test"):
        judge("sweep.sweep > 0", computed)


@pytest.mark.slow
def test_every_claim_names_a_paper_pages_that_exist_and_a_test_on_them(tmp_path):
    table, pages = claims(), load_pages(REPOSITORY, "embedded")
    assert set(table.paper) == {"S", "K", "V", "T"} and len(table) > 60
    assert not table.duplicated(["paper", "place", "claim"]).any()
    for row in table.itertuples():
        assert set(row.pages.split()) <= set(pages), row.claim
        assert row.note or row.pages, row.claim
        if row.test:
            assert judge(row.test, tmp_path).word == NO_NUMBER
            assert any(f"{page}:" in row.test for page in row.pages.split()), row.claim


def test_the_errata_of_printed_means_are_what_the_rows_give():
    text = (REPOSITORY / "book" / "errata.md").read_text()
    rows = reported("K", 3).query("level == 'pixel' and category != 'mean'")
    assert f"its rows give {rows.value.mean():.3f}" in text
