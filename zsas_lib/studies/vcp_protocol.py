"""Paper V's protocol: one pass of a model over a data set, and all that V's Tables 1 and 3 to 11 print of it.

V compares methods under one image score, the mean of the highest pixels of the map (Tables 6 and 7), beside which each
method has its own; and it prints a legacy AUPRO whose thresholds may end far below the limit.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..evaluation.evaluate import labels_of, predict
from ..evaluation.replicates import category_replicates, checksums, drawn_pictures
from ..evaluation.tables import ResultTable, with_means
from ..metrics.aupro import legacy_pooled, legacy_reach_of
from ..metrics.bootstrap import counted
from ..metrics.image import image_metrics, image_rates
from ..metrics.pixel import PIXEL_METRICS, ranked_metrics
from ..metrics.ranking import gathered
from ..metrics.replicates import image_replicates
from ..models.learned import HIGHEST as OF_V
from ..models.learned import highest_mean
from ..models.prediction import AnomalyModel

OWN = "own"
HIGHEST = {"top 2000": OF_V, "top 1": 1}
"""V's image scores: means of this many of the highest pixels of a 518 x 518 map (`highest_mean`)."""
SCORES = (OWN, *HIGHEST)
OF_PICTURES = {OWN: "image_score", "top 2000": "map_top", "top 1": "map_max"}
"""The scores' columns of a table of pictures, `evaluate`'s ``per_image``."""


def protocol_table(
    model: AnomalyModel, dataset: AnomalyDataset, *, batch_size: int = 16, resamples: int = 200
) -> pd.DataFrame:
    """V's pixel and image metrics for every image score, the largest FPR of the legacy AUPRO, and the rates of Table 8.

    One row per category and score ("own" is the model's, "top 2000" and "top 1" are read off its map, smoothed as the
    model smooths it), then rows "mean" over the categories. Columns: those of `metrics.pixel_metrics` and
    `metrics.image_metrics`, legacy_reach, and tpr and tnr at the category's threshold of image_f1_max. Beside it stand
    the ``replicates`` of a bootstrap over pictures, as in `evaluation.evaluate` with seed 0.
    """
    rows, replicates = [], []
    for category in dataset.categories:
        part = dataset.select([category])
        predicted, masks = [], []
        for batch in part.batches(batch_size):
            predicted.append(predict(model, batch.images, batch.categories, batch.paths))
            masks += batch.masks
        maps = [map_ for prediction in predicted for map_ in prediction.anomaly_map]
        scores = {OWN: torch.cat([prediction.image_score for prediction in predicted])}
        for name, count in HIGHEST.items():
            scores[name] = torch.stack([highest_mean(map_[None], count)[0] for map_ in maps])
        pixels, labels = gathered(maps, masks), labels_of(part)
        counts = counted(pixels)
        ranked = legacy_pooled(pixels)
        of_pixels = ranked_metrics(ranked) | {"legacy_reach": legacy_reach_of(ranked)}
        row = {"category": row_name(category), "score": OWN, **of_pixels, **_of_images(scores[OWN], labels)}
        own = category_replicates(row, ["score"], part, counts, scores[OWN], resamples, seed=0)
        for of_score, found in _of_scores(row, own, scores, labels, seed=0):
            rows.append(of_score)
            replicates.append(found)
    return with_means(pd.DataFrame(rows), replicates, by=["score"])


def protocol_of(table: ResultTable, *, seed: int = 0) -> pd.DataFrame:
    """`protocol_table` from what `evaluate` said of a model with that ``seed``, so that both need one pass: the same
    rows, columns and replicates but for legacy_reach, which needs the maps. Raises ValueError for replicates of another
    seed."""
    rows, replicates = [], []
    for category, pictures in table.per_image.groupby("category", sort=False):
        labels = torch.tensor(pictures["is_anomalous"].to_numpy())
        pixels = {name: float(table.loc[category, name]) for name in PIXEL_METRICS}
        own = pd.DataFrame(table.replicates[table.replicates["category"] == category]).reset_index(drop=True)
        scores = {name: torch.tensor(pictures[column].to_numpy()) for name, column in OF_PICTURES.items()}
        for of_score, found in _of_scores({"category": category, "score": OWN, **pixels}, own, scores, labels, seed):
            rows.append(of_score)
            replicates.append(found)
    return with_means(pd.DataFrame(rows), replicates, by=["score"])


def _of_scores(
    row: Mapping[str, Any],
    own: pd.DataFrame,
    scores: Mapping[str, torch.Tensor],
    labels: torch.Tensor,
    seed: int,
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """A category's row and its replicates under each image score, from those under the model's own."""
    for name, values in scores.items():
        of_score = {**row, "score": name, **_of_images(values, labels)}
        found = own if name == OWN else own.assign(**_redrawn(own, values, labels, of_score, seed))
        yield of_score, found.assign(score=name)


def _of_images(scores: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    return image_metrics(scores, labels) | image_rates(scores, labels)


def _redrawn(
    own: pd.DataFrame,
    scores: torch.Tensor,
    labels: torch.Tensor,
    row: Mapping[str, Any],
    seed: int,
) -> dict[str, Float[np.ndarray, " resample"]]:
    """The image metrics of other scores, those of ``row``, in the resamples of its category's replicates."""
    category = str(row["category"])
    drawn = drawn_pictures(category, len(scores), len(own), seed)
    if checksums(drawn) != own["draw"].tolist():
        raise ValueError(f"Expected the replicates of {category} to be drawn from seed {seed}, got others.")
    found = image_replicates(scores, labels, np.vstack([np.ones_like(drawn[:1]), drawn]))
    return {name: (own_values + (row[name] - own_values[0]))[1:] for name, own_values in found.items()}
