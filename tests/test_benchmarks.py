"""The benchmarks' own machinery, and those that are quick in a small size; no timing is judged here."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mini_project import REPOSITORY

from benchmarks import memory, winclip, worst_case
from benchmarks.__main__ import BENCHMARKS, LONG, run
from benchmarks.peer import peer
from benchmarks.table import Measurement, NotRun, Settings, compared, kept, machine, printed
from zsas_book.site.benchmarks_page import BARS, COLUMNS, MEASURED, judged, measured
from zsas_lib import evaluate
from zsas_lib.robustness.search.objective import Objective

QUICK = Settings(Path(sys.executable), rounds=2, quick=True)
HERE = {
    "processor": "Some CPU",
    "cores": 2,
    "memory_gb": 25,
    "gpu": "",
    "threads": 1,
    "torch": "2.12",
    "commit": "abc",
    "date": "2026-11-22",
}
ECHO = "import sys\nprint('echo 1')\nsys.stdout.flush()\nfor line in sys.stdin:\n    print(0.5, line.strip(), flush=True)\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    return tmp_path


def test_medians_and_ratios_are_of_rounds_in_turn_without_the_first():
    order = []

    def clock(name, times):
        times = iter(times)
        return lambda: order.append(name) or next(times)

    row = compared(
        "x", clock("ours", [9, 1, 2, 4]), clock("peer", [9, 3, 2, 40]), "peer 1.0", rounds=3, unit="ms", scale=1000
    )
    assert order == ["ours", "peer"] * 4
    assert (row.ours, row.peer, row.ratio, row.rounds, row.unit) == (2000, 3000, 3, 3, "ms")
    assert "peer 1.0" in printed([row])


def test_the_machine_is_described():
    here = machine("cpu")
    assert here["processor"] and here["cores"] >= 1 and here["memory_gb"] >= 1 and here["gpu"] == ""
    assert here["torch"] == torch.__version__ and set(here) <= set(COLUMNS)


def test_a_new_run_replaces_the_rows_of_its_benchmark_on_its_machine_and_no_others(root):
    first, second = Measurement("one", 1.5, "s"), Measurement("two, really", 2.0)
    kept(root, "fast", "cpu", [first, second], HERE)
    kept(root, "small", "cpu", [first], HERE)
    kept(root, "fast", "cpu", [first], HERE | {"processor": "Another CPU", "memory_gb": 8})
    kept(root, "fast", "cpu", [replace(first, ours=3.0)], HERE | {"memory_gb": 26, "commit": "def"})
    table = measured(root)
    assert list(table) == COLUMNS
    found = table[["benchmark", "processor", "what", "ours", "commit"]].to_numpy().tolist()
    assert sorted(found) == [
        ["fast", "Another CPU", "one", 1.5, "abc"],
        ["fast", "Some CPU", "one", 3.0, "def"],
        ["small", "Some CPU", "one", 1.5, "abc"],
    ]


def test_a_run_that_ended_early_replaces_only_what_it_measured(root):
    kept(root, "fast", "cpu", [Measurement("one", 1.0), Measurement("two", 2.0)], HERE)
    kept(root, "fast", "cpu", [Measurement("one", 5.0)], HERE, whole=False)
    table = measured(root).set_index("what")
    assert table.ours.to_dict() == {"one": 5.0, "two": 2.0}


def test_what_is_stored_is_read_back_to_the_last_column(root):
    row = Measurement("a, b", 0.123456, "ms", "peer, 1", np.nan, 2.5, 3, 'said "so"')
    kept(root, "fast", "cuda", [row], HERE | {"gpu": "Some GPU"})
    before = (root / MEASURED).read_bytes()
    kept(root, "fast", "cuda", [row], HERE | {"gpu": "Some GPU"})
    assert (root / MEASURED).read_bytes() == before
    (found,) = measured(root).itertuples()
    assert (found.what, found.against, found.note, found.gpu, found.ours) == (
        "a, b",
        "peer, 1",
        'said "so"',
        "Some GPU",
        0.12346,
    )
    assert pd.isna(found.peer) and found.ratio == 2.5


def test_a_benchmark_that_fails_or_cannot_run_keeps_what_it_found(root, monkeypatch, capsys):
    def measure(settings):
        yield Measurement("one", 1.0)
        raise settings_error

    monkeypatch.setattr("benchmarks.rotation.measure", measure)
    for settings_error, words in (
        (NotRun("no peer"), "not run to its end: no peer"),
        (ValueError("odd"), "ValueError: odd"),
    ):
        assert run("rotation", replace(QUICK, quick=False), root) is False
        assert words in capsys.readouterr().err
        assert measured(root).what.tolist() == ["one"]


def test_quick_runs_are_not_kept(root, capsys):
    assert run("rotation", QUICK, root) is True
    assert "torch-rotation" in capsys.readouterr().out and not (root / MEASURED).exists()


def test_another_python_answers_line_for_line():
    with peer(QUICK, ECHO) as other:
        assert other.version == "echo 1"
        assert other.ask("a") == ["0.5", "a"] and other.ask("b") == ["0.5", "b"]


def test_a_peer_that_is_missing_or_ends_is_named(tmp_path):
    with pytest.raises(NotRun, match="--make-peer"), peer(replace(QUICK, peer_python=tmp_path / "python"), ECHO):
        pass
    with pytest.raises(NotRun, match="ended without an answer"), peer(QUICK, "raise SystemExit(1)"):
        pass


def test_every_benchmark_has_bars_and_the_other_way_round():
    assert set(judged(REPOSITORY).benchmark) == set(BENCHMARKS + LONG)
    assert (REPOSITORY / BARS).is_file()


def test_the_drawn_pictures_go_through_the_librarys_evaluation():
    data = memory.drawn(pictures=12, categories=3, size=40)
    table = evaluate(memory.Shown(), data, batch_size=5, resamples=2)
    assert list(table.index) == ["category_00", "category_01", "category_02", "mean"]
    assert 0.6 < table.loc["mean", "pixel_auroc"] < 1 and len(table.per_image) == 12


def test_the_plain_loop_tries_the_points_of_the_batch(monkeypatch):
    """On a toy whose loss is smooth, so that rounding does not grow."""
    from toy import Glow

    import zsas_lib as zsas

    images = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(2, 24, 24, dtype=torch.bool)
    masks[:, 4:9, 4:9] = True
    tried = []
    outcome = Objective.outcome
    monkeypatch.setattr(
        Objective,
        "outcome",
        lambda self, index, amounts: tried.append(amounts.detach()) or outcome(self, index, amounts),
    )
    found = worst_case.plain_loop(Glow(), images, masks, "lamp", 6, 2, [3, 4])
    ours = zsas.worst_case(Glow(), images, masks, "lamp", steps=6, restarts=2, seed=[3, 4])
    assert len(tried[:12]) == 12 and all(len(amounts) == 1 for amounts in tried[:12])
    torch.testing.assert_close(found, ours.pixel_auroc, atol=1e-4, rtol=0)


def test_what_is_for_a_gpu_runs_small_on_a_cpu():
    rows = list(winclip.on_gpu(QUICK, "embedded", "embedded", batch=2))
    assert [row.what for row in rows] == [
        "embedded forward, compiled bfloat16 against plain float32",
        "embedded forward and backward, compiled bfloat16 against plain float32",
        "embedded forward, share of the matrix peak",
    ]
    assert all(row.ours > 0 and row.peer > 0 and row.ratio > 0 for row in rows)
