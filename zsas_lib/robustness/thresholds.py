"""What becomes of image scores and thresholds that were set on other products: calibration and false alarms.

A score that ranks well can be useless behind a fixed threshold, and a probability wrong although its ranking is right.
Both are fitted on what is at hand, the auxiliary data set (which a model that learns was trained on) or the other
categories of the same data set, and judged on pictures that took no part. All pictures of a data set are judged
together, for a product's share of bad pictures is not known before; chance is that of other categories like these.
"""

from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..evaluation.evaluate import category_predictions
from ..evaluation.replicates import checksums
from ..evaluation.sampled import Sampled, interval_of_share
from ..metrics.bootstrap import resampled
from ..metrics.calibration import (
    Calibrator,
    brier_score,
    calibration_error,
    estimated_prior,
    fitted_platt,
    fitted_temperature,
    logits,
    negative_log_likelihood,
    reliability,
    shifted_prior,
)
from ..models.prediction import AnomalyModel

WAYS = ("as it is", "temperature", "prior shift", "Platt", "Platt, prior estimated")
"""How a score becomes a probability; the first three only of one that is a probability as it comes
(`AnomalyModel.scores_are_probabilities`)."""
SOURCES = ("auxiliary", "other categories")
RESAMPLES = 200
ALARMS = 0.05
"""The share of sound pictures that the second kind of threshold lets through as damaged where it is set."""


def image_scores(model: AnomalyModel, dataset: AnomalyDataset, *, batch_size: int = 16) -> pd.DataFrame:
    """The image score of every picture, by the forward pass alone: columns category, path (below the data set's root),
    is_anomalous and image_score, as in ``per_image`` of `evaluate`. Raises as `predict`."""
    parts = []
    for part, predictions in category_predictions(model, dataset, batch_size, "image scores"):
        records = part.records
        facts = {"category": row_name(part.categories[0]), "path": [record.name(part.root) for record in records]}
        facts |= {"is_anomalous": [record.is_anomalous for record in records]}
        parts.append(pd.DataFrame(facts | {"image_score": [float(score) for _, _, score in predictions]}))
    return pd.concat(parts, ignore_index=True)


def probabilities(
    target: pd.DataFrame, auxiliary: pd.DataFrame, *, native: bool, source: str = SOURCES[0]
) -> dict[str, Float[np.ndarray, " image"]]:
    """What each of `WAYS` makes of the target's image scores, by its name.

    Both tables have category, is_anomalous and image_score. Everything is fitted on ``auxiliary``, or, for the source
    "other categories", for each category on the target's others. "prior shift" takes the score for one that was made
    for as many sound as damaged pictures, and moves it to the share where it is fitted; "Platt, prior estimated" moves
    Platt's from there to the share that all of the target's scores make most likely, without its labels; it is not
    made for the second source, where a single category would have to tell it. Raises ValueError for data to fit on
    without sound or without damaged pictures, and for fewer than two categories of the second source.
    """
    if source == SOURCES[0]:
        found = _fitted(target["image_score"].to_numpy(float), auxiliary, native)
        share = float(auxiliary["is_anomalous"].to_numpy(bool).mean())
        return found | {WAYS[4]: shifted_prior(found[WAYS[3]], share, estimated_prior(found[WAYS[3]], share))}
    categories = target["category"].unique()
    if len(categories) < 2:
        raise ValueError("Expected at least two categories, so that each has others to fit on, got one.")
    found: dict[str, np.ndarray] = {}
    for category in categories:
        own = (target["category"] == category).to_numpy()
        made = _fitted(target["image_score"].to_numpy(float)[own], pd.DataFrame(target[~own]), native)
        for way, values in made.items():
            found.setdefault(way, np.empty(len(target)))[own] = values
    return found


def _fitted(scores: Float[np.ndarray, " image"], known: pd.DataFrame, native: bool) -> dict[str, np.ndarray]:
    values, labels = known["image_score"].to_numpy(float), known["is_anomalous"].to_numpy(bool)
    if labels.all() or not labels.any():
        raise ValueError("Expected sound and damaged pictures to fit on, got one kind alone.")
    share = float(labels.mean())
    found: dict[str, np.ndarray] = {}
    if native:
        temperature = fitted_temperature(logits(values), labels)
        found |= {WAYS[0]: scores, WAYS[1]: Calibrator(1 / temperature)(logits(scores))}
        found |= {WAYS[2]: shifted_prior(scores, 0.5, share)}
    found[WAYS[3]] = fitted_platt(values, labels)(scores)
    return found


MEASURES: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "ECE": calibration_error,
    "ECE, equal mass": lambda values, labels: calibration_error(values, labels, kind="equal mass"),
    "NLL": negative_log_likelihood,
    "Brier": brier_score,
}
"""Of probabilities and labels, lower is better; the errors are those of the positive class, in 15 bins."""


def calibration(
    target: pd.DataFrame, values: Float[np.ndarray, " image"], resamples: int = RESAMPLES
) -> dict[str, Sampled]:
    """`MEASURES` of probabilities of all pictures of ``target`` together, with replicates over its categories; what is
    fitted stays as it is. Of one target all are paired."""
    labels = target["is_anomalous"].to_numpy(bool)
    functions = {name: _of(function, values, labels) for name, function in MEASURES.items()}
    return _sampled(target, functions, resamples)


def best_threshold(scores: Float[np.ndarray, " image"], labels: Bool[np.ndarray, " image"]) -> float:
    """The score from which on to call a picture damaged for the largest F1; of several the highest. Raises ValueError
    without a damaged picture."""
    if not labels.any():
        raise ValueError("Expected damaged pictures to set a threshold on, got none.")
    candidates = np.unique(scores)
    called = len(scores) - np.searchsorted(np.sort(scores), candidates)
    hits = labels.sum() - np.searchsorted(np.sort(scores[labels]), candidates)
    f1 = 2 * hits / (labels.sum() + called)
    return float(candidates[np.flatnonzero(f1 == f1.max())[-1]])


