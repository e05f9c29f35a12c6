"""What the chapter on costs says of counted parameters and operations, and of times; V's counts beside ours."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from zsas_lib.models.vcpclip import VCPCLIP
from zsas_lib.studies.vcp_complexity import released_parameters

from ..labels import label
from .beside import beside_reported

PAIRS = {
    "parameters (M)": ("as released code", 1e6, "printed (M)"),
    "operations (GFLOP)": ("GFLOP, layers only", 1.0, "printed (G)"),
}
"""What V's Table 2 prints -> our column, what that is to be divided by, and the column of the printed number."""
LAST_DIGIT = 1e-3


def counts_beside_printed(counts: pd.DataFrame, note: str = "") -> pd.DataFrame:
    """`beside_reported` of V's Table 2: every count of the `released_counts` with the printed numbers beside them."""
    rows = [
        {"claim": f"V Table 2, {row['variant']}, {what}", "reported": row[printed], "reproduced": row[own] / unit}
        for _, row in counts.iterrows()
        for what, (own, unit, printed) in PAIRS.items()
    ]
    return beside_reported(rows, note, tolerance=LAST_DIGIT, unit="unit")


def counts_in_words(counts: pd.DataFrame, models: Mapping[str, VCPCLIP], note: str = "") -> list[str]:
    """How many of V's counts come out, what the released code counts beside, and what attention adds; ``note`` says why
    the two cannot be compared."""
    same = [
        np.isclose(counts[own] / unit, counts[printed], atol=0.51 * LAST_DIGIT, rtol=0).sum()
        for own, unit, printed in PAIRS.values()
    ]
    first, last = counts.iloc[0], counts.iloc[-1]
    extras = released_parameters(models[last["variant"]]).extras
    added = 1000 * (last["GFLOP, layers only"] - first["GFLOP, layers only"])
    return [
        f"{same[0]} of {len(counts)} printed parameter counts and {same[1]} of {len(counts)} printed operation "
        f"counts come out to the last digit printed{f'; not comparable: {note}' if note else ''}.",
        f"{first['variant']} has {first['as released code']:,} parameters as the released code counts them and "
        f"VCP-CLIP+ {last['as released code']:,}; {first['learned']:,} and {last['learned']:,} of them learn.",
        "Counted but without effect, or left out (negative), in VCP-CLIP+: "
        f"{'; '.join(f'{what} ({number:+,})' for what, number in extras.items())}.",
        f"With attention a picture takes {last['GFLOP, all'] / 1000:.3f} TFLOP, "
        f"{last['GFLOP, all'] / last['GFLOP, layers only']:.2f} times what is printed: the printed number counts "
        f"linear and convolutional layers only, and attention is neither. That IDP adds {added:.1f} MFLOP is true "
        "either way.",
    ]


def times_in_words(cost: pd.DataFrame, printed: pd.Series) -> list[str]:
    """Which model takes longest and which least, from `speed.costs`, and how far V's printed times (ms) range."""
    times = cost.set_index("model")["ms per picture"]
    span = 100 * (printed.max() / printed.min() - 1)
    return [
        f"On this device and backbone {label(times.idxmax())} takes longest, {times.max():.1f} ms a picture, and "
        f"{label(times.idxmin())} least, {times.min():.1f}; the slowest and the fastest run of one model differ by a "
        f"factor of up to {(cost.slowest / cost.fastest).max():.1f}.",
        f"V prints {printed.min():.1f} to {printed.max():.1f} ms for its nine variants on an RTX 4060 Ti, a range of "
        f"{span:.1f} %, with no spread beside it: the variants cannot be told apart by it.",
        "WinCLIP and APRIL-GAN encode their sentences once per class, AnomalyCLIP once; VCP-CLIP makes sentences "
        "for every picture.",
    ]
