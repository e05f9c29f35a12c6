"""Tables and sentences about two views of one product, and about corruptions that know depth."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zsas_lib.backbones.zoo import Card
from zsas_lib.evaluation.sampled import ITSELF, Sampled
from zsas_lib.robustness.correspondence import EVERY as ALL_TILTS
from zsas_lib.robustness.depth_naming import EVERY as ALL_CORRUPTIONS
from zsas_lib.robustness.depth_naming import TWIN
from zsas_lib.robustness.naming_towers import CNN, TRANSFORMER, TowerCard

from ..words import beyond, points
from .zoo import absent_in_words, clear, intervals, wide

ZOO_KINDS = {"reference": CNN, "convnext": CNN, "vit": TRANSFORMER}
"""Which is which; the reference is a ResNet."""
NO_FEATURES = "no features"
TRIVIAL = {"in_place": "same place", "chance": "chance"}
DRAWN = 5
"""Towers that a figure has room for, with all their layers."""
NUMBERS = ["gap", "se", "low", "high", "agree", "power"]


def against(whole: pd.DataFrame, metric: str, column: str, other: str, by: Sequence[str]) -> pd.DataFrame:
    """By how much a metric of a flat table is higher than in the row whose ``column`` is ``other``, pair by pair: a row
    for each combination of ``by`` and other value of ``column``, with the columns of `Difference`; empty where there is
    no such row."""
    rows = []
    for place, part in whole.groupby(list(by), sort=False):
        sides = {str(name): Sampled.of(own, metric) for name, own in part.groupby(column, sort=False)}
        for name, side in sides.items():
            if name != other and other in sides and side.units > 1:
                rows.append(dict(zip(by, place)) | {column: name} | vars((side - sides[other]).difference()))
    return pd.DataFrame(rows, columns=[*by, column, *NUMBERS])


def kinds_of(cards: Sequence[Card]) -> tuple[dict[str, str], str]:
    """By name, which are `CNN` and which `TRANSFORMER`, of the zoo those that were made to differ in that; and the
    first transformer, "" where there is none."""
    told = {card.name: card.kind if isinstance(card, TowerCard) else ZOO_KINDS.get(card.name, "") for card in cards}
    kinds = {name: kind for name, kind in told.items() if kind}
    return kinds, next((name for name, kind in kinds.items() if kind == TRANSFORMER), "")


def of_towers(recalls: Mapping[str, pd.DataFrame], cards: Sequence[Card], kinds: Mapping[str, str]) -> pd.DataFrame:
    """`correspondence.correspondences` as one table, with the columns kind (by member, "" for others), tower (the
    member's or the backbone's name) and seed."""
    known = {card.backbone: (card.name, card.seed) for card in cards}
    parts = []
    for name, table in recalls.items():
        tower, seed = known.get(name, (name, 0))
        parts.append(table.assign(kind=kinds.get(tower, ""), tower=tower, seed=seed))
    return pd.concat(parts, ignore_index=True)


def recall_panels(layers: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """`correspondence.by_layer` as `figures.dot_panels` draws it, in percent, values and standard errors: a series for
    each of the first `DRAWN` towers with a row for each layer, and one for what needs no features; a column for each
    tilt."""
    layers = pd.DataFrame(layers[layers["tower"].isin(list(dict.fromkeys(layers["tower"]))[:DRAWN])])
    layers = layers.assign(layer=[f"layer {number}" for number in layers["layer"]])
    layers = layers.assign(tilt=[f"tilt of {tilt:g} degrees" for tilt in layers["tilt"]])
    values, errors = {}, {}
    for name, own in layers.groupby("tower", sort=False):
        values[str(name)], errors[str(name)] = _both(intervals(own, "recall"), "layer", "tilt")
    longest = max(values, key=lambda name: len(values[name]))  # whose rows are those of the panels
    first = layers[(layers["tower"] == longest) & (layers["layer"] == layers["layer"].iloc[0])]
    parts = {named: _both(intervals(first, name), "tower", "tilt") for name, named in TRIVIAL.items()}
    for place, into in enumerate((values, errors)):
        into[NO_FEATURES] = pd.concat([own[place].set_axis([named]) for named, own in parts.items()])
    order = [longest, *(name for name in values if name != longest)]
    return {name: values[name] for name in order}, {name: errors[name] for name in order}


def matches_table(chosen: pd.DataFrame) -> pd.DataFrame:
    """`correspondence.at_chosen_layer` in percent: a row for each tower and tilt with recall and its standard error,
    what needs no features, and how much more recall is than the same place, with its 95 % interval in points."""
    sure, more = intervals(chosen, "recall"), intervals(chosen, "over_place")
    itself = chosen[chosen["replicate"] == ITSELF].groupby(["tower", "tilt"], sort=False)[list(TRIVIAL)].mean()
    table = pd.DataFrame(sure[["tower", "tilt"]])
    table["recall"], table["recall_se"] = 100 * sure["gap"], 100 * sure["se"]
    for name, named in TRIVIAL.items():
        table[named] = 100 * itself[name].to_numpy()
    for name, named in (("gap", "more than same place"), ("low", "low"), ("high", "high")):
        table[named] = 100 * more[name]
    return table


def matches_in_words(chosen: pd.DataFrame, transformer: str) -> list[str]:
    """Over all tilts: which towers find more than the same place of the picture does, and than the transformer."""
    own = chosen[chosen["tilt"] == ALL_TILTS]
    place, chance, recall = (intervals(own, name) for name in ("over_place", "over_chance", "recall"))
    best = recall.loc[recall["gap"].idxmax()]
    said = [
        f"Over all tilts {best['tower']} finds most: {100 * best['gap']:.1f} % of the points, where the same place of "
        f"the picture is right for {100 * own.loc[own['replicate'] == ITSELF, 'in_place'].mean():.1f} %.",
        f"More than the same place does, or less, beyond chance, in points: {clear(place, 'tower')}.",
        f"More than any patch at random, beyond chance: {clear(chance, 'tower')}.",
    ]
    for row in against(own, "recall", "tower", transformer, ["tilt"]).itertuples():
        word = beyond(row.low, row.high, "more than", "less than", "within chance of")
        said.append(f"{row.tower} finds {word} {transformer} ({_pair(row)}).")
    return said


def loss_table(losses: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
    """What each corruption takes from each member in points, by the way, and what depth adds to it with its 95 %
    interval."""
    sure = intervals(losses, "loss")
    sides = sure.pivot(index=["member", "factor"], columns="way", values="gap")
    more = intervals(added, "added").set_index(["member", "factor"])
    table = 100 * sides.reindex(more.index)[list(dict.fromkeys(sure["way"]))]
    table["depth adds"], table["low"], table["high"] = (100 * more[name] for name in ("gap", "low", "high"))
    return table.reset_index().rename(columns={"factor": "corruption"})


def loss_panels(losses: pd.DataFrame, added: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The same as `figures.dot_panels` draws it, with standard errors: a series for each member."""
    more = intervals(added, "added").assign(way="depth adds")
    sure = pd.concat([intervals(losses, "loss"), more], ignore_index=True)
    both = {str(name): _both(own, "factor", "way") for name, own in sure.groupby("member", sort=False)}
    return {name: own[0] for name, own in both.items()}, {name: own[1] for name, own in both.items()}


