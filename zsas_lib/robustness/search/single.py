"""One picture before and after: as it is, and at the worst case that was found for it."""

import pandas as pd
import torch

from ...data.dataset import Sample
from ...models.prediction import AnomalyModel
from .amounts import columns, in_table, neutral
from .objective import Objective, Outcome


def before_and_after(model: AnomalyModel, sample: Sample, case: pd.Series, fill: str = "zero") -> Outcome:
    """What `Objective` says of a picture as it is (the first point) and under the amounts of ``case`` (the second), a
    row of `whole_sets.worst_cases`. Two forward passes."""
    over, given = in_table(case.to_frame().T), case.to_dict()
    amounts = torch.stack([neutral(over), torch.tensor([float(given[column]) for column in columns(over)])])
    objective = Objective(model, sample.image[None], sample.mask[None], sample.category, over, fill)
    with torch.no_grad():
        return objective.outcome(torch.tensor([0, 0]), amounts)
