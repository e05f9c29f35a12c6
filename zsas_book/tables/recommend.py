"""What the chapter on which method to take says of `studies.recommendation`; its tables are of fractions."""

import pandas as pd

from zsas_lib.evaluation.sampled import SIZES
from zsas_lib.studies.recommendation import ALARMS, FOUND, WORST

from ..labels import label
from ..words import how_sure, points, within_chance


def in_words(table: pd.DataFrame) -> list[str]:
    """One sentence for each need: who is best, by what, how far before whom and how surely."""
    sentences = []
    for row in table.itertuples():
        what = f"{100 * row.value:.1f} % {label(row.measured)}"
        if row.measured == WORST:
            what = f"{100 * row.value:.1f} % AUPRO in its worst category"
        if row.measured == ALARMS:
            what += f" where {100 * FOUND:.0f} % of the damaged pictures are found"
        said = f"For {row.need}: {label(row.method)}, {what}"
        if row.before and not round(100 * row.gap, 1):
            said += f", level with {label(row.before)}"
        elif row.before:
            sure = how_sure(100 * row.low, 100 * row.high, row.agree, 100 * row.power)
            chance = within_chance(row.low, row.high)
            said += f", by {points(100 * row.gap)} points before {label(row.before)} ({sure}){chance}"
        sentences.append(f"{said}.")
    return sentences


def shown_needs(table: pd.DataFrame) -> pd.DataFrame:
    """The table as the page shows it: names as labels, shares in percent."""
    named = {column: table[column].map(label) for column in ("method", "measured", "before")}
    return table.assign(**named, value=100 * table["value"], **{name: 100 * table[name] for name in (*SIZES, "agree")})
