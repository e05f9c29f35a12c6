"""The pictures that a model segments worst, chosen by rule."""

import pandas as pd


def hardest_pictures(per_image: pd.DataFrame, count: int) -> pd.DataFrame:
    """The ``count`` damaged pictures with the lowest pixel AUROC of their own, at most one of each category, worst
    first.

    ``per_image`` is that of `evaluation.evaluate`. Equal pictures are taken in the order of their paths; fewer rows
    come back where there are fewer categories. Raises ValueError for a count below 1.
    """
    if count < 1:
        raise ValueError(f"Expected at least one picture, got count={count}.")
    damaged = per_image.loc[per_image.is_anomalous].dropna(subset=["pixel_auroc"]).sort_values(["pixel_auroc", "path"])
    return damaged.drop_duplicates("category").head(count).reset_index(drop=True)
