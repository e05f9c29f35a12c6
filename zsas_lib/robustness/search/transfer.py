"""Whether what is worst for one model is bad for another: found perturbations, applied to another model."""

import pandas as pd
import torch

from ...data.dataset import AnomalyDataset, stacked
from ...models.prediction import AnomalyModel
from .amounts import columns, in_table
from .objective import Objective


def transferred(
    model: AnomalyModel, dataset: AnomalyDataset, cases: pd.DataFrame, *, fill: str = "zero", batch_size: int = 16
) -> pd.DataFrame:
    """``model``'s own pixel AUROC of every picture under the amounts in ``cases``, one forward pass per row.

    ``cases`` has a row per picture: picture (its number in the data set) and amounts by their columns (degrees, hue,
    saturation), such as those of one combination that `whole_sets.worst_cases` found for another model. Returned
    are the same rows with ``pixel_auroc`` and ``loss`` replaced by this model's (nan for a normal picture's AUROC).
    """
    over = in_table(cases)
    quality, losses = [], []
    for begin in range(0, len(cases), batch_size):
        part = cases.iloc[begin : begin + batch_size]
        batch = stacked([dataset[int(number)] for number in part.picture])
        amounts = torch.tensor(part[columns(over)].to_numpy()).float()
        with torch.no_grad():
            outcome = Objective(model, batch.images, batch.masks, batch.categories, over, fill).outcome(
                torch.arange(len(part)), amounts
            )
        quality += outcome.pixel_auroc.tolist()
        losses += outcome.loss.tolist()
    return cases.assign(pixel_auroc=quality, loss=losses)
