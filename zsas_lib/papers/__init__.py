"""Every number that the papers print, as tidy tables (one number a row), taken down from their tables and text.

S is Stangl et al. 2024 (arXiv 2405.07969), K is Kakda et al., V is VCP-CLIP+ (Im and Park 2026); ``anomalyclip`` is
the evaluation log that AnomalyCLIP's authors released.
"""

import re
from pathlib import Path

import pandas as pd

from ..base.errors import UnknownNameError

COLUMNS = (
    "source",
    "table",
    "method",
    "dataset",
    "level",
    "metric",
    "value",
    "unit",
    "train_dataset",
    "aggregation",
    "setting",
    "category",
    "note",
)
_FILE = re.compile(r"([A-Z])_(?:table0*(\d+)|(text))_")


def _tables() -> dict[tuple[str, str], Path]:
    tables = {("anomalyclip", "log"): Path(__file__).parent / "anomalyclip_official_log.csv"}
    for path in sorted(Path(__file__).parent.glob("?_*.csv")):
        _, paper, number, text, _ = _FILE.split(path.name)
        tables[paper, number or text] = path
    return tables


def reported(paper: str, table: str | int) -> pd.DataFrame:
    """A printed table, one number a row, with the columns of ``COLUMNS``.

    ``value`` is as printed, in the row's ``unit`` (``percent``, ``fraction``, ``loss``, ``mse``, ...); ``setting``
    holds what else the cell depends on as ``key=value`` pairs joined by ``;``. ``reported("S", 1)`` is paper S's Table
    1, ``reported("K", "text")`` are the numbers in K's running text, ``reported("anomalyclip", "log")`` the released
    log. Raises ``UnknownNameError`` for a paper or a table that is not there.

    >>> table = zsas.reported("S", 1)
    >>> first = table.iloc[0]
    >>> first.method, first.dataset, first.metric, float(first.value), first.unit
    ('WinCLIP', 'MVTec-AD', 'AUROC', 80.1, 'percent')
    """
    tables = _tables()
    papers = {name for name, _ in tables}
    if paper not in papers:
        raise UnknownNameError("paper", paper, papers)
    numbers = {number for name, number in tables if name == paper}
    if str(table) not in numbers:
        raise UnknownNameError(f"table of paper {paper}", str(table), numbers)
    return pd.read_csv(tables[paper, str(table)], dtype={"table": str, "category": str, "setting": str})


def claims() -> pd.DataFrame:
    """What the papers claim, one claim a row: paper, place, claim (in our words), pages that take it up, test, printed,
    note.

    ``printed`` is by how much the paper itself has the left side of the test above the right one, where it prints both.
    All columns are text; an empty cell is an empty string. The book's page of claims says how a test is written.
    """
    return pd.read_csv(Path(__file__).parent / "claims.csv", dtype=str, keep_default_na=False)
