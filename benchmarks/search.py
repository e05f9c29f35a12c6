"""The worst-case searches against each other: Adam 5 x 200 as paper S, the grid and random points with a tenth of its
passes.

For each of the seven combinations of perturbations, searched on its own (nothing is known from smaller ones), the mean
over fixed damaged pictures of embedded-b of each one's own pixel AUROC at the worst point found; the lower, the
tighter. A step of Adam is two forward passes (a backward pass counts as one), a point of the others is one. Wanted: the
grid at least as tight as Adam in all seven. That takes about 270,000 passes, three hours of a CPU core in bfloat16;
what is found is stored per combination, so a run that was stopped goes on where it was.
"""

from collections.abc import Iterator

import pandas as pd

import zsas_lib as zsas
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.robustness.search import adam
from zsas_lib.robustness.search.whole_sets import combination_name, worst_cases
from zsas_lib.robustness.search.worst_case import COMBINATIONS

from .table import Measurement, Settings

PICTURES = 16
STEPS = 1000  # of Adam, all restarts together
RESTARTS = 5
SHARE = 0.1  # of Adam's passes, for the other searches
PRECISION = "bfloat16"


def fixed_pictures(count: int, image_size: int) -> AnomalyDataset:
    """At least ``count`` damaged pictures of embedded-b: as many of each category, of as few categories as that
    takes."""
    damaged = zsas.load_dataset("embedded-b", image_size=image_size).select(anomalous=True)
    of_each = -(-count // len(damaged.categories))
    return damaged.select(damaged.categories[: -(-count // of_each)], per_category=of_each)


def measure(settings: Settings) -> Iterator[Measurement]:
    count, steps, combinations = (2, 20, COMBINATIONS[:1]) if settings.quick else (PICTURES, STEPS, COMBINATIONS)
    backbone = zsas.load_backbone("embedded", device=settings.device, precision=PRECISION)
    model, pictures = zsas.load_model("winclip", backbone), fixed_pictures(count, backbone.image_size)
    points = round(SHARE * adam.PASSES * steps)
    for over in combinations:
        name, found = combination_name(over), {}
        for search, given in {"adam": steps, "grid": points, "random": points}.items():
            cases = worst_cases(
                model, pictures, combinations=[over], search=search, steps=given, restarts=RESTARTS, batch_size=16
            )
            found[search] = cases[cases.combination == name].set_index("picture")
        bounds = pd.DataFrame({search: 100 * rows.pixel_auroc for search, rows in found.items()})
        gap, mean, passes = (
            bounds.grid - bounds.adam,
            bounds.mean(),
            {search: int(rows.passes.max()) for search, rows in found.items()},
        )
        yield Measurement(
            f"bound by the grid, {name}",
            mean.grid,
            "% pixel AUROC",
            f"Adam {RESTARTS} x {steps // RESTARTS}",
            mean.adam,
            mean.adam / mean.grid,
            note=f"{gap.mean():+.2f} ± {gap.sem():.2f}, as tight for {(gap <= 0).sum()} of {len(gap)} pictures; "
            f"random points {mean.random:.2f}; {passes['grid']} passes against {passes['adam']}, {PRECISION}",
        )
