"""Naming products of which one visual factor changes: what each member of the zoo loses, and whether more than its
accuracy in plain view foretells.

Every picture of a factor shows the product, pose and seed of a picture in plain view, so that drops are paired; all
intervals are over resampled names. Seeds of a member are its runs, and what they differ by is part of its interval.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..backbones.zoo import Card
from ..base.errors import OptionError
from .effective import FEWEST, effective_robustness
from .naming import CLEAN, Answers, by_seed

ALL = "all factors"
AMONG, OF_ALL = "accuracy", "accuracy_of_all"
"""Columns: named right among the held-out names, and among all names that there are, most of which were learnt."""


def accuracies(found: Sequence[Answers], levels: Sequence[int] | None = None) -> pd.DataFrame:
    """The accuracy of every member for every name, in plain view and under each factor, averaged over ``levels`` (None:
    all that were asked).

    Columns: member, seed, factor ("clean" for plain view), category (the name), `AMONG` and `OF_ALL`. Learnt names and
    strangers are left out.
    """
    parts = []
    for own in found:
        rows = own.rows.assign(**{AMONG: own.right(own.asked), OF_ALL: own.right()})
        asked = rows["name"].isin(own.asked) & ((rows["set"] == CLEAN) | (rows["level"] > 0))
        if levels is not None:
            asked &= (rows["set"] == CLEAN) | rows["level"].isin(levels)
        means = pd.DataFrame(rows[asked].groupby(["set", "name"], sort=False)[[AMONG, OF_ALL]].mean())
        means = means.reset_index().rename(columns={"set": "factor", "name": "category"})
        parts.append(means.assign(member=own.card.name, seed=own.card.seed))
    whole = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(whole[["member", "seed", "factor", "category", AMONG, OF_ALL]])


def with_mean(table: pd.DataFrame) -> pd.DataFrame:
    """`accuracies` and, as the factor `ALL`, the mean over the factors."""
    keys = ["member", "seed", "category"]
    mean = pd.DataFrame(table[table["factor"] != CLEAN].groupby(keys, sort=False)[[AMONG, OF_ALL]].mean())
    whole = pd.concat([table, mean.reset_index().assign(factor=ALL)], ignore_index=True)
    return whole.reindex(columns=list(table.columns))


def means(table: pd.DataFrame) -> pd.DataFrame:
    """The mean over names of `accuracies`, a row for each member and a column for each factor, in plain view first; the
    seeds of a member averaged."""
    return table.pivot_table(index="member", columns="factor", values=AMONG, sort=False)


def drops(table: pd.DataFrame) -> pd.DataFrame:
    """What each factor takes from plain view, of each member, seed by seed: a flat table by member and factor with
    ``run``. Columns: loss, in the accuracy's unit. Raises OptionError where nothing but plain view was asked about."""
    if {*table["factor"]} <= {CLEAN}:
        raise OptionError(
            "Expected pictures under a factor or corruption, or damaged ones, beside those in plain view, got none; "
            "name a corruption."
        )
    whole = with_mean(table)
    gaps = pd.DataFrame(whole.assign(loss=_losses(whole))[whole["factor"] != CLEAN])
    return by_seed(gaps.reindex(columns=["member", "seed", "factor", "category", "loss"]), ["member", "factor"])


def against(table: pd.DataFrame, reference: str = "reference") -> pd.DataFrame:
    """How much more accurate each other member is than the reference of its own seed, in plain view and under each
    factor: a flat table by member and factor with ``run``, of the seeds that both have. Columns: gain, and ``kept``,
    how much less each factor takes from it (in plain view 0).

    Raises ValueError where the reference is not there, or no other.
    """
    whole = with_mean(table)
    if reference not in set(whole["member"]):
        raise ValueError(
            f"Expected the member {reference!r} among them, got {', '.join(sorted(set(whole['member'])))}."
        )
    whole = whole.assign(loss=_losses(whole))
    own = whole[whole["member"] == reference].set_index(["seed", "factor", "category"])
    rows = whole[whole["member"] != reference].set_index(["seed", "factor", "category"])
    rows = rows[rows.index.isin(own.index)]
    if rows.empty:
        raise ValueError(f"Expected other members to compare with {reference!r}, of its seeds, got none.")
    beside = own.reindex(rows.index)
    gaps = rows.assign(gain=rows[AMONG] - beside[AMONG], kept=beside["loss"] - rows["loss"]).reset_index()
    columns = ["member", "seed", "factor", "category", "gain", "kept"]
    return by_seed(gaps.reindex(columns=columns), ["member", "factor"])


