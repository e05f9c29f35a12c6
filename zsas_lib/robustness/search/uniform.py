"""Random search: uniform points, the unperturbed image first. The yardstick for the other searches."""

import pandas as pd

from .amounts import neutral, random_amounts
from .grid import try_points
from .history import Recorder
from .objective import Objective


def search(
    objective: Objective,
    *,
    steps: int,
    restarts: int,
    seeds: list[int],
    goal: str,
    select: str,
    batch_size: int,
    known: pd.DataFrame | None,
) -> pd.DataFrame:
    """``steps`` points per image; what they find decides nothing."""
    amounts = random_amounts(objective.over, steps, seeds)
    amounts[:, 0] = neutral(objective.over)
    return try_points(objective, Recorder(len(amounts), objective.over), amounts, 0, batch_size)
