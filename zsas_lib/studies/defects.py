"""Which defects are found: groups of defects by type and by visual contrast, as in paper K's Tables 5 and 6.

Here every pair of category and defect has a type (`data.groups.type_mapping`), and contrast is measured.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from ..base.booleans import require_bool
from ..base.errors import DataError
from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..evaluation.evaluate import category_predictions, labels_of
from ..evaluation.tables import ERROR, MEAN, with_means
from ..metrics.bootstrap import bootstrap_std
from ..metrics.image import image_auroc
from ..metrics.pixel import pixel_auroc
from ..metrics.pixel_scores import numbered_regions
from ..models.prediction import AnomalyModel

LEVELS = ("low", "medium", "high")
RING = 0.04
"""Width of the ring around a region, in parts of the picture's shorter side."""
ALL = "all"
PAIRS = (("contrast", "high", "low"), ("type", "missing_material", "geometric_deformation"))
"""Groups, by grouping, of which paper K says that the first is found better."""
Summaries = Mapping[tuple[str, str], pd.DataFrame]
"""`group_summary` by model and by what it groups by, "contrast" or "type"."""


def contrast(image: Float[Tensor, "3 height width"], mask: Bool[Tensor, "height width"]) -> float:
    """The visual contrast of a picture's defect, in [0, 1].

    Per region of the mask (8-connected): the mean over the channels of |mean inside - mean of the ring around it|. The
    ring holds the pixels outside the mask that are at most `RING` of the shorter side, and at least one pixel, away;
    where there are none, all normal pixels. Regions are weighted by their area. nan without anomalous or without normal
    pixels. Raises TypeError for a mask that is not bool.
    """
    require_bool(mask)
    pixels, anomalous = image.double().numpy(force=True), mask.numpy(force=True)
    if not anomalous.any() or anomalous.all():
        return float("nan")
    reach = max(1.0, RING * min(anomalous.shape))
    regions, count = numbered_regions(anomalous)
    total = 0.0
    for region in (regions == number for number in range(1, count + 1)):
        distance = cast(np.ndarray, ndimage.distance_transform_edt(~region))  # scipy gives other things where told to
        ring = ~anomalous & (distance <= reach)
        outside = pixels[:, ring if ring.any() else ~anomalous].mean(1)
        total += region.sum() * np.abs(pixels[:, region].mean(1) - outside).mean()
    return float(total / anomalous.sum())


def defect_table(
    dataset: AnomalyDataset, mapping: pd.DataFrame, thresholds: Sequence[float] | None = None
) -> pd.DataFrame:
    """One row per damaged picture: path below the data set's root, category, defect, type, contrast, area (share of the
    picture's pixels), level of contrast.

    ``mapping`` is a `type_mapping`; a row for the category counts before one for any. Levels are "low" below the first
    of two ``thresholds``, "high" from the second; None takes the terciles of the data set's damaged pictures. Raises
    DataError for defects without a type, ValueError for other than two ascending thresholds.
    """
    if thresholds is not None and (len(thresholds) != 2 or not thresholds[0] < thresholds[1]):
        raise ValueError(f"Expected two ascending thresholds of contrast, or None for terciles; got {thresholds}.")
    types = dict(zip(zip(mapping.category, mapping.defect), mapping.type))
    rows, untyped = [], set()
    for index, record in enumerate(dataset.records):
        if not record.is_anomalous:
            continue
        kind = types.get((record.category, record.defect), types.get(("", record.defect)))
        if kind is None:
            untyped.add(f"{record.category}/{record.defect}")
            continue
        sample = dataset[index]
        rows.append(
            {
                "path": record.name(dataset.root),
                "category": row_name(record.category),
                "defect": record.defect,
                "type": kind,
                "contrast": contrast(sample.image, sample.mask),
                "area": float(sample.mask.float().mean()),
            }
        )
    if untyped:
        raise DataError(
            f"Defects of data set {dataset.name!r} without a type: {', '.join(sorted(untyped))}. Add rows for them to "
            "the mapping of types."
        )
    table = pd.DataFrame(rows)
    low, high = thresholds or table.contrast.quantile([1 / 3, 2 / 3])
    table["level"] = np.select([table.contrast < low, table.contrast < high], LEVELS[:2], LEVELS[2])
    table.loc[table.contrast.isna(), "level"] = None
    return table


def group_metrics(
    model: AnomalyModel,
    dataset: AnomalyDataset,
    groupings: Mapping[str, Mapping[str, str]],
    *,
    seed: int = 0,
    batch_size: int = 16,
    resamples: int = 200,
) -> pd.DataFrame:
    """How well the pictures of each group are told from the good pictures of their category, and their pixels found.

    ``groupings`` gives each grouping's group by picture (path below the data set's root), such as ``{"type":
    {"bottle/test/contamination/000.png": "foreign_material"}}``; pictures that it does not name are in no group. One
    more grouping, "all", has every damaged picture. Each picture goes through the model once.

    One row per category, grouping and group that has pictures there, then rows "mean" over the categories that have
    it; columns image_auroc, pixel_auroc (pooled over the group's and the good pictures) and their bootstrap standard
    errors, ``_se``. Raises as `evaluation.evaluate`.
    """
    rows = []
    for part, predictions in category_predictions(model, dataset, batch_size, "group_metrics"):
        maps, masks, scores = zip(*predictions)
        score = torch.stack(scores)
        paths = [record.name(part.root) for record in part.records]
        good = [place for place, record in enumerate(part.records) if not record.is_anomalous]
        damaged = {paths[place]: ALL for place in range(len(paths)) if place not in good}
        for grouping, named in {ALL: damaged, **groupings}.items():
            for group in sorted({named[path] for path in damaged if named.get(path)}):
                chosen = good + [
                    place for place, path in enumerate(paths) if path in damaged and named.get(path) == group
                ]
                own_maps, own_masks = [maps[place] for place in chosen], [masks[place] for place in chosen]
                labels = labels_of(part)[chosen]
                single = score[chosen][:, None, None], labels[:, None, None]
                rows.append(
                    {
                        "category": row_name(part.categories[0]),
                        "grouping": grouping,
                        "group": group,
                        "image_auroc": image_auroc(score[chosen], labels),
                        "pixel_auroc": pixel_auroc(own_maps, own_masks),
                        f"image_auroc{ERROR}": bootstrap_std(*single, resamples, seed),
                        f"pixel_auroc{ERROR}": bootstrap_std(own_maps, own_masks, resamples, seed),
                    }
                )
    return with_means(pd.DataFrame(rows), by=["grouping", "group"])


