"""Processes that write results: three at once into one file, then one after the other until they are killed.

``python -m writers FILE FOLDER`` begins when FOLDER has the file "begin" and makes "race over" there after the first.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import pandas as pd

from zsas_lib.store import results

MADE = {"name": "test", "created": "2026-11-02T10:00:00+00:00", "device": "cpu", "commit": "unknown"}
ROWS = 3000
LIVES = 25


def table(rows: int = 5) -> pd.DataFrame:
    return pd.DataFrame({"category": [f"c{row}" for row in range(rows)], "aupro": [row / 7 for row in range(rows)]})


def race(raced: Path) -> None:
    writers = []
    for writer in range(3):
        writers.append(os.fork())
        if writers[-1] == 0:
            for _ in range(40):
                results._write(raced, table(1000 + writer), {**MADE, "writer": writer})
            os._exit(0)
    assert not any(os.waitpid(writer, 0)[1] for writer in writers)


def live_and_die(killed: Path) -> None:
    dice = random.Random(0)
    for life in range(LIVES):
        child = os.fork()
        if child == 0:
            for number in range(10**6):
                results._write(killed / f"{life}-{number}.parquet", table(ROWS), MADE)
        while not (killed / f"{life}-0.parquet").is_file():
            time.sleep(0.001)
        time.sleep(dice.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def main(raced: Path, killed: Path) -> None:
    parent = os.getppid()
    while not (killed / "begin").exists():
        time.sleep(0.01)
        if os.getppid() != parent:
            return
    race(raced)
    (killed / "race over").touch()
    live_and_die(killed)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
