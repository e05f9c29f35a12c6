"""How far a metric moves over a uniform sweep, category by category."""

from typing import cast

import pandas as pd

from ..evaluation.paired import differences
from ..evaluation.replicates import REPLICATE, flat
from ..evaluation.sampled import ITSELF
from ..evaluation.tables import SETTINGS, Replicated


def sweep_ranges(sweep: pd.DataFrame, metric: str = "pixel_auroc") -> pd.DataFrame:
    """One row per category of a `uniform_sweep` (of one derotation) and one for their mean, in its order; in percent.

    Columns: unperturbed, the value at 0; lowest, and at which value of the perturbation (``at``); highest; range,
    highest - lowest; largest step, between neighbouring values; ``± at 0``, one standard error of the unperturbed
    value; and low and high, the 95 % interval of the range (`range_replicates`), nan for a mean over one category. All
    are nan for a category without the metric, such as one without damaged pictures. Raises ValueError for a sweep
    without the value 0.
    """
    if 0 not in set(sweep["value"]):
        raise ValueError("Expected a sweep with the unperturbed pictures, the value 0, which ranges stand beside.")
    lines = sweep.pivot(index="value", columns="category", values=metric)[list(dict.fromkeys(sweep.category))] * 100
    errors = sweep.pivot(index="value", columns="category", values=f"{metric}_se") * 100
    columns = {
        "unperturbed": lines.loc[0.0],
        "lowest": lines.min(),
        "at": lines.dropna(axis=1, how="all").idxmin(),
        "highest": lines.max(),
        "range": lines.max() - lines.min(),
        "largest step": lines.diff().abs().max(),
        "± at 0": errors.loc[0.0],
    }
    table = pd.DataFrame(columns).rename_axis("category").loc[lines.columns]
    sure = differences(range_replicates(sweep, metric), "category", ["range"]).set_index("category")
    return table.join(sure[["low", "high"]])


def of_derotation(sweep: pd.DataFrame, derotation: str) -> Replicated:
    """The part of a `uniform_sweep` that is of one derotation, with its replicates, as if no other had been asked for
    and without saying so."""
    kept = {"derotation": derotation}
    settings = [name for name in sweep.attrs[SETTINGS] if name not in kept]
    part = Replicated(sweep[sweep["derotation"] == derotation].drop(columns=list(kept)))
    replicates = cast(Replicated, sweep).replicates
    own = replicates[replicates["derotation"] == derotation]
    part.replicates = pd.DataFrame(own).drop(columns=list(kept))
    part.attrs[SETTINGS] = settings
    return part


def range_replicates(sweep: pd.DataFrame, metric: str = "pixel_auroc") -> pd.DataFrame:
    """The `flat` table of the ranges of `sweep_ranges`, in points: of every category and of their mean what the same
    two values of the perturbation, where the metric is highest and lowest, differ by in each resample. That the two
    were chosen on the same pictures makes every range look larger than it is."""
    whole, parts = flat(sweep), []
    for _, rows in whole.groupby("category", sort=False):
        itself = rows[rows["replicate"] == ITSELF].set_index("value")[metric]
        itself = itself.fillna(0.0) if itself.isna().to_numpy().all() else itself  # any two values then differ by nan
        high, low = (rows[rows["value"] == at].reset_index(drop=True) for at in (itself.idxmax(), itself.idxmin()))
        kept = pd.DataFrame(high[["category", *REPLICATE[1:]]])
        parts.append(kept.assign(range=100 * (high[metric] - low[metric])))
    return pd.concat(parts, ignore_index=True)
