"""Members at equal accuracy: each against the reference of its own seed, had that learnt just as long as it takes.

All members but the short one and the fine-tuned ones have seen as many pictures, and so they differ in accuracy; who
names more in plain view has more to lose and does most else better too. The zoo has the reference after fewer steps as
well (`SHORT`). Between these two lengths of training lies, straight over the logit of accuracy, what the reference does
where it names as much in plain view as a member: networks that differ from the member in its own choice and in length
alone. Nothing is extrapolated: a network that names more than the reference of its seed, or less than the short one,
has nothing to be compared with.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..evaluation.sampled import ITSELF
from .effective import logits_of
from .naming import CLEAN, Answers, by_seed
from .visual_factors import AMONG, accuracies

REFERENCE, SHORT = "reference", "short"
REACH = 0.1
"""How far beyond an end of the way from the short to the whole training, in shares of it, still counts as at it."""
PLAIN, SHARE, FORETOLD, GAIN = "plain", "share", "foretold", "gain"


def at_equal_accuracy(
    whole: pd.DataFrame, metric: str, reference: str = REFERENCE, short: str = SHORT
) -> tuple[pd.DataFrame, dict[str, str]]:
    """How much higher a metric of members is than the reference has it at their accuracy, and why others are left out.

    ``whole`` is a flat table by member and further keys with ``run``, the metric and `PLAIN`, the accuracy in plain
    view in the same resamples. The table that comes has the same keys, for each network that can be compared. Columns:
    share (of the way from the short to the whole training at which the reference names as much), foretold (the metric
    there) and gain. In every resample of the names the way is drawn anew. Members that are the ends of the way are not
    among them; without an end there is none.
    """
    keys = [name for name in whole.columns[: list(whole.columns).index("replicate")] if name != "member"]
    by = [*keys, "run", "replicate"]
    long, begun = (whole[whole["member"] == name].set_index(by)[[PLAIN, metric]] for name in (reference, short))
    others = pd.DataFrame(whole[~whole["member"].isin([reference, short])])
    both = long.add_suffix("_long").join(begun.add_suffix("_short"), how="inner")
    rows = others.join(both, on=by, how="inner")
    last, first, own = (logits_of(rows[name].to_numpy()) for name in (f"{PLAIN}_long", f"{PLAIN}_short", PLAIN))
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample may have both ends alike
        share = (own - first) / (last - first)
    foretold = rows[f"{metric}_short"] + share * (rows[f"{metric}_long"] - rows[f"{metric}_short"])
    rows = rows.assign(**{SHARE: share, FORETOLD: foretold, GAIN: rows[metric] - foretold})
    itself = pd.DataFrame(rows[rows["replicate"] == ITSELF]).drop_duplicates(["member", "run"])
    inside = itself[itself[SHARE].between(-REACH, 1 + REACH)]
    kept = pd.MultiIndex.from_frame(pd.DataFrame(inside[["member", "run"]]))
    found = pd.DataFrame(rows[pd.MultiIndex.from_frame(pd.DataFrame(rows[["member", "run"]])).isin(kept)])
    columns = ["member", *keys, "replicate", "draw", "pictures", "units", "freedom", SHARE, FORETOLD, GAIN, "run"]
    return found.reindex(columns=columns).reset_index(drop=True), _absent(others, itself, found)


def plain_accuracy(found: Sequence[Answers]) -> pd.DataFrame:
    """The accuracy of every network in plain view, by member, run and replicate, names in alphabetical order, as other
    axes resample them; column `PLAIN`."""
    table = accuracies(found)
    clean = pd.DataFrame(table.loc[table["factor"] == CLEAN, ["member", "seed", "category", AMONG]])
    flat = by_seed(clean.sort_values("category", kind="stable").rename(columns={AMONG: PLAIN}), ["member"])
    return pd.DataFrame(flat[["member", "run", "replicate", PLAIN]])


def _absent(others: pd.DataFrame, compared: pd.DataFrame, found: pd.DataFrame) -> dict[str, str]:
    """By member; of those with some networks that are compared nothing is said."""
    absent = {}
    for name in dict.fromkeys(others["member"]):
        if (found["member"] == name).any():
            continue
        shares = compared.loc[compared["member"] == name, SHARE]
        if shares.empty:
            absent[str(name)] = f"there is no {REFERENCE} and no {SHORT} of its seeds"
        elif (shares > 1).all():
            absent[str(name)] = "it names more than the reference, which has not learnt for longer"
        elif (shares < 0).all():
            absent[str(name)] = "it names less than the reference that has learnt least"
        else:
            absent[str(name)] = "its networks name more or less than both references"
    return absent
