"""Tables and sentences of what the best amounts gain, chosen for a category or by an oracle."""

import pandas as pd
from pandas.io.formats.style import Styler

from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.evaluation.paired import category_mean, flat_gaps
from zsas_lib.evaluation.tables import MEAN

from ..words import beyond, counted, of_categories, points
from .shown import shown

KINDS = {
    "gain where chosen": "where chosen",
    "gain held out": "held out",
    "gain of the oracle": "oracle",
    "oracle, per picture": "oracle, own",
}
"""Columns of `per_category.choice_gains` -> what pages call them."""


def shown_gains(gains: pd.DataFrame) -> Styler:
    """`per_category.choice_gains` as a page shows them, the error beside the unperturbed value."""
    return shown(gains.drop(columns="±").rename(columns=KINDS), errors=gains[["±"]].set_axis(["original"], axis=1))


def gains_in_words(gains: pd.DataFrame) -> list[str]:
    """What `per_category.choice_gains` say, in sentences: the choice on both halves, the oracle, what is left of its
    gain, and whether the gain of a choice stands out from chance, category by category."""
    mean, own = gains.loc["mean"], gains.drop(index="mean")
    held_out, oracle = mean["gain held out"], mean["gain of the oracle"]
    held = own["gain held out"]
    sure = category_mean([held]).difference_or_nan()
    chance = "So here nothing that can be used without the mask stands out from chance."
    return [
        f"The amounts chosen for a category gain {points(mean['gain where chosen'])} points where they are chosen and "
        f"{points(held_out)} on the held-out half ({of_categories(held)}); they help there in {(held > 0).sum()} of "
        f"{counted(len(own), 'category')}.",
        f"The oracle gains {points(oracle)} on the same pictures pooled ({of_categories(own['gain of the oracle'])}) "
        f"and {points(mean['oracle, per picture'])} on each one's own pixel AUROC{_share(held_out, oracle)}.",
        beyond(
            sure.low,
            sure.high,
            "So here a perturbation can be learnt from a few pictures with masks.",
            chance,
            chance,
            "One category does not tell whether that stands out from chance.",
        ),
    ]


def _share(held_out: float, oracle: float) -> str:
    """What part of the oracle's gain a choice per category has, where there is one to have a part of."""
    if not oracle > 0:
        return ""
    if 0 < held_out <= oracle:
        return f", and a choice per category {100 * held_out / oracle:.0f} % of the former"
    return f", and a choice per category {'more than' if held_out > 0 else 'nothing of'} the former"


def mean_gains(gains: pd.DataFrame) -> pd.DataFrame:
    """The mean row of `per_category.choice_gains` as a flat table, resampled by category."""
    means = flat_gaps(gains.drop(index=MEAN)[list(KINDS)].reset_index())
    means.insert(0, "category", MEAN)
    return means


def gains_beside_paper_s(gains: pd.DataFrame, held_out: AnomalyDataset, backbone: str) -> pd.DataFrame:
    """What paper S expects of perturbations chosen for the better, in words, beside a page's mean gains."""
    mean = gains.loc["mean"]
    row = {
        "claim": "significant improvements, few-shot, per object type (S sec. 4)",
        "reported": "in words",
        "reproduced": f"{mean['gain held out']:+z.1f} points held out, {mean['gain of the oracle']:+z.1f} by an oracle",
        "verdict": f"{len(held_out)} held-out pictures of {held_out.name}, {backbone}",
    }
    return pd.DataFrame([row])
