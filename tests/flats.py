"""Flat tables of numbers with replicates, as `evaluation.replicates.flat` gives them, made up."""

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
import pandas as pd


def flat_of(
    numbers: Mapping[tuple, float],
    by: Sequence[str],
    metrics: Sequence[str] = ("image_auroc", "pixel_auroc"),
    *,
    own: float = 0.0,
    apart: float = 0.0,
    runs: int = 1,
    units: int = 6,
) -> pd.DataFrame:
    """A row set for each number, by its values of ``by``: itself and 60 replicates. These move by 0.1 together, which a
    paired difference does not see, and by ``own`` apart. Of several ``runs`` each is ``apart`` above the one before,
    around the number."""
    common, parts = 0.1 * np.random.default_rng(0).normal(size=60), []
    for place, number in numbers.items():
        for run in range(runs):
            noise = own * np.random.default_rng(crc32(repr((place, run)).encode())).normal(size=60)
            values = number + apart * (run - (runs - 1) / 2) + np.r_[0.0, common + noise]
            columns = dict(zip(by, place, strict=True)) | {
                "replicate": range(-1, 60),
                "draw": range(61),
                "pictures": 7,
                "units": units,
                "freedom": units - 1,
            }
            parts.append(pd.DataFrame(columns | dict.fromkeys(metrics, values) | {"run": run}))
    return pd.concat(parts, ignore_index=True)
