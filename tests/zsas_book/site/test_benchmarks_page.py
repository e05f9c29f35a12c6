"""The table of benchmarks with its bars and verdicts, and the page made of it."""

import numpy as np
import pandas as pd
import pytest
from mini_project import REPOSITORY

from zsas_book.site.benchmarks_page import (
    BARS,
    COLUMNS,
    KEY,
    LEARNED,
    LEARNED_COLUMNS,
    MEASURED,
    BenchmarkTableError,
    judged,
    measured,
    write_benchmarks,
)

BARS_TEXT = """\
benchmark,device,what,bar
fast,cpu,turning,ratio >= 2
fast,cpu,"turning, twice",
small,cpu,memory,ours <= 4
fast,cuda,turning,ratio >= 2
"""
MACHINE = {
    "processor": "Some CPU",
    "cores": 2,
    "memory_gb": 25,
    "gpu": "",
    "threads": 2,
    "torch": "2.12",
    "commit": "abc",
    "date": "2026-11-22",
}


def row(benchmark="fast", what="turning", **found) -> dict:
    numbers = {
        "device": "cpu",
        "unit": "s",
        "ours": 1.0,
        "against": "other",
        "peer": 3.0,
        "ratio": 3.0,
        "rounds": 7,
        "note": "",
    }
    return numbers | MACHINE | {"benchmark": benchmark, "what": what} | found


@pytest.fixture
def root(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / BARS).write_text(BARS_TEXT)
    return tmp_path


def store(root, *rows) -> None:
    pd.DataFrame(rows)[COLUMNS].to_csv(root / MEASURED, index=False)


def test_verdicts_follow_from_bars(root):
    store(
        root,
        row(),
        row(what="turning, twice"),
        row("small", "memory", ours=4.1, against="", peer=np.nan, ratio=np.nan),
        row(what="unasked"),
    )
    table = judged(root)
    assert list(zip(table.what, table.device, table.verdict)) == [
        ("turning", "cpu", "met"),
        ("turning, twice", "cpu", "no bar"),
        ("memory", "cpu", "not met"),
        ("turning", "cuda", "not measured"),
        ("unasked", "cpu", "no bar"),
    ]


@pytest.mark.parametrize("ratio, verdict", [(1.99, "not met"), (2.0, "met"), (np.nan, "not met")])
def test_a_bar_is_met_from_its_number_on(root, ratio, verdict):
    store(root, row(ratio=ratio))
    assert judged(root).verdict[0] == verdict


def test_two_machines_have_a_verdict_each(root):
    store(root, row(), row(processor="Another CPU", ratio=1.0))
    assert sorted(judged(root).iloc[:2].verdict) == ["met", "not met"]


def test_where_nothing_was_measured_every_bar_says_so(root):
    assert set(judged(root).verdict) == {"not measured"} and measured(root).empty


@pytest.mark.parametrize(
    "path, text, message",
    [
        (BARS, BARS_TEXT.replace("ours <= 4", "ours < 4"), "'ours < 4' is no bar; expected such as"),
        (BARS, "benchmark,what\n", "expected the columns benchmark, device, what, bar; got benchmark, what"),
        (
            MEASURED,
            ",".join(COLUMNS) + "\n" + ",".join(["fast", "cpu", "x", "s", "many"] + [""] * (len(COLUMNS) - 5)) + "\n",
            "measured.csv.*many",
        ),
    ],
)
def test_tables_that_cannot_be_read_are_named(root, path, text, message):
    (root / path).write_text(text)
    with pytest.raises(BenchmarkTableError, match=message):
        judged(root)


def test_the_page_shows_machines_bars_verdicts_and_what_is_missing(root, tmp_path):
    store(
        root,
        row(),
        row("small", "memory", ours=4.1, unit="GB", against="", peer=np.nan, ratio=np.nan),
        row(processor="Another | CPU", ratio=1.5),
    )
    write_benchmarks(root, tmp_path)
    text = (tmp_path / "_made" / "benchmarks.md").read_text()
    assert "5 rows: 2 not met, 2 not measured, 1 met." in text
    assert "## Some CPU, 2 cores, 25 GB, no GPU" in text and "make benchmarks" in text
    assert "| *fast*: turning | 1 s | 3 s (other) | 3 | ratio at least 2 | **met** |" in text
    assert "| *small*: memory | 4.1 GB |  |  | ours at most 4 | **not met** |" in text
    assert "Made with: fast, small: 2026-11-22, 2 threads, torch 2.12, `abc`." in text
    missing = text.partition("## Not measured")[2]
    assert (
        "| fast | cpu | turning, twice |" in missing
        and "| fast | cuda | turning | ratio >= 2 |" in missing
        and "memory" not in missing
    )


def test_an_error_that_is_not_known_is_not_named_and_a_rounded_number_is_written_out(root, tmp_path):
    store(root, row(note="centre 0.9, standard error nan"), row(processor="B", ours=999.7, note="standard error 0.1"))
    write_benchmarks(root, tmp_path)
    text = (tmp_path / "_made" / "benchmarks.md").read_text()
    assert "turning; centre 0.9 |" in text and "nan" not in text
    assert "turning; standard error 0.1 | 1,000 s |" in text


def test_the_page_of_a_book_without_benchmarks_says_so(tmp_path):
    write_benchmarks(tmp_path, tmp_path)
    assert "Nothing was measured yet" in (tmp_path / "_made" / "benchmarks.md").read_text()


def test_the_books_own_table_is_read_and_small():
    table = judged(REPOSITORY)
    assert not table.duplicated([*KEY, "processor", "cores", "gpu"]).any()
    assert {"aupro", "engine", "memory", "rotation", "winclip", "worst_case"} <= set(table.benchmark)
    assert not (REPOSITORY / MEASURED).exists() or (REPOSITORY / MEASURED).stat().st_size < 100_000


@pytest.mark.slow
def test_the_page_has_a_table_of_trainings(root, tmp_path):
    rows = [
        {"tested": "embedded-b", "model": name, "seed": seed, "training": "a1", "cpu_seconds": seconds}
        | {"pixel_auroc": 0.9 + 0.02 * seed, "aupro": 0.5, "pixel_ap": 0.25, "image_auroc": 0.75}
        | {"date": f"2026-11-0{1 + seed}", "processor": "x", "threads": 1}
        for name, seed, seconds in (("winclip", 0, 0), ("vcpclip+", 0, 30), ("vcpclip+", 1, 40))
    ]
    pd.DataFrame(rows)[LEARNED_COLUMNS].to_csv(root / LEARNED, index=False)
    write_benchmarks(root, tmp_path)
    page = (tmp_path / "_made" / "benchmarks.md").read_text()
    assert "| embedded-b | VCP-CLIP+ | 2 | 91.0 ± 1.4 | 50.0 ± 0.0 | 25.0 ± 0.0 | 75.0 ± 0.0 | 35 |" in page
    assert "| embedded-b | WinCLIP | 1 | 90.0 | 50.0 | 25.0 | 75.0 |  |" in page
    assert "learned`, 2026-11-01 to 2026-11-02." in page
    (root / LEARNED).write_text("tested,model\n")
    with pytest.raises(BenchmarkTableError, match="learned.csv: expected the columns tested, model, seed"):
        write_benchmarks(root, tmp_path)
