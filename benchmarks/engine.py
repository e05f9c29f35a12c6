"""What the engine itself costs: a dry run of 600 shards, running them empty, and two workers against one.

    python benchmarks/engine.py [--shards 600] [--work 24] [--seconds 5]

A small project is made in a temporary folder (tests/mini_project.py): its page is cut into so many shards, which store a
number each. For the speed-up the shards compute for so many seconds of a core first. Medians of three where it is quick.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import mini_project

SNAKEMAKE = ("-m", "snakemake", "--snakefile", "workflow/Snakefile", "--config", "shards=1")
BUSY = "time.sleep(seconds)", "end = time.process_time() + seconds\n            while time.process_time() < end:\n                pass"


def project(folder: Path, shards: int, seconds: float) -> Path:
    """A project whose page has so many shards, each busy for so many seconds of a core."""
    root = mini_project.make(folder, sharded=True, seconds=seconds)
    chapters = root / "chapters.yaml"
    chapters.write_text(chapters.read_text().replace("[seeds, numbers]", "[numbers]").replace("[1, 2, 3]", str(list(range(shards)))).replace("[0, 1]", "[0]"))
    library = root / "zsas_lib" / "kept_numbers.py"
    library.write_text(library.read_text().replace(*BUSY))
    if seconds:  # the one training that all shards share would hold them up
        notebook = root / "notebooks" / "squares.ipynb"
        notebook.write_text(notebook.read_text().replace(f"10 * seed, {seconds})", "10 * seed, 0)"))
    return root


def timed(root: Path, *options: str) -> float:
    """Seconds that snakemake takes."""
    start = time.perf_counter()
    run = subprocess.run([sys.executable, *SNAKEMAKE, *options], cwd=root, env=mini_project.environment(root), capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(run.stdout + run.stderr)
    return time.perf_counter() - start


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--shards", type=int, default=600)
    options.add_argument("--work", type=int, default=24, help="shards for the speed-up")
    options.add_argument("--seconds", type=float, default=5.0, help="of a core, each of these")
    chosen = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        empty = project(Path(folder, "empty"), chosen.shards, 0)
        dry = [timed(empty, "--cores", "2", "--dry-run", "--quiet", "all", "--", "shards") for _ in range(3)]
        rows.append((f"dry run of {chosen.shards} shards", statistics.median(dry)))
        rows.append((f"{chosen.shards} empty shards, 2 workers", timed(empty, "--cores", "2", "--quiet", "all", "--", "shards")))
        again = [timed(empty, "--cores", "2", "--dry-run", "--", "shards") for _ in range(3)]
        rows.append((f"nothing to do, {chosen.shards} fresh shards", statistics.median(again)))
        taken = {}
        for workers in (1, 2):
            busy = project(Path(folder, f"busy{workers}"), chosen.work, chosen.seconds)
            taken[workers] = timed(busy, "--cores", str(workers), "--quiet", "all", "--", "shards")
            rows.append((f"{chosen.work} shards of {chosen.seconds:g} s, {workers} workers", taken[workers]))
    for name, seconds in rows:
        print(f"{name:45}{seconds:8.1f} s")
    print(f"{'speed-up of two workers':45}{taken[1] / taken[2]:8.2f}")


if __name__ == "__main__":
    main()
