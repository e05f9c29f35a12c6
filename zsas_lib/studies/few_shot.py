"""How few-shot WinCLIP depends on the number of its references, on which they are, and on the size of its windows:
paper K's Figs 3 to 5."""

from collections.abc import Sequence
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ..data.dataset import AnomalyDataset, Sample
from ..data.record import row_name
from ..evaluation.evaluate import Measuring
from ..evaluation.replicates import flat
from ..evaluation.sampled import Sampled
from ..evaluation.tables import ERROR, MEAN
from ..models.prediction import Prediction
from ..models.references import Memory, References, draw_normal
from ..models.winclip import WinCLIP, weighed
from .windows import at_size

TEXT, BOTH, REFERENCES = 0.0, 0.5, 1.0
"""Weights of the references: WinCLIP's zero-shot M and s_0, the plain means that are few-shot WinCLIP, or M^W and its
maximum alone."""
CURVES = ("image_auroc", "pixel_auroc")
SETTINGS = ("scales", "shots", "set", "weight")
"""``set`` is which of the sets of references of this size, by its number."""


def few_shot_table(
    model: WinCLIP,
    dataset: AnomalyDataset,
    references: AnomalyDataset,
    *,
    shots: Sequence[int] = (0, 1, 2, 4),
    scales: Sequence[Sequence[int]] = ((2, 3),),
    weights: Sequence[float] = (BOTH, REFERENCES),
    draws: int = 4,
    seed: int = 0,
    batch_size: int = 16,
    resamples: int = 200,
) -> pd.DataFrame:
    """Image and pixel AUROC of WinCLIP for every number of shots, draw of references, and set of window sides.

    ``model`` gives the backbone and all options but ``shots``, ``scales`` and ``reference_weight``, which are given
    here; ``references`` are the normal pictures to draw from, the training split. A number of shots is drawn ``draws``
    times, no set twice, so less often where there are not so many sets; 0 shots need no draw. Each picture goes through
    the backbone once, whatever is asked.

    One row per category, scales (such as "2+3"), shots, set (of references, by its number) and weight, then rows "mean"
    over the categories. The weight is that of the references, 0 without any: 0.5 is few-shot WinCLIP, 1 its M^W alone.
    Columns are the metrics of `evaluation.evaluate`, and the standard errors of image_auroc and pixel_auroc by a
    bootstrap over pictures, ``_se``; beside them stand the ``replicates``. Raises as `references.draw_normal` for
    fewer references than shots, and ValueError for no shots, scales or draws, weights outside (0, 1], or a model that
    cuts images into tiles.
    """
    if not shots or not scales or draws < 1 or min(shots) < 0:
        raise ValueError(
            f"Expected numbers of shots, scales and at least 1 draw; got shots={shots}, scales={scales}, draws={draws}."
        )
    if not weights or not all(0 < weight <= 1 for weight in weights):
        raise ValueError(f"Expected weights of the references above 0 and up to 1, got weights={weights}.")
    if model.options["non_square"] != "squash":
        raise ValueError(f"Expected a model that squashes images, got non_square={model.options['non_square']!r}.")
    sides = sorted({side for chosen in scales for side in chosen})
    reader = WinCLIP(model.backbone, **model.options | {"shots": max(shots), "scales": sides})
    found = Measuring(*SETTINGS, resamples=resamples, seed=seed)
    for category in dataset.categories:
        part = dataset.select([category])
        drawn = _draws(reader, references, category, shots, draws, seed)
        predicted: dict[tuple, list[Prediction]] = {}
        masks: list[Tensor] = []
        for batch in part.batches(batch_size):
            masks += batch.masks
            with torch.no_grad():
                embedded = reader.embed(batch.images)
                for chosen in scales:
                    name, size = "+".join(map(str, chosen)), batch.masks.shape[-2:]
                    text = reader.by_words(embedded, category, scales=chosen)
                    if 0 in shots:
                        alone = weighed(text, None, TEXT, size, reader.backbone.covered)
                        predicted.setdefault((name, 0, 0, TEXT), []).append(alone)
                    for (count, draw), held in drawn.items():
                        known = reader.by_references(embedded, category, held, scales=chosen)
                        for weight in weights:
                            both = weighed(text, known, weight, size, reader.backbone.covered)
                            predicted.setdefault((name, count, draw, weight), []).append(both)
        for setting, predictions in predicted.items():
            maps = [map_ for prediction in predictions for map_ in prediction.anomaly_map.float().cpu()]
            scores = torch.cat([prediction.image_score.float().cpu() for prediction in predictions])
            named = {"category": row_name(category)} | dict(zip(SETTINGS, setting))
            found.add(part, maps, masks, scores, setting=named)
    return found.table()


def flat_sets(table: pd.DataFrame) -> pd.DataFrame:
    """A `few_shot_table` as a `flat` one, in which the sets of references are runs: another set is another chance."""
    whole = flat(table)
    return whole.assign(run=whole["set"]).drop(columns="set")


def chosen(whole: pd.DataFrame, metric: str, category: str = MEAN, **settings: int | float) -> Sampled:
    """A metric of one row of `flat_sets`: of a category, or their mean, and these settings. Raises as `Sampled.of`."""
    rows = whole[whole["category"] == category]
    for name, value in settings.items():
        rows = rows[rows[name] == value]
    return Sampled.of(pd.DataFrame(rows), metric)


