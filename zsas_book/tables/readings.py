"""The table of paper S's open questions: each reading, the choice made here, and what was measured of the
difference."""

from collections.abc import Mapping

import pandas as pd

from ..words import counted, points

COLUMNS = ["question", "choice here", "measured"]


def turned_answers(turned: pd.DataFrame) -> list[tuple[str, str, str]]:
    """``turned`` has mean pixel AUROC in percent by derotation (rows) and angle, -45, 0 and 45 degrees."""
    zero, mask, valid = (turned.loc[derotation] for derotation in ("zero", "mask", "valid"))
    return [
        (
            "map turned back (paper) or mask turned (code)",
            "map turned back; both on the sweep pages",
            f"pixel AUROC at 45 degrees: zeros in the corners {zero[45]:.1f}, mask turned {mask[45]:.1f}, corners "
            f"left out {valid[45]:.1f}; unturned {zero[0]:.1f}",
        ),
        (
            "which way an angle turns",
            "clockwise is positive",
            f"45 degrees to either side: {zero[-45]:.1f} and {zero[45]:.1f}",
        ),
    ]


def clean_answers(pooled: float, error: float, sharp: float, of_pictures: float) -> list[tuple[str, str, str]]:
    """Mean pixel AUROC in percent: pooled, with its standard error, with temperature 0.01, and the mean per picture."""
    return [
        (
            "WinCLIP's temperature, not printed",
            "0.07",
            f"pixel AUROC {pooled:.1f} ± {error:.1f} with 0.07, {sharp:.1f} with 0.01",
        ),
        (
            "searched by each picture's AUROC, reported pooled",
            "as S, with the mean per picture beside it",
            f"unperturbed: pooled {pooled:.1f}, mean per picture {of_pictures:.1f}",
        ),
    ]


def gradient_answer(agreement: pd.Series, places: int) -> tuple[str, str, str]:
    """`readings.gradient_agreement` at ``places`` points in all."""
    signs = ", ".join(f"{share:.0f} % ({name})" for name, share in agreement.items())
    return (
        "gradient through the windows too (paper) or not (code)",
        "through all",
        f"the two gradients have the same sign in {signs} of {counted(places, 'point')}; by chance 50 %",
    )


def nesting_answer(stronger: pd.DataFrame, steps: int) -> tuple[str, str, str]:
    """`readings.lower_alone` with ``steps`` points each."""
    return (
        "searches over hue and saturation alone cost more pixel AUROC than those with rotation",
        "larger searches take over what smaller ones found",
        f"not taken over, with {steps} random points each, one perturbation alone found a lower pixel AUROC than "
        f"all three together in {int(stronger.to_numpy().sum())} of {stronger.size} cases, each of one picture",
    )


def corner_answer(unturned: float, zeros: float, left_out: float, pictures: int) -> tuple[str, str, str]:
    """`readings.turned_loss` of normal pictures: unturned, and at 45 degrees with both fills."""
    return (
        "the loss of a normal picture counts the zeros in its corners",
        "as S; corners left out on request",
        f"loss x 100 of {counted(pictures, 'normal picture')}: {100 * unturned:.1f} unturned, at 45 degrees "
        f"{100 * zeros:.1f} with zeros and {100 * left_out:.1f} with the corners left out",
    )


def effects_in_words(effects: Mapping[str, float], error: float) -> list[str]:
    """Which choice moves pixel AUROC most, in sentences; ``effects`` in points, ``error`` of the unperturbed mean."""
    sizes = pd.Series(effects)
    largest = sizes.abs().idxmax()
    others = ", ".join(f"{name} {points(effect)}" for name, effect in sizes.drop(largest).items())
    return [
        f"Of these choices, the one that moves pixel AUROC most is {largest}: {points(sizes[largest])} points.",
        f"The others: {others}.",
        f"One bootstrap standard error of the unperturbed mean is {error:.1f}, but the same pictures are compared, "
        "so part of it is shared.",
    ]
