"""The worst-case searches against each other: two fidelities, cheap looks counted by their cost, and the grid with four
times the forward passes: 50 and 200 for each picture, and 25 and 100.

For each of the seven combinations of perturbations, searched on its own (nothing is known from smaller ones), the mean
over fixed damaged pictures of embedded-b of each one's own pixel AUROC at the worst point found; the lower, the
tighter. Differences are paired by picture, with their 95 % interval. Wanted: two fidelities as tight as the grid in the
mean of the seven. That takes about 42,000 passes, a quarter of an hour of a CPU core in bfloat16. With ``--adam`` also
Adam, 5 x 200 steps as paper S, of two passes each (a backward pass counts as one), beside 50 passes: 220,000 more. What
is found is stored per picture, so a run that was stopped goes on where it was.
"""

from collections.abc import Iterator

import pandas as pd

import zsas_lib as zsas
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.evaluation.paired import over_categories
from zsas_lib.robustness.search.whole_sets import combination_name, worst_cases
from zsas_lib.robustness.search.worst_case import COMBINATIONS

from .table import Measurement, Settings

PICTURES = 16
PAIRS = ((50, "grid", 200), (25, "grid", 100))
"""Passes of two fidelities, and another search with its steps."""
ADAM = ((50, "adam", 1000),)
RESTARTS = 5
PRECISION = "bfloat16"


def fixed_pictures(count: int, image_size: int) -> AnomalyDataset:
    """At least ``count`` damaged pictures of embedded-b: as many of each category, of as few categories as that
    takes."""
    damaged = zsas.load_dataset("embedded-b", image_size=image_size).select(anomalous=True)
    of_each = -(-count // len(damaged.categories))
    return damaged.select(damaged.categories[: -(-count // of_each)], per_category=of_each)


def measure(settings: Settings) -> Iterator[Measurement]:
    count, combinations = (2, COMBINATIONS[:1]) if settings.quick else (PICTURES, COMBINATIONS)
    pairs, less = PAIRS + (ADAM if settings.adam else ()), 5 if settings.quick else 1
    backbone = zsas.load_backbone("embedded", device=settings.device, precision=PRECISION)
    model, pictures = zsas.load_model("winclip", backbone), fixed_pictures(count, backbone.image_size)
    found: dict[tuple[int, str, int], list[pd.DataFrame]] = {pair: [] for pair in pairs}
    for over in combinations:
        name = combination_name(over)
        for passes, search, steps in pairs:
            both = {}
            for side, given in {"two-fidelity": passes // less, search: steps // less}.items():
                cases = worst_cases(
                    model, pictures, combinations=[over], search=side, steps=given, restarts=RESTARTS, batch_size=16
                )
                both[side] = 100 * cases[cases.combination == name].set_index("picture").pixel_auroc
            found[passes, search, steps].append(pd.DataFrame(both))
            yield compared(both["two-fidelity"], both[search], f"{passes} passes, {name}", f"{search}, {steps} steps")
    for (passes, search, steps), parts in found.items():
        mean = sum(parts[1:], start=parts[0]) / len(parts)
        yield compared(mean["two-fidelity"], mean[search], f"{passes} passes, mean", f"{search}, {steps} steps")


def compared(ours: pd.Series, other: pd.Series, what: str, against: str) -> Measurement:
    """Bounds of two searches on the same pictures."""
    gap = over_categories(ours - other)  # resampled by picture: a unit is what has a number of its own
    return Measurement(
        f"bound by two fidelities beside {against.split(',')[0]}, {what}",
        ours.mean(),
        "% pixel AUROC",
        against,
        other.mean(),
        other.mean() / ours.mean(),
        note=f"{gap.gap:+.2f}, 95 % {gap.low:+.2f} to {gap.high:+.2f}, as tight for "
        f"{((ours - other) <= 1e-9).sum()} of {len(ours)} pictures, {PRECISION}",
    )
