"""The benchmarks' own machinery, and those that are quick in a small size; no timing is judged here."""

import io
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from mini_project import REPOSITORY

import zsas_lib as zsas
from benchmarks import embedded, memory, rivals, same_numbers, winclip, worst_case
from benchmarks import learned as learned_models
from benchmarks.__main__ import BENCHMARKS, LONG, main, run
from benchmarks.peer import peer
from benchmarks.table import Measurement, NotRun, Settings, compared, kept, machine, printed
from zsas_book.site.benchmarks_page import BARS, COLUMNS, MEASURED, judged, measured
from zsas_lib import evaluate
from zsas_lib.models.prediction import Prediction
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
ECHO = (
    "import sys\nprint('echo 1')\nsys.stdout.flush()\n"
    "for line in sys.stdin:\n    print(0.5, line.strip(), flush=True)\n"
)


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_run_that_ended_early_replaces_only_what_it_measured(root):
    kept(root, "fast", "cpu", [Measurement("one", 1.0), Measurement("two", 2.0)], HERE)
    kept(root, "fast", "cpu", [Measurement("one", 5.0)], HERE, whole=False)
    table = measured(root).set_index("what")
    assert table.ours.to_dict() == {"one": 5.0, "two": 2.0}


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_drawn_pictures_go_through_the_librarys_evaluation():
    data = memory.drawn(pictures=12, categories=3, size=40)
    table = evaluate(memory.Shown(), data, batch_size=5, resamples=2)
    assert list(table.index) == ["category_00", "category_01", "category_02", "mean"]
    assert 0.6 < table.loc["mean", "pixel_auroc"] < 1 and len(table.per_image) == 12


class Placed(torch.nn.Module):
    """Scores a pixel by its brightness, and `more` for being in the first row of patches."""

    backbone = SimpleNamespace(image_size=36, patch_size=12)

    def __init__(self, more: float):
        super().__init__()
        self.more = more

    def forward(self, images, class_names):
        maps = 0.5 + images.mean(1)
        maps[:, :12] += self.more
        return Prediction(maps, maps.amax((1, 2)))


def test_a_patch_that_is_repeated_shows_what_a_place_is_worth():
    """Of patches of one brightness each, 0 to 0.2, the first row scores at most 0.5 + 0.25 where others score 0.5."""
    pictures = [SimpleNamespace(image=torch.full((3, 36, 36), value)) for value in (0.0, 0.1, 0.2)]
    assert embedded.repeated(Placed(0.0), pictures) == pytest.approx(1, abs=1e-6)
    assert embedded.repeated(Placed(0.25), pictures) == pytest.approx(1.5, abs=1e-6)


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_is_for_a_gpu_runs_small_on_a_cpu():
    rows = list(winclip.on_gpu(QUICK, "embedded", "embedded", batch=2))
    assert [row.what for row in rows] == [
        "embedded forward, compiled bfloat16 against plain float32",
        "embedded forward and backward, compiled bfloat16 against plain float32",
        "embedded forward, share of the matrix peak",
    ]
    assert all(row.ours > 0 and row.peer > 0 and row.ratio > 0 for row in rows)


SWEEP = "category,value,pixel_auroc,±,verdict\ncup,-90,0.9,,fine\ncup,0,0.95,0.01,fine\nmean,0,0.925,,\n"
SMALL = "part,share\na,2e-8\nb,1e-8\n"
BUILD = {"sweep": {"sweep": SWEEP, "reported": "claim,reported\n'up, up',in words\n"}, "cost": {"parts": SMALL}}


def build(folder: Path, pages: dict[str, dict[str, str]]) -> Path:
    for page, tables in pages.items():
        (folder / "book" / "_computed" / f"{page}_files").mkdir(parents=True)
        for table, text in tables.items():
            (folder / "book" / "_computed" / f"{page}_files" / f"{table}.csv").write_text(text)
    return folder


def same(tmp_path: Path, new: dict, *options: str, intended: str = "") -> tuple[int, list[str]]:
    """The exit status and the printed lines of the command on `BUILD` and `new`, with these intended changes."""
    count = len(list(tmp_path.iterdir()))
    old, new = build(tmp_path / f"old{count}", BUILD), build(tmp_path / f"new{count}", new)
    (old / "on_purpose.csv").write_text("page,table,column,why\n" + intended)
    command = ["benchmarks", "same_numbers", old, new, "--on-purpose", old / "on_purpose.csv", *options]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", [str(word) for word in command])
        with redirect_stdout(said := io.StringIO()):
            main()
    return ended.value.code, said.getvalue().splitlines()


def changed(page: str, table: str, old: str, new: str) -> dict:
    assert old in BUILD[page][table]
    return BUILD | {page: BUILD[page] | {table: BUILD[page][table].replace(old, new)}}


def test_equal_builds_are_the_same_numbers(tmp_path):
    assert same(tmp_path, BUILD) == (0, ["3 tables of 2 pages, 21 cells: the same numbers"])


