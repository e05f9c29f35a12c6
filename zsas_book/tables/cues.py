"""What maps hang on, and what fewer sentences cost: tables and sentences."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zsas_lib.evaluation.paired import paired
from zsas_lib.evaluation.sampled import ITSELF, Sampled
from zsas_lib.evaluation.tables import MEAN, ResultTable
from zsas_lib.robustness.cues import profile
from zsas_lib.robustness.effective import FEWEST, effective_robustness, with_metric
from zsas_lib.robustness.equivariance import BEFORE
from zsas_lib.robustness.sentences import sentences_of
from zsas_lib.robustness.thresholds import calibration

from ..labels import label
from ..words import beyond, how_sure, listed, points

POINTS = {"gap": "gap", "gap_se": "se", "low": "low", "high": "high", "power": "power", "agree": "agree"}
"""Columns of the table of sentences, and what `Difference` calls them."""

CLAIMS = [
    {
        "paper": "T",
        "claim": "CLIP prefers shape to texture",
        "here": "Not tested as such: no picture has one defect's shape and another's texture. The profile of what is "
        "missed stands in.",
    },
    {
        "paper": "T",
        "claim": "Fewer prompts calibrate better and leave robustness to factors as it is",
        "here": "Tested for WinCLIP's image score and maps, see the table of sentences.",
    },
]
"""What papers say that the chapter is near to."""


def profiles(found: Mapping[str, Sequence[pd.DataFrame]], metric: str) -> pd.DataFrame:
    """`robustness.cues.profile` of each model, by name in a column model; lost in points, shares in percent. ``found``
    are `cue_losses` by model, one for each training."""
    parts = []
    for name, tables in found.items():
        own = profile(*tables, metric=metric)
        numbers = own.columns.drop("cue")
        parts.append(own.assign(model=name, **{column: 100 * own[column] for column in numbers}))
    rows = pd.concat(parts, ignore_index=True)
    return rows[["model", *rows.columns.drop("model")]]


def panels_of(rows: pd.DataFrame, names: Sequence[str]) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The profiles of some models as what `figures.dot_panels` draws: values and errors by model."""
    own = {name: rows[rows.model == name].set_index("cue") for name in names}
    both = ["lost", "share"]
    errors = {name: part[[f"{c}_se" for c in both]].set_axis(both, axis=1) for name, part in own.items()}
    return {name: part[both] for name, part in own.items()}, errors


def profiles_in_words(rows: pd.DataFrame, trivial: Sequence[str], metric: str) -> list[str]:
    """Which cue each model loses most with, and which losses and gains are beyond chance, a sentence each."""
    sentences = []
    for name, own in rows[~rows.model.isin(trivial)].groupby("model", sort=False):
        lost = [f"{row.cue} ({points(row.lost)})" for row in own.itertuples() if row.lost_low > 0]
        gained = [f"{row.cue} ({points(-row.lost)})" for row in own.itertuples() if row.lost_high < 0]
        sure = f"beyond chance it loses without: {listed(lost)}" + (f"; it gains: {listed(gained)}" if gained else "")
        sure = "whether that is beyond chance, one category does not tell" if own.lost_low.isna().all() else sure
        sentences.append(f"{label(str(name))} {_most(own, metric)}; {sure}.")
    return sentences


def _most(own: pd.DataFrame, metric: str) -> str:
    """Without which cue a model loses most, or gains least where it loses with none."""
    most = own.loc[own.lost.idxmax()]
    if points(most.lost) == points(0.0):
        return f"loses no {label(metric)} without any cue"
    if most.lost < 0:
        return f"loses nothing but gains least {label(metric)} without {most.cue} ({points(-most.lost)} points)"
    share = "" if np.isnan(most.share) else f", {most.share:.0f} % of all that it loses"
    return f"loses most {label(metric)} without {most.cue} ({points(most.lost)} points{share})"


