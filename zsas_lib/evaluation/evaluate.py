"""A model over a data set: metrics per category and their mean, per-image rows, and how far chance moves them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import tqdm

from ..base.devices import to_device
from ..base.unit_range import asked_later, refuse_outside
from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..metrics import further
from ..metrics.bootstrap import counted, deviation, require_resamples
from ..metrics.image import IMAGE_METRICS, image_metrics
from ..metrics.pixel import PIXEL_METRICS, gathered_metrics
from ..metrics.pixel_scores import PixelScores
from ..metrics.ranking import Maps, Masks, Scores, auroc_of, gathered, rank
from ..models.kinds import require_kinds
from ..models.learned import HIGHEST, highest_share
from ..models.prediction import AnomalyModel, Prediction
from .replicates import category_replicates
from .tables import ERROR, ResultTable, picture_rows, result_table, with_means

WITH_ERRORS = ("pixel_auroc", "image_auroc")
"""The metrics that rows have standard errors of."""


def evaluate(
    model: AnomalyModel, dataset: AnomalyDataset, *, seed: int = 0, batch_size: int = 16, resamples: int = 200
) -> ResultTable:
    """All metrics of a model on a data set, at the size in which the data set gives its pictures.

    Returns one row per category, named in the index, then the row "mean", their unweighted mean. The columns are
    those of `metrics.pixel_metrics` and `metrics.image_metrics`: fractions in [0, 1], nan where a category has one
    class only, and then without weight in the mean; and every further metric that is registered (`metrics.METRICS`).
    Of a data set without masks (`AnomalyDataset.has_masks`) those of pixels are nan. Beside it stand

    * ``.per_image``: path below the data set's root, category, defect, is_anomalous, anomalous_fraction (of its pixels;
      nan without masks), image_score, map_max, map_top (the mean of its highest pixels, `learned.highest_mean` of
      2000), and the picture's own pixel_auroc (nan where it has one class only);
    * ``.spread``: standard errors of pixel_auroc and image_auroc by a bootstrap over each category's images
      (``resamples`` samples drawn from ``seed``), and of their means;
    * ``.replicates``: the metrics of each of these samples (`replicates.category_replicates`). On the same pictures all
      models have the same samples, so that differences can be taken (`paired.paired`).

    Of one category at a time the scores of all pixels are held in memory, once; its maps and masks only where a further
    metric of pixels is registered. Raises ValueError, naming the picture, for a map or score that is not finite, and
    for fewer than 2 resamples, a seed below 0 or a batch size below 1; TypeError for what is no model or no data set.

    >>> model = zsas.load_model("winclip", zsas.load_backbone("embedded"))
    >>> dataset = zsas.load_dataset("embedded-b", categories="ceramic_ring")
    >>> dataset = dataset.select(per_category=2)
    >>> table = zsas.evaluate(model, dataset)
    >>> list(table.index), len(table.per_image)
    (['ceramic_ring', 'mean'], 2)
    >>> bool(table.loc["mean", "pixel_auroc"] > 0.8)
    True
    """
    require_resamples(resamples, seed)
    rows, pictures, replicates = [], [], []
    more = bool(further("pixel", PIXEL_METRICS))
    for part, predictions in category_predictions(model, dataset, batch_size, "evaluate"):
        pixels, own, scores, maps, masks = _taken_in(predictions, part.has_masks, keep=more)
        category = {"category": row_name(part.categories[0])}
        row, own_replicates = _measured(category, (), part, pixels, maps, masks, scores, resamples, seed)
        rows.append(row)
        pictures.append(picture_rows(part, scores, own))
        replicates.append(own_replicates)
    rows = with_means(pd.DataFrame(rows))
    return result_table(rows, *(pd.concat(parts, ignore_index=True) for parts in (pictures, replicates)))


def _taken_in(
    predictions: Iterable[tuple[Tensor, Tensor, Tensor]], has_masks: bool, keep: bool
) -> tuple[PixelScores, list[dict[str, float]], Tensor, list[Tensor], list[Tensor]]:
    """The pixels of a category, what is known of each picture and their image scores; maps and masks to ``keep``."""
    pixels, own, scores, kept = PixelScores(), [], [], []
    for map_, mask, score in predictions:
        own.append(_of_picture(*pixels.add(map_, mask), has_masks))
        scores.append(score)
        kept += [(map_, mask)] if keep else []
    pixels.tidy()
    maps, masks = zip(*kept) if kept else ((), ())
    return pixels, own, torch.stack(scores), list(maps), list(masks)


def category_predictions(
    model: AnomalyModel, dataset: AnomalyDataset, batch_size: int, what: str
) -> Iterator[tuple[AnomalyDataset, Iterator[tuple[Tensor, Tensor, Tensor]]]]:
    """What a model says of each category's pictures: that part of the data set, and map, mask and image score of one
    picture after the other, in its order, which are predicted as they are asked for.

    ``what`` names the progress bar. Raises as `predict`, and TypeError for what is no model or no data set.
    """
    require_kinds((model, AnomalyModel), (dataset, AnomalyDataset))
    with tqdm(total=len(dataset), desc=what, unit=" pictures", disable=None, leave=False) as progress:
        for category in dataset.categories:
            model.begin_anew()
            part = dataset.select([category])
            yield part, _predictions(model, part, batch_size, progress)


def _predictions(
    model: AnomalyModel, part: AnomalyDataset, batch_size: int, progress: tqdm
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    for batch in part.batches(batch_size, needs_masks=False):
        prediction = predict(model, batch.images, batch.categories, batch.paths)
        progress.update(len(batch.paths))
        yield from zip(prediction.anomaly_map, batch.masks, prediction.image_score)
        del batch, prediction  # before the next are made


class Measuring:
    """Rows of a table that a function measures, one category and setting after the other, and their replicates."""

    def __init__(self, *settings: str, resamples: int, seed: int):
        require_resamples(resamples, seed)
        self._settings, self._resamples, self._seed = list(settings), resamples, seed
        self._rows: list[dict] = []
        self._replicates: list[pd.DataFrame] = []

    def add(
        self,
        part: AnomalyDataset,
        maps: Maps,
        masks: Masks,
        scores: Scores,
        *,
        setting: Mapping[str, object],
        also: Mapping[str, float] | None = None,
        pictures: Sequence[int] | None = None,
    ) -> None:
        """Take in what a model says of one category's pictures: all metrics, the standard errors ``pixel_auroc_se`` and
        ``image_auroc_se``, and what else is measured (``also``).

        ``setting`` has the category and the settings. ``pictures`` has the number of each map's picture where pictures
        were cut, so that each region is whole.
        """
        found = gathered(maps, masks), maps, masks, scores, self._resamples, self._seed, pictures
        row, replicates = _measured(setting, self._settings, part, *found)
        self._rows.append(row | dict(also or {}))
        self._replicates.append(replicates)

    def rows(self) -> pd.DataFrame:
        """All that was taken in, in its order."""
        return pd.DataFrame(self._rows)

    def table(self) -> pd.DataFrame:
        """The same as a `Replicated` table, followed by mean rows for each setting."""
        return with_means(self.rows(), self._replicates, by=self._settings)


def _measured(
    setting: Mapping[str, object],
    settings: Sequence[str],
    part: AnomalyDataset,
    pixels: PixelScores,
    maps: Maps,
    masks: Masks,
    scores: Scores,
    resamples: int,
    seed: int,
    pictures: Sequence[int] | None = None,
) -> tuple[dict[str, object], pd.DataFrame]:
    """The row of a category and setting, with all metrics and both standard errors; and its replicates, whose
    deviations these are. Maps and masks are asked for further metrics of pixels alone."""
    labels, counts = labels_of(part), counted(pixels, pictures=pictures)
    row: dict[str, object] = {**setting, **gathered_metrics(pixels)}
    row |= {name: function(maps, masks) for name, function in further("pixel", PIXEL_METRICS).items()}
    row |= image_metrics(scores, labels)
    row |= {name: function(scores, labels) for name, function in further("image", IMAGE_METRICS).items()}
    replicates = category_replicates(row, settings, part, counts, scores, resamples, seed)
    return row | {f"{name}{ERROR}": deviation(replicates[name].to_numpy()) for name in WITH_ERRORS}, replicates


@torch.no_grad()
def predict(
    model: AnomalyModel, images: Float[Tensor, "batch 3 height width"], categories: Sequence[str], paths: Sequence[Path]
) -> Prediction:
    """What a model says of images, on the CPU in float32. Raises ValueError, naming the picture, where not finite."""
    with asked_later() as extents:
        prediction = model(to_device(images, model.device), categories)
    maps = prediction.anomaly_map.float().cpu()
    numbers = torch.cat([prediction.image_score.float(), *extents]).cpu()
    scores = numbers[: len(images)]
    refuse_outside(numbers[len(images) :])
    for path, map_, score in zip(paths, maps.numpy(), scores.numpy()):
        if not np.isfinite([map_.min(), map_.max(), score]).all():
            raise ValueError(
                f"Expected finite anomaly maps and scores, but {model.name} returned NaN or infinity for {path}; "
                "check that picture, the weights and the precision."
            )
    return Prediction(maps, scores)


def labels_of(dataset: AnomalyDataset) -> Bool[Tensor, " image"]:
    """Which pictures of a data set are anomalous."""
    return torch.tensor([record.is_anomalous for record in dataset.records])


def _of_picture(normal: np.ndarray, anomalous: np.ndarray, known: bool) -> dict[str, float]:
    """Of the normal and the anomalous scores of a picture, ascending."""
    return {
        "anomalous_fraction": len(anomalous) / (len(normal) + len(anomalous)) if known else float("nan"),
        "map_max": float(max(scores[-1] for scores in (normal, anomalous) if len(scores))),
        "map_top": _mean_of_highest(normal, anomalous),
        "pixel_auroc": auroc_of(rank(normal, anomalous)) if len(normal) and len(anomalous) else float("nan"),
    }


def _mean_of_highest(normal: np.ndarray, anomalous: np.ndarray) -> float:
    """`models.learned.highest_mean` of `HIGHEST` pixels, from the scores sorted."""
    kept = highest_share(HIGHEST, len(normal) + len(anomalous))
    highest = np.concatenate([normal[-kept:], anomalous[-kept:]])
    return float(np.partition(highest, -kept)[-kept:].mean(dtype=np.float64))