@pytest.mark.parametrize(
    "page, table, old, new, said",
    [
        (
            "sweep",
            "sweep",
            "0.95,",
            "0.950002,",
            "sweep, sweep, pixel_auroc: 1 number of 3 by up to 2e-06, row 2: 0.95, now",
        ),
        ("sweep", "sweep", "0,0.95,0.01", "0,0.95,", "sweep, sweep, ±: 1 number of 3, row 2: 0.01, now nothing"),
        ("sweep", "sweep", "0.9,,", "0.9,inf,", "sweep, sweep, ±: 1 number of 3, row 1: nothing, now inf"),
        (
            "sweep",
            "sweep",
            "0.95,0.01,fine",
            "0.95,0.01,poor",
            "sweep, sweep, verdict: 1 text of 3, row 2: 'fine', now",
        ),
        ("sweep", "sweep", "-90", "left", "sweep, sweep, value: 1 text of 3, row 1: '-90', now 'left'"),
        ("sweep", "sweep", "pixel_auroc", "auroc", "sweep, sweep, pixel_auroc: the column is missing"),
        ("sweep", "sweep", "cup,0,0.95,0.01,fine\n", "", "sweep, sweep: 3 rows, now 2; missing 1: cup / 0"),
        ("sweep", "sweep", "mean", "cap,0,0.9,,\nmean", "sweep, sweep: 3 rows, now 4; new 1: cap / 0"),
        ("cost", "parts", "1e-8", "2e-8", "cost, parts, share: 1 number of 2 by up to 1e-08, row 2: 1e-8, now 2e-8"),
    ],
)
def test_what_differs_is_said_with_its_place(tmp_path, page, table, old, new, said):
    status, lines = same(tmp_path, changed(page, table, old, new))
    assert status == 1 and [line for line in lines if line.startswith(said)], lines
    assert lines[-1].endswith("1 difference not named in changed_on_purpose.csv")


def test_numbers_are_the_same_to_a_millionth_whatever_their_digits(tmp_path):
    assert same(tmp_path, changed("sweep", "sweep", "0.95,", "0.9500009,"))[0] == 0
    assert same(tmp_path, changed("sweep", "sweep", "0.9,", "0.90000,"))[0] == 0
    assert same(tmp_path, changed("sweep", "sweep", "0.9,,", "0.9,nan,"))[0] == 0


def test_rows_are_compared_with_their_own_when_others_came_or_went(tmp_path):
    rows = SWEEP.replace("cup,-90,0.9,,fine\n", "").replace("mean,0,0.925", "mean,0,0.9")
    status, lines = same(tmp_path, BUILD | {"sweep": BUILD["sweep"] | {"sweep": rows}})
    assert status == 1 and "sweep, sweep, pixel_auroc: 1 number of 2 by up to 0.025, mean / 0: 0.925, now 0.9" in lines
    assert len(lines) == 3


def test_what_is_missing_differs_and_what_is_new_is_listed(tmp_path):
    without = {
        "sweep": {"sweep": SWEEP.replace("verdict", "verdict,more").replace("fine", "fine,1")},
        "extra": {"a": SMALL},
    }
    status, lines = same(tmp_path, without)
    assert status == 1 and lines == [
        "cost: the page is missing; its tables were parts",
        "sweep, reported: the table is missing",
        "extra: a new page",
        "sweep, sweep, more: a new column",
        "3 tables of 2 pages, 21 cells: 2 differences not named in changed_on_purpose.csv",
    ]
    status, lines = same(tmp_path, BUILD | {"cost": BUILD["cost"] | {"more": SMALL}})
    assert status == 0 and lines[0] == "cost, more: a new table"


@pytest.mark.slow
def test_a_page_may_have_another_name_or_two(tmp_path):
    apart = {"turns": {"sweep": SWEEP}, "colours": {"reported": BUILD["sweep"]["reported"]}, "cost": BUILD["cost"]}
    assert same(tmp_path, apart, "--renamed", "sweep=turns")[0] == 1
    assert same(tmp_path, apart, "--renamed", "sweep=turns", "--renamed", "sweep=colours") == (
        0,
        ["3 tables of 2 pages, 21 cells: the same numbers"],
    )
    assert same(tmp_path, apart, "--renamed", "sweep=turn")[0] == 2
    assert same(tmp_path, apart, "--renamed", "sweep")[0] == 2


@pytest.mark.slow
def test_what_changes_on_purpose_is_no_difference_and_is_said(tmp_path):
    faster = changed("sweep", "sweep", "0.95,", "0.96,")
    status, lines = same(tmp_path, faster, intended="sweep,sweep,pixel_auroc,measured time\n")
    assert status == 0 and "(on purpose: measured time)" in lines[0]
    assert same(tmp_path, BUILD, intended="sweep,sweep,pixel_auroc,measured time\n")[0] == 0
    assert same(tmp_path, faster, intended="sweep,sweep,value,other\n")[0] == 1
    assert same(tmp_path, {"cost": BUILD["cost"]}, intended="sweep,*,*,no longer asked\n")[0] == 0
    status, lines = same(tmp_path, BUILD, intended="sweep,sweep,pixel_aurok,measured time\n")
    assert status == 1 and lines[0] == "changed_on_purpose.csv: sweep, sweep, pixel_aurok names nothing that OLD has"
    assert same(tmp_path, BUILD, intended="sweep,sweep,pixel_auroc,\n")[0] == 2