def architectures(losses: pd.DataFrame, robustness: pd.DataFrame, transformer: str) -> pd.DataFrame:
    """How much less each corruption takes from each other member than from the transformer, and how much higher it is
    above the line than that (nan for those that ``robustness`` does not have), with 95 % intervals, in points, paired
    by name: a row for each way, corruption and member."""
    keys = ["way", "factor", "member"]
    less = against(losses, "loss", "member", transformer, keys[:2]).set_index(keys)
    above = against(robustness, "effective", "member", transformer, keys[:2]).set_index(keys).reindex(less.index)
    table = pd.DataFrame({"loses less": -less["gap"], "low": -less["high"], "high": -less["low"]})
    table = table.assign(**{"more above the line": above["gap"], "line low": above["low"], "line high": above["high"]})
    return (100 * table).reset_index().rename(columns={"factor": "corruption"})


def depth_in_words(added: pd.DataFrame) -> list[str]:
    """What depth adds to the losses of each member, beyond chance."""
    sure = intervals(added, "added")
    said = []
    for name, own in sure.groupby("member", sort=False):
        whole = own[own["factor"] == ALL_CORRUPTIONS].iloc[0]
        word = beyond(whole["low"], whole["high"], "more", "less", "nothing beyond chance", "more or less")
        sentence = f"Over all corruptions depth costs the {name} {word} ({points(100 * whole['gap'])} points, 95 % "
        sentence += f"{points(100 * whole['low'])} to {points(100 * whole['high'])})"
        single = own[own["factor"] != ALL_CORRUPTIONS].replace({"factor": r"_"}, {"factor": " "}, regex=True)
        said.append(f"{sentence}; beyond chance under {clear(single, 'factor')}.")
    return said


def architectures_in_words(table: pd.DataFrame, transformer: str) -> list[str]:
    """Whether members lose less over all corruptions than the transformer, as they are and beyond the line."""
    said = []
    for row in table[table["corruption"] == ALL_CORRUPTIONS].to_dict("records"):
        raw = beyond(row["low"], row["high"], "loses less than", "loses more than", "differs within chance from")
        line = beyond(row["line low"], row["line high"], "above", "below", "within chance of")
        foretold = (
            f"; against what accuracy foretells it is {line} the {transformer} ({points(row['more above the line'])}, "
            f"{points(row['line low'])} to {points(row['line high'])})."
        )
        way = "their twins without" if row["way"] == TWIN else "corruptions with"
        said.append(
            f"Under {way} depth the {row['member']} {raw} the {transformer} ({points(row['loses less'])} points, 95 % "
            f"{points(row['low'])} to {points(row['high'])})" + ("." if np.isnan(row["line low"]) else foretold)
        )
    return said or ["There is nothing to compare: no transformer, or no other tower, is among them."]


def equal_table(sure: pd.DataFrame) -> pd.DataFrame:
    """How much more accurate each architecture is at the reference's accuracy, by the way, in points. ``sure`` are
    intervals of `depth_naming.at_equal_accuracy`."""
    return sure[["way", "member"]].assign(**{name: 100 * sure[name] for name in ("gap", "low", "high")})


def equal_in_words(sure: pd.DataFrame, absent: Mapping[str, str], kinds: Mapping[str, str]) -> list[str]:
    """Which architectures are ahead of the reference or behind it at its accuracy, both ways, and which of ``kinds``
    are left out. ``sure`` are intervals of `depth_naming.at_equal_accuracy`."""
    said = []
    for way, own in sure.groupby("way", sort=False):
        under = "their twins without" if way == TWIN else "corruptions with"
        said.append(f"At equal accuracy, under {under} depth, beyond chance: {clear(own, 'member')}.")
    return [*said, absent_in_words({name: why for name, why in absent.items() if name in kinds})]


def _both(sure: pd.DataFrame, row: str, column: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    return 100 * wide(sure, row, column), 100 * wide(sure, row, column, "se")


def _pair(row) -> str:
    return f"{points(100 * row.gap)} points, 95 % {points(100 * row.low)} to {points(100 * row.high)}"
