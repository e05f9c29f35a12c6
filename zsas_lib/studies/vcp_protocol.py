"""Paper V's protocol: one pass of a model over a data set, and all that V's Tables 1 and 3 to 11 print of it.

V compares methods under one image score, the mean of the highest pixels of the map (Tables 6 and 7), beside which each
method has its own; and it prints a legacy AUPRO whose thresholds may end far below the limit.
"""

import pandas as pd
import torch

from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..evaluation.evaluate import labels_of, predict
from ..evaluation.replicates import category_replicates
from ..evaluation.tables import with_means
from ..metrics.aupro import legacy_reach
from ..metrics.bootstrap import counted
from ..metrics.image import image_metrics, image_rates
from ..metrics.pixel import gathered_metrics
from ..metrics.ranking import gathered
from ..models.learned import highest_mean
from ..models.prediction import AnomalyModel

OWN = "own"
HIGHEST = {"top 2000": 2000, "top 1": 1}
"""V's image scores: means of this many of the highest pixels of a 518 x 518 map (`highest_mean`)."""
SCORES = (OWN, *HIGHEST)


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
        of_pixels = gathered_metrics(pixels) | {"legacy_reach": legacy_reach(maps, masks)}
        for name, values in scores.items():
            of_images = image_metrics(values, labels) | image_rates(values, labels)
            rows.append({"category": row_name(category), "score": name, **of_pixels, **of_images})
            replicates.append(category_replicates(rows[-1], ["score"], part, counts, values, resamples, seed=0))
    return with_means(pd.DataFrame(rows), replicates, by=["score"])
