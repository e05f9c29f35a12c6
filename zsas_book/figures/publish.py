"""Figures and tables among a page's downloads."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from zsas_lib.evaluation.sampled import ITSELF, keys_of

from ..fractions import require_fractions
from ..published import REPLICATES


def publish(
    figure: Figure, name: str, data: pd.DataFrame | None = None, replicates: pd.DataFrame | None = None
) -> None:
    """Save `figure` as ``NAME.svg`` and `data` as `publish_table` does among the page's downloads; does nothing
    elsewhere. The same figure gives the same bytes. What a cell shows of it then is laid out as it was saved: to lay it
    out twice more, as it would be else, takes as long as to draw it. Nor is it drawn once more for a screen."""
    if folder := _downloads():
        _save(figure, folder / f"{name}.svg")
        figure.stale = False
    if data is not None:
        publish_table(data, name, replicates)


def publish_table(data: pd.DataFrame, name: str, replicates: pd.DataFrame | None = None) -> None:
    """Save a table as ``NAME.csv`` among the page's downloads; nothing outside a page run. Columns of metrics hold
    fractions, whatever the page prints.

    ``replicates`` of its rows (`evaluation.paired.flat_models`, or `evaluation.replicates.flat` of one table) lie
    beside it, so that claims can compare two of its numbers pair by pair. Raises ValueError where they are those of
    other numbers, such as fractions beside percent, and for metrics in percent.
    """
    require_fractions(data, name)
    if replicates is not None:
        _refuse_others(data, name, replicates)
    if folder := _downloads():
        data.to_csv(folder / f"{name}.csv", index=not isinstance(data.index, pd.RangeIndex), float_format="%.6g")
        if replicates is not None:
            replicates.to_parquet(folder / f"{name}{REPLICATES}")


def publish_replicates(whole: pd.DataFrame, name: str) -> None:
    """Save a flat table as `publish_table` does: its numbers, those of runs averaged, and their replicates."""
    keys = keys_of(whole)
    metrics = whole.columns[list(whole.columns).index("freedom") + 1 :].drop("run", errors="ignore")
    itself = whole[whole["replicate"] == ITSELF]
    publish_table(itself.groupby(keys, sort=False)[list(metrics)].mean().reset_index(), name, whole)


def _refuse_others(data: pd.DataFrame, name: str, replicates: pd.DataFrame) -> None:
    keys = keys_of(replicates)
    if "run" in replicates:
        replicates = replicates.groupby([*keys, "replicate"], sort=False, dropna=False).mean(numeric_only=True)
    itself = replicates.reset_index()
    itself = itself[itself["replicate"] == ITSELF]
    rows = pd.DataFrame(data.reset_index() if {*data.index.names} & {*keys} else data)
    rows = rows.groupby(keys, sort=False, dropna=False).mean(numeric_only=True).reset_index()
    both = rows.merge(itself, on=keys, suffixes=("", " itself"))
    for column in [column for column in rows if f"{column} itself" in both]:
        if not np.allclose(both[column], both[f"{column} itself"], rtol=1e-4, atol=1e-6, equal_nan=True):
            raise ValueError(
                f"Expected replicates of the table's own numbers, got others of column {column!r} of {name!r}; give "
                "both as fractions, and the runs that the table averages."
            )


def _save(figure: Figure, file: Path) -> None:
    """What ``savefig`` writes, which draws all of it twice: once for what is laid out alone."""
    shown, dpi, engine = figure.canvas, figure.dpi, figure.get_layout_engine()
    canvas = FigureCanvasSVG(figure)
    try:
        if engine is not None:
            figure.dpi = canvas.fixed_dpi  # that texts are measured at in the file
            engine.execute(figure)
            figure.set_layout_engine("none")
        figure.dpi = dpi
        canvas.print_svg(file, metadata={"Date": None})
    finally:
        figure.dpi = dpi
        figure.set_canvas(shown)


def _downloads() -> Path | None:
    folder = os.environ.get("ZSAS_PAGE_FILES")
    return Path(folder) if folder else None
