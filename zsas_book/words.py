"""Sentences of verdicts: names in words, counted nouns, lists, signed points, and what stands out from chance."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from IPython.display import Markdown

from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.evaluation.paired import category_mean
from zsas_lib.evaluation.sampled import Difference, Sampled, agreeing
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


def beyond(low: float, high: float, higher: str, lower: str, within: str, unknown: str | None = None) -> str:
    """Which of these words a difference with this interval deserves: ``within`` where 0 is in it. Where there is no
    interval (nan), as for the mean over one category, nothing is said of chance: ``unknown``, or, without one,
    ``within`` with "within or beyond chance" in the place of "within chance"."""
    if np.isnan(low) or np.isnan(high):
        return within.replace("within chance", "within or beyond chance") if unknown is None else unknown
    return higher if low > 0 else lower if high < 0 else within


def how_sure(low: float, high: float, agree: float, power: float) -> str:
    """What stands behind a paired difference (`evaluation.paired.Difference`), in points: "95 % interval -1.2 to +3.4,
    93 % of resamples agree in sign, power 2.1"; agree is a fraction, and nan for a difference of 0, of which nothing is
    said of signs. "no interval" where there is none."""
    if np.isnan(low):
        return "no interval"
    return f"95 % interval {points(low)} to {points(high)}{agreeing(agree)}, power {power:.1f}"


def of_difference(gap: Difference, factor: float = 100.0) -> str:
    """`how_sure` of a difference of fractions, or of another one times ``factor``."""
    return how_sure(factor * gap.low, factor * gap.high, gap.agree, factor * gap.power)


def of_categories(*runs: pd.Series) -> str:
    """`how_sure` of the mean of differences, in points, of the same categories, of each of several runs such as
    trainings; of one category "no interval"."""
    return of_difference(category_mean(runs).difference_or_nan(), 1.0)


def standing_out(values: pd.Series, error: float) -> str:
    """Which values are more than two errors away from 0, with their signs: "UniOp +2.5 and LoReb +3.4", "none", or
    "unknown without a spread" where the error is missing. For printed numbers; of one's own see `beyond_chance`."""
    if not np.isfinite(error):
        return "unknown without a spread"
    clear = values[values.abs() > BEYOND * error]
    return listed([f"{label(str(name))} {points(value)}" for name, value in clear.items()])


def beyond_chance(gaps: pd.DataFrame) -> str:
    """Which differences, rows of `paired.differences` in points by name, have an interval without 0 in it: "UniOp +2.5
    and LoReb +3.4", "none", or "unknown without a spread" where none has an interval."""
    if gaps["low"].isna().all():
        return "unknown without a spread"
    clear = gaps[(gaps["low"] > 0) | (gaps["high"] < 0)]
    return listed([f"{label(str(name))} {points(value)}" for name, value in clear["gap"].items()])


def gain(gap: Sampled) -> str:
    """A difference of fractions and how sure it is: "+1.2 points (95 % interval +0.4 to +2.0, ...)"; "no interval" for
    a mean over one category."""
    return f"{points(100 * gap.values[0])} points ({of_difference(gap.difference_or_nan())})"


def within_chance(low: float, high: float) -> str:
    """What a sentence about a difference ends in where its interval holds 0; "" else, and where there is none."""
    return ", which is within chance" if low <= 0 <= high else ""


def span(of: Mapping[str, Sampled]) -> str:
    """How far the lowest and the highest of several numbers of the same pictures lie apart, as `gain`; of those that
    are finite, and "not known" of none."""
    order = sorted(_finite(of).values(), key=lambda own: own.values[0])
    return gain(order[-1] - order[0]) if order else "not known"


def leading(of: Mapping[str, Sampled]) -> str:
    """Who has the largest of several numbers of the same pictures, fractions, and by how much, pair by pair: "A leads
    over B by +1.2 points (95 % interval +0.4 to +2.0, ...)", with "which is within chance" where that is so; "A and B
    are level" where that rounds to 0. A number that is not finite takes no part; "none leads" where none is."""
    of = _finite(of)
    first, *others = sorted(of, key=lambda name: -of[name].values[0]) or [""]
    if not first:
        return "none leads"
    if not others:
        return f"{first} is the only one"
    lead = of[first] - of[others[0]]
    if not round(100 * float(lead.values[0]), 1):
        return f"{first} and {others[0]} are level ({of_difference(lead.difference_or_nan())})"
    gap = lead.difference_or_nan()
    return f"{first} leads over {others[0]} by {gain(lead)}{within_chance(gap.low, gap.high)}"


def _finite(of: Mapping[str, Sampled]) -> dict[str, Sampled]:
    return {name: own for name, own in of.items() if np.isfinite(own.values[0])}


def extremes(values: pd.Series, digits: int = 1, unit: str = "") -> str:
    """Where values are lowest and highest: "from -0.3 (ceramic ring) to 2.2 points (star)", the unit behind the
    second."""
    low, high = values.idxmin(), values.idxmax()
    unit = f" {unit}" if unit else ""
    return (
        f"from {values[low]:z.{digits}f} ({label(str(low))}) to {values[high]:z.{digits}f}{unit} ({label(str(high))})"
    )


def paired(*runs: pd.Series, sure: bool = True) -> str:
    """Differences of the same categories, in points, in words: "+1.2 points (95 % interval ...), up in 3 of 5
    categories, from ... to ...", in the mean over runs such as trainings; ``sure``: with `of_categories`."""
    gaps = pd.concat(runs, axis=1).mean(axis=1)
    interval = f" ({of_categories(*runs)})" if sure else ""
    ups = f"up in {(gaps > 0).sum()} of {counted(len(gaps), 'category')}"
    return f"{points(gaps.mean())} points{interval}, {ups}, {extremes(gaps)}"


def trained_on(auxiliary: AnomalyDataset, pictures: AnomalyDataset) -> str:
    """What models learned from and are tested on: "trained on 80 pictures of visa and tested on 36 pictures (bottle) of
    mvtec"."""
    learned_from = counted(len(auxiliary), "picture")
    return f"trained on {learned_from} of {auxiliary.name} and tested on {of_pictures(pictures)} of {pictures.name}"


def trainings_of(models: Sequence[str], seeds: Sequence[int], once: Sequence[str] = ()) -> str:
    """How often the models that learn are trained, those of ``once`` from the first seed alone: "3 trainings of each
    model that learns (of CoOp and AF-CLIP one each)"."""
    few = [name for name in models if name in once and len(seeds) > 1]
    apart = f" (of {listed(few)} one{' each' if len(few) > 1 else ''})" if few else ""
    return f"{counted(len(seeds), 'training')} of each model that learns{apart}"


def from_to(before: float, after: float, unit: str = "%", digits: int = 1) -> str:
    """ "from 81.2 to 79.3 %"."""
    return f"from {before:.{digits}f} to {after:.{digits}f} {unit}".rstrip()


def say(*sentences: str) -> Markdown:
    """Sentences as one paragraph of the page; empty ones are left out. They are text: every letter is shown as it is,
    so that names in them can hold any."""
    return Markdown(in_markdown(" ".join(filter(None, sentences))))


def verdict(*sentences: str, of: str = "") -> Markdown:
    """The same behind **Verdict.**, or **Verdict, OF.**; nothing where there is nothing to say."""
    said = say(*sentences).data
    return Markdown(f"**Verdict{', ' if of else ''}{in_markdown(of)}.** {said}" if said else "")


def paragraphs(parts: Iterable[Markdown]) -> Markdown:
    """What `say` and `verdict` give, one paragraph each."""
    return Markdown("\n\n".join(part.data for part in parts))
