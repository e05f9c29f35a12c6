"""Sentences of verdicts: names in words, counted nouns, lists, signed points, and what stands out from chance."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from IPython.display import Markdown

from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.evaluation.paired import over_categories
from zsas_lib.perturbations import named

from .escape import in_markdown
from .labels import label

BEYOND = 2.0  # errors from which on a difference stands out from chance


def listed(items: Iterable[object], none: str = "none") -> str:
    """Names in words as a list: "a", "a and b", "a, b and c"; ``none`` for no item."""
    items = [label(str(item)) for item in items]
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]])) if items else none


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun: "1 category", "3 categories", "1,725 pictures"; "no picture" for 0."""
    if plural is None:
        plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count or 'no':{',' if count else ''}} {noun if count in (0, 1) else plural}"


def points(value: float, digits: int = 1) -> str:
    """A difference with its sign, and no sign where it rounds to 0."""
    return "nan" if np.isnan(value) else f"{value:+z.{digits}f}" if round(value, digits) else f"{0:.{digits}f}"


def amount(perturbation: str, value: float) -> str:
    """How much of a perturbation, with its unit where it has one: "45 degrees", "1.05 radians", "0.25"."""
    unit = named(perturbation).unit
    return f"{value:.3g}" + (f" {unit}" if unit != "fraction" else "")


def of_pictures(pictures: AnomalyDataset) -> str:
    """How many pictures, and of what: "24 pictures (brushed hexagon, ceramic ring)", or their number of categories
    where there are more than six."""
    names = pictures.categories
    of = f"({', '.join(map(label, names))})" if len(names) <= 6 else f"of {len(names)} categories"
    return f"{counted(len(pictures), 'picture')} {of}"


def beyond(low: float, high: float, higher: str, lower: str, within: str) -> str:
    """Which of three words a difference with this interval deserves: ``within`` where 0 is in it, or it is unknown."""
    return higher if low > 0 else lower if high < 0 else within


def how_sure(low: float, high: float, agree: float, power: float) -> str:
    """What stands behind a paired difference (`evaluation.paired.Difference`), in points: "95 % interval -1.2 to +3.4,
    93 % of resamples agree in sign, power 2.1"; agree is a fraction. "no interval" where there is none."""
    if np.isnan(low):
        return "no interval"
    interval, agreeing = f"95 % interval {points(low)} to {points(high)}", f"{100 * agree:.0f} % of resamples"
    return f"{interval}, {agreeing} agree in sign, power {power:.1f}"


def of_categories(gaps: pd.Series) -> str:
    """`how_sure` of the mean of differences, in points, of the same categories; of one category "no interval"."""
    if len(gaps) < 2:
        return how_sure(*[float("nan")] * 4)
    found = over_categories(gaps)
    return how_sure(found.low, found.high, found.agree, found.power)


def standing_out(values: pd.Series, error: float) -> str:
    """Which values are more than two errors away from 0, with their signs: "UniOp +2.5 and LoReb +3.4", "none", or
    "unknown without a spread" where the error is missing."""
    if not np.isfinite(error):
        return "unknown without a spread"
    clear = values[values.abs() > BEYOND * error]
    return listed([f"{label(str(name))} {points(value)}" for name, value in clear.items()])


def leader(values: pd.Series, errors: pd.Series | None = None, of: str = "standard deviations over seeds") -> str:
    """Who has the largest value and by how much, beside the larger error of the first two: "A leads by 1.2 points over
    B, which is within two standard deviations over seeds"."""
    order = values.sort_values(ascending=False)
    if len(order) < 2:
        return f"{order.index[0]} is the only one"
    lead = order.iloc[0] - order.iloc[1]
    noise = 0.0 if errors is None else np.nan_to_num(errors[order.index[:2]].astype(float)).max()
    size = "within" if lead <= BEYOND * noise else "more than"
    judged = f"which is {size} two {of}" if noise else "with no spread to judge it by"
    return f"{order.index[0]} leads by {lead:.1f} points over {order.index[1]}, {judged}"


def extremes(values: pd.Series, digits: int = 1, unit: str = "") -> str:
    """Where values are lowest and highest: "from -0.3 (ceramic ring) to 2.2 points (star)", the unit behind the
    second."""
    low, high = values.idxmin(), values.idxmax()
    unit = f" {unit}" if unit else ""
    return (
        f"from {values[low]:z.{digits}f} ({label(str(low))}) to {values[high]:z.{digits}f}{unit} ({label(str(high))})"
    )


def paired(gaps: pd.Series, error: float | None = None, of: str = "category") -> str:
    """Differences of the same categories in words: "+1.2 ± 0.4 points, up in 3 of 5 categories, from ... to ...". The
    error is the mean's standard error over the categories unless it is given."""
    error = gaps.sem() if error is None else error
    spread = f" ± {error:.1f}" if np.isfinite(error) else ""
    ups = f"up in {(gaps > 0).sum()} of {counted(len(gaps), of)}"
    return f"{points(gaps.mean())}{spread} points, {ups}, {extremes(gaps)}"


def trained_on(auxiliary: AnomalyDataset, pictures: AnomalyDataset) -> str:
    """What models learned from and are tested on: "trained on 80 pictures of visa and tested on 36 pictures (bottle) of
    mvtec"."""
    learned_from = counted(len(auxiliary), "picture")
    return f"trained on {learned_from} of {auxiliary.name} and tested on {of_pictures(pictures)} of {pictures.name}"


def from_to(before: float, after: float, unit: str = "%", digits: int = 1) -> str:
    """ "from 81.2 to 79.3 %"."""
    return f"from {before:.{digits}f} to {after:.{digits}f} {unit}".rstrip()


def say(*sentences: str) -> Markdown:
    """Sentences as one paragraph of the page; empty ones are left out. They are text: every letter is shown as it is,
    so that names in them can hold any."""
    return Markdown(in_markdown(" ".join(filter(None, sentences))))


def verdict(*sentences: str, of: str = "") -> Markdown:
    """The same behind **Verdict.**, or **Verdict, OF.**"""
    return Markdown(f"**Verdict{', ' if of else ''}{in_markdown(of)}.** {say(*sentences).data}")


def paragraphs(parts: Iterable[Markdown]) -> Markdown:
    """What `say` and `verdict` give, one paragraph each."""
    return Markdown("\n\n".join(part.data for part in parts))
