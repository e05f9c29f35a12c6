"""How well a model finds defects of which is known how they were drawn: by kind, by contrast and by area."""

import pandas as pd

AREAS = {"< 0.3 %": 0.003, "0.3-1 %": 0.01, "1-3 %": 0.03, "> 3 %": 1.0}
"""Classes of area by their upper bound, a share of the picture."""
GROUPED = {"kind": "kind", "contrast asked for": "contrast_level", "area": "size"}


def with_drawn(per_image: pd.DataFrame, drawn: pd.DataFrame) -> pd.DataFrame:
    """The damaged pictures of an `evaluate` table's ``per_image`` with how each defect was drawn beside them, and
    ``size``, their class among `AREAS`. ``drawn`` is what `data.embedded.catalogue.drawn_defects` gives."""
    damaged = per_image[per_image.is_anomalous]
    rows = damaged.merge(drawn, left_on="path", right_on="image", suffixes=("", "_drawn"))
    return rows.assign(size=pd.cut(rows.area, [0, *AREAS.values()], labels=list(AREAS)))


def medians(pictures: pd.DataFrame) -> pd.DataFrame:
    """The median pixel AUROC of the pictures of `with_drawn` in each group: columns group, median, size (how many)
    and by, what they are grouped by, "kind", "contrast asked for" or "area"."""
    parts = [
        pictures.groupby(column, observed=True)
        .pixel_auroc.agg(["median", "size"])
        .rename_axis("group")
        .reset_index()
        .assign(by=by)
        for by, column in GROUPED.items()
    ]
    return pd.concat(parts, ignore_index=True)
