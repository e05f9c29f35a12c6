"""One perturbation for a whole category: chosen on half of its pictures, judged on the others.

Paper S proposes as future work to look for the perturbation that helps. Per picture that takes its mask (an oracle,
`whole_sets.bounds` with ``goal="best"``); per category it can be learnt from some pictures and used on others.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ...base.errors import UnknownNameError
from ...data.dataset import AnomalyDataset
from ...data.record import row_name
from ...evaluation.evaluate import Measuring
from ...metrics.pixel import pixel_auroc
from ...models.prediction import AnomalyModel
from ...perturbations import OF_PAPER_S
from ...store.results import hangs_on_rounding
from .amounts import box, columns, even_shares, in_table, in_tables, neutral, neutral_columns, ordered
from .history import GOALS
from .objective import Objective

CHOSEN_ON, HELD_OUT = "chosen on", "held out"
ORIGINAL, CHOSEN = "original", "chosen"


def halves(dataset: AnomalyDataset) -> tuple[AnomalyDataset, AnomalyDataset]:
    """Every other picture of each category, normal and anomalous ones counted apart, and the rest.

    Raises ValueError for a category with fewer than two anomalous pictures.
    """
    parts: tuple[list, list] = ([], [])
    for category in dataset.categories:
        own = [record for record in dataset.records if record.category == category]
        for anomalous in (False, True):
            kind = [record for record in own if record.is_anomalous == anomalous]
            if anomalous and len(kind) < 2:
                raise ValueError(
                    f"Expected two or more anomalous pictures of {category!r}, one for each half; got {len(kind)}."
                )
            for part, start in zip(parts, (0, 1)):
                part += kind[start::2]
    first, second = (dataset.part(part) for part in parts)
    return first, second


@hangs_on_rounding
def shared_amounts(
    model: AnomalyModel,
    dataset: AnomalyDataset,
    *,
    over: Sequence[str] = OF_PAPER_S,
    points: int = 24,
    goal: str = "best",
    fill: str = "zero",
    resamples: int = 200,
    seed: int = 0,
    batch_size: int = 16,
) -> pd.DataFrame:
    """What the amounts that are best (or worst) for one half of a category's pictures do to the other half.

    ``points`` amounts are tried, none first, the others spread evenly over the box; the choice is by the pixel AUROC of
    the half's pictures together. Four rows per category: ``half`` is "chosen on" or "held out" (`halves`), ``amounts``
    "original" or "chosen"; degrees, hue, saturation and those of other perturbations in ``over``, the metrics of
    `evaluation.evaluate`, pixel_auroc_se and image_auroc_se. No mean rows. With ``fill`` "valid" the corners that a
    turned map leaves repeat its border and count, so that all points are judged by the same pixels. One forward pass
    per picture of the first half and point, and two per picture after it.

    Raises ValueError for less than one point, UnknownNameError for an unknown goal, and as `halves` and `Objective`.
    """
    if goal not in GOALS:
        raise UnknownNameError("goal", goal, GOALS)
    if points < 1:
        raise ValueError(f"Expected at least one point, got {points}.")
    over = ordered(over)
    low, high = box(over)
    candidates = torch.cat([neutral(over)[None], low + (high - low) * even_shares(points - 1, len(over))])
    found = Measuring("half", "amounts", resamples=resamples, seed=seed)
    with tqdm(
        total=len(dataset.categories) * points, desc=f"{goal} for all", unit=" points", disable=None, leave=False
    ) as progress:
        for category in dataset.categories:
            parts = dict(zip((CHOSEN_ON, HELD_OUT), halves(dataset.select([category]))))
            quality = []
            for amounts in candidates:
                maps, masks, _ = _maps(model, parts[CHOSEN_ON], over, amounts, fill, batch_size)
                quality.append(-GOALS[goal] * pixel_auroc(maps, masks))
                progress.update()
            for half, part in parts.items():
                for words, amounts in ((ORIGINAL, candidates[0]), (CHOSEN, candidates[int(np.argmax(quality))])):
                    maps, masks, scores = _maps(model, part, over, amounts, fill, batch_size)
                    named = neutral_columns(in_tables(over)) | dict(zip(columns(over), amounts.tolist()))
                    setting = {"category": row_name(category), "half": half, "amounts": words} | named
                    found.add(part, maps, masks, scores, setting=setting)
    return found.rows()


def choice_gains(shared: pd.DataFrame, oracle: pd.DataFrame) -> pd.DataFrame:
    """What is gained of pixel AUROC by amounts shared by a category (`shared_amounts`) and by an oracle's
    (`whole_sets.bounds` of the held-out half over one combination, with ``goal="best"``), by category and "mean".

    Columns: ``original``, the held-out half unperturbed, in percent, and ``±``, its standard error (of the mean: that
    of independent categories); in points ``gain where chosen``, ``gain held out`` and ``gain of the oracle``, and
    ``oracle, per picture``, its gain in the mean of the damaged pictures' own.
    """
    shared = shared.loc[shared.category != "mean"]
    chosen_on, held_out = (
        shared[shared.half == half].set_index(["amounts", "category"]) for half in (CHOSEN_ON, HELD_OUT)
    )
    before, after = (rows.set_index("category") for _, rows in oracle.groupby("combination", sort=False))
    original = held_out.pixel_auroc[ORIGINAL]
    kinds = {
        "original": original,
        "±": held_out.pixel_auroc_se[ORIGINAL],
        "gain where chosen": chosen_on.pixel_auroc[CHOSEN] - chosen_on.pixel_auroc[ORIGINAL],
        "gain held out": held_out.pixel_auroc[CHOSEN] - original,
        "gain of the oracle": after.pixel_auroc.drop("mean") - original,
        "oracle, per picture": (after.picture_auroc - before.picture_auroc).drop("mean"),
    }
    gains = 100 * pd.DataFrame(kinds).loc[list(dict.fromkeys(shared.category))].rename_axis("category")
    spread = float(np.sqrt((gains["±"] ** 2).sum()) / len(gains))
    gains.loc["mean"] = gains.mean()
    gains.loc["mean", "±"] = spread
    return gains


def chosen_amounts(shared: pd.DataFrame) -> pd.DataFrame:
    """The amounts that `shared_amounts` chose, a row for each category."""
    chosen = shared.loc[(shared.half == HELD_OUT) & (shared.amounts == CHOSEN)].set_index("category")
    return chosen.loc[:, columns(in_table(chosen))]


def _maps(
    model: AnomalyModel,
    part: AnomalyDataset,
    over: Sequence[str],
    amounts: Float[Tensor, " over"],
    fill: str,
    batch_size: int,
) -> tuple[list[Tensor], list[Tensor], Float[Tensor, " image"]]:
    """Upright maps, masks and image scores of all pictures under the same amounts."""
    maps, masks, scores = [], [], []
    for batch in part.batches(batch_size):
        objective = Objective(model, batch.images, batch.masks, batch.categories, over, fill)
        count = len(batch.images)
        with torch.no_grad():
            outcome = objective.outcome(torch.arange(count), amounts.expand(count, -1))
        maps += outcome.maps.cpu()
        masks += batch.masks
        scores.append(outcome.image_score)
    return maps, masks, torch.cat(scores)
