"""Tables and sentences of how searches compare with Adam, paper S's."""

import pandas as pd
from pandas.io.formats.style import Styler

from zsas_lib.data.dataset import AnomalyDataset

from ..words import points
from .shown import shown

ADAM, PARTIAL = "Adam", "Adam, image term's gradient only"
REACHED, GAP = f"passes to {ADAM}'s bound", f"minus {ADAM}"


def shown_tightness(tightness: pd.DataFrame) -> Styler:
    """`comparison.tightness` against Adam as a page shows it, the error beside the difference."""
    short = {f"at least as tight as {ADAM} in": "as tight in", REACHED: f"passes to {ADAM}"}
    readable = tightness.drop(columns="±").rename(columns=short)
    errors = tightness[["±"]].set_axis([GAP], axis=1)
    reached = tightness[REACHED].map(lambda passes: "not reached" if pd.isna(passes) else f"{passes:.0f}")
    return shown(readable.assign(**{short[REACHED]: reached}), errors=errors)


def tightness_in_words(tightness: pd.DataFrame, passes: int, pictures: int) -> list[str]:
    """What `comparison.tightness` says of Adam, the grid and random points, in sentences."""
    ends = tightness["all passes"]

    def reaches(name: str) -> str:
        needed = tightness.loc[name, REACHED]
        return f"does not reach it within {passes}" if pd.isna(needed) else f"is there after {needed:.0f}"

    early = tightness.loc["grid", "a tenth of the passes"] - ends[ADAM]
    said = [
        f"After {passes} passes per picture, Adam is at {ends[ADAM]:.1f} %, grid at {ends['grid']:.1f} and random at "
        f"{ends['random']:.1f}; the lower, the tighter.",
        f"Where Adam ends, grid {reaches('grid')} and random {reaches('random')}.",
        f"With a tenth of the passes, grid stands {points(early)} points from where Adam ends with all.",
    ]
    if PARTIAL in tightness.index:
        gap = points(tightness.loc[PARTIAL, GAP])
        said.append(
            f"With the gradient of the image term only, as released, Adam ends {gap} points from Adam with the "
            "whole gradient."
        )
    if pictures > 1:
        error = tightness.loc["grid", "±"]
        said.append(
            f"The difference of grid and Adam has a standard error of {error:.1f} points over {pictures} pictures."
        )
    return said


def length_beside_paper_s(
    tightness: pd.DataFrame, passes: int, pictures: AnomalyDataset, backbone: str
) -> pd.DataFrame:
    """How long paper S says that its search is, beside a page's: steps and passes, and where the grid has Adam's
    bound."""
    needed = tightness.loc["grid", REACHED]
    by_grid = "not reached" if pd.isna(needed) else f"{needed:.0f} passes"
    row = {
        "claim": "at most 200 optimization steps per sample (S sec. 2.2)",
        "reported": "200 steps, 400 passes",
        "reproduced": f"{passes // 2} steps of Adam, {passes} passes; its bound by grid: {by_grid}",
        "verdict": f"{len(pictures)} pictures of {pictures.name}, {backbone}",
    }
    return pd.DataFrame([row])
