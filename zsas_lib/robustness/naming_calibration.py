"""How far a tower's probabilities of names can be believed, in plain view and under factors, and whether a temperature
mends it that was fitted in plain view.

The temperature is fitted to half of the pictures in plain view (the first of each name); everything is measured on the
others, on the same ones under a factor, and on damaged pictures, which are none of those in plain view. Errors are
those of the top label in 15 bins of equal width (`metrics.calibration`), over all names there are.
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from ..base.errors import OptionError
from ..evaluation.replicates import checksums
from ..evaluation.sampled import ITSELF
from ..metrics.bootstrap import resampled
from ..metrics.calibration import BINS, SMALLEST, bin_edges, fitted_temperature
from .naming import CLEAN, Answers
from .naming_towers import DAMAGED
from .visual_factors import ALL

AS_IT_IS, CARRIED, OWN = "as it is", "temperature from plain view", "temperature from itself"
WAYS = (AS_IT_IS, CARRIED, OWN)
"""Of making probabilities; the last is fitted to what it is measured on: what no temperature can better."""
METRICS = ("ece", "nll", "brier", "confidence", "accuracy")


def calibration_of_names(found: Sequence[Answers], resamples: int = 200) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The errors of every member by set of pictures and way, and the temperatures.

    The first is a flat table by member, set and way with ``run``; its sets are "clean", each factor (its levels pooled)
    and `ALL`, its metrics `METRICS`: calibration error of the top label, negative log-likelihood in nats, Brier score
    in [0, 2], mean highest probability, and accuracy among all names. The second has a row for each network and set:
    member, seed, set, carried and own (temperatures). Raises OptionError where nothing is left to measure on: fewer
    than two pictures of each name in plain view, or none with a change.
    """
    parts, rows = [], []
    for own in found:
        plain, sets = own.of(CLEAN), _measured_sets(own)
        first = (plain.rows["number"] < _half(plain)).to_numpy()
        carried = fitted_temperature(plain.logits[first], plain.truth[first])
        for kind, part in sets.items():
            logits, truth, names = own.logits[part], own.truth[part], pd.Series(own.rows.loc[part, "name"])
            best = fitted_temperature(logits, truth)
            rows.append({"member": own.card.name, "seed": own.card.seed, "set": kind, "carried": carried, "own": best})
            for way, temperature in zip(WAYS, (1.0, carried, best)):
                errors = _errors(logits / temperature, truth, names, resamples)
                errors.insert(0, "member", own.card.name)
                errors.insert(1, "set", kind)
                errors.insert(2, "way", way)
                parts.append(errors.assign(run=own.card.seed))
    return pd.concat(parts, ignore_index=True), pd.DataFrame(rows)


def errors_as_they_are(found: Sequence[Answers], resamples: int = 200) -> pd.DataFrame:
    """Of `calibration_of_names` the errors over `ALL` factors `AS_IT_IS`, which need no temperature: a flat table by
    member with ``run``. Raises as that."""
    parts = []
    for own in found:
        part = _measured_sets(own)[ALL]
        errors = _errors(own.logits[part], own.truth[part], pd.Series(own.rows.loc[part, "name"]), resamples)
        errors.insert(0, "member", own.card.name)
        parts.append(errors.assign(run=own.card.seed))
    return pd.concat(parts, ignore_index=True)


def _half(plain: Answers) -> int:
    return (int(plain.rows["number"].to_numpy().max()) + 1) // 2


def _measured_sets(own: Answers) -> dict[str, np.ndarray]:
    """Which pictures each set is measured on, of sets that have some."""
    kinds, half = own.rows["set"].to_numpy(), _half(own.of(CLEAN))
    others = (own.rows["number"].to_numpy() >= half) | (kinds == DAMAGED)
    shifted = (own.rows["level"] > 0).to_numpy()
    sets = {CLEAN: kinds == CLEAN} | {kind: kinds == kind for kind in dict.fromkeys(kinds[shifted])} | {ALL: shifted}
    found = {kind: chosen & others for kind, chosen in sets.items() if (chosen & others).any()}
    if not half or not {CLEAN, ALL} <= {*found}:
        raise OptionError(
            "Expected at least two pictures of a name in plain view, half of them to fit a temperature to, and others "
            "with a factor or corruption, or damaged; got too few to measure on."
        )
    return found


def _errors(
    logits: Float[np.ndarray, "picture name"], truth: Int[np.ndarray, " picture"], names: pd.Series, resamples: int
) -> pd.DataFrame:
    """A number and its replicates over resampled names. All are sums over pictures, the calibration error of bins with
    fixed ends too, so that sums by name are enough."""
    logs = np.asarray(logits, float)
    logs = logs - logs.max(axis=1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
    place = np.arange(len(truth))
    probabilities = np.exp(logs)
    confidence, right = probabilities.max(1), logs.argmax(1) == truth
    brier = np.square(probabilities).sum(1) - 2 * probabilities[place, truth] + 1
    sums = np.stack([-np.clip(logs[place, truth], np.log(SMALLEST), None), brier, confidence, right], axis=1)
    groups, number = np.unique(names.to_numpy(dtype=str), return_inverse=True)
    bins = np.searchsorted(bin_edges(confidence, BINS, "equal width")[1:-1], confidence)
    apart = np.zeros((len(groups), BINS))
    np.add.at(apart, (number, bins), right - confidence)
    by_name = np.zeros((len(groups), sums.shape[1]))
    np.add.at(by_name, number, sums)
    drawn = resampled(len(groups), resamples, 0)
    weights = np.vstack([np.ones((1, len(groups))), drawn])
    pictures = weights @ np.bincount(number, minlength=len(groups))
    values = np.column_stack([np.abs(weights @ apart).sum(1) / pictures, weights @ by_name / pictures[:, None]])
    known = {"replicate": range(ITSELF, resamples), "draw": [0, *checksums(drawn)]}
    known |= {"pictures": crc32("\n".join(groups).encode()), "units": len(groups), "freedom": len(groups) - 1}
    return pd.concat([pd.DataFrame(known), pd.DataFrame(values, columns=list(METRICS))], axis=1)
