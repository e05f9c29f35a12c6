"""What the choice of an epoch gains: tables and sentences."""

from typing import cast

import pandas as pd

from zsas_lib.evaluation.sampled import SIZES
from zsas_lib.training.selection import AUXILIARY, LAST, TARGET

from ..labels import label
from ..words import beyond, counted, how_sure, points

CLAIMS = [
    {
        "paper": "V",
        "claim": "Five categories of MVTec AD, or of VisA where that is tested, are the validation set (5.1, 5.5)",
        "here": "They are part of the test data. The released program prints its quality on them after each epoch and "
        "tests the tenth whatever they say, so no choice by them is in the tables; what such a choice gains is above.",
    },
]
"""What paper V says of this; it prints no number."""
WORDS = {LAST: "the last epoch", AUXILIARY: "the best on held-out auxiliary products", TARGET: "the best on test data"}


def in_percent(gains: pd.DataFrame) -> pd.DataFrame:
    """`kept_epochs.gains` in percent and points, but for the share of resamples that agree in sign."""
    return gains.assign(**{name: 100 * gains[name] for name in ("mean", *SIZES)})


def in_words(rows: pd.DataFrame, by: str) -> list[str]:
    """What selection by the metric ``by`` gains in this metric, of `in_percent`'s rows: a sentence for each pair of
    choices over all models, then one for each model and pair."""
    chosen, sentences = cast(pd.DataFrame, rows[rows["metric"] == by]), []
    for place, own in chosen.groupby(["kept", "beside"], sort=False):
        kept, beside = cast(tuple[str, str], place)
        gaps = [float(gap) for gap in own["gap"]]
        clear = sum(low > 0 or high < 0 for low, high in zip(own["low"], own["high"]))
        sentences.append(
            f"{WORDS[kept].capitalize()} has {points(min(gaps))} to {points(max(gaps))} points of "
            f"{label(by)} beside {WORDS[beside]}, beyond chance for {clear} of {counted(len(own), 'model')}."
        )
    for model, own in chosen.groupby("model", sort=False):
        for row in own.to_dict("records"):
            low, high = row["low"], row["high"]
            word = beyond(low, high, "better", "worse", "within chance")
            sentences.append(
                f"{label(str(model))}, {WORDS[row['kept']]} beside {WORDS[row['beside']]}: {label(by)} "
                f"{points(row['gap'])} points, {word} ({how_sure(low, high, row['agree'], row['power'])})."
            )
    return sentences
