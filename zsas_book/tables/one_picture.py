"""What thresholds on the map of a single picture give, in words."""

import pandas as pd

NEAR = 0.9
"""Of the largest F1: what is within a tenth of it."""


def thresholds_in_words(thresholds: pd.DataFrame, lowest: float, highest: float) -> str:
    """The largest F1 of a `studies.one_picture.threshold_table` and which thresholds come near it, a sentence.
    ``lowest`` and ``highest`` are those of the map. Where nothing above any threshold is damaged, that is said."""
    best = float(thresholds.f1.max())
    of_map = f"of a map from {lowest:.3f} to {highest:.3f}"
    if not best > 0:
        least, most = thresholds.threshold.min(), thresholds.threshold.max()
        return (
            f"Nothing above any of {len(thresholds)} thresholds from {least:.3f} to {most:.3f}, {of_map}, is damaged: "
            "all have an F1 of 0."
        )
    near = thresholds.threshold[thresholds.f1 > NEAR * best]
    which = f"lie those from {near.min():.3f} to {near.max():.3f}" if len(near) > 1 else f"lies {near.min():.3f} alone"
    return (
        f"The best of {len(thresholds)} thresholds gives this picture an F1 of {100 * best:.1f} %; within a tenth of "
        f"it {which}, {of_map}."
    )
