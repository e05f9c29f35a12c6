"""Tables of empirical worst cases, and paper S's Table 1 beside them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from zsas_lib.backbones.backbone import Backbone
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.papers.bounds import COLUMN, ORIGINAL, WORST, printed_bounds
from zsas_lib.papers.comparable import comparable, printed_backbone, printed_family, settings
from zsas_lib.robustness.search.left import bound_means, share_lost
from zsas_lib.robustness.search.whole_sets import NONE

from .beside import beside_reported
from .shown import shown

NUMBERS = ("pixel_auroc", "picture_auroc", "aupro", "pixel_f1_max", "loss")


def shown_bounds(bounds: pd.DataFrame, chance: Mapping[str, float]) -> Styler:
    """The means of `whole_sets.bounds` as a page shows them, a row for each combination, the last one for
    ``chance``."""
    table = bound_means(bounds)[[*NUMBERS, "pixel_auroc_se"]].rename({NONE: "none: original"})
    table.loc["chance"] = pd.Series(chance)
    errors = table[["pixel_auroc_se"]].set_axis(["pixel_auroc"], axis=1)
    return shown(table[[*NUMBERS]].rename_axis("combination"), percent=True, errors=errors, formats={"loss": "{:.2f}"})


def shown_bounds_of_models(bounds: Mapping[str, pd.DataFrame], worst: str, chance: Mapping[str, float]) -> Styler:
    """The means of several models' `whole_sets.bounds`, a row for each, without perturbation and at the worst cases
    of the combination ``worst``, and of metrics with a chance level what is lost of the part above it."""
    cells, errors = {}, {}
    for name, own in bounds.items():
        mean = bound_means(own)
        cells[name], errors[name] = {}, {("pixel_auroc", "worst"): mean.loc[worst, "pixel_auroc_se"]}
        for metric in ("pixel_auroc", "aupro", "pixel_f1_max"):
            cells[name] |= {(metric, "original"): mean.loc[NONE, metric], (metric, "worst"): mean.loc[worst, metric]}
            if metric in chance:
                cells[name][metric, "lost"] = share_lost(own, metric, worst, chance)
    table, beside = (pd.DataFrame.from_dict(rows, orient="index") for rows in (cells, errors))
    table.columns, beside.columns = (pd.MultiIndex.from_tuples(part.columns) for part in (table, beside))
    return shown(table, percent=True, errors=beside)


def beside_table_1(
    bounds: pd.DataFrame,
    worst: str,
    pictures: AnomalyDataset,
    tower: Backbone,
    model: str,
    *,
    called: str | None = None,
    loss: bool = True,
) -> pd.DataFrame:
    """`beside_reported` of paper S's Table 1, for the backbone of the page if it has that, and the means of a page's
    `whole_sets.bounds`, at the worst cases of the combination ``worst``; the ``loss`` times 100.

    Claims name the paper's backbone, or ``called``. Of a model that the table does not have nothing is reported.
    """
    family, backbone = printed_family("S", 1, pictures.name), printed_backbone("S", 1, tower.name)
    note = comparable("S", 1, pictures, tower, model, printed_on=backbone)
    printed, mean = printed_bounds().loc[(family, backbone)], bound_means(bounds)
    known = model in set(settings("S", 1).model)
    rows = []
    for evaluation, combination, words in ((ORIGINAL, NONE, "original"), (WORST, worst, "worst case, all three")):
        for name, column in COLUMN.items():
            if name == "loss" and not loss:
                continue
            value = printed.loc[evaluation, name] * (100 if name == "loss" else 1) if known else np.nan
            what = "loss x 100" if name == "loss" else name
            claim = f"{family}, {called or backbone}, {words}: {what}"
            rows.append({"claim": claim, "reported": value, "reproduced": 100 * mean.loc[combination, column]})
    return beside_reported(rows, note)
