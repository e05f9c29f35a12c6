"""Metrics of resampled pictures beside a table of results: made by category, kept with the table, and flat.

All models meet the same resamples, so that whatever is easy or hard about a picture is taken out of a difference
(`paired`). A mean over categories is resampled by category: its replicates are means over categories that are drawn
with replacement, each with its own number. The chance of a category's pictures is part of that number, and would count
twice if they were drawn anew.
"""

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from ..data.dataset import AnomalyDataset, content_digest
from ..metrics.bootstrap import Counts, resampled
from ..metrics.ranking import Scores
from ..metrics.replicates import image_replicates, pixel_replicates
from .sampled import ITSELF
from .tables import ERROR, MEAN, SETTINGS, settings_of

REPLICATE = ["category", "replicate", "draw", "pictures", "units", "freedom"]
"""Columns of a table of replicates beside its settings, which follow the category, and metrics. ``draw`` is a checksum
of how often a resample holds which of its pictures (categories), ``pictures`` one of all these. ``units`` says how many
pictures (categories) are drawn from, and ``freedom`` how many degrees of freedom their spread has: one less than there
are damaged pictures, or sound ones where these are fewer (categories, of the metric that the fewest have). It is 0
where there is one of these alone: every resample that has a number holds it, so that nobody knows its spread."""


