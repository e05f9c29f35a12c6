"""Which defects are found: groups of defects by type and by visual contrast, as in paper K's Tables 5 and 6.

Here every pair of category and defect has a type (`data.groups.type_mapping`), and contrast is measured.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from scipy import ndimage, stats
from torch import Tensor

from ..base.booleans import require_bool
from ..base.errors import DataError
from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..evaluation.evaluate import category_predictions, labels_of
from ..evaluation.paired import flat_gaps
from ..evaluation.replicates import drawn_pictures, facts_of
from ..evaluation.sampled import Difference, Sampled, of_resamples
from ..evaluation.tables import ERROR, MEAN, with_means
from ..metrics.bootstrap import counted, deviation, image_pairs, pairs_of
from ..metrics.image import image_auroc
from ..metrics.pixel import pixel_auroc
from ..metrics.pixel_scores import numbered_regions
from ..metrics.ranking import gathered
from ..models.prediction import AnomalyModel

LEVELS = ("low", "medium", "high")
RING = 0.04
"""Width of the ring around a region, in parts of the picture's shorter side."""
ALL = "all"
METRICS = ("image_auroc", "pixel_auroc")
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
    errors, ``_se``. Beside them stand ``replicates``: in each all groups, and all models, have the same resample of the
    category's pictures, of which a group takes its own, so that two groups can be compared as two models can. Raises
    as `evaluation.evaluate`.
    """
    rows, replicates, keys = [], [], ["grouping", "group"]
    for part, predictions in category_predictions(model, dataset, batch_size, "group_metrics"):
        maps, masks, scores = zip(*predictions)
        score, labels, category = torch.stack(scores), labels_of(part), row_name(part.categories[0])
        pairs = {"image_auroc": image_pairs(score, labels), "pixel_auroc": pairs_of(counted(gathered(maps, masks)))}
        drawn = drawn_pictures(category, len(part), resamples, seed)
        damaged = [record.name(part.root) if record.is_anomalous else None for record in part.records]
        for grouping, named in {ALL: {path: ALL for path in damaged if path}, **groupings}.items():
            of_pictures = [named.get(path) if path else None for path in damaged]
            for group in sorted({own for own in of_pictures if own}):
                chosen = np.array([own == group or path is None for own, path in zip(of_pictures, damaged)])
                places = np.flatnonzero(chosen)
                numbers = {
                    "image_auroc": image_auroc(score[places], labels[places]),
                    "pixel_auroc": pixel_auroc([maps[place] for place in places], [masks[place] for place in places]),
                }
                counts = np.vstack([chosen, chosen * drawn])
                found = pd.DataFrame({name: own.aurocs(counts) for name, own in pairs.items()})
                found = (found + (pd.Series(numbers) - found.iloc[0])).iloc[1:].reset_index(drop=True)
                errors = {f"{name}{ERROR}": deviation(found[name].to_numpy()) for name in numbers}
                rows.append({"category": category, "grouping": grouping, "group": group} | numbers | errors)
                facts = facts_of(rows[-1], keys, part, labels.numpy()[chosen], drawn)
                replicates.append(pd.concat([facts, found], axis=1))
    return with_means(pd.DataFrame(rows), replicates, by=keys)


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
        for metric in METRICS:
            beside = part[metric].to_numpy() - overall.loc[part.category, metric].to_numpy()
            row |= {
                metric: part[metric].mean(),
                f"{metric}_std": part[metric].std(),
                f"{metric}{ERROR}": part[metric].sem(),
                f"{metric}_beside": np.nanmean(beside) if np.isfinite(beside).any() else np.nan,
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
    for metric in METRICS:
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
        for metric in METRICS:
            wide = own.pivot(index="category", columns="group", values=metric).reindex(columns=[one, other])
            gaps[metric] = wide[one] - wide[other]
        found = pd.DataFrame(gaps).dropna().rename_axis("category").reset_index()
        found.insert(1, "pair", f"{one} - {other}")
        parts += [found] if len(found) else []
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def mean_groups(runs: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The mean over runs of one model, such as trainings, of its `group_metrics`."""
    mean = pd.concat(list(runs)).groupby(["category", "grouping", "group"], sort=False).mean()
    return pd.DataFrame(mean).reset_index()


