"""What corruptions take from a method: what is left of its metrics, and what its clean threshold then cries over.

Metrics that rank pixels or pictures of one severity among each other hide what breaks a detector in use: a corruption
that raises all scores alike leaves AUROC as it is, while every sound picture is now above the threshold that was set on
clean ones. So each severity is also read at that threshold.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm import tqdm

from ..base.devices import to_device
from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..evaluation.evaluate import Measuring, labels_of, predict
from ..evaluation.replicates import REPLICATE, drawn_pictures, flat
from ..evaluation.tables import Replicated
from ..models.prediction import AnomalyModel
from ..perturbations.corruptions import DEPTH_FREE, Corruption, corruption_named
from ..perturbations.severity import SEVERITIES
from .noise_seeds import noise_seeds

CLEAN = "none"
"""What the column corruption says of pictures as they are; their severity is 0."""
SETTING = ["corruption", "severity"]
RATES = ["tpr", "tnr"]


def corruption_sweep(
    model: AnomalyModel,
    dataset: AnomalyDataset,
    corruptions: Sequence[str] = DEPTH_FREE,
    severities: Sequence[int] = SEVERITIES,
    *,
    seed: int = 0,
    batch_size: int = 16,
    resamples: int = 200,
) -> Replicated:
    """Metrics of a model on clean pictures and under corruptions, at each of some severities.

    ``corruptions`` are names of `perturbations.corruptions.CORRUPTIONS` that take no depth. They meet the pictures at
    the size in which the data set gives them, before the model resizes anything; noise has a seed of its own for each
    picture, made of its path and ``seed``, so that it is the same in every batch and for every model.

    Returns one row per category, corruption and severity, then rows "mean" over the categories; the clean pictures are
    of corruption `CLEAN` and severity 0. Columns: those three, the metrics as in `evaluate`, pixel_auroc_se and
    image_auroc_se, and tpr and tnr at the category's **clean** threshold, that of F1-max on its clean pictures: the
    share of damaged pictures that are still called so, and of sound ones that are; 1 - tnr are false alarms. In
    replicates, where the same pictures are drawn for all rows, the threshold stays. nan where a category has one class.

    Raises UnknownNameError for an unknown corruption, and ValueError for one that takes depth, which files of pictures
    do not have, for a severity that is not 1 to 5, for none of either, or one named twice.
    """
    records = _checked(corruptions, severities)
    found = Measuring(*SETTING, resamples=resamples, seed=seed)
    rates: list[pd.DataFrame] = []
    settings = [(None, 0), *((record, severity) for record in records for severity in severities)]
    total = len(dataset.categories) * len(settings)
    with tqdm(total=total, desc="corruptions", unit=" settings", disable=None, leave=False) as progress:
        for category in dataset.categories:
            part = dataset.select([category])
            batches = list(part.batches(batch_size, needs_masks=False))
            labels, threshold = labels_of(part), float("nan")
            drawn = drawn_pictures(row_name(category), len(part), resamples, seed)
            for record, severity in settings:
                maps, masks, parts = [], [], []
                for batch in batches:
                    images = to_device(batch.images, model.device)
                    if record is not None:
                        images = record.apply(images, severity, seed=noise_seeds(batch.paths, part, seed))
                    prediction = predict(model, images, batch.categories, batch.paths)
                    maps += prediction.anomaly_map
                    masks += batch.masks
                    parts.append(prediction.image_score)
                scores = torch.cat(parts)
                threshold = threshold if record else clean_threshold(scores, labels)
                called = (scores >= threshold).numpy() if np.isfinite(threshold) else np.full(len(scores), np.nan)
                whole, resampled = _rates(called, labels.numpy(), np.vstack([np.ones(len(part), dtype=int), drawn]))
                setting = dict(zip(SETTING, (record.name if record else CLEAN, severity)))
                found.add(part, maps, masks, scores, setting={"category": row_name(category)} | setting, also=whole)
                rates.append(resampled)
                progress.update()
    table = cast(Replicated, found.table())
    table.replicates = pd.concat([table.replicates, pd.concat(rates, ignore_index=True)], axis=1)
    return table


def clean_threshold(scores: Float[Tensor, " image"], labels: Bool[Tensor, " image"]) -> float:
    """The score from which on a picture is called damaged: where F1 is highest on these pictures, of several such
    scores the highest, as for `metrics.image_metrics`'s tpr and tnr; nan with one class only."""
    if labels.all() or not labels.any():
        return float("nan")
    candidates = scores.unique().flip(0)
    called = scores >= candidates[:, None]
    f1 = 2 * (called & labels).sum(1) / (called.sum(1) + labels.sum())
    return float(candidates[f1.argmax()])


def _rates(
    called: np.ndarray, labels: np.ndarray, drawn: Int[np.ndarray, "resample image"]
) -> tuple[dict[str, float], pd.DataFrame]:
    """tpr and tnr of all pictures, and of each resample, whose counts follow in ``drawn``."""
    with np.errstate(invalid="ignore"):
        damaged = drawn @ (called * labels) / (drawn @ labels)
        sound = drawn @ ((1 - called) * ~labels) / (drawn @ ~labels)
    table = pd.DataFrame({"tpr": damaged, "tnr": sound})
    return table.iloc[0].to_dict(), table.iloc[1:].reset_index(drop=True)


def _checked(corruptions: Sequence[str], severities: Sequence[int]) -> list[Corruption]:
    records = [corruption_named(name) for name in corruptions]
    for record in records:
        if record.takes_depth:
            raise ValueError(
                f"Expected corruptions without depth, which files of pictures do not have, got {record.name!r}; take "
                f"{record.twin!r}."
            )
    for what, given in (("corruption", list(corruptions)), ("severity", list(severities))):
        if not given or len({*given}) < len(given):
            raise ValueError(f"Expected each {what} once, and at least one, got {given}.")
    if outside := [severity for severity in severities if severity not in SEVERITIES]:
        raise ValueError(f"Expected severities of 1 to 5, got {', '.join(map(str, outside))}; leave them out.")
    return records


def effects(sweep: pd.DataFrame, metric: str) -> pd.DataFrame:
    """What each corruption does, as a `flat` table of categories and their mean, pair by pair with the clean pictures.

    Columns: category, corruption, those of `REPLICATE`, and, each in the mean over the severities, as fractions:
    retained, the metric divided by its clean value (of a mean: mean by mean; nan of 0, of which nothing can be left);
    alarms, by how much the share of sound pictures above the clean threshold has grown; missed, that of damaged
    pictures below it. Raises as `flat`.
    """
    whole, parts = flat(sweep), []
    for category, rows in whole.groupby("category", sort=False):
        clean = pd.DataFrame(rows[rows["corruption"] == CLEAN]).set_index("replicate")
        corrupted = pd.DataFrame(rows[rows["corruption"] != CLEAN])
        for corruption, own in corrupted.groupby("corruption", sort=False):
            mean = pd.DataFrame(own.groupby("replicate")[[metric, *RATES]].mean())
            kept = pd.DataFrame(clean[REPLICATE[2:]]).assign(
                retained=mean[metric] / clean[metric].where(clean[metric] > 0),
                alarms=clean["tnr"] - mean["tnr"],
                missed=clean["tpr"] - mean["tpr"],
            )
            parts.append(kept.reset_index().assign(category=category, corruption=corruption))
    columns = ["category", "corruption", *REPLICATE[1:], "retained", "alarms", "missed"]
    return pd.concat(parts, ignore_index=True).reindex(columns=columns)
