"""Tables of results: one row per category and setting, their means, and the per-image rows and errors beside them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from ..data.dataset import AnomalyDataset

MEAN = "mean"  # names the row that holds the mean over the categories
METRICS = (
    "pixel_auroc",
    "pixel_ap",
    "pixel_f1_max",
    "pixel_iou",
    "aupro",
    "aupro_200",
    "image_auroc",
    "image_ap",
    "image_f1_max",
)
AVERAGED = (*METRICS, "loss", "picture_auroc", "legacy_reach", "tpr", "tnr")  # what a mean row averages
ERROR = "_se"  # ends the name of a column of standard errors


class ResultTable(pd.DataFrame):
    """A table of metrics with two more beside it, made by `evaluate`; in all else a DataFrame.

    `per_image` has one row per picture, `spread` the standard errors of some of the metrics, with the table's rows.
    """

    _metadata = ["per_image", "spread"]

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return ResultTable


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of one function for single categories as the one it would have made of all of them, means included."""
    if not isinstance(tables[0], ResultTable):
        return with_means(pd.concat(tables, ignore_index=True))
    rows = [table.join(table.spread.add_suffix(ERROR)).reset_index() for table in tables]
    pictures = pd.concat([table.per_image for table in tables], ignore_index=True)
    return result_table(with_means(pd.concat(rows, ignore_index=True)), pictures)


def with_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of categories, followed by rows "mean": one for each setting, that is, for each combination of values in
    the columns that neither name the category nor hold what is averaged or its standard error. Mean rows among ``rows`` are
    dropped first. The standard error of a mean is that of independent categories."""
    rows = pd.DataFrame(rows[rows["category"] != MEAN])
    errors = [column for column in rows if column.endswith(ERROR)]
    measured = [column for column in rows if column in AVERAGED] + errors
    settings = [column for column in rows if column not in measured and column != "category"]
    means = []
    for setting, group in rows.groupby(settings, sort=False) if settings else [((), rows)]:
        mean = group[measured].mean()
        mean[errors] = np.sqrt((group[errors] ** 2).sum(min_count=1)) / group[errors].count()
        means.append({"category": MEAN} | dict(zip(settings, setting)) | mean.to_dict())
    return pd.concat([rows, pd.DataFrame(means)[list(rows)]], ignore_index=True)


def picture_rows(dataset: AnomalyDataset, scores: Float[Tensor, " image"], own: list[dict[str, float]]) -> pd.DataFrame:
    own = pd.DataFrame(own)
    return pd.DataFrame(
        {
            "path": [record.name(dataset.root) for record in dataset.records],
            "category": [record.category for record in dataset.records],
            "defect": [record.defect for record in dataset.records],
            "is_anomalous": [record.is_anomalous for record in dataset.records],
            "anomalous_fraction": own.anomalous_fraction,
            "image_score": scores.tolist(),
            "map_max": own.map_max,
            "pixel_auroc": own.pixel_auroc,
        }
    )


def result_table(rows: pd.DataFrame, pictures: pd.DataFrame) -> ResultTable:
    rows = rows.set_index("category")
    errors = [column for column in rows if column.endswith(ERROR)]
    table = ResultTable(rows.drop(columns=errors))
    table.per_image = pictures
    table.spread = pd.DataFrame(rows[errors]).rename(columns=lambda name: name.removesuffix(ERROR))
    return table
