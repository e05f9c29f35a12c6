"""Tables and sentences about the zoo: cards, numbers of members with their intervals, and what stands out."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zsas_lib.backbones.zoo import Card
from zsas_lib.base.errors import OptionError
from zsas_lib.evaluation.sampled import ITSELF, Difference, Sampled, keys_of
from zsas_lib.robustness.effective import rank_correlation
from zsas_lib.robustness.naming import CLEAN, Answers

from ..words import counted, listed, points


def cards_table(cards: Sequence[Card]) -> pd.DataFrame:
    """A row for each member: what it varies, what it saw and what it cost, the mean over its seeds (nan where that is
    not known)."""
    rows = {}
    for name in dict.fromkeys(card.name for card in cards):
        own = [card for card in cards if card.name == name]
        first = own[0]
        rows[name] = {
            "varies": first.axis,
            "how": first.value,
            "in place of": "" if name == "reference" else first.baseline,
            "pictures": f"{first.pictures:,}" if first.pictures else "not known",
            "seen": f"{first.pictures_seen:,}" if first.pictures_seen else "not known",
            "image tower": f"{first.parameters / 1e3:.0f} k",
            "core seconds": sum(card.core_seconds for card in own) / len(own) or np.nan,
            "seeds": len(own),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("member")


def networks_in_words(cards: Sequence[Card], absent: Mapping[str, str]) -> list[str]:
    """How many networks a page has, and which it goes without. Raises OptionError, with reasons, where it has none."""
    if not cards:
        why = "; ".join(f"{name}: {reason}" for name, reason in absent.items())
        raise OptionError(f"Expected networks that can be had here, got none. {why}")
    return [f"{counted(len(cards), 'network')}.", absent_in_words(absent)]


def absent_in_words(absent: Mapping[str, str]) -> str:
    """Which networks the page goes without."""
    if not absent:
        return ""
    reasons = {why: [name for name, own in absent.items() if own == why] for why in dict.fromkeys(absent.values())}
    return " ".join(f"Left out: {listed(names)} ({why})." for why, names in reasons.items())


def intervals(whole: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A metric of a flat table with its interval: its keys, and the columns of `Difference`, nan where none is."""
    keys, rows = keys_of(whole), []
    for place, own in whole.groupby(keys, sort=False):
        rows.append(dict(zip(keys, place)) | vars(Sampled.of(own, metric).difference_or_nan()))
    return pd.DataFrame(rows, columns=[*keys, *Difference.__dataclass_fields__])


def wide(sure: pd.DataFrame, row: str, column: str, value: str = "gap") -> pd.DataFrame:
    """`intervals` as a table with a row and a column for each value of two keys, in their order."""
    return sure.pivot(index=row, columns=column, values=value).loc[
        list(dict.fromkeys(sure[row])), list(dict.fromkeys(sure[column]))
    ]


def clear(sure: pd.DataFrame, key: str, unit: float = 100.0) -> str:
    """What of `intervals` has one that leaves 0 out, highest first, times ``unit``: "a +3.1 (+1.0 to +5.2) and b ...";
    "none" else."""
    known = sure[(sure["low"] > 0) | (sure["high"] < 0)].sort_values("gap", ascending=False)
    said = [
        f"{own[key]} {points(unit * own['gap'])} ({points(unit * own['low'])} to {points(unit * own['high'])})"
        for own in known.to_dict("records")
    ]
    return listed(said)


def off_the_line(effective: pd.DataFrame, every: str, told: Sequence[str]) -> list[str]:
    """Which members lie above or below the line beyond chance, over ``every`` factor and, of those ``told``, factor by
    factor; or that there is no line. ``effective`` are `intervals` by member and factor."""
    whole = effective["factor"] == every
    if effective["gap"].isna().all():
        return ["Too few networks make a line, so that none can be off it."]
    own = effective[~whole & effective["member"].isin(told)]
    by_factor = [f"the {name} under {clear(rows, 'factor')}" for name, rows in own.groupby("member", sort=False)]
    return [
        f"Over all factors these lie off the line beyond chance: {clear(effective[whole], 'member')}.",
        f"Factor by factor, {'; '.join(by_factor)}." if by_factor else "",
    ]