def category_replicates(
    row: Mapping[str, object],
    setting: Sequence[str],
    part: AnomalyDataset,
    counts: Counts,
    scores: Scores,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """The metrics of one category's resampled pictures, a row each, beside the category, its settings and `REPLICATE`.

    ``row`` has the category, the columns ``setting`` and the metrics. Replicates are shifted by what counting in bins
    moves those (`metrics.replicates`). The samples are those that standard errors are made of; in which order they
    stand depends on the category, so that categories of as many pictures are no copies of each other.
    """
    category, images, labels = (
        str(row["category"]),
        len(scores),
        np.array([record.is_anomalous for record in part.records]),
    )
    drawn = drawn_pictures(category, images, resamples, seed)
    everything = np.vstack([np.ones((1, images), dtype=drawn.dtype), drawn])
    found = pd.DataFrame(pixel_replicates(counts, everything) | image_replicates(scores, labels, everything))
    exact = pd.Series({name: row[name] for name in found}, dtype=float)
    shifted = (found + (exact - found.iloc[0])).iloc[1:].reset_index(drop=True)
    facts = facts_of(row, setting, part, labels, drawn)
    return pd.concat([facts, shifted], axis=1)


def facts_of(
    row: Mapping[str, object],
    setting: Sequence[str],
    part: AnomalyDataset,
    labels: Bool[np.ndarray, " labelled"],
    drawn: Int[np.ndarray, "resample image"],
) -> pd.DataFrame:
    """The category, its settings and `REPLICATE` of the replicates of a row: how often each of ``drawn`` holds each
    picture of the category. ``labels`` are those of the pictures that the row is about, some of them or all."""
    contents = [content_digest(path) if (path := record.path).is_file() else "" for record in part.records]  # or drawn
    pictures = "\n".join(f"{record.name(part.root)} {own}" for record, own in zip(part.records, contents))
    rarer = min(count for count in (int(labels.sum()), int((~labels).sum())) if count)
    columns = {name: row[name] for name in ("category", *setting)} | {
        "replicate": range(len(drawn)),
        "draw": checksums(drawn),
        "pictures": crc32(pictures.encode()),
        "units": len(part),
        "freedom": rarer - 1,
    }
    return pd.DataFrame(columns)


def drawn_pictures(category: str, images: int, resamples: int, seed: int) -> Int[np.ndarray, "resample image"]:
    """How often each resample of a category holds which of its pictures."""
    drawn = resampled(images, resamples, seed)
    return drawn[np.random.default_rng([seed, crc32(category.encode())]).permutation(resamples)]


def checksums(drawn: Int[np.ndarray, "resample image"]) -> list[int]:
    """By what two resamples are known to be the same: ``draw`` of `REPLICATE`."""
    return [crc32(sample.astype("<i8").tobytes()) for sample in drawn]


def flat(table: pd.DataFrame) -> pd.DataFrame:
    """A table with its replicates as one: for every row of the table first itself (``replicate`` is `ITSELF`), then its
    replicates; those of means are drawn here, of means over fewer than two categories there are none.

    ``table`` is one of `evaluate` or of another function whose table has ``replicates``. Columns: the category, its
    settings (``attrs["settings"]``), the others of `REPLICATE`, and the metrics. Raises ValueError for a table without
    replicates, such as one that was put together from others (put their flat tables together instead).
    """
    replicates = getattr(table, "replicates", None)
    if replicates is None:
        raise ValueError(
            "Expected a table with replicates, as `evaluate` gives it, got one without; of tables that were joined "
            "give each alone."
        )
    rows = pd.DataFrame(table if "category" in table else table.reset_index())
    by = list(table.attrs.get(SETTINGS, []))
    keys = ["category", *by]
    metrics = [name for name in rows if name not in keys and not str(name).endswith(ERROR)]
    own = replicates.merge(rows[keys], on=keys, validate="many_to_one")
    named = rows.merge(own.loc[own["replicate"] == 0, [*keys, "pictures"]], on=keys, how="left")
    resamples = int(replicates["replicate"].max()) + 1
    means = [_of_mean(group, keys, metrics, resamples) for group in settings_of(named, by)]
    parts = [rows.assign(replicate=ITSELF), own, *(part for part in means if part is not None)]
    columns = [*keys, *REPLICATE[1:], *metrics]
    whole = pd.concat([part.reindex(columns=columns) for part in parts], ignore_index=True)
    return whole.fillna(dict.fromkeys(REPLICATE[2:], 0)).astype(dict.fromkeys(REPLICATE[1:], np.int64))


def scaled(whole: pd.DataFrame, factor: float) -> pd.DataFrame:
    """A `flat` table with all metrics times a factor, such as 100 for percent."""
    metrics = whole.columns[list(whole.columns).index(REPLICATE[-1]) + 1 :].drop("run", errors="ignore")
    return whole.assign(**{metric: factor * whole[metric] for metric in metrics})


def _of_mean(group: pd.DataFrame, keys: list[str], metrics: list[str], resamples: int) -> pd.DataFrame | None:
    """The replicates of one setting's mean row: means over as many of its categories, drawn with replacement."""
    mean, own = (pd.DataFrame(group[chosen]) for chosen in (group["category"] == MEAN, group["category"] != MEAN))
    count = len(own)
    if not len(mean) or count < 2:
        return None
    drawn = resampled(count, resamples, 0)
    numbers, freedom = means_of_known(own[metrics].to_numpy(dtype=float), drawn)
    columns = {key: mean[key].iloc[0] for key in keys} | {
        "replicate": range(resamples),
        "draw": checksums(drawn),
        "pictures": crc32(own["pictures"].to_numpy(dtype="<i8").tobytes()),
        "units": count,
        "freedom": freedom,
    }
    index = range(resamples)
    return pd.concat([pd.DataFrame(columns, index=index), pd.DataFrame(numbers, index, metrics)], axis=1)


def means_of_known(
    values: Float[np.ndarray, "category metric"], drawn: Int[np.ndarray, "resample category"]
) -> tuple[Float[np.ndarray, "resample metric"], int]:
    """The means of metrics over the categories of each resample that have them, nan for a metric that fewer than two
    have; and the degrees of freedom of the metric that the fewest others have, which are too few for the rest."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):  # of resamples without a category that has the metric: nan
        numbers = (drawn @ np.where(known, values, 0)) / (drawn @ known)
    having = known.sum(axis=0)
    numbers[:, having < 2] = np.nan
    return numbers, int(having[having > 1].min(initial=len(values))) - 1
