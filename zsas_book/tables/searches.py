"""Tables and sentences of how searches compare with Adam, paper S's."""

import pandas as pd
from pandas.io.formats.style import Styler

from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.evaluation.sampled import SURE
from zsas_lib.evaluation.tables import ERROR

from ..words import counted, how_sure, listed, points
from .shown import shown

ADAM, PARTIAL = "Adam", "Adam, image term's gradient only"
SEARCHES_SHOWN = {"Adam": "adam", "two fidelities": "two-fidelity", "grid": "grid", "random": "random"}
"""What the page on searches calls them, and their names."""
REACHED, GAP = f"passes to {ADAM}'s bound", f"minus {ADAM}"


def shown_tightness(tightness: pd.DataFrame) -> Styler:
    """`comparison.tightness` against Adam as a page shows it, the interval beside the difference."""
    short = {f"at least as tight as {ADAM} in": "as tight in", REACHED: f"passes to {ADAM}"}
    interval = [
        "" if pd.isna(low) else f"{points(low)} to {points(high)}" for low, high in zip(tightness.low, tightness.high)
    ]
    readable = tightness.drop(columns=[f"{GAP}{ERROR}", *SURE]).rename(columns=short)
    readable.insert(list(readable).index(GAP) + 1, "95 % interval", interval)
    reached = tightness[REACHED].map(lambda passes: "not reached" if pd.isna(passes) else f"{passes:.0f}")
    return shown(readable.assign(**{short[REACHED]: reached}))


def tightness_in_words(tightness: pd.DataFrame, passes: int, pictures: int) -> list[str]:
    """What `comparison.tightness` says of Adam, two fidelities, the grid and random points, in sentences."""
    ends, others = tightness["all passes"], list(SEARCHES_SHOWN)[1:]

    def reaches(name: str) -> str:
        needed = tightness.loc[name, REACHED]
        return f"does not reach it within {passes}" if pd.isna(needed) else f"is there after {needed:.0f}"

    early = tightness["a tenth of the passes"] - ends[ADAM]
    said = [
        f"After {passes} passes per picture, Adam is at {ends[ADAM]:.1f} %, "
        f"{listed([f'{name} at {ends[name]:.1f}' for name in others])}; the lower, the tighter.",
        f"Where Adam ends, {listed([f'{name} {reaches(name)}' for name in others])}.",
        f"With a tenth of the passes, two fidelities stand {points(early['two fidelities'])} and the grid "
        f"{points(early['grid'])} points from where Adam ends with all.",
    ]
    if PARTIAL in tightness.index:
        gap = points(tightness.loc[PARTIAL, GAP])
        said.append(
            f"With the gradient of the image term only, as released, Adam ends {gap} points from Adam with the "
            "whole gradient."
        )
    if pictures > 1:
        own = tightness.loc["two fidelities"]
        said.append(
            f"On the same {pictures} pictures two fidelities end {points(own[GAP])} points from Adam "
            f"({how_sure(*own[list(SURE)])})."
        )
    return said


def length_beside_paper_s(
    tightness: pd.DataFrame, passes: int, pictures: AnomalyDataset, backbone: str
) -> pd.DataFrame:
    """How long paper S says that its search is, beside a page's: steps and passes, and where two fidelities have
    Adam's bound."""
    needed = tightness.loc["two fidelities", REACHED]
    reached = "not reached" if pd.isna(needed) else f"{needed:.0f} passes"
    row = {
        "claim": "at most 200 optimization steps per sample (S sec. 2)",
        "reported": "200 steps",
        "reproduced": f"{passes // 2} steps of Adam, {passes} passes; its bound by two fidelities: {reached}",
        "verdict": f"{counted(len(pictures), 'picture')} of {pictures.name}, {backbone}",
    }
    return pd.DataFrame([row])
