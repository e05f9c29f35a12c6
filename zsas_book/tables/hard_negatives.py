"""What a second training on hard pictures changes: tables and sentences."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zsas_lib.evaluation.paired import paired
from zsas_lib.evaluation.sampled import in_points
from zsas_lib.evaluation.tables import MEAN, ResultTable
from zsas_lib.robustness.hard_negatives import ALARMS, FOUND, PLAIN, mean_rates

from ..labels import label
from ..words import beyond, listed, points

Runs = Mapping[str, Mapping[str, Sequence[ResultTable]]]
"""Tables of `evaluate` by model and by arm, one for each training."""
CLAIMS = [
    {
        "paper": "K",
        "claim": "Failures could be learned from, such as by hard negative mining (sec. 5.3)",
        "here": "Tested for false alarms on the pictures that models learn from, see the table. What was missed, the "
        "other kind of failure, is not mined.",
    },
]
"""What paper K says of this; it prints no number."""
LOWER_IS_BETTER = (ALARMS,)


def changes(
    runs: Runs, rates: Mapping[str, Mapping[str, Sequence[pd.DataFrame]]], metrics: Sequence[str]
) -> pd.DataFrame:
    """Every arm beside the plain training, paired, in the mean over categories: columns model, arm, measured, mean in
    percent, gap, se, low, high and power in points, agree (a fraction).

    Measured are ``metrics`` and the shares of ``rates``, which has `robustness.hard_negatives.alarm_rates` of each
    training.
    """
    rows = []
    for model, own in runs.items():
        plain = mean_rates(rates[model][PLAIN])
        for arm, tables in own.items():
            compared = paired(tables, own[PLAIN])
            compared = compared[compared.category == MEAN].set_index("metric")
            for metric in metrics:
                value = 100 * float(np.mean([table.loc[MEAN, metric] for table in tables]))
                rows.append(
                    {"model": model, "arm": arm, "measured": metric, "mean": value} | in_points(compared.loc[metric])
                )
            behind = mean_rates(rates[model][arm])
            for name in (ALARMS, FOUND):
                value = 100 * float(behind[name].values[0])
                changed = (behind[name] - plain[name]).difference_or_nan()
                rows.append({"model": model, "arm": arm, "measured": name, "mean": value} | in_points(vars(changed)))
    return pd.DataFrame(rows)


def panels_of(rows: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The changes of all arms but the plain one as what `figures.dot_panels` draws: a series for each model."""
    parts = ({}, {})
    for model, own in rows[rows.arm != PLAIN].groupby("model", sort=False):
        for part, column in zip(parts, ("gap", "se")):
            wide = own.pivot(index="arm", columns="measured", values=column)
            part[str(model)] = wide.reindex(index=own.arm.unique(), columns=own.measured.unique())
    return parts


def in_words(rows: pd.DataFrame) -> list[str]:
    """What each arm changes in points, and whether that is beyond chance, a sentence for each model and arm; the table
    has what it rests on."""
    sentences = []
    for (model, arm), own in rows[rows.arm != PLAIN].groupby(["model", "arm"], sort=False):
        said = []
        for row in own.itertuples():
            words = ("worse", "better") if row.measured in LOWER_IS_BETTER else ("better", "worse")
            word = beyond(row.low, row.high, *words, "within chance")
            said.append(f"{label(row.measured)} {points(row.gap)} ({word})")
        sentences.append(f"{label(str(model))}, {arm}: {listed(said)}.")
    return sentences
