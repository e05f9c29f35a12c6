"""How searches compare: what each has found after so many forward passes."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd

from ...data.dataset import AnomalyDataset, stacked
from ...data.record import row_name
from ...evaluation.paired import over_categories
from ...evaluation.sampled import SURE
from ...evaluation.tables import ERROR, with_means
from ...models.prediction import AnomalyModel
from ...perturbations import OF_PAPER_S
from ...store.results import hangs_on_rounding
from . import adam
from .history import bound_curve
from .worst_case import worst_case

READINGS = 24
"""At how many numbers of passes a curve is read, at most; evenly on a logarithmic scale."""


@hangs_on_rounding
def bound_curves(
    model: AnomalyModel,
    dataset: AnomalyDataset,
    *,
    search: str,
    passes: int,
    over: Sequence[str] = OF_PAPER_S,
    restarts: int = 5,
    seed: int = 0,
    fill: str = "zero",
    batch_size: int = 16,
) -> pd.DataFrame:
    """The bound on every anomalous picture as a search goes on, with ``passes`` forward passes for each.

    A step of "adam" takes two passes, a point of the other searches one. One row per category, picture (its number
    among the category's anomalous ones) and number of passes so far; pixel_auroc is the picture's own at the worst
    point so far. Rows "mean" follow. Raises as `worst_case`, and ValueError for fewer than two passes.
    """
    if passes < 2:
        raise ValueError(f"Expected at least 2 passes, one step of Adam, got {passes}.")
    steps = passes // adam.PASSES if search == "adam" else passes
    at = np.unique(np.geomspace(2, passes, READINGS).round().astype(int)).tolist()
    rows = []
    for category in dataset.categories:
        part = dataset.select([category], anomalous=True)
        batch = stacked([part[i] for i in range(len(part))])
        found = worst_case(
            model,
            batch.images,
            batch.masks,
            category,
            over,
            search,
            steps,
            restarts,
            seed,
            fill=fill,
            batch_size=batch_size,
        )
        for picture, points in found.history.groupby("image"):
            rows.append(bound_curve(points, at=at).assign(category=row_name(category), picture=picture))
    table = pd.concat(rows, ignore_index=True)
    return with_means(table.loc[:, ["category", "picture", "passes", "pixel_auroc"]], by=["picture", "passes"])


def tightness(curves: Mapping[str, pd.DataFrame], yardstick: str) -> pd.DataFrame:
    """How tight the bounds of searches are, a row for each; ``curves`` hold a bound in percent for every picture
    (rows) and number of passes so far (columns), the same for all searches.

    Columns: ``a tenth of the passes`` and ``all passes``, the mean bound then; ``minus YARDSTICK``, the mean difference
    from that search after all passes on the same pictures, with its standard error (``minus YARDSTICK_se``), ``low``,
    ``high``, ``agree`` and ``power`` of `Difference` over pictures (nan for one, and for the yardstick itself); ``at
    least as tight as YARDSTICK in``, how many pictures; ``passes to YARDSTICK's bound``, after how many the mean is as
    low as where the yardstick ends (nan: not reached).
    """
    end = max(curves[yardstick])
    means = {name: dict(zip(curve, curve.to_numpy().mean(axis=0))) for name, curve in curves.items()}
    rows = {}
    for name, curve in curves.items():
        gap = cast(pd.Series, curve[end] - curves[yardstick][end])
        sure = over_categories(gap) if len(gap) > 1 and name != yardstick else None
        reached = [passes for passes, bound in means[name].items() if bound <= means[yardstick][end]]
        rows[name] = {
            "a tenth of the passes": means[name][max(passes for passes in curve if passes <= max(2, end // 10))],
            "all passes": means[name][end],
            f"minus {yardstick}": gap.mean(),
            f"minus {yardstick}{ERROR}": sure.se if sure else np.nan,
            **{part: getattr(sure, part) if sure else np.nan for part in SURE},
            f"at least as tight as {yardstick} in": (gap <= 1e-9).sum(),
            f"passes to {yardstick}'s bound": float(reached[0]) if reached else np.nan,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("search")
