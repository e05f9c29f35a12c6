"""What each design choice of the zoo does on each axis of robustness: members against the one that they differ from.

Nothing is evaluated here. All axes are of the same `naming.Answers`, and differences are paired: of the same names in
every resample, seed by seed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..base.errors import OptionError
from ..evaluation.sampled import Difference, Sampled
from .effective import FEWEST
from .equal_accuracy import GAIN, PLAIN, at_equal_accuracy, plain_accuracy
from .naming import CLEAN, Answers, by_seed
from .naming_calibration import errors_as_they_are
from .out_of_distribution import PROBABILITY, strangers_told
from .retrieval import CHANCE, PICTURES, retrieved
from .visual_factors import ALL, AMONG, accuracies, factor_robustness, relatives, with_mean

REFERENCE = "reference"
ACCURACY, FACTORS, CALIBRATION = "plain accuracy", "effective robustness", "calibration error"
TOLD, FOUND = "strangers told", "retrieval"
MORE_IS_BETTER: Mapping[str, bool] = {ACCURACY: True, FACTORS: True, CALIBRATION: False, TOLD: True, FOUND: True}
"""The axes: accuracy among the held-out names in plain view; the distance from the relatives' line over all factors;
the calibration error (ECE of the top label, as it is) over all factors; the AUROC of the highest probability, which
networks of labels have too, the mean over kinds of strangers; and the mAP of names that look for pictures."""
UNDER = "accuracy under factors"
BETTER_AT_EQUAL: Mapping[str, bool] = {UNDER: True, CALIBRATION: False, TOLD: True, FOUND: True}
"""The axes at equal accuracy in plain view, where what is left of it under all factors needs no line."""
BETTER, WORSE, WITHIN = "better", "worse", "within chance"


def on_all_axes(found: Sequence[Answers]) -> pd.DataFrame:
    """Every member on every axis, a flat table by member and axis with ``run``; column: value, a fraction. Without
    `FACTORS` where fewer than `FEWEST` networks are `relatives`, for there is no line then, and without `TOLD` where no
    strangers were asked about."""
    plain = accuracies(found)
    names = relatives([own.card for own in found])
    clean = pd.DataFrame(plain.loc[plain["factor"] == CLEAN, ["member", "seed", "category", AMONG]])
    axes = {ACCURACY: by_seed(clean, ["member"]).rename(columns={AMONG: "value"})}
    if sum(own.card.name in names for own in found) >= FEWEST:
        axes[FACTORS] = factor_robustness(plain, names, factors=[ALL]).rename(columns={"effective": "value"})
    axes[CALIBRATION] = errors_as_they_are(found).rename(columns={"ece": "value"})
    if all(own.strangers for own in found):
        axes[TOLD] = _told(strangers_told(found))
    one = retrieved(found)
    one = pd.DataFrame(one[(one["direction"] == PICTURES) & (one["member"] != CHANCE)])
    axes[FOUND] = one.rename(columns={"mAP": "value"})
    columns = ["member", "axis", "replicate", "draw", "pictures", "units", "freedom", "value", "run"]
    return pd.concat([own.assign(axis=axis).reindex(columns=columns) for axis, own in axes.items()], ignore_index=True)


def _told(told: pd.DataFrame) -> pd.DataFrame:
    kinds = told[told["score"] == PROBABILITY].groupby(["member", "run", "replicate"], sort=False)
    mean = kinds.agg(
        draw=("draw", "sum"),
        pictures=("pictures", "sum"),
        units=("units", "min"),
        freedom=("freedom", "min"),
        value=("auroc", "mean"),
    )
    return mean.reset_index()


def design_choices(
    found: Sequence[Answers], reference: str = REFERENCE, whole: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, dict[str, str]]:
    """What each member has more than the one that it begins with, or than the reference, and why others are left out.

    A row for each member and axis: member, against, seeds (how many both have; with one the interval is over names
    alone), axis, the columns of `Difference` (fractions), and what is seen: `BETTER`, `WORSE` or `WITHIN`, as the 95 %
    interval and `MORE_IS_BETTER` say. ``whole`` is what `on_all_axes` gives, where that is known. Raises OptionError
    where no member has anything to be compared with.
    """
    whole = on_all_axes(found) if whole is None else whole
    cards = {own.card.name: own.card for own in found}
    runs = {name: {own.card.seed for own in found if own.card.name == name} for name in cards}
    rows, absent = [], {}
    for name, card in cards.items():
        base = card.begins or reference
        if name == reference:
            continue
        if not (seeds := runs[name] & runs.get(base, set())):
            absent[name] = f"there is no {base} of its seeds to compare it with"
            continue
        for axis, own in whole[whole["run"].isin(list(seeds))].groupby("axis", sort=False):
            one, other = (Sampled.of(pd.DataFrame(own[own["member"] == side]), "value") for side in (name, base))
            gap = (one - other).difference()
            known = {"member": name, "against": base, "seeds": len(seeds), "axis": axis} | vars(gap)
            rows.append(known | {"seen": _seen(gap, MORE_IS_BETTER[str(axis)])})
    if not rows:
        raise OptionError(
            f"Expected members and what they differ from, such as {reference} and vit with a seed in common, got "
            f"{', '.join(cards)}."
        )
    return pd.DataFrame(rows), absent


def choices_at_equal_accuracy(
    found: Sequence[Answers], whole: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, dict[str, str]]:
    """What each member has more than the reference that has learnt until it names as much in plain view
    (`equal_accuracy`), and why others are left out; ``whole`` as in `design_choices`.

    A row for each member and axis of `BETTER_AT_EQUAL`: member, seeds (how many are compared), axis, the columns of
    `Difference` (fractions), and what is seen; without a row where none can be compared.
    """
    others = on_all_axes(found) if whole is None else whole
    others = pd.DataFrame(others[others["axis"].isin(BETTER_AT_EQUAL)])
    mean = with_mean(accuracies(found))
    mean = pd.DataFrame(mean.loc[mean["factor"] == ALL, ["member", "seed", "category", AMONG]])
    under = by_seed(mean.sort_values("category", kind="stable"), ["member"]).rename(columns={AMONG: "value"})
    every = pd.concat([under.assign(axis=UNDER), others], ignore_index=True)
    every = every.merge(plain_accuracy(found), on=["member", "run", "replicate"])
    columns = ["member", "axis", "replicate", "draw", "pictures", "units", "freedom", PLAIN, "value", "run"]
    equal, absent = at_equal_accuracy(every.reindex(columns=columns), "value")
    rows = []
    groups: list[tuple[Any, pd.DataFrame]] = list(equal.groupby(["member", "axis"], sort=False))
    for (name, axis), own in groups:
        gap = Sampled.of(own, GAIN).difference()
        known = {"member": name, "seeds": own["run"].nunique(), "axis": axis} | vars(gap)
        rows.append(known | {"seen": _seen(gap, BETTER_AT_EQUAL[str(axis)])})
    columns = ["member", "seeds", "axis", *Difference.__dataclass_fields__, "seen"]
    return pd.DataFrame(rows, columns=columns), absent


def _seen(gap: Difference, more_is_better: bool) -> str:
    up = (gap.low > 0) - (gap.high < 0)
    return {0: WITHIN, 1: BETTER, -1: WORSE}[up if more_is_better else -up]