def above_the_line(found: Mapping[str, Sequence[pd.DataFrame]], trivial: Sequence[str], metric: str) -> pd.DataFrame:
    """How far models lie above the line that maps without a model make from the metric as it is to the one without a
    cue (`robustness.effective`): columns model, removal, plain, without and expected in percent, and effective with its
    95 % interval in points; empty with fewer than three such maps or two categories that have the metric. ``found`` as
    for `profiles`; a model's numbers are means over its trainings, whose chance is in the interval."""
    rows = []
    one_each = {name: tables[0] for name, tables in found.items()}
    everything = pd.concat(one_each, names=["model"]).reset_index("model")
    plain = f"{metric}{BEFORE}"
    enough = len(trivial) >= FEWEST and len(with_metric(everything, [plain, metric])) > 1
    for removal in dict.fromkeys(everything["removal"]) if enough else []:
        lines = pd.DataFrame(everything[(everything["removal"] == removal) & everything["model"].isin(trivial)])
        for name in [name for name in found if name not in trivial]:
            parts = []
            for run, table in enumerate(found[name]):
                own = pd.concat([lines, table[table["removal"] == removal].assign(model=name)])
                flat = effective_robustness(own, plain=plain, shifted=metric, reference=trivial)
                parts.append(flat[flat["model"] == name].assign(run=run))
            part = pd.concat(parts, ignore_index=True)
            sure = Sampled.of(part, "effective").difference()
            first = part[part["replicate"] == ITSELF].mean(numeric_only=True)
            numbers = {"plain": first[plain], "without": first[metric], "expected": first["expected"]}
            numbers |= {"effective": sure.gap, "low": sure.low, "high": sure.high}
            rows.append({"model": name, "removal": removal} | {key: 100 * value for key, value in numbers.items()})
    return pd.DataFrame(rows, columns=["model", "removal", "plain", "without", "expected", "effective", "low", "high"])


def line_in_words(rows: pd.DataFrame) -> list[str]:
    """Which models are above or below the line beyond chance, a sentence each."""
    if rows.empty:
        return ["Too few maps without a model, or categories, for a line."]
    sentences = []
    for name, own in rows.groupby("model", sort=False):
        above = [f"{row.removal} ({points(row.effective)})" for row in own.itertuples() if row.low > 0]
        below = [f"{row.removal} ({points(row.effective)})" for row in own.itertuples() if row.high < 0]
        sentences.append(
            f"{label(str(name))} is above the line beyond chance: {listed(above)}; below: {listed(below)}."
        )
    return sentences


def fewer_sentences(tables: Mapping[str, ResultTable], metrics: Sequence[str]) -> pd.DataFrame:
    """What each set of sentences gives beside the first, the whole ensemble: columns sentences (the set), number,
    metric, mean in percent, and the paired difference of the means over categories: gap, gap_se, low, high and power
    in points, agree in percent. The calibration error of the image score (``ECE``, positive class, all pictures
    together) has rows of its own, in which less is better."""
    whole, *_ = tables
    first = calibration(tables[whole].per_image, tables[whole].per_image["image_score"].to_numpy(float))
    rows = []
    for name, table in tables.items():
        facts = {"sentences": name, "number": sentences_of(name)}
        found = paired([table], [tables[whole]])
        for row in found[(found.category == MEAN) & found.metric.isin(metrics)].to_dict("records"):
            numbers = {column: 100 * row[part] for column, part in POINTS.items()}
            rows.append(facts | {"metric": row["metric"], "mean": 100 * table.loc[MEAN, row["metric"]]} | numbers)
        error = calibration(table.per_image, table.per_image["image_score"].to_numpy(float))["ECE"]
        gap = error - first["ECE"]
        sure = vars(gap.difference_or_nan())
        numbers = {column: 100 * sure[part] for column, part in POINTS.items()}
        rows.append(facts | {"metric": "ECE", "mean": 100 * float(error.values[0])} | numbers)
    return pd.DataFrame(rows)


def sentences_in_words(rows: pd.DataFrame, metric: str) -> list[str]:
    """What each smaller set costs in a metric and in calibration, a sentence each."""
    whole = rows.sentences.iloc[0]
    sentences = []
    for name, own in rows[rows.sentences != whole].groupby("sentences", sort=False):
        place = own.set_index("metric")
        cost, error = place.loc[metric], place.loc["ECE"]
        word = beyond(cost.low, cost.high, "a gain", "a loss", "within chance")
        mended = beyond(error.low, error.high, "worse", "better", "within chance")
        sentences.append(
            f"{name}, {int(cost.number)} sentences for {int(rows.number.iloc[0])}: {label(metric)} {points(cost.gap)} "
            f"points, {word} ({how_sure(cost.low, cost.high, cost.agree / 100, cost.power)}); calibration error "
            f"{points(error.gap)}, {mended}."
        )
    return sentences
