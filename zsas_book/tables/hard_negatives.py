"""What a second training on hard pictures changes: tables and sentences."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zsas_lib.evaluation.paired import paired
from zsas_lib.evaluation.sampled import Difference, Sampled
from zsas_lib.evaluation.tables import MEAN, ResultTable
from zsas_lib.robustness.hard_negatives import PLAIN, alarms_behind

from ..labels import label
from ..words import beyond, how_sure, points

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
ALARMS, FOUND = "false alarms", "found"
LOWER_IS_BETTER = (ALARMS,)
PARTS = ("gap", "se", "low", "high", "power")


def changes(runs: Runs, auxiliary: Runs, metrics: Sequence[str]) -> pd.DataFrame:
    """Every arm beside the plain training, paired: columns model, arm, steps (of one training), measured, mean in
    percent, gap, se, low, high and power in points, agree (a fraction).

    Measured are ``metrics``, of means over categories, and what thresholds set on the auxiliary pictures find and alarm
    falsely (`robustness.hard_negatives.alarms_behind`), of all pictures together.
    """
    rows = []
    for model, own in runs.items():
        plain = alarms_behind(own[PLAIN], auxiliary[model][PLAIN])
        for arm, tables in own.items():
            compared = paired(tables, own[PLAIN])
            compared = compared[compared.category == MEAN].set_index("metric")
            for metric in metrics:
                value = 100 * float(np.mean([table.loc[MEAN, metric] for table in tables]))
                rows.append(
                    {"model": model, "arm": arm, "measured": metric, "mean": value} | _row(compared.loc[metric])
                )
            behind = alarms_behind(tables, auxiliary[model][arm])
            for name in (ALARMS, FOUND):
                value = 100 * float(behind[name].values[0])
                changed = pd.Series(vars(_difference(behind[name] - plain[name])))
                rows.append({"model": model, "arm": arm, "measured": name, "mean": value} | _row(changed))
    return pd.DataFrame(rows)


def _difference(sampled: Sampled) -> Difference:
    return sampled.difference() if sampled.units > 1 else Difference(float(sampled.values[0]), *[float("nan")] * 5)


def _row(difference: pd.Series) -> dict[str, float]:
    return {name: 100 * difference[name] for name in PARTS} | {"agree": difference["agree"]}


def panels_of(rows: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The changes of all arms but the plain one as what `figures.dot_panels` draws: a series for each model."""
    parts = ({}, {})
    for model, own in rows[rows.arm != PLAIN].groupby("model", sort=False):
        for part, column in zip(parts, ("gap", "se")):
            wide = own.pivot(index="arm", columns="measured", values=column)
            part[str(model)] = wide.reindex(index=own.arm.unique(), columns=own.measured.unique())
    return parts


def in_words(rows: pd.DataFrame) -> list[str]:
    """What each arm changes, and whether that is beyond chance, a sentence for each model and arm."""
    sentences = []
    for (model, arm), own in rows[rows.arm != PLAIN].groupby(["model", "arm"], sort=False):
        said = []
        for row in own.itertuples():
            words = ("worse", "better") if row.measured in LOWER_IS_BETTER else ("better", "worse")
            word = beyond(row.low, row.high, *words, "within chance")
            sure = how_sure(row.low, row.high, row.agree, row.power)
            said.append(f"{label(row.measured)} {points(row.gap)} points, {word} ({sure})")
        sentences.append(f"{label(str(model))}, {arm}: {'; '.join(said)}.")
    return sentences
