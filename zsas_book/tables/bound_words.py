"""What empirical worst cases say, in sentences for verdicts."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zsas_lib.evaluation.paired import category_mean
from zsas_lib.metrics import METRICS
from zsas_lib.robustness.search.left import (
    UPRIGHT,
    bound_means,
    by_combination,
    drops,
    over_trainings,
    share_lost,
    upright_alone,
    upright_share,
)
from zsas_lib.robustness.search.whole_sets import NONE

from ..labels import label
from ..words import beyond, counted, from_to, listed, of_categories, of_difference, points

GREY = 0.01  # share of pixels from which on a page speaks of grey
SURE = 0.05  # how rarely chance may do as much
MOSTLY, PARTLY = 66, 33  # percent of its own loss that a model loses to what was found for others


def bounds_in_words(bounds: pd.DataFrame, worst: str, chance: Mapping[str, float]) -> list[str]:
    """What `whole_sets.bounds` say of the combination ``worst``, in sentences: how far each metric with a chance
    level and the loss move, which share of what was above chance is lost, and how many categories end below it."""
    mean, ends = bound_means(bounds), by_combination(bounds)[worst]
    fell = {name: (100 * mean.loc[NONE, name], 100 * mean.loc[worst, name]) for name in (*chance, "loss")}
    shares = {metric: share_lost(bounds, metric, worst, chance) for metric in chance}
    lost = [
        f"{_lost(share, 100 * chance[metric] - fell[metric][1])} of {METRICS[metric].label}"
        for metric, share in shares.items()
    ]
    gains = {name: -drops(bounds, name)[worst] for name in chance}
    paired = [f"{METRICS[name].label} {points(gain.mean())} ({of_categories(gain)})" for name, gain in gains.items()]
    above = f"Of what each had above chance, that is {listed(lost)}; points alone do not compare metrics with different"
    below = int((ends < 100 * chance["pixel_auroc"]).sum())
    return [
        f"At the worst case, {listed(f'{METRICS[name].label} goes {from_to(*fell[name])}' for name in chance)}.",
        f"{above} chance levels." if np.isfinite([*shares.values()]).all() else "",
        f"The loss that S ascends, times 100, goes {from_to(*fell['loss'], unit='')}.",
        f"Categories that end below chance: {below or 'none'} of {len(ends)}.",
        f"Categories paired, in points: {'; '.join(paired)}.",
    ]


def tried_in_words(search: str, steps: int, steps_in_place: int | None = None) -> str:
    """How many points of a picture a page tries; of several combinations, with ``steps_in_place``, for each of them, as
    `whole_sets.worst_cases` takes them."""
    given = f"{steps} {'forward passes' if search == 'two-fidelity' else 'points'} per picture"
    if steps_in_place is None:
        return given
    return f"{given} and combination" + f", {steps_in_place} where nothing is turned" * (steps_in_place < steps)


def _lost(share: float, below: float) -> str:
    """A share that is lost of what lay above chance; of what ends ``below`` chance, in points, it is all."""
    return f"all ({below:.1f} points below chance)" if share > 1 else f"{100 * share:.0f} %"


def grey_in_words(shares: pd.Series) -> str:
    """What a saturation shift does to pixels without colour, from the `suitability.greyness` of each picture; "" where
    there are hardly any."""
    if shares.mean() < GREY:
        return ""
    wholly, all_of = int((shares > 1 - GREY).sum()), counted(len(shares), "picture")
    return (
        f"{100 * shares.mean():.0f} % of all pixels are grey, and {wholly or 'none'} of {all_of} "
        "throughout: hue leaves them as they are, and a positive saturation shift turns them red, as grey has hue 0. "
        "There, what saturation costs is the cost of a new colour."
    )


def losses_in_words(lost: pd.Series, begin: int, end: int) -> list[str]:
    """What damaged pictures lose of their own pixel AUROC, in points, in sentences; of ``begin`` pictures the defect is
    scored lower than the rest before, of ``end`` at the worst case."""
    if len(lost) == 1:
        ends = "begins and ends" if begin else "ends" if end else "does not end"
        return [
            f"The only damaged picture loses {lost.max():.1f} points of its own pixel AUROC; it {ends} with the defect "
            "scored lower than the rest of the picture."
        ]
    return [
        f"Of its own pixel AUROC, the damaged picture that loses most loses {lost.max():.1f} points, the median one "
        f"{lost.median():.1f}, the steadiest {lost.min():.1f}.",
        f"Of {len(lost)} damaged pictures, {end or 'none'} {'ends' if end == 1 else 'end'} with the defect scored "
        f"lower than the rest of the picture; {begin or 'none'} began so.",
    ]


def angles_in_words(turned: Mapping[str, pd.DataFrame]) -> list[str]:
    """How often the worst angle is near 0, in sentences: of `whole_sets.worst_cases` over rotation alone, "zero"
    found with the corners of the map filled with zeros, "valid" with these corners left out."""
    near = {fill: upright_share(found) for fill, found in turned.items()}
    of_kind = [
        (kind, " and ".join(f"{upright_share(found[found.is_anomalous == damaged]):.0f}" for found in turned.values()))
        for kind, damaged in (("normal", False), ("damaged", True))
        if (turned["zero"].is_anomalous == damaged).any()
    ]
    (first, shares), others = of_kind[0], of_kind[1:]
    filled, left_out, chance = upright_alone(turned["zero"], turned["valid"])
    peak = "makes part of the peak at 0" if filled > left_out else "lowers the peak at 0"
    return [
        f"The worst angle lies within {UPRIGHT:g} degrees of 0 for {near['zero']:.0f} % of the pictures with zero fill "
        f"and for {near['valid']:.0f} % with the corners left out; if all angles were alike, it would be 8 %.",
        f"For {first} pictures the two are {shares} %{''.join(f', for {kind} ones {two} %' for kind, two in others)}.",
        f"Of these, {counted(filled, 'picture')} {'is' if filled < 2 else 'are'} there with zero fill alone "
        f"and {left_out or 'none'} with the corners left out alone: "
        + (f"zero fill {peak}" if chance < SURE else "no more uneven than chance makes it")
        + f" (sign test, p = {chance:.2g}).",
        "Every search begins with the unturned picture and keeps the first of equals, which adds to 0 in both.",
    ]


def models_in_words(bounds: Mapping[str, Sequence[pd.DataFrame]], worst: str, chance: Mapping[str, float]) -> list[str]:
    """How the `whole_sets.bounds` of several models, of each of their trainings, compare, in sentences: what each loses
    of its pixel AUROC above chance, each against the first, categories paired, and the perturbation that costs each
    most."""
    first, *others = bounds
    means = {name: over_trainings(own) for name, own in bounds.items()}
    lost = pd.Series({name: share_lost(own, "pixel_auroc", worst, chance) for name, own in means.items()})
    below = {name: 100 * (chance["pixel_auroc"] - bound_means(own).pixel_auroc[worst]) for name, own in means.items()}
    shares = [f"{label(name)} loses {_lost(share, below[name])}" for name, share in lost.sort_values().items()]
    dropped = {name: category_mean([drops(table)[worst] for table in own]) for name, own in bounds.items()}
    said = [f"Of the pixel AUROC that it has above chance, {listed(shares)}."]
    for name in others:
        found = (dropped[name] - dropped[first]).difference_or_nan()
        word = beyond(found.low, found.high, "less robust", "more robust", "a difference within chance")
        said.append(
            f"From original to worst case {label(name)} loses {abs(found.gap):.1f} points "
            f"{'less' if found.gap < 0 else 'more'} than {label(first)}, categories paired "
            f"({of_difference(found, 1.0)}): {word}."
        )
    single = {name: drops(own).drop(columns=worst).mean() for name, own in means.items()}
    costliest = [f"{own.idxmax()} for {label(name)} ({own.max():.1f} points)" for name, own in single.items()]
    return [*said, f"Alone, the costliest perturbation is {listed(costliest)}."]


def trainings_in_words(bounds: Mapping[str, Sequence[pd.DataFrame]], worst: str) -> str:
    """By how much the `whole_sets.bounds` of models' several trainings differ at the worst case; "" for one
    training."""
    ranges = {
        name: np.ptp([100 * bound_means(table).loc[worst, "pixel_auroc"] for table in own])
        for name, own in bounds.items()
        if len(own) > 1
    }
    differ = listed(f"{value:.1f} points ({label(name)})" for name, value in ranges.items())
    return f"Between trainings, the worst case's mean differs by {differ}." if ranges else ""


def transfer_in_words(costs: pd.DataFrame, losses: Mapping[str, pd.Series]) -> list[str]:
    """Whether worst cases are the pictures' or the models', in sentences, from `transfer.transfer_costs` and each
    model's `left.picture_losses`."""
    own = pd.Series(np.diag(costs), costs.index)
    kept = (100 * (costs.sum(axis=1) - own) / max(len(costs) - 1, 1) / own)[own > 0]
    if len(costs) < 2:
        return ["Only one model was searched for worst cases, so there are no others to compare it with."]
    if kept.empty:
        return ["No model loses anything at its own worst cases."]
    cost = (
        f"Points found for other models cost {listed(f'{label(name)} {share:.0f} %' for name, share in kept.items())}"
    )
    falls = pd.DataFrame(losses)
    pairs = falls.corr(method="spearman").where(np.triu(np.ones(costs.shape, dtype=bool), 1)).stack().dropna()
    agree = listed(f"{rank:.2f} ({listed(pair)})" for pair, rank in pairs.items())
    return [
        f"{cost} of what its own cost.",
        "The worst case is for the most part the picture's."
        if kept.mean() > MOSTLY
        else "About as much belongs to the picture as to the model."
        if kept.mean() > PARTLY
        else "The worst case is for the most part the model's own.",
        "Which pictures lose most agrees between the models with rank correlations of "
        f"{agree}, over {counted(len(falls), 'damaged picture')}."
        if len(pairs)
        else "",
    ]
