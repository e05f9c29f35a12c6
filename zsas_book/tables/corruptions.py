"""What corruptions leave of methods: tables, and what they say."""

from collections.abc import Mapping, Sequence

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
    """What each model keeps and where least, how its false alarms grow, and who keeps more than the first, pair by
    pair."""
    kept, said = {}, []
    for name, own in whole.groupby("model", sort=False):
        left, alarms = (samples(own, quantity, "corruption") for quantity in ("retained", "alarms"))
        kept[str(name)] = mean_of(left)
        least, worst = (
            min(left, key=lambda key: left[key].values[0]),
            max(alarms, key=lambda key: alarms[key].values[0]),
        )
        clean = pd.concat([s[(s["category"] == MEAN) & (s["corruption"] == CLEAN)] for s in sweeps[str(name)]])
        before = 100 * (1 - clean["tnr"].mean())
        said.append(
            f"{label(str(name))} keeps {100 * kept[str(name)].values[0]:.0f} % of its {label(metric)} in the mean over "
            f"corruptions, least under {label(least)} ({100 * left[least].values[0]:.0f} %). At its clean threshold it "
            f"calls {before:.0f} % of sound clean pictures damaged, and {points(100 * mean_of(alarms).values[0])} "
            f"points more of corrupted ones, most under {label(worst)}: {gain(alarms[worst])}."
        )
    first, *others = kept
    said += [f"{label(name)} keeps {gain(kept[name] - kept[first])} more than {label(first)}." for name in others]
    return said


def mean_of(numbers: Mapping[str, Sampled]) -> Sampled:
    """The mean of several numbers about the same pictures, replicate by replicate."""
    first, *others = numbers.values()
    total = first
    for other in others:
        total = total - other * -1.0
    return total * (1 / len(numbers))
