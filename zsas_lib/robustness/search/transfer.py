"""Whether what is worst for one model is bad for another: found perturbations, applied to another model."""

from collections.abc import Mapping

import pandas as pd
import torch

from ...data.dataset import AnomalyDataset, stacked
from ...models.prediction import AnomalyModel
from .amounts import columns, in_table
from .objective import Objective
from .whole_sets import NONE


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


def transfer_costs(
    networks: Mapping[str, AnomalyModel],
    dataset: AnomalyDataset,
    cases: Mapping[str, pd.DataFrame],
    combination: str,
    *,
    fill: str = "zero",
    batch_size: int = 16,
) -> pd.DataFrame:
    """How many points of its own pixel AUROC a damaged picture loses in the mean, under the amounts of a combination: a
    row for each model that segments it, a column for each model for which the amounts were found.

    ``cases`` holds what `whole_sets.worst_cases` found for each of the models. One forward pass per damaged picture and
    pair of different models.
    """
    damaged = {name: table.loc[table.is_anomalous] for name, table in cases.items()}
    clean = {name: own.loc[own.combination == NONE].set_index("picture").pixel_auroc for name, own in damaged.items()}
    found = {name: own.loc[own.combination == combination] for name, own in damaged.items()}
    costs: dict[str, dict[str, float]] = {source: {} for source in networks}
    for source, under in found.items():
        for name, network in networks.items():
            own = name == source
            seen = under if own else transferred(network, dataset, under, fill=fill, batch_size=batch_size)
            costs[source][name] = 100 * (clean[name] - seen.set_index("picture").pixel_auroc).mean()
    return pd.DataFrame(costs)
