"""The ten minutes on a GPU: what is run, what is said where there is none, and that nothing is lost when time is up."""

import re
import subprocess
import sys

import pytest
from mini_project import REPOSITORY

from benchmarks import gpu_check
from benchmarks.gpu_check import STEPS, Step


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """Steps of a moment on a machine that is said to have a GPU, and a table of its own."""
    table = tmp_path / "measured.csv"
    table.write_text("benchmark\n")
    monkeypatch.setattr(gpu_check, "MEASURED", table)
    monkeypatch.setattr(gpu_check, "why_not", lambda variables: "")
    monkeypatch.setattr(gpu_check, "ROOT", tmp_path)

    def given(*made):
        monkeypatch.setattr(gpu_check, "STEPS", made)

    return given


def python(name, source, share=1.0):
    return Step(name, ("-c", source), share)


def test_without_a_gpu_nothing_is_run_and_that_is_said(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(gpu_check, "said", lambda words, variables: "2.12.1|")
    monkeypatch.setattr(gpu_check, "run", lambda *arguments: pytest.fail("a step was run"))
    assert gpu_check.main(["--out", str(tmp_path / "out")]) == 2
    assert re.search(r"No GPU: torch \(2.12.1\).*Nothing was run, nothing was measured", capsys.readouterr().out)
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_named_with_the_way_to_bring_it(monkeypatch, capsys):
    answers = iter(["2.12.1|Some GPU", "open_clip beartype"])
    monkeypatch.setattr(gpu_check, "said", lambda words, variables: next(answers))
    assert gpu_check.main([]) == 2
    assert "Some GPU is here, but no open-clip-torch, beartype; carry them along: --pack" in capsys.readouterr().out


def test_a_dry_run_says_what_would_be_run(monkeypatch, capsys):
    monkeypatch.setattr(gpu_check, "said", lambda words, variables: "2.12.1|")
    assert gpu_check.main(["--dry-run", "--minutes", "8"]) == 0
    text = capsys.readouterr().out
    assert "python -m pytest -q -m gpu" in text and "python -m benchmarks winclip --device cuda" in text
    assert "8 minutes" in text and "No GPU" in text


@pytest.mark.slow
def test_words_and_table_are_kept_and_a_step_that_fails_stops_no_other(steps, capsys, tmp_path):
    steps(
        python("tests", "print('one failed'); raise SystemExit(1)"),
        python("rotation", "open('measured.csv', 'a').write('rotation\\n'); print('measured')"),
    )
    assert gpu_check.main(["--out", str(tmp_path / "out")]) == 1
    assert "tests: NOT passed; rotation: passed" in capsys.readouterr().out
    assert (tmp_path / "out" / "tests.txt").read_text() == "one failed\n"
    assert (tmp_path / "out" / "measured.csv").read_text() == "benchmark\nrotation\n"
    steps(python("tests", ""))
    assert gpu_check.main([]) == 0


def test_a_step_out_of_time_is_interrupted_and_keeps_what_it_has(steps, capsys):
    source = "import time\nprint('begun', flush=True)\ntry:\n    time.sleep(60)\nfinally:\n    print('kept')"
    steps(python("winclip", source, share=0.1))
    assert gpu_check.main(["--minutes", "0.5"]) == 1
    assert re.search(r"begun\n.*kept\n.*Interrupted after 1 s", capsys.readouterr().out, re.DOTALL)


@pytest.mark.slow
def test_a_benchmark_that_is_interrupted_keeps_what_it_found(monkeypatch, tmp_path):
    from benchmarks.__main__ import run
    from benchmarks.table import Measurement, Settings
    from zsas_book.site.benchmarks_page import measured

    def measure(settings):
        yield Measurement("one", 1.0)
        raise KeyboardInterrupt

    (tmp_path / "benchmarks").mkdir()
    monkeypatch.setattr("benchmarks.rotation.measure", measure)
    with pytest.raises(KeyboardInterrupt):
        run("rotation", Settings(tmp_path), tmp_path)
    assert measured(tmp_path).what.tolist() == ["one"]


def test_every_file_with_a_test_for_gpus_is_run_and_everything_needed_is_pinned():
    files = [file for file in (REPOSITORY / "tests").rglob("test_*.py") if file.name != "test_gpu_check.py"]
    on_devices = r"mark\.gpu|import .*\bDEVICES\b|def test_\w+\([^)]*\bdevice\b"  # or by a fixture
    marked = {file for file in files if re.search(on_devices, file.read_text(encoding="utf-8"))}
    assert {file.relative_to(REPOSITORY).as_posix() for file in marked} == set(gpu_check.TESTS) <= set(STEPS[0].words)
    lock = (REPOSITORY / "requirements.lock").read_text()
    assert [name for name in gpu_check.NEEDED.values() if f"\n{name}==" not in f"\n{lock}"] == []


def test_wheels_come_first_and_their_absence_is_said(monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr(subprocess, "run", lambda words, **options: called.append(words))
    with pytest.raises(FileNotFoundError, match="No wheels in .*--pack"):
        gpu_check.environment(tmp_path, tmp_path / "site")
    (tmp_path / "a-1-py3-none-any.whl").touch()
    monkeypatch.setenv("PYTHONPATH", "before")
    variables = gpu_check.environment(tmp_path, tmp_path / "site")
    assert variables["PYTHONPATH"].split(":")[1:] == [str(tmp_path / "site"), "before"]
    assert called[0][:4] == [sys.executable, "-m", "pip", "install"] and called[0][-1].endswith("any.whl")
