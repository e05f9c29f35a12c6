"""Tables and sentences of uniform sweeps, of rotation as of colour, and paper S's numbers beside them."""

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

import zsas_lib as zsas
from zsas_lib.backbones.backbone import Backbone
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.papers.comparable import comparable, printed_family

from ..labels import label
from ..words import counted, points
from .beside import beside_reported
from .shown import shown


def beside_paper_s(
    ranges: pd.DataFrame, perturbation: str, pictures: AnomalyDataset, tower: Backbone, model: str
) -> pd.DataFrame:
    """`beside_reported` of what paper S prints without perturbation (Table 1) and says of ranges over the perturbation
    (section 3.1 and B), beside the `sweep_ranges` of a page with these pictures, tower and model."""
    family = printed_family("S", 1, pictures.name)
    clean = zsas.reported("S", 1).query(
        "metric == 'AUROC' and dataset == @family and setting.str.contains('eval=original')"
    )
    rows = []
    for row in clean.itertuples():
        backbone = row.setting.split(";")[0].removeprefix("backbone=")
        note = comparable("S", 1, pictures, tower, model, printed_on=backbone)
        claim = f"unperturbed, {family}, {backbone}"
        rows.append((claim, row.value, ranges.loc["mean", "unperturbed"], note))
    objects = ranges.drop(index="mean")
    note = comparable("S", "text", pictures, tower, model)
    said = zsas.reported("S", "text").query("dataset == @family and setting.str.contains(@perturbation)")
    for row in said.itertuples():
        column = objects["range" if row.metric == "AUROC_range" else "largest step"]
        rows.append((row.note, row.value, column.max() if "widest" in row.setting else column.min(), note))
    return beside_reported(pd.DataFrame(rows, columns=["claim", "reported", "reproduced", "note"]).to_dict("records"))


def shown_ranges(ranges: pd.DataFrame) -> Styler:
    """`sweep_ranges` as a page shows them, the error beside the unperturbed value, the interval beside the range."""
    readable = ranges.drop(columns=["± at 0", "low", "high"]).rename(columns={"largest step": "step"})
    interval = ["" if np.isnan(row.low) else f"{points(row.low)} to {points(row.high)}" for row in ranges.itertuples()]
    readable.insert(list(readable).index("range") + 1, "95 % interval", interval)
    errors = ranges[["± at 0"]].set_axis(["unperturbed"], axis=1)
    return shown(readable, errors=errors, formats={"at": "{:.3g}"})


def ranges_in_words(ranges: pd.DataFrame) -> list[str]:
    """What `sweep_ranges` say, in sentences: the median and the widest category, the mean, and chance."""
    objects, mean = ranges.drop(index="mean"), ranges.loc["mean"]
    widest = objects["range"].idxmax()
    clear = int((objects["low"] > 0).sum())
    interval = f" (95 % interval {points(mean.low)} to {points(mean.high)})" if np.isfinite(mean.low) else ""
    return [
        f"Over the range, pixel AUROC moves by {objects['range'].median():.1f} points in the median category and by "
        f"{objects['range'].max():.1f} in the widest ({label(widest)}); the mean moves by {mean['range']:.1f}"
        f"{interval}.",
        f"The same pictures are perturbed at every value, so the ends of a range are compared pair by pair: in {clear} "
        f"of {counted(len(objects), 'category')} they differ beyond chance.",
        "Which two values these are was chosen on the same pictures, which makes ranges look larger than they are.",
    ]


def colour_in_words(behind: pd.DataFrame, measure: str) -> list[str]:
    """Whether the categories with the least of a ``measure`` of colour, "chroma" or "saturation", move least: columns
    ``measure``, in [0, 1], and "range" in points, one row per category. Of one category nobody moves most; a rank
    correlation takes three."""
    least, widest, moves = behind[measure].idxmin(), behind["range"].idxmax(), behind["range"]
    amounts = f"{label(str(least))}, {behind.loc[least, measure]:.2f}"
    if len(behind) == 1:
        return [f"The one category ({amounts} of {measure}) moves by {moves[least]:.1f} points."]
    said = f"The category with the least {measure} ({amounts}) moves"
    if moves.nunique() == 1:
        return [f"{said} by {moves[least]:.1f} points, as all do."]
    if behind[measure].nunique() == 1:
        return [
            f"All have the same {measure} ({behind.loc[least, measure]:.2f}), and the one that moves most "
            f"({label(str(widest))}) moves by {moves[widest]:.1f} points."
        ]
    if least == widest:
        said = f"{said} most, by {moves[least]:.1f} points."
    else:
        said = (
            f"{said} by {moves[least]:.1f} points, the one that moves most ({label(str(widest))}, {moves[widest]:.1f} "
            f"points) has {behind.loc[widest, measure]:.2f}."
        )
    if len(behind) < 3:
        return [said]
    rank = behind[measure].corr(moves, method="spearman")
    return [said, f"Over {len(behind)} categories the rank correlation of the two is {rank:.2f}."]