def test_a_folder_without_tables_is_no_build(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        same_numbers.main([str(tmp_path), str(tmp_path)])
    assert ended.value.code == 2 and "has no published tables: expected book/_computed" in capsys.readouterr().err


def test_every_change_on_purpose_has_a_reason():
    assert same_numbers.read_intended(same_numbers.ON_PURPOSE)


@pytest.mark.slow
def test_a_training_that_was_measured_is_read_until_its_settings_change(tmp_path, monkeypatch):
    """The table of trainings: resumed seed by seed, in place of a former row of the same seed, and not for one that
    learns nothing but once."""
    (tmp_path / "benchmarks").mkdir()
    done = []

    def fit(model, examples, *, seed, **settings):
        done.append((model.name, seed))
        model.trained = {}

    def evaluated(model, pictures, **settings):
        return pd.DataFrame([dict.fromkeys(learned_models.QUALITIES, 0.5)], index=["mean"])

    monkeypatch.setattr(zsas, "fit", fit)
    monkeypatch.setattr(zsas, "evaluate", evaluated)
    for name, seeds in (("april-gan", [0, 1]), ("april-gan", [0, 1, 2]), ("clip", [0, 1, 2])):
        rows = learned_models.rows_of(name, "embedded-c", seeds, quick=True, root=tmp_path)
        assert list(rows.seed) == (seeds if name != "clip" else [0]) and (rows.pixel_auroc == 0.5).all()
    assert done == [("april-gan", 0), ("april-gan", 1), ("april-gan", 2)]
    learned_models.rows_of("april-gan", "embedded-c", [1], quick=True, root=tmp_path, image_size=48)
    table = learned_models.learned(tmp_path)
    assert list(zip(table.model, table.seed)) == [("april-gan", 0), ("april-gan", 1), ("april-gan", 2), ("clip", 0)]
    assert table.training.nunique() == 5 - 1 and done[-1] == ("april-gan", 1)


@pytest.mark.slow
def test_what_learns_nothing_is_measured_anew(tmp_path, monkeypatch):
    (tmp_path / "benchmarks").mkdir()
    for value in (0.5, 0.75):
        found = pd.DataFrame([dict.fromkeys(learned_models.QUALITIES, value)], index=["mean"])
        monkeypatch.setattr(zsas, "evaluate", lambda *_, found=found, **__: found)
        rows = learned_models.rows_of("clip", "embedded-c", [0], quick=True, root=tmp_path)
        assert list(rows.pixel_auroc) == list(learned_models.learned(tmp_path).pixel_auroc) == [value]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["anovl", "clip"])
def test_models_are_measured_at_the_size_that_the_pages_have(name, monkeypatch):
    sizes = []

    def evaluated(model, pictures, **_):
        sizes.append((model.backbone.image_size, pictures.image_size))
        return pd.DataFrame([dict.fromkeys(learned_models.QUALITIES, 0.5)], index=["mean"])

    monkeypatch.setattr(zsas, "evaluate", evaluated)
    learned_models.rows_of(name, "embedded-b", [0], quick=True)
    assert sizes == [(144, 144)]


@pytest.mark.parametrize("quick", [True, False])
def test_every_model_is_set_against_winclip_of_the_same_direction(quick, monkeypatch):
    qualities = {"embedded-b": 0.8, "embedded-a": 0.4}

    def rows_of(name, tested, seeds, **_):
        above = 0.0 if name == "winclip" else 0.1
        row = dict.fromkeys(learned_models.QUALITIES, qualities[tested] + above) | {"cpu_seconds": 20.0}
        return pd.DataFrame([row] * len(seeds))

    monkeypatch.setattr(learned_models, "rows_of", rows_of)
    rows = {row.what: row for row in learned_models.measure(Settings(Path(sys.executable), rounds=2, quick=quick))}
    for tested in list(qualities)[: 1 if quick else 2]:
        row, own = rows[f"anomalyclip on {tested}, pixel_auroc"], qualities[tested]
        assert (row.peer, row.ratio) == pytest.approx((own, (own + 0.1) / own))
    assert rows["anomalyclip on embedded-b, pixel_auroc above winclip"].ours == pytest.approx(0.1)
    if not quick:
        barred = pd.read_csv(REPOSITORY / BARS).query("benchmark == 'learned'").what
        assert {*barred} <= {*rows}


@pytest.mark.slow
def test_methods_are_timed_in_turn_in_cpu_time():
    rows = list(rivals.measure(QUICK))
    assert [row.what.split(",")[0] for row in rows] == ["AdaCLIP", "AnoVL without views"]
    assert all(row.ours > row.peer > 0 and 0 < row.ratio < 1 for row in rows)
