"""What processes that are killed do meanwhile: they fill a store."""

import random
import time
from pathlib import Path

import pandas as pd

from zsas_lib.store.results import load_or_compute

ITEMS = 24
ROWS = 20_000


def work(store: Path, seconds: float, items: int = ITEMS) -> None:
    """Ask for so many of the items, in an order of this process's own; each is long to write too."""
    for item in random.sample(range(ITEMS), items):

        def compute(item=item):
            time.sleep(seconds * random.random())
            return pd.DataFrame({"item": item, "square": item**2}, index=range(ROWS))

        table = load_or_compute("squares", {"item": item}, compute, sources="0", store=store)
        assert table.square.eq(item**2).all()
        assert len(table) == ROWS
