"""The page to take away in words: arrows with their intervals, what to choose, and what the pictures cannot decide."""

from collections.abc import Mapping, Sequence

import pandas as pd

from zsas_lib.backbones.zoo import Card
from zsas_lib.evaluation.sampled import LEVEL, POWER
from zsas_lib.robustness.design_choices import BETTER, FACTORS, TOLD, WITHIN, WORSE

from ..words import beyond, counted, extremes, listed, points
from .zoo import absent_in_words

WHY_ABSENT = {FACTORS: "too few networks for a line", TOLD: "no strangers were asked about"}
"""What takes an axis away."""
UP, DOWN, DOT = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}", "\N{MIDDLE DOT}"


def arrow(row: Mapping) -> str:
    """A difference in points behind the way that it goes, and whether that is good: "↓ worse -3.1 (-5.2 to -1.0)"; a
    dot where 0 is in the interval, "· -0.4 (-1.5 to +0.7)"."""
    way = beyond(row["low"], row["high"], UP, DOWN, DOT)
    good = "" if row["seen"] == WITHIN else f"{row['seen']} "
    reach = f"{points(100 * row['low'])} to {points(100 * row['high'])}"
    return f"{way} {good}{points(100 * row['gap'])} ({reach})"


def arrows(sure: pd.DataFrame, cards: Sequence[Card]) -> pd.DataFrame:
    """A row for each member with its choice in words, and a column for each axis with its `arrow`. ``sure`` is of
    `robustness.design_choices`."""
    known = {card.name: card for card in cards}
    rows = {}
    for member, own in sure.groupby("member", sort=False):
        card, first = known[str(member)], own.iloc[0]
        alone = ", from one seed" if first["seeds"] == 1 else ""
        baseline = card.baseline or first["against"]  # a released tower is made in place of none
        choice = {"choice": f"{card.axis}: {card.value} instead of {baseline}{alone}"}
        rows[member] = choice | {row["axis"]: arrow(row) for row in own.to_dict("records")}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("member")


def advice(sure: pd.DataFrame) -> list[str]:
    """What to choose, a sentence for each kind of choice that there is: those better on some axis and worse on none,
    the other way round, both, and neither. Members from one seed stand apart: their interval knows nothing of what
    another training would give."""
    single = sure["seeds"] == 1
    several, one = sure[~single], sure[single]
    kinds: dict[tuple[bool, bool], list[str]] = {}
    for member, own in several.groupby("member", sort=False):
        seen = set(own["seen"])
        both = {BETTER, WORSE} <= seen
        kinds.setdefault((BETTER in seen, WORSE in seen), []).append(_told(str(member), own, both))
    alone = [_told(str(member), own, True) for member, own in one.groupby("member", sort=False)]
    said = (
        (kinds.get((True, False)), "Better somewhere and worse nowhere, so worth choosing"),
        (kinds.get((False, True)), "Worse somewhere and better nowhere, so better left"),
        (kinds.get((True, True)), "Better on one axis and worse on another, so to be weighed"),
        (kinds.get((False, False)), "On no axis told from what they are compared with, which does not make them equal"),
        (alone, "From one seed, so that another training could turn them round, and no ground for a choice"),
    )
    return [f"{kind}: {listed(members)}." for members, kind in said if members]


def _told(member: str, own: pd.DataFrame, words: bool) -> str:
    """A member and the axes that its interval leaves 0 out on: "vit (retrieval -8.6)", or with ``words`` "vit
    (retrieval -8.6, worse)"."""
    parts = [
        f"{row['axis']} {points(100 * row['gap'])}" + (f", {row['seen']}" if words else "")
        for row in own[own["seen"] != WITHIN].to_dict("records")
    ]
    return f"{member} ({'; '.join(parts)})" if parts else member


def limits(sure: pd.DataFrame) -> list[str]:
    """How many differences are undecided, how many stand out by chance alone, and how large one must truly be to be
    seen, axis by axis, of members from several seeds where there are any."""
    open_ones = int((sure["seen"] == WITHIN).sum())
    by_chance = f"{(1 - LEVEL) * len(sure):.1f} of {len(sure)}"
    said = [
        f"Of {counted(len(sure), 'difference')} {open_ones} have 0 in their interval.",
        f"Were there none at all, about {by_chance} would still leave it out.",
    ]
    several = sure[sure["seeds"] > 1]
    for axis, own in (several if len(several) else sure).groupby("axis", sort=False):
        power = own.set_index("member")["power"]
        undecided = own.loc[own["seen"] == WITHIN, "member"]
        said.append(
            f"In {axis} a true difference shows in {100 * POWER:.0f} % of all cases "
            f"{extremes(100 * power, unit='points')} upwards; undecided: {listed(undecided)}."
        )
    return said


def absent_axes(sure: pd.DataFrame) -> str:
    """Which axes the page goes without, and why."""
    there = set(sure["axis"])
    return absent_in_words({axis: why for axis, why in WHY_ABSENT.items() if axis not in there})
