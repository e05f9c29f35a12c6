"""Shape bias in a table and in words: as drawn, and where both cues are read alike."""

import numpy as np
import pandas as pd

from zsas_lib.evaluation.sampled import ITSELF, Sampled
from zsas_lib.robustness.effective import rank_correlation
from zsas_lib.robustness.shape_bias import AS_DRAWN, EQUAL, TAUGHT

from ..words import counted, extremes, gain, listed, of_difference, points
from .zoo import intervals, rank_in_words

EVEN = 0.5
"""The bias of who has none."""


def bias_table(bias: pd.DataFrame) -> pd.DataFrame:
    """A row for each head and member, in percent: its controls and the bias as drawn, how well both controls are read
    where they are read alike, and the bias there; each bias with its 95 % interval."""
    sure = intervals(bias, "bias").set_index(["head", "member", "way"])
    means = bias[bias["replicate"] == ITSELF].groupby(["head", "member", "way"], sort=False).mean(numeric_only=True)
    rows = []
    for head, member in dict.fromkeys(zip(bias["head"], bias["member"])):
        drawn, equal = means.loc[(head, member, AS_DRAWN)], means.loc[(head, member, EQUAL)]
        known = {"head": head, "member": member, "both cues": drawn["both"], "shape alone": drawn["shape_alone"]}
        known |= {"material alone": drawn["material_alone"], "neither": drawn["neither"], "by shape": drawn["bias"]}
        known |= {"read alike": equal["shape_alone"], "by shape there": equal["bias"]}
        own = sure.loc[(head, member, EQUAL)]
        rows.append(known | {"low": own["low"], "high": own["high"]})
    table = pd.DataFrame(rows)
    numbers = table.columns[2:]
    return pd.concat([table[["head", "member"]], 100 * table[numbers]], axis=1)


def bias_in_words(bias: pd.DataFrame, reference: str, head: str = TAUGHT) -> list[str]:
    """What one head's answers say: how far members lie apart as drawn and where cues are read alike, what foretells the
    first, who prefers a cue, and who differs from the ``reference``, pair by pair."""
    own = bias[bias["head"] == head]
    ways = {way: own[own["way"] == way] for way in (AS_DRAWN, EQUAL)}
    itself = ways[AS_DRAWN][ways[AS_DRAWN]["replicate"] == ITSELF]
    gap = (itself["shape_alone"] - itself["material_alone"]).to_numpy()
    ranks = rank_correlation(gap, itself["bias"].to_numpy(), itself["member"].tolist())
    said = []
    for way, rows in ways.items():
        known = rows[rows["replicate"] == ITSELF].groupby("member", sort=False)["bias"].mean().dropna()
        if len(known):
            said.append(f"{way.capitalize()} members answer {extremes(100 * known, unit='%')} of their cues by shape.")
    members = counted(itself["member"].nunique(), "resampled member")
    known = f" (95 % interval {ranks.low:+.2f} to {ranks.high:+.2f} over {members}, each with all its seeds)"
    interval = "" if np.isnan(ranks.low) else known
    said.append(
        f"As drawn, that and how much easier the shape is to read: {rank_in_words(ranks.gap)} over "
        f"{counted(len(itself), 'network')}{interval}."
    )
    alike = {str(name): Sampled.of(part, "bias") for name, part in ways[EQUAL].groupby("member", sort=False)}
    alike = {name: part for name, part in alike.items() if np.isfinite(part.values[0])}
    prefer = {name: (part - EVEN).difference() for name, part in alike.items()}
    clear = [f"{name} {points(100 * gap.gap)} points" for name, gap in prefer.items() if gap.low > 0 or gap.high < 0]
    said.append(f"Where both are read alike, these are off one half beyond chance: {listed(clear)}.")
    if reference in alike:
        said.append(f"The {reference} is off one half by {gain(alike[reference] - EVEN)}.")
        for name, part in alike.items():
            if name != reference:
                gap = (part - alike[reference]).difference()
                said.append(f"{name}: {points(100 * gap.gap)} points beside it ({of_difference(gap)}).")
    return said
