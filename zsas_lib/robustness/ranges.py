"""How far a metric moves over a uniform sweep, category by category."""

import pandas as pd


def sweep_ranges(sweep: pd.DataFrame, metric: str = "pixel_auroc") -> pd.DataFrame:
    """One row per category of a `uniform_sweep` (of one derotation) and one for their mean, in its order; in percent.

    Columns: unperturbed, the value at 0; lowest, and at which value of the perturbation (``at``); highest; range,
    highest - lowest; largest step, between neighbouring values; and ``± at 0``, one standard error of the unperturbed
    value.
    """
    lines = sweep.pivot(index="value", columns="category", values=metric)[list(dict.fromkeys(sweep.category))] * 100
    errors = sweep.pivot(index="value", columns="category", values=f"{metric}_se") * 100
    columns = {
        "unperturbed": lines.loc[0.0],
        "lowest": lines.min(),
        "at": lines.idxmin(),
        "highest": lines.max(),
        "range": lines.max() - lines.min(),
        "largest step": lines.diff().abs().max(),
        "± at 0": errors.loc[0.0],
    }
    return pd.DataFrame(columns).rename_axis("category").loc[lines.columns]
