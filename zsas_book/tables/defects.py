"""Groups of defects: tables and sentences of `studies.defects`, and paper K's numbers beside them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.data.embedded.catalogue import drawn_defects
from zsas_lib.data.registry import DATASETS
from zsas_lib.papers.kakda import GROUPED, printed_groups
from zsas_lib.studies.defects import (
    LEVELS,
    METRICS,
    Summaries,
    beside_drawn,
    contrast_gains,
    ordered_groups,
    stronger_reason,
)

from ..labels import label
from ..words import beyond, beyond_chance, listed, paired, points
from .beside import beside_reported
from .shown import shown


def shown_apart(apart: pd.DataFrame, summaries: Summaries) -> Styler:
    """`studies.defects.methods_apart` in points, a row for each group, in the order of `ordered_groups`, and pair of
    models: the difference and its 95 % interval for both metrics."""
    rows = {}
    for row in _in_order(apart, summaries).itertuples():
        place = (row.grouping, row.group, f"{label(row.model)} less {label(row.over)}")
        numbers = {(row.metric, part): 100 * getattr(row, part) for part in ("gap", "low", "high")}
        rows[place] = rows.get(place, {}) | numbers
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.columns = pd.MultiIndex.from_tuples(table.columns)
    table.index = pd.MultiIndex.from_tuples(table.index, names=["by", "group", "models"])
    return shown(table, formats={column: "{:+z.1f}" for column in table})


def _in_order(apart: pd.DataFrame, summaries: Summaries) -> pd.DataFrame:
    """The rows by grouping and by group as `ordered_groups` has it; what that lacks comes last."""
    groupings = list(dict.fromkeys(apart["grouping"]))
    known = {by: ordered_groups(summaries, by) for by in {by for _, by in summaries}}
    order = {by: [*known.get(by, []), *apart.loc[apart["grouping"] == by, "group"]] for by in groupings}
    places = [(groupings.index(by), order[by].index(own)) for by, own in zip(apart["grouping"], apart["group"])]
    return apart.iloc[sorted(range(len(apart)), key=places.__getitem__)]


def apart_in_words(apart: pd.DataFrame) -> list[str]:
    """In which groups one model is ahead of another beyond chance, a sentence for each pair and metric."""
    sentences = []
    for (name, other, metric), own in apart.groupby(["model", "over", "metric"], sort=False):
        in_points = own.set_index("group")[["gap", "low", "high"]] * 100
        sentences.append(
            f"{label(str(name))} less {label(str(other))} in {label(str(metric))}, group by group, beyond chance: "
            f"{beyond_chance(in_points)}."
        )
    return sentences


def shown_groups(summaries: Summaries, grouping: str) -> Styler:
    """A row for each group and model: the means over categories in percent, with their standard deviation, the
    difference to all defects of the same categories in points, and how many categories have the group."""
    models = [name for name, by in summaries if by == grouping]
    rows, errors = {}, {}
    for group in ordered_groups(summaries, grouping):
        for name in models:
            own = summaries[name, grouping].reindex([group]).iloc[0]
            place = (group, name)
            rows[place] = {}
            for metric in METRICS:
                rows[place] |= {(metric, "mean"): 100 * own[metric], (metric, "beside"): 100 * own[f"{metric}_beside"]}
            rows[place]["categories", ""] = f"{own.categories:.0f}" if own.categories > 0 else "0"
            errors[place] = {(metric, "mean"): 100 * own[f"{metric}_std"] for metric in METRICS}
    table, beside = (pd.DataFrame.from_dict(part, orient="index") for part in (rows, errors))
    for part in (table, beside):
        part.columns = pd.MultiIndex.from_tuples(part.columns)
        part.index = pd.MultiIndex.from_tuples(part.index, names=[grouping, "model"])
    return shown(table, errors=beside, formats={(metric, "beside"): "{:+z.1f}" for metric in METRICS})


def contrast_in_words(pictures: AnomalyDataset, defects: pd.DataFrame, thresholds: Sequence[float] | None) -> list[str]:
    """Where low contrast ends and high begins in a `defect_table`, and how far the measure agrees with what was drawn,
    where ``defects.csv`` of an embedded data set says so."""
    low, high = thresholds or defects.contrast.quantile([1 / 3, 2 / 3])
    sentences = [f"Here *low* lies below {low:.3f}, *high* from {high:.3f}."]
    if not (pictures.name in DATASETS and DATASETS[pictures.name].stand_in):
        return [*sentences, "The data set does not say how visible its defects were meant to be."]
    drawn = beside_drawn(defects, drawn_defects(pictures))
    means = drawn.groupby("contrast_level").contrast.mean()
    listed_means = ", ".join(f"{means[level]:.3f}" if level in means else "none" for level in LEVELS)
    known = drawn[["contrast", "contrast_drawn"]].dropna()
    sentences.append(
        "Where low, medium and high contrast was asked for of the embedded pictures, the mean of the measure is "
        f"{listed_means}."
    )
    if len(known) < 2 or known.nunique().min() < 2:
        return [*sentences, "How far it agrees with what was drawn cannot be told from these defects."]
    rank = known.contrast.corr(known.contrast_drawn, method="spearman")
    return [
        *sentences,
        f"Its rank correlation with the difference to the same picture without the defect is {rank:.2f}: the measure "
        "needs no sound twin, and agrees with it to that extent.",
    ]


def groups_in_words(runs: Sequence[pd.DataFrame], of_types: pd.DataFrame) -> list[str]:
    """What one model's `group_metrics`, of each of its trainings, and the `group_summary` of its types say: what
    contrast is worth within categories, and which types stand out beside their categories."""
    sentences, gains = [], [100 * contrast_gains(metrics) for metrics in runs]
    if len(gains[0]):
        sentences += [
            f"From low to high contrast, {label(name)} changes by {paired(*(own[name] for own in gains))}."
            for name in METRICS
        ]
    common = of_types[of_types.categories > 1]
    if len(common) > 1:
        for name in METRICS:
            beside = 100 * common[f"{name}_beside"]
            if beside.nunique(dropna=False) < 2:
                alike = "without" if beside.isna().all() else "alike in"
                sentences.append(f"The types that several categories have are {alike} {label(name)}.")
                continue
            worst, best = beside.idxmin(), beside.idxmax()
            sentences.append(
                f"Of the types that several categories have, {label(worst)} has the lowest {label(name)} beside its "
                f"categories ({points(beside[worst])} points) and {label(best)} the highest ({points(beside[best])})."
            )
    return sentences or ["Too few categories and groups to compare."]


def beside_k_groups(summaries: Summaries, note: Mapping[str, str]) -> pd.DataFrame:
    """`beside_reported` of paper K's Tables 5 and 6, which do not say which AUROC they print, and the image AUROC of
    each model, in percent, with both deviations; ``note`` says by model why they cannot be compared."""
    rows = []
    for grouping, number in GROUPED.items():
        printed = printed_groups(grouping)
        order = [level for level in LEVELS if level in printed.index] if grouping == "contrast" else printed.index
        for name in [name for name, by in summaries if by == grouping]:
            own = summaries[name, grouping]
            for group in order:
                rows.append(
                    {
                        "claim": f"K Table {number}, {label(group)}",
                        "model": label(name),
                        "reported": 100 * printed.AUROC[group],
                        "± K": 100 * printed.AUROC_std[group],
                        "reproduced": 100 * own.image_auroc.get(group, np.nan),
                        "±": 100 * own.image_auroc_std.get(group, np.nan),
                        "note": note[name],
                    }
                )
    return beside_reported(rows)


def orders_in_words(summaries: Summaries, models: Sequence[str]) -> list[str]:
    """Paper K's order of groups from worst to best found beside each model's by image AUROC, and their rank
    correlation."""
    sentences = []
    for grouping in GROUPED:
        printed = printed_groups(grouping).AUROC.sort_values()
        own = {name: summaries[name, grouping].image_auroc for name in models}
        common = [group for group in printed.index if all(group in values.index for values in own.values())]
        if len(common) < 3:
            continue
        sentences.append(f"By {grouping}, paper K's order from worst to best found is {listed(common)}.")
        for name, values in own.items():
            if values[common].isna().any() or values[common].nunique() < 2:
                why = "not all of them have a number" if values[common].isna().any() else "to it all of them are alike"
                sentences.append(f"{label(name)} has no order here: {why}.")
                continue
            rank = printed[common].corr(values[common], method="spearman")
            found = listed(values[common].sort_values().index)
            sentences.append(f"{label(name)}'s here is {found} (rank correlation {rank:.2f}).")
    return sentences or ["Too few groups to compare orders."]


def reasons_in_words(found: pd.DataFrame) -> list[str]:
    """Whether being found, `studies.defects.found_alone`, goes along with contrast or with area."""
    known = found[["contrast", "area", "exceeds"]].dropna()
    if len(known) < 3 or known.nunique().min() < 2:
        return ["Whether being found goes along with contrast or with area cannot be told from these damaged pictures."]
    ranks = known.corr(method="spearman")
    error, apart = 1 / np.sqrt(len(known) - 1), stronger_reason(found)
    clear = f"So {'contrast' if apart.gap > 0 else 'area'} goes along with being found more than the other does."
    return [
        f"The rank correlation of being found with contrast is {ranks.exceeds.contrast:.2f}, with area "
        f"{ranks.exceeds.area:.2f} (± {error:.2f} by chance); that of contrast with area is {ranks.contrast.area:.2f}. "
        f"In size that with contrast is larger by {apart.gap:+z.2f} (95 % interval {apart.low:+z.2f} to "
        f"{apart.high:+z.2f} over resampled pictures).",
        beyond(apart.low, apart.high, clear, clear, "The difference of the two is within chance."),
    ]
