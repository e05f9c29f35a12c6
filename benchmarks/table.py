"""One row per measurement: how ours and another are timed in turn, what the machine is, and where the row is kept."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import torch

from zsas_book.site.benchmarks_page import COLUMNS, FOUND, KEY, MACHINE, MEASURED, NUMBERS, measured
from zsas_lib.base.devices import wait_for
from zsas_lib.base.files import write_atomically
from zsas_lib.base.surroundings import commit

SAME_MACHINE = ["processor", "cores", "gpu"]


class NotRun(RuntimeError):
    """What a benchmark needs is not here. The message says what, and how to get it."""


@dataclass(frozen=True)
class Settings:
    """How benchmarks run: `quick` makes all sizes small, to see that they work; `peer_python` is a Python that has
    anomalib; `only` are the towers to measure anew, none for those that were not measured on this machine; `adam` has
    the search benchmark climb gradients too, which takes hours."""

    peer_python: Path
    device: str = "cpu"
    rounds: int = 7
    quick: bool = False
    only: tuple[str, ...] = ()
    adam: bool = False


@dataclass(frozen=True)
class Measurement:
    """What a benchmark found: `ours` and `peer` are medians over `rounds`, in `unit`; `ratio` is the median over rounds
    of how many times better ours was; `against` says what the other is, "" where there is none."""

    what: str
    ours: float
    unit: str = ""
    against: str = ""
    peer: float = float("nan")
    ratio: float = float("nan")
    rounds: int = 1
    note: str = ""


def compared(
    what: str,
    ours: Callable[[], float],
    peer: Callable[[], float],
    against: str,
    rounds: int,
    *,
    unit: str = "s",
    scale: float = 1.0,
    note: str = "",
) -> Measurement:
    """Ours and the other in turn, ``rounds`` times after one time that is not counted. Both return seconds, which times
    `scale` are in `unit`."""
    taken = [(ours(), peer()) for _ in range(rounds + 1)][1:]
    medians = [scale * statistics.median(side) for side in zip(*taken)]
    ratio = statistics.median(theirs / own for own, theirs in taken)
    return Measurement(what, medians[0], unit, against, medians[1], ratio, rounds, note)


def seconds_of(call: Callable[[], object], device: str = "cpu") -> float:
    """Seconds that a call takes, with all that it left to do on the device."""
    start = time.perf_counter()
    call()
    wait_for(torch.device(device))
    return time.perf_counter() - start


def machine(device: str) -> dict[str, object]:
    """What the numbers of this process are made on: processor, cores, memory, GPU where it is used, threads, versions,
    day."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "gpu": "" if device == "cpu" else torch.cuda.get_device_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "commit": commit(),
        "date": date.today().isoformat(),
    }


def kept(
    root: Path,
    benchmark: str,
    device: str,
    found: Iterable[Measurement],
    here: dict[str, object],
    *,
    whole: bool = True,
) -> pd.DataFrame:
    """Put what a benchmark found on the machine `here` into the table of the project at `root`, and return the table.

    Its earlier rows from the same machine and device give way, or where it was not run to its end (``whole=False``)
    those of the same name. Others stay. Raises BenchmarkTableError for a table that cannot be read.
    """
    rows = (
        pd.DataFrame([asdict(row) for row in found]).assign(benchmark=benchmark, device=device, **here)
        if found
        else pd.DataFrame(columns=COLUMNS)
    )
    before = measured(root)
    same = (before.benchmark == benchmark) & (before.device == device)
    for name in SAME_MACHINE:
        same &= before[name] == str(here[name])
    if not whole:
        same &= before.what.isin(rows.what)
    table = pd.concat([before[~same].astype(object), rows[COLUMNS].astype(object)], ignore_index=True)
    table = table.astype(dict.fromkeys(NUMBERS, float)).sort_values(
        [*MACHINE, *KEY[:2]], key=lambda column: column.astype(str), kind="stable"
    )
    with write_atomically(root / MEASURED) as file:
        file.write(table.to_csv(index=False, float_format="%.5g").encode())
    return table


def printed(found: Iterable[Measurement]) -> str:
    """The rows as lines of text."""
    shown = [name for name in FOUND if name not in KEY[:2]]
    return pd.DataFrame([asdict(row) for row in found])[shown].to_string(
        index=False, na_rep="", float_format=lambda value: f"{value:.4g}"
    )


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