def alarm_threshold(
    scores: Float[np.ndarray, " image"], labels: Bool[np.ndarray, " image"], share: float = ALARMS
) -> float:
    """The lowest score from which on to call a picture damaged so that at most this share of the sound ones are. Raises
    ValueError without a sound picture."""
    sound = np.sort(scores[~labels])
    if not len(sound):
        raise ValueError("Expected sound pictures to set a threshold on, got none.")
    allowed = int(np.floor(share * len(sound) + 1e-9))
    if allowed >= len(sound):
        return float("-inf")
    return float(np.nextafter(sound[len(sound) - 1 - allowed], np.inf))


RULES: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "largest F1": best_threshold,
    "5 % false alarms": alarm_threshold,
}
"""How a threshold is set, where it is set."""
OWN = "the pictures themselves"
"""The source of a threshold that nobody has before the fact: what was to be had."""


def thresholds(target: pd.DataFrame, auxiliary: pd.DataFrame, rule: str, source: str) -> Float[np.ndarray, " image"]:
    """The threshold that each picture of the target meets, by one of `RULES`, set on one of `SOURCES` or on `OWN`.

    Raises ValueError as the rule does, and as `probabilities`."""
    scores, labels = target["image_score"].to_numpy(float), target["is_anomalous"].to_numpy(bool)
    known = {SOURCES[0]: auxiliary, OWN: target}
    if source in known:
        own = known[source]
        at = RULES[rule](own["image_score"].to_numpy(float), own["is_anomalous"].to_numpy(bool))
        return np.full(len(target), at)
    categories = target["category"].to_numpy()
    if len(np.unique(categories)) < 2:
        raise ValueError("Expected at least two categories, so that each has others to set a threshold on, got one.")
    found = np.empty(len(target))
    for category in np.unique(categories):
        own = categories == category
        found[own] = RULES[rule](scores[~own], labels[~own])
    return found


def behind(target: pd.DataFrame, at: Float[np.ndarray, " image"], resamples: int = RESAMPLES) -> dict[str, Sampled]:
    """What thresholds give on all pictures of ``target`` together: F1, the share of damaged pictures that are found,
    and of sound ones that are false alarms, with replicates over its categories."""
    labels, called = target["is_anomalous"].to_numpy(bool), target["image_score"].to_numpy(float) >= at
    return _sampled(target, {name: _of(function, called, labels) for name, function in COUNTS.items()}, resamples)


def all_called(target: pd.DataFrame, resamples: int = RESAMPLES) -> dict[str, Sampled]:
    """`behind` for calling every picture damaged, which needs no model."""
    return behind(target, np.full(len(target), -np.inf), resamples)


def _share(called: np.ndarray, of: np.ndarray) -> float:
    return float(called[of].mean()) if of.any() else float("nan")


COUNTS: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "F1": lambda called, labels: 2 * float((called & labels).sum()) / max(1, int(called.sum() + labels.sum())),
    "found": _share,
    "false alarms": lambda called, labels: _share(called, ~labels),
}


def reliability_band(
    target: pd.DataFrame, values: Float[np.ndarray, " image"], bins: int = 8, resamples: int = RESAMPLES
) -> pd.DataFrame:
    """`metrics.calibration.reliability` in bins of equal mass, with the 95 % interval (low_share, high_share) of each
    bin's share over resampled categories, Student's t between logits with the degrees of freedom of the categories that
    have pictures in it; nan where a single one has."""
    labels = target["is_anomalous"].to_numpy(bool)
    table = reliability(values, labels, bins=bins, kind="equal mass")
    places = np.searchsorted(table["high"].to_numpy()[:-1], values)
    member = pd.get_dummies(target["category"]).to_numpy(float)
    bin_of = np.eye(len(table))[places]
    images, anomalous = member.T @ bin_of, member.T @ (bin_of * labels[:, None])
    drawn = resampled(member.shape[1], resamples, 0)
    with np.errstate(invalid="ignore"):
        shares = (drawn @ anomalous) / (drawn @ images)
    ends = [
        interval_of_share(np.r_[table["share"].iloc[place], shares[:, place]], int((own > 0).sum()), 0.5 / own.sum())
        for place, own in enumerate(images.T)
    ]
    return table.assign(low_share=[low for low, _ in ends], high_share=[high for _, high in ends])


def _of(
    function: Callable[[np.ndarray, np.ndarray], float], one: np.ndarray, other: np.ndarray
) -> Callable[[np.ndarray], float]:
    return lambda places: function(one[places], other[places])


def _sampled(
    target: pd.DataFrame, functions: Mapping[str, Callable[[np.ndarray], float]], resamples: int
) -> dict[str, Sampled]:
    """Functions of places in a table, of all of them and of those of resampled categories."""
    categories: Sequence[str] = list(dict.fromkeys(target["category"]))
    places = [np.flatnonzero(target["category"] == category) for category in categories]
    drawn = resampled(len(categories), resamples, 0) if len(categories) > 1 else np.zeros((0, len(categories)), int)
    chosen = [np.concatenate([np.tile(own, times) for own, times in zip(places, counts)]) for counts in drawn]
    facts = {"draws": (*checksums(drawn),), "pictures": crc32("\n".join(map(str, target["path"])).encode())}
    facts |= {"units": len(categories), "freedom": len(categories) - 1}
    everything = [np.arange(len(target)), *chosen]
    return {
        name: Sampled(values=np.array([function(own) for own in everything]), runs={}, **facts)
        for name, function in functions.items()
    }
