"""What corruptions leave of methods: tables, and what they say."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zsas_lib.evaluation.paired import differences, samples
from zsas_lib.evaluation.sampled import Sampled
from zsas_lib.evaluation.tables import MEAN
from zsas_lib.perturbations.corruptions import CORRUPTIONS
from zsas_lib.robustness.corruptions import CLEAN, effects

from ..labels import label
from ..words import gain, points

Sweeps = Mapping[str, Sequence[pd.DataFrame]]
"""Tables of `corruption_sweep` by model, one for each training."""
QUANTITIES = {"retained": "left (%)", "alarms": "more false alarms (points)", "missed": "more missed (points)"}


def whole_effects(sweeps: Sweeps, metric: str) -> pd.DataFrame:
    """The means over categories of `effects`, of every model and run, one below the other, for claims."""
    parts = []
    for name, runs in sweeps.items():
        for number, sweep in enumerate(runs):
            own = effects(sweep, metric).query(f"category == {MEAN!r}").drop(columns="category")
            parts.append(own.assign(run=number, model=name))
    whole = pd.concat(parts, ignore_index=True)
    return whole[["model", *whole.columns.drop("model")]]


def effects_table(whole: pd.DataFrame) -> pd.DataFrame:
    """A row for each corruption and model: what is left of the metric (percent), and how many points more sound
    pictures are called damaged, and damaged ones sound, each with its 95 % interval."""
    rows = []
    for name, own in whole.groupby("model", sort=False):
        found = differences(own, "corruption", list(QUANTITIES))
        for corruption, of_one in found.groupby("corruption", sort=False):
            row = {"corruption": corruption, "model": name}
            for quantity in of_one.itertuples():
                row |= {
                    QUANTITIES[quantity.metric]: 100 * quantity.gap,
                    f"{QUANTITIES[quantity.metric]}, low": 100 * quantity.low,
                    f"{QUANTITIES[quantity.metric]}, high": 100 * quantity.high,
                }
            rows.append(row)
    table = pd.DataFrame(rows)
    order = {name: place for place, name in enumerate(table["corruption"].unique())}
    return table.sort_values("corruption", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)


def with_reach(effects: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The numbers of an `effects_table`, by corruption and model, and half of their 95 % intervals."""
    columns, rows = list(QUANTITIES.values()), effects.set_index(["corruption", "model"])
    high = rows[[f"{column}, high" for column in columns]].set_axis(columns, axis=1)
    return pd.DataFrame(rows[columns]), pd.DataFrame(high - rows[columns])


def by_severity(sweeps: Sweeps, metric: str) -> pd.DataFrame:
    """The means over categories and runs of a metric and of false alarms at the clean threshold, in percent, by model,
    corruption and severity."""
    parts = []
    for name, runs in sweeps.items():
        for sweep in runs:
            own = pd.DataFrame(sweep[sweep["category"] == MEAN])
            numbers = {metric: 100 * own[metric], "false_alarms": 100 * (1 - own["tnr"])}
            parts.append(own[["corruption", "severity"]].assign(model=name, **numbers))
    keys = ["model", "corruption", "severity"]
    return pd.concat(parts).groupby(keys, sort=False).mean().reset_index()


def parameters_table(corruptions: Sequence[str]) -> pd.DataFrame:
    """What each severity of each corruption is, and whose values these are."""
    rows = []
    for name in corruptions:
        record = CORRUPTIONS[name]
        values = {str(severity): f"{record.values[severity]:.3g}" for severity in range(1, len(record.values))}
        rows.append({"corruption": name, "parameter": record.parameter, **values, "values of": record.source})
    return pd.DataFrame(rows)


def in_words(whole: pd.DataFrame, sweeps: Sweeps, metric: str) -> list[str]:
    """What each model keeps and where least, how its false alarms and what it misses grow, and how what is left differs
    from the first one's, pair by pair."""
    kept, said = {}, []
    for name, own in whole.groupby("model", sort=False):
        of = {quantity: samples(own, quantity, "corruption") for quantity in QUANTITIES}
        kept[str(name)] = mean_of(of["retained"])
        clean = pd.concat([s[(s["category"] == MEAN) & (s["corruption"] == CLEAN)] for s in sweeps[str(name)]])
        called = label(str(name))
        said.append(
            f"{called[:1].upper()}{called[1:]} {_left(of['retained'], metric)}. At its clean threshold it calls "
            f"{100 * (1 - clean['tnr'].mean()):.0f} % of sound clean pictures damaged, "
            f"{_more(of['alarms'])}; it misses {100 * (1 - clean['tpr'].mean()):.0f} % of damaged clean ones, "
            f"{_more(of['missed'])}."
        )
    first, *others = [name for name, own in kept.items() if np.isfinite(own.values[0])] or [""]
    for name in others:
        gap = gain(kept[name] - kept[first])
        said.append(f"What is left of {label(name)} differs from what is left of {label(first)} by {gap}.")
    return said


def _left(of: Mapping[str, Sampled], metric: str) -> str:
    """How much of a metric is left, and where least; of 0 nothing can be (nan)."""
    mean = mean_of(of).values[0]
    if np.isnan(mean):
        return f"has {label(metric)} of 0 on clean pictures (in one run at least), of which nothing can be left"
    least = min(of, key=lambda key: of[key].values[0])
    lowest = 100 * of[least].values[0]
    left = f"keeps {100 * mean:.0f} % of its {label(metric)} in the mean over corruptions"
    return f"{left}, least under {label(least)} ({lowest:.0f} %)"


def _more(of: Mapping[str, Sampled]) -> str:
    most = max(of, key=lambda key: abs(of[key].values[0]))
    mean = points(100 * mean_of(of).values[0])
    return f"which changes by {mean} points on corrupted ones, most under {label(most)}, by {gain(of[most])}"


def mean_of(numbers: Mapping[str, Sampled]) -> Sampled:
    """The mean of several numbers about the same pictures, replicate by replicate."""
    first, *others = numbers.values()
    total = first
    for other in others:
        total = total - other * -1.0
    return total * (1 / len(numbers))
