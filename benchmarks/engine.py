"""What the engine itself costs: a dry run of 600 shards, running them empty, finding them fresh, and two workers
against one.

A small project is made in a temporary folder (tests/mini_project.py): its page is cut into so many shards, which store
a number each. For the speed-up they compute for some seconds of a core first. What Snakemake itself takes for as many
jobs, which do nothing and are described in four lines, stands beside the dry run.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .table import Measurement, Settings, compared, seconds_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import mini_project

SNAKEMAKE = (sys.executable, "-m", "snakemake", "--quiet", "all")
OURS = ("--snakefile", "zsas_book/workflow/Snakefile", "--config", "shards=1")
BUSY = (
    "time.sleep(seconds)",
    "end = time.process_time() + seconds\n            while time.process_time() < end:\n                pass",
)
TRIVIAL = """\
rule all:
    input: [f"out/{{i}}.json" for i in range({count})]
rule one:
    output: "out/{{i}}.json"
    shell: "touch {{output}}"
"""


def project(folder: Path, shards: int, seconds: float) -> Path:
    """A project whose page has so many shards, each busy for so many seconds of a core."""
    root = mini_project.make(folder, sharded=True, seconds=seconds)
    chapters = root / "chapters.yaml"
    text = chapters.read_text().replace("[seeds, numbers]", "[numbers]").replace("[0, 1]", "[0]")
    chapters.write_text(text.replace("[1, 2, 3]", str(list(range(shards)))))
    library = root / "zsas_lib" / "kept_numbers.py"
    library.write_text(library.read_text().replace(*BUSY))
    if seconds:  # the one training that all shards share would hold them up
        notebook = root / "notebooks" / "squares.ipynb"
        notebook.write_text(notebook.read_text().replace(f"10 * seed, {seconds})", "10 * seed, 0)"))
    return root


def seconds(root: Path, *options: str) -> float:
    """Seconds that snakemake takes. Raises RuntimeError with its words where it fails."""

    def call():
        words, environment = [*SNAKEMAKE, *options], mini_project.environment(root)
        run = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise RuntimeError(run.stdout[-2000:] + run.stderr[-2000:])

    return seconds_of(call)


def measure(settings: Settings) -> Iterator[Measurement]:
    shards, work, each, rounds = (6, 2, 0.2, 1) if settings.quick else (600, 24, 5.0, 3)
    with tempfile.TemporaryDirectory() as folder:
        empty, bare = project(Path(folder, "empty"), shards, 0), Path(folder, "bare")
        bare.mkdir()
        (bare / "Snakefile").write_text(TRIVIAL.format(count=shards))
        dry = ("--cores", "2", "--dry-run")
        yield compared(
            f"dry run of {shards} empty shards",
            lambda: seconds(empty, *OURS, *dry, "--", "shards"),
            lambda: seconds(bare, *dry),
            f"Snakemake, {shards} jobs of a bare rule",
            rounds,
        )
        yield Measurement(
            f"{shards} empty shards on 2 workers", seconds(empty, *OURS, "--cores", "2", "--", "shards"), "s"
        )
        fresh = sorted(seconds(empty, *OURS, *dry, "--", "shards") for _ in range(rounds))
        yield Measurement(f"{shards} fresh shards found fresh", fresh[rounds // 2], "s", rounds=rounds)
        taken = {}
        for workers in (2, 1):
            busy = project(Path(folder, f"busy{workers}"), work, each)
            taken[workers] = seconds(busy, *OURS, "--cores", str(workers), "--", "shards")
        note = f"{work} shards of {each:g} s of a core"
        yield Measurement("2 workers against 1", taken[2], "s", "1 worker", taken[1], taken[1] / taken[2], note=note)