def group_summary(metrics: pd.DataFrame, defects: pd.DataFrame, grouping: str, column: str) -> pd.DataFrame:
    """A grouping of `group_metrics` as paper K prints it, over the categories that have the group, worst first.

    ``column`` names the group in ``defects``, a `defect_table`. Index group; for image_auroc and pixel_auroc the mean
    over categories, ``_std`` its standard deviation over them and ``_se`` its standard error (both nan for one),
    ``_beside`` the mean difference to the AUROC of all defects of the same category, which takes out that some
    categories are easier; then categories, defects (pairs of category and defect) and pictures.
    """
    own = metrics.loc[(metrics.grouping == grouping) & (metrics.category != "mean")]
    overall = metrics.loc[metrics.grouping == ALL].set_index("category")
    rows = {}
    for group, part in own.groupby("group"):
        pictures = defects.loc[defects[column] == group]
        row = {}
        for metric in ("image_auroc", "pixel_auroc"):
            beside = part[metric].to_numpy() - overall.loc[part.category, metric].to_numpy()
            row |= {
                metric: part[metric].mean(),
                f"{metric}_std": part[metric].std(),
                f"{metric}{ERROR}": part[metric].sem(),
                f"{metric}_beside": np.nanmean(beside),
            }
        counts = {
            "categories": len(part),
            "defects": len(pictures[["category", "defect"]].drop_duplicates()),
            "pictures": len(pictures),
        }
        rows[group] = row | counts
    return pd.DataFrame(rows).T.rename_axis("group").astype({name: int for name in counts}).sort_values("image_auroc")


def ordered_groups(summaries: Summaries, grouping: str) -> list[str]:
    """The groups that the first model has: levels of contrast from low to high, types from worst to best found."""
    found = next(own for (_, by), own in summaries.items() if by == grouping).index
    return [level for level in LEVELS if level in found] if grouping == "contrast" else list(found)


def contrast_gains(metrics: pd.DataFrame) -> pd.DataFrame:
    """What defects of high contrast gain over those of low contrast: a row for each category of `group_metrics` that
    has both (its grouping "contrast"), columns image_auroc and pixel_auroc, differences of fractions."""
    own = metrics[(metrics.grouping == "contrast") & (metrics.category != MEAN)]
    gains = {}
    for metric in ("image_auroc", "pixel_auroc"):
        wide = own.pivot(index="category", columns="group", values=metric).reindex(columns=list(LEVELS))
        gains[metric] = wide["high"] - wide["low"]
    return pd.DataFrame(gains).dropna()


def group_gaps(metrics: pd.DataFrame, pairs: Sequence[tuple[str, str, str]]) -> pd.DataFrame:
    """What one group has above another in each category of `group_metrics` that has both: columns category, pair ("high
    - low"), image_auroc and pixel_auroc, differences of fractions. ``pairs`` are groupings with two groups each; a pair
    that no category has is left out, and without any the table is empty."""
    parts = []
    for grouping, one, other in pairs:
        own, gaps = metrics[(metrics.grouping == grouping) & (metrics.category != MEAN)], {}
        for metric in ("image_auroc", "pixel_auroc"):
            wide = own.pivot(index="category", columns="group", values=metric).reindex(columns=[one, other])
            gaps[metric] = wide[one] - wide[other]
        found = pd.DataFrame(gaps).dropna().rename_axis("category").reset_index()
        found.insert(1, "pair", f"{one} - {other}")
        parts += [found] if len(found) else []
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def found_alone(per_image: pd.DataFrame, defects: pd.DataFrame) -> pd.DataFrame:
    """How well each damaged picture of a `defect_table` is found alone, beside its contrast, area, type and level.

    ``exceeds`` is the share of the good pictures of its category whose image score its own exceeds, equal ones counting
    half. ``per_image`` is that of `evaluation.evaluate`.
    """
    good = {
        category: part.image_score.to_numpy()
        for category, part in per_image.loc[~per_image.is_anomalous].groupby("category")
    }
    rows = per_image.loc[per_image.is_anomalous].merge(
        defects[["path", "contrast", "area", "type", "level"]], on="path"
    )
    rows["exceeds"] = [
        np.mean((score > good[category]) + 0.5 * (score == good[category]))
        for score, category in zip(rows.image_score, rows.category)
    ]
    return rows


def beside_drawn(defects: pd.DataFrame, drawn: pd.DataFrame) -> pd.DataFrame:
    """A `defect_table` beside how the defects were drawn, which `data.embedded.catalogue.drawn_defects` says:
    contrast_level, as asked for, and contrast_drawn, the mean difference to the same picture without the defect, among
    the columns."""
    return drawn.merge(defects, left_on="image", right_on="path", suffixes=("_drawn", ""))