def _losses(whole: pd.DataFrame) -> pd.Series:
    keys = ["member", "seed", "category"]
    plain = whole[whole["factor"] == CLEAN].set_index(keys)[AMONG]
    indexed = whole.set_index(keys)
    return pd.Series((plain.reindex(indexed.index) - indexed[AMONG]).to_numpy(), index=whole.index)


def relatives(cards: Sequence[Card]) -> list[str]:
    """The members that the line of effective robustness is fitted to: those of the reference's kind of tower that
    learnt from captions from the start."""
    fitted = [own for own in cards if own.axis not in ("architecture", "fine-tuning") and own.loss != "labels"]
    return list(dict.fromkeys(own.name for own in fitted))


def factor_robustness(
    table: pd.DataFrame, reference: Sequence[str], resamples: int = 200, factors: Sequence[str] | None = None
) -> pd.DataFrame:
    """The effective robustness of every member to each factor and to all, or to ``factors`` of these: a flat table by
    member and factor with ``run``, its columns those of `effective.effective_robustness`.

    The line is fitted to all seeds of the ``reference`` members. Raises as `effective_robustness`, also for too few.
    """
    whole = with_mean(table)
    whole = whole.assign(model=whole["member"] + ":" + whole["seed"].astype(str))
    plain = whole[whole["factor"] == CLEAN].set_index(["model", "category"])[AMONG]
    names = list(dict.fromkeys(whole.loc[whole["member"].isin(reference), "model"]))
    if len(names) < FEWEST:
        raise ValueError(f"Expected at least {FEWEST} reference networks, got {len(names)}: no line can be fitted.")
    parts = []
    for factor in factors or dict.fromkeys(whole.loc[whole["factor"] != CLEAN, "factor"]):
        rows = whole[whole["factor"] == factor].set_index(["model", "category"])
        both = rows.assign(plain=plain.reindex(rows.index)).reset_index()
        own = effective_robustness(both, plain="plain", shifted=AMONG, reference=names, resamples=resamples)
        known = own["model"].str.rsplit(":", n=1, expand=True)
        own.insert(0, "member", known[0])
        own.insert(1, "factor", factor)
        parts.append(own.drop(columns="model").assign(run=known[1].astype(int)))
    return pd.concat(parts, ignore_index=True)


def beside_plain(table: pd.DataFrame) -> pd.DataFrame:
    """The accuracy of every network under each factor and all, and beside it, as ``plain``, that in plain view, in the
    same resamples of the names: a flat table by member and factor with ``run``."""
    whole = with_mean(table)
    keys = ["member", "seed", "category"]
    plain = whole[whole["factor"] == CLEAN].set_index(keys)[AMONG]
    rows = pd.DataFrame(whole[whole["factor"] != CLEAN])
    rows.insert(0, "plain", plain.reindex(pd.MultiIndex.from_frame(pd.DataFrame(rows[keys]))).to_numpy())
    return by_seed(rows.reindex(columns=[*keys, "factor", "plain", AMONG]), ["member", "factor"])


def robustness_or_none(
    table: pd.DataFrame, reference: Sequence[str], factors: Sequence[str] | None = None
) -> pd.DataFrame:
    """`factor_robustness`; of fewer than `FEWEST` reference networks the same table, in which what is expected and how
    far from it they are is not known (nan)."""
    networks = table.loc[table["member"].isin(reference), ["member", "seed"]].drop_duplicates()
    if len(networks) >= FEWEST:
        return factor_robustness(table, reference, factors=factors)
    found = beside_plain(table)
    found = found if factors is None else pd.DataFrame(found[found["factor"].isin(factors)])
    found.insert(list(found.columns).index("run"), "expected", np.nan)
    found.insert(list(found.columns).index("run"), "effective", np.nan)
    return found