def over_draws(table: pd.DataFrame) -> pd.DataFrame:
    """A `few_shot_table` with the draws of each category, scales, shots and weight as one row: the mean of each metric,
    ``_draws`` its standard deviation over draws (nan for one), ``_se`` the mean standard error over pictures, and
    ``draws``, their number."""
    groups = table.groupby(["category", "scales", "shots", "weight"], sort=False)
    columns = [*CURVES, *(f"{metric}{ERROR}" for metric in CURVES)]
    spread = groups[list(CURVES)].std().add_suffix("_draws")
    means = pd.DataFrame(groups[columns].mean())
    return means.join(spread).join(groups.size().to_frame("draws")).reset_index()


def maps_by_term(zero_shot: WinCLIP, model: WinCLIP, sample: Sample) -> dict[str, Float[Tensor, "height width"]]:
    """The maps that a few-shot model's map of a picture is made of, at its size and in memory: "words: M" of the
    ``zero_shot`` model, "references: Mᵂ", "both", the model's own map, and the parts of M^W, "windows of side K" and
    "patches". Raises ValueError for a model that remembers no pictures of the sample's category."""
    images = sample.image[None].to(model.backbone.device)
    with torch.no_grad():
        parts = {part: own[0] for part, own in model.association_maps(images, sample.category).items()}
        words, both = (net(images, sample.category).anomaly_map[0].float().cpu() for net in (zero_shot, model))
    association = torch.stack(list(parts.values())).mean(0)
    maps = {"words: M": words, "references: Mᵂ": at_size(association, words.shape), "both": both}
    called = {part: f"windows of side {part}" if isinstance(part, int) else part for part in parts}
    return maps | {called[part]: at_size(own, words.shape) for part, own in parts.items()}


def curve(summary: pd.DataFrame, metric: str, weights: Sequence[float], along: str = "shots") -> pd.DataFrame:
    """One metric of an `over_draws` table, or of one with a single draw, in percent: a row for each value of the column
    ``along``, in order, and a column for each category and for their mean. Of the rows with these ``weights``; `TEXT`
    is what there is without references."""
    rows = summary[summary.weight.isin(weights)].pivot(index=along, columns="category", values=metric)
    return 100 * rows.loc[:, list(dict.fromkeys(summary.category))]


def curves(
    summary: pd.DataFrame, weights: Sequence[float], along: str = "shots", column: str = ""
) -> dict[str, pd.DataFrame]:
    """The `curve` of each metric of `CURVES` by its name, or of its column with this ending, such as "_se"."""
    return {metric: curve(summary, f"{metric}{column}", weights, along) for metric in CURVES}


def weight_curves(table: pd.DataFrame, column: str = "") -> dict[str, pd.DataFrame]:
    """`curves` along the weight of the references, of a `few_shot_table` with one number of references, one draw and
    0 shots, which is the weight 0."""
    return curves(table, sorted({*table.weight}), "weight", column)


def gain_table(summary: pd.DataFrame, metric: str, shots: int) -> pd.DataFrame:
    """What ``shots`` references add to a metric, in percent and points, a row for each category of an `over_draws`.

    Columns: "0 shots", "N shots", "references alone" (the N, without words), gain of words and references, ± (one
    standard error over pictures at N shots) and "± draws", the standard deviation over draws of a single reference, nan
    where none was drawn alone.
    """
    few = (TEXT, BOTH)
    values = curve(summary, metric, few)
    drawn = curve(summary, f"{metric}_draws", few)
    columns = {
        "0 shots": values.loc[0],
        f"{shots} shots": values.loc[shots],
        "references alone": curve(summary, metric, (REFERENCES,)).loc[shots],
        "gain": values.loc[shots] - values.loc[0],
        "±": curve(summary, f"{metric}{ERROR}", few).loc[shots],
        "± draws": drawn.loc[1] if 1 in drawn.index else np.nan,
    }
    return pd.DataFrame(columns, index=values.columns)


def _draws(
    reader: WinCLIP, references: AnomalyDataset, category: str, shots: Sequence[int], draws: int, seed: int
) -> dict[tuple[int, int], References]:
    """What is remembered by number of shots and number of the draw; no set twice, each picture read once."""
    read: dict[Path, Memory] = {}
    found = {}
    for count in filter(None, shots):
        sets: dict[frozenset, AnomalyDataset] = {}
        attempt = seed
        while not sets or len(sets) < min(draws, comb(len(references.select([category], anomalous=False)), count)):
            chosen = draw_normal(references, category, count, attempt)
            sets.setdefault(frozenset(record.path for record in chosen.records), chosen)
            attempt += 1
        for draw, chosen in enumerate(sets.values()):
            for place, record in enumerate(chosen.records):
                if record.path not in read:
                    with torch.no_grad():
                        parts = reader.embed(chosen[place].image[None]).parts
                    read[record.path] = {part: rows[0] for part, rows in parts.items()}
            memories = [read[record.path] for record in chosen.records]
            found[count, draw] = References()
            memory = {part: torch.cat([own[part] for own in memories]) for part in memories[0]}
            found[count, draw].add(category, memory, chosen.digest)
    return found
