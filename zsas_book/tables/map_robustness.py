"""Effective robustness of maps in a table and in words."""

from collections.abc import Mapping, Sequence

import pandas as pd

from zsas_lib.evaluation.sampled import ITSELF, Sampled
from zsas_lib.robustness.effective_maps import ALL, PLAIN, SHIFTED

from ..words import counted, gain, listed, points, within_chance
from .zoo import intervals

CLAIMS = [
    {
        "paper": "T",
        "claim": "What a tower loses under a factor is foretold by how well it does anyway, along a line",
        "here": "Asked of anomaly maps: the line is that of maps without a model, and methods are set against it.",
    },
]
"""What paper T says of this, and what the page has to do with it."""


def absent_in_words(absent: Mapping[str, str]) -> list[str]:
    """What the page goes without, a sentence each."""
    return [f"Left out: {name} ({why.rstrip('.')})." for name, why in absent.items()]


def above_table(above: pd.DataFrame, trivial: Sequence[str]) -> pd.DataFrame:
    """A row for each model and corruption, those without a tower last: the metric on clean and corrupted pictures and
    what the line foretells in percent, and effective in points with se, low and high."""
    itself = above[above["replicate"] == ITSELF].set_index(["model", "corruption"])
    sure = intervals(above, "effective").set_index(["model", "corruption"])[["gap", "se", "low", "high"]]
    table = 100 * itself[[PLAIN, SHIFTED, "expected"]].join(sure.rename(columns={"gap": "effective"}))
    table = table.reset_index()
    last = table["model"].isin(trivial)
    return pd.concat([table[~last], table[last]], ignore_index=True)


def panels_of(table: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """For `figures.dot_panels`: a panel for each corruption and a row for each model, and the errors."""
    rows, columns = (list(dict.fromkeys(table[key])) for key in ("model", "corruption"))
    both = [
        table.pivot(index="model", columns="corruption", values=name).reindex(index=rows, columns=columns)
        for name in ("effective", "se")
    ]
    return {"effective": both[0]}, {"effective": both[1]}


def above_in_words(above: pd.DataFrame, networks: Sequence[str], trivial: Sequence[str]) -> list[str]:
    """Who is above or below the line beyond chance, and how the first method differs from the others over all
    corruptions, pair by pair."""
    sure = intervals(above[above["model"].isin(networks)], "effective")
    clear = {way: sure[test] for way, test in (("above", sure["low"] > 0), ("below", sure["high"] < 0))}
    said = []
    for way, own in clear.items():
        rows = [f"{row.model} under {row.corruption} ({points(100 * row.gap)} points)" for row in own.itertuples()]
        said.append(f"Beyond chance {way} the line of {counted(len(trivial), 'map')}: {listed(rows)}.")
    whole = above[above["corruption"] == ALL]
    first, *others = [Sampled.of(pd.DataFrame(whole[whole["model"] == name]), "effective") for name in networks]
    for name, other in zip(networks[1:], others):
        gap = first - other
        sure = gap.difference_or_nan()
        chance = within_chance(sure.low, sure.high)
        said.append(f"Over all corruptions {networks[0]} less {name} is {gain(gap)}{chance}.")
    return said