def ranks(table: pd.DataFrame, columns: Sequence[str], named: str) -> pd.DataFrame:
    """Over networks, the rank correlation of each column with the accuracy in plain view: a row each, with the columns
    ``named`` (which column), rank, rank_se, low, high (its 95 % interval over resampled members, each with all its
    seeds), networks and members."""
    rows = []
    for column in columns:
        found = rank_correlation(table["accuracy"].to_numpy(), table[column].to_numpy(), table["member"].tolist())
        rows.append({named: column, "rank": found.gap, "rank_se": found.se, "low": found.low, "high": found.high})
    return pd.DataFrame(rows).assign(networks=len(table), members=table["member"].nunique())


def foretold_in_words(table: pd.DataFrame) -> list[str]:
    """A sentence for each row of `ranks`."""
    named, said = table.columns[0], []
    for row in table.to_dict("records"):
        members = f"{counted(row['members'], 'resampled member')}, each with all its seeds"
        interval = f"95 % interval {row['low']:+.2f} to {row['high']:+.2f} over {members}"
        over = f"over {counted(row['networks'], 'network')}" + ("" if np.isnan(row["low"]) else f", {interval}")
        rank = rank_in_words(row["rank"])
        said.append(f"Accuracy in plain view and {row[named]}: {rank} ({over}).")
    return said


def rank_in_words(rank: float) -> str:
    """ "rank correlation +0.71", or that there is none where one number is the same for all."""
    return "no rank correlation" if np.isnan(rank) else f"rank correlation {rank:+.2f}"


def changes_of_ways(errors: pd.DataFrame, before: str, after: str, metrics: Sequence[str]) -> pd.DataFrame:
    """By how much metrics are higher after than before, way by way: a row for each member, set and metric, with the
    columns of `Difference`. ``errors`` is a flat table by member, set and way."""
    rows = []
    for (member, kind), own in errors.groupby(["member", "set"], sort=False):
        sides = [own[own["way"] == way] for way in (after, before)]
        for metric in metrics:
            later, earlier = (Sampled.of(side, metric) for side in sides)
            gap = (later - earlier).difference()
            rows.append({"member": member, "set": kind, "metric": metric} | vars(gap))
    return pd.DataFrame(rows)


def of_changes(changes: pd.DataFrame, kind: str, metric: str, unit: float = 100.0, named: str = "points") -> str:
    """Changes of all members in one set, in words: their mean, and how many are beyond chance either way."""
    own = changes[(changes["set"] == kind) & (changes["metric"] == metric)]
    lower, higher = int((own["high"] < 0).sum()), int((own["low"] > 0).sum())
    mean = (
        f"{unit * own['gap'].mean():+z.{1 if unit > 1 else 2}f} {named} in the mean over {counted(len(own), 'member')}"
    )
    return f"{mean} (beyond chance down in {lower}, up in {higher})"


def _accuracy(found: Sequence[Answers]) -> pd.DataFrame:
    known = [(own.card.name, own.card.seed, float(own.of(CLEAN).right(own.asked).mean())) for own in found]
    return pd.DataFrame(known, columns=["member", "run", "accuracy"])


def networks(found: Sequence[Answers], told: pd.DataFrame, score: str) -> pd.DataFrame:
    """A row for each network that has this score: member, run (its seed), accuracy in plain view, and the AUROC for
    each kind of strangers."""
    own = told[(told["replicate"] == ITSELF) & (told["score"] == score)]
    kinds = own.pivot(index=["member", "run"], columns="strangers", values="auroc").reset_index()
    return _accuracy(found).merge(kinds, on=["member", "run"])


def networks_found(found: Sequence[Answers], retrieved: pd.DataFrame) -> pd.DataFrame:
    """A row for each network: member, run (its seed), accuracy in plain view, and mAP in each direction."""
    own = retrieved[retrieved["replicate"] == ITSELF]
    directions = own.pivot(index=["member", "run"], columns="direction", values="mAP").reset_index()
    return _accuracy(found).merge(directions, on=["member", "run"])
