"""Figures and tables among a page's downloads."""

import os
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure


def publish(figure: Figure, name: str, data: pd.DataFrame | None = None) -> None:
    """Save `figure` as ``NAME.svg`` and `data` as ``NAME.csv`` among the page's downloads; does nothing elsewhere.
    The same figure gives the same bytes."""
    if folder := _downloads():
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    if data is not None:
        publish_table(data, name)


def publish_table(data: pd.DataFrame, name: str) -> None:
    """Save a table as ``NAME.csv`` among the page's downloads; nothing outside a page run."""
    if folder := _downloads():
        data.to_csv(folder / f"{name}.csv", index=not isinstance(data.index, pd.RangeIndex), float_format="%.6g")


def _downloads() -> Path | None:
    folder = os.environ.get("ZSAS_PAGE_FILES")
    return Path(folder) if folder else None
