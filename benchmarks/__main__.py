"""Run benchmarks, print what they find, and keep it in benchmarks/measured.csv, which a page of the book shows.

    python -m benchmarks                        # all but the three long ones; about half an hour on 2 cores
    python -m benchmarks learned search towers  # these: 40 minutes, three hours, two hours and 25 GB
    python -m benchmarks towers --only RN50     # one tower anew; else those that were not measured on this machine
    python -m benchmarks aupro rotation         # these
    python -m benchmarks winclip --device cuda  # on a GPU, those that make use of one
    python -m benchmarks --quick                # small sizes, to see that they work; nothing is kept
    python -m benchmarks --make-peer            # make the environment with anomalib
    python -m benchmarks same_numbers OLD NEW   # no timing: do two builds of the book publish the same numbers?

Run in the project's folder, on a quiet machine.
"""

import argparse
import importlib
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

import torch

from zsas_book.site.benchmarks_page import BARS, judged
from zsas_lib.base.errors import UnknownNameError

from . import same_numbers
from .table import NotRun, Settings, kept, machine, printed

BENCHMARKS = (
    "rotation",
    "corruptions",
    "aupro",
    "worst_case",
    "winclip",
    "embedded",
    "trivial",
    "rivals",
    "paired",
    "browser",
    "memory",
    "overhead",
    "engine",
)
LONG = ("learned", "search", "towers")
ON_GPU = ("rotation", "corruptions", "winclip")
PEER = Path(".peers", "anomalib")
PINS = Path("benchmarks", "anomalib.txt")


def make_peer(folder: Path) -> None:
    """An environment with what `PINS` lists, which differs from our own; nothing is left of one that cannot be made."""
    uv, python = [sys.executable, "-m", "uv"], folder / "bin" / "python"
    try:
        subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run(
            [*uv, "pip", "install", "--compile-bytecode", "--python", python, "--requirement", PINS], check=True
        )
    except subprocess.CalledProcessError as error:
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit(f"{folder} could not be made; uv's words stand above (status {error.returncode}).")


def run(name: str, settings: Settings, root: Path) -> bool:
    """Run one benchmark and keep what it found; False where it could not be run to its end, which is said."""
    found, whole = [], False
    try:
        for row in importlib.import_module(f"benchmarks.{name}").measure(settings):
            found.append(row)
            print(f"[{name}]\n{printed([row])}", flush=True)
        whole = True
    except NotRun as reason:
        print(f"[{name}] not run{' to its end' if found else ''}: {reason}", file=sys.stderr)
    except Exception:
        print(f"[{name}] failed:\n{traceback.format_exc()}", file=sys.stderr)
    finally:  # of one that is interrupted too
        if not settings.quick and found:
            kept(root, name, settings.device, found, machine(settings.device), whole=whole)
    return whole


def main() -> None:
    if sys.argv[1:2] == ["same_numbers"]:
        return same_numbers.main(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS + LONG)}; without it all but the last three"
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--threads", type=int, default=machine("cpu")["cores"], help="of torch, the peer's too; all cores without it"
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", default=[], metavar="TOWER", help="of towers, these anew and no others")
    parser.add_argument("--adam", action="store_true", help="search: paper S's Adam too, which takes hours")
    parser.add_argument("--peer-python", type=Path, default=PEER / "bin" / "python", help="a Python that has anomalib")
    parser.add_argument("--make-peer", action="store_true")
    options = parser.parse_args()
    for name in options.names:
        if name not in BENCHMARKS + LONG:
            parser.error(str(UnknownNameError("benchmark", name, BENCHMARKS + LONG)))
    root = Path.cwd()
    if not (root / BARS).is_file():
        parser.error(f"No {BARS} here; run this in the project's folder.")
    if options.make_peer:
        make_peer(PEER)
        return
    torch.set_num_threads(options.threads)
    settings = Settings(
        options.peer_python.absolute(),
        options.device,
        options.rounds,
        options.quick,
        only=tuple(options.only),
        adam=options.adam,
    )
    names = options.names or (BENCHMARKS if options.device == "cpu" else ON_GPU)
    done = [run(name, settings, root) for name in names]
    if not options.quick:
        table = judged(root)
        print(
            table[["benchmark", "device", "what", "ours", "peer", "ratio", "bar", "verdict"]].to_string(
                index=False, na_rep=""
            )
        )
    sys.exit(0 if all(done) else 1)


if __name__ == "__main__":
    main()