def flat_group_gaps(runs: Mapping[str, Sequence[pd.DataFrame]], pairs: Sequence[tuple[str, str, str]]) -> pd.DataFrame:
    """`group_gaps` in the mean over the categories that have both groups, for the `group_metrics` of several models, by
    name, and each of their runs: a `flat` table by model and pair, empty where no category has both."""
    parts = []
    for name, own in runs.items():
        for run, metrics in enumerate(own):
            gaps = group_gaps(metrics, pairs)
            if len(gaps):
                parts.append(flat_gaps(gaps.assign(model=name), ["model", "pair"]).assign(run=run))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def methods_apart(whole: pd.DataFrame, over: Mapping[str, str]) -> pd.DataFrame:
    """What each model has above another one, ``over`` by name, in every group, in the mean over its categories and pair
    by pair: columns grouping, group, model, over, metric and those of `Difference`, fractions; without an interval
    where a single category has the group. ``whole`` is the `flat_models` of `group_metrics`."""
    means, rows = pd.DataFrame(whole[whole["category"] == MEAN]), []
    for place, own in means.groupby(["grouping", "group"], sort=False):
        grouping, group = cast(tuple[str, str], place)
        of = {str(name): pd.DataFrame(part) for name, part in own.groupby("model", sort=False)}
        for name, other in over.items():
            for metric in METRICS:
                gap = Sampled.of(of[name], metric) - Sampled.of(of[other], metric)
                named = {"grouping": grouping, "group": group, "model": name, "over": other, "metric": metric}
                rows.append(named | vars(gap.difference_or_nan()))
    return pd.DataFrame(rows)


def stronger_reason(found: pd.DataFrame, resamples: int = 200) -> Difference:
    """By how much more the rank of being found goes along with contrast than with area, in size of Spearman's
    correlation, over resampled pictures of `found_alone`, the same for both."""

    known = found[["contrast", "area", "exceeds"]].dropna().to_numpy(dtype=float)

    def apart(rows: Float[np.ndarray, "picture 3"]) -> float:
        with np.errstate(invalid="ignore", divide="ignore"):  # of equal numbers: nan
            sizes = np.abs(np.corrcoef(stats.rankdata(rows, axis=0), rowvar=False)[2])
        return float(sizes[0] - sizes[1])

    rng, count = np.random.default_rng(0), len(known)
    drawn = [apart(known[rng.integers(count, size=count)]) for _ in range(resamples)] if count > 2 else []
    return of_resamples(np.array([apart(known) if count > 2 else float("nan"), *drawn]), count, by_sign=True)


def found_alone(per_image: pd.DataFrame, defects: pd.DataFrame) -> pd.DataFrame:
    """How well each damaged picture of a `defect_table` is found alone, beside its contrast, area, type and level.

    ``exceeds`` is the share of the good pictures of its category whose image score its own exceeds, equal ones counting
    half; nan where its category has no good picture. ``per_image`` is that of `evaluation.evaluate`.
    """
    good = {
        category: part.image_score.to_numpy()
        for category, part in per_image.loc[~per_image.is_anomalous].groupby("category")
    }
    rows = per_image.loc[per_image.is_anomalous].merge(
        defects[["path", "contrast", "area", "type", "level"]], on="path"
    )
    rows["exceeds"] = [
        np.mean((score > good[category]) + 0.5 * (score == good[category])) if category in good else np.nan
        for score, category in zip(rows.image_score, rows.category)
    ]
    return rows


def beside_drawn(defects: pd.DataFrame, drawn: pd.DataFrame) -> pd.DataFrame:
    """A `defect_table` beside how the defects were drawn, which `data.embedded.catalogue.drawn_defects` says:
    contrast_level, as asked for, and contrast_drawn, the mean difference to the same picture without the defect, among
    the columns."""
    return drawn.merge(defects, left_on="image", right_on="path", suffixes=("_drawn", ""))
