"""Paper S's Table 1: what it prints of WinCLIP without perturbation and at the worst case, and what that says of its
text."""

import pandas as pd

from . import reported

ORIGINAL, WORST = "original", "per_sample_3D_lower_bound"
"""What is evaluated, as the table's settings name it: the pictures as they are, and their worst case over all three
perturbations."""
MAIN = "ViT-B/16+"
COLUMN = {"AUROC": "pixel_auroc", "AUPRO": "aupro", "F1-max": "pixel_f1_max", "loss": "loss"}
"""The table's metrics -> columns of `whole_sets.bounds`."""


def printed_bounds() -> pd.DataFrame:
    """The table as printed: percent, and the loss, by dataset, tower and evaluation, with a column for each metric."""
    rows = reported("S", 1).copy()
    rows[["tower", "evaluation"]] = rows.setting.str.extract("backbone=(.+);eval=(.+)").to_numpy()
    return rows.pivot(index=["dataset", "tower", "evaluation"], columns="metric", values="value")


def bound_claims() -> pd.DataFrame:
    """What the paper says of its worst cases in words, and what its own Table 1 says to that: claim, its Table 1."""
    printed = printed_bounds()
    before, after = (printed.xs(name, level="evaluation") for name in (ORIGINAL, WORST))
    drop = before - after
    fare = next(tower for tower in drop.index.unique("tower") if "FARE" in tower)
    main = drop.loc[("MVTec-AD", MAIN)]
    plain = drop.drop(index=fare, level="tower")
    more_on_visa = (plain.loc["VisA"] > plain.loc["MVTec-AD"])[["AUROC", "AUPRO", "F1-max"]].sum()
    ranks = [printed.loc[name].AUROC.corr(printed.loc[name].loss, method="spearman") for name in ("MVTec-AD", "VisA")]
    began, fell = (
        " and ".join(f"{table.loc[(name, fare), 'AUROC']:.1f}" for name in ("MVTec-AD", "VisA"))
        for table in (before, drop)
    )
    claims = {
        "up to 20 % AUROC, 40 % AUPRO (abstract)": f"percentage points: {main.AUROC:.1f} and {main.AUPRO:.1f}, "
        f"MVTec AD, {MAIN}; largest drops of all rows {drop.AUROC.max():.1f} and {drop.AUPRO.max():.1f}",
        "the two backbones without FARE drop more on VisA": "; ".join(
            f"{metric}: {count} of {len(plain.loc['VisA'])}" for metric, count in more_on_visa.items()
        ),
        "the loss is inversely correlated with the metrics": f"rank correlation with AUROC {ranks[0]:.2f} and "
        f"{ranks[1]:.2f} (MVTec AD, VisA; {len(printed.loc['VisA'])} rows each)",
        f"{fare} drops less, and starts lower": f"AUROC {began} before any perturbation, where chance is 50; drops "
        f"{fell}",
    }
    return pd.DataFrame(claims.items(), columns=["claim", "its Table 1"])
