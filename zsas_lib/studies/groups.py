"""Means over groups of categories, textures apart from objects, as paper K averages them (section 4.5)."""

from collections.abc import Mapping, Sequence
from typing import cast
from zlib import crc32

import pandas as pd

from ..data.record import row_name
from ..evaluation.paired import flat_gaps_of_runs, flat_runs
from ..evaluation.sampled import ITSELF
from ..evaluation.tables import MEAN, ResultTable


def group_means(table: pd.DataFrame, groups: Mapping[str, str]) -> pd.DataFrame:
    """Means over the categories of each group, one row a group in order of first appearance, columns as in ``table``.

    ``table`` has one row per category in its index, as `evaluation.evaluate` gives it; its row "mean" takes no part.
    """
    rows = pd.DataFrame(table).drop(index=MEAN, errors="ignore")
    named = {row_name(category): group for category, group in groups.items()}
    of_rows = pd.Index([named.get(category) for category in rows.index], name="group")
    return cast(pd.DataFrame, rows.groupby(of_rows, sort=False).mean())


def flat_groups(runs: Mapping[str, Sequence[ResultTable]], groups: Mapping[str, str]) -> pd.DataFrame:
    """The replicates of the `group_means` of several models, by name, and each of their runs, resampled by category: a
    `flat` table with the columns model and group in front, and ``run``. All models have the same resamples."""
    named = {row_name(category): group for category, group in groups.items()}
    parts = []
    for name, own in runs.items():
        tables = []
        for table in own:
            rows = pd.DataFrame(table).drop(index=MEAN, errors="ignore").rename_axis("category").reset_index()
            rows.insert(1, "group", [named.get(category) for category in rows["category"]])
            rows.insert(1, "model", name)
            tables.append(rows.dropna(subset="group"))
        parts.append(flat_gaps_of_runs(tables, ["model", "group"]))
    return pd.concat(parts, ignore_index=True)


def category_spans(runs: Mapping[str, Sequence[ResultTable]], metric: str = "image_auroc") -> pd.DataFrame:
    """How far a metric's highest and lowest category lie apart, for several models, by name, in each of their runs and
    each resample of the pictures: a `flat` table with model in front and the metric ``span``, a fraction.

    The extremes of noisy numbers lie too far apart, so replicates are shifted to have the span itself in their middle.
    """
    parts = []
    for name, own in runs.items():
        whole = flat_runs(own)
        for run, rows in whole[whole["category"] != MEAN].groupby("run"):
            wide = rows.pivot(index="replicate", columns="category", values=metric)
            drawn = wide.index != ITSELF
            span = wide.max(axis=1) - wide.min(axis=1)  # without categories that lack a class there
            span = span.where(~drawn, span + span[ITSELF] - span[drawn].mean()).to_numpy(dtype=float)
            last = pd.DataFrame(rows[rows["replicate"] == wide.index[-1]])  # of each category, a resample
            draws = rows.pivot(index="replicate", columns="category", values="draw")
            columns = {
                "model": name,
                "replicate": wide.index,
                "draw": draws.to_numpy()[:, 0],
                "pictures": crc32("\n".join(map(str, last["pictures"])).encode()),
                "units": int(last["units"].to_numpy().sum()),
                "freedom": int(last["freedom"].to_numpy().min()),
                "span": span,
                "run": run,
            }
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
