"""Whether words find kinds of defects: the table and its sentences."""

import numpy as np
import pandas as pd

from zsas_lib.evaluation.paired import over_categories
from zsas_lib.robustness.defect_retrieval import CHANCE, TO_DEFECT, above_chance

from ..words import beyond, points

MEASURES = ("hit@1", "R-precision", "AP")

CLAIMS = [
    {
        "paper": "T",
        "claim": "Accuracy of naming foretells retrieval, both ways",
        "here": "Not tested here: one tower, and kinds of defects for captions. Both ways are set against chance.",
    }
]
"""What papers say that the chapter is near to."""


def against_chance(table: pd.DataFrame) -> pd.DataFrame:
    """The means over categories of `defect_retrieval`, a row for each direction and measure: found and chance in
    percent, and what is above chance in points with its 95 % interval over resampled categories (nan for one)."""
    gaps, rows = above_chance(table), []
    for direction, own in table.groupby("direction", sort=False):
        for name in MEASURES:
            above = gaps[gaps.direction == direction].set_index("category")[name]
            sure = over_categories(above) if len(above) > 1 else None
            row = {"direction": direction, "measure": name, "categories": len(own), "found": 100 * own[name].mean()}
            row |= {"chance": 100 * own[f"{name}{CHANCE}"].mean(), "above": 100 * above.mean()}
            rows.append(row | {end: 100 * getattr(sure, end) if sure else np.nan for end in ("low", "high")})
    return pd.DataFrame(rows)


def found_in_words(rows: pd.DataFrame) -> list[str]:
    """Whether either direction is above chance, a sentence each."""
    sentences = []
    for direction, own in rows.groupby("direction", sort=False):
        row = own[own.measure == "AP"].iloc[0]
        word = beyond(row.low, row.high, "above chance", "below chance", "within chance")
        begin = "A damaged picture ranks the sentence about its defect"
        if direction == TO_DEFECT:
            begin = "A sentence about a kind of defect ranks the pictures that have it"
        interval = "no interval" if np.isnan(row.low) else f"95 % interval {points(row.low)} to {points(row.high)}"
        sentences.append(
            f"{begin} {word}: AP {row.found:.0f} % where a random order has {row.chance:.0f} % ({points(row.above)} "
            f"points, {interval})."
        )
    return sentences
