"""Strangers among products that are named: pictures that no known name is right for.

*Maximum concept matching* (Ming et al., NeurIPS 2022) scores a picture by the highest softmax of its cosines to the
known names at a temperature of 1, where all values lie in a narrow band above 1 / names and only their order counts.
The same at the temperature that the tower has learnt is its highest probability (maximum softmax probability), which is
all that a network of labels has. **Known pictures are the positive class**: see `metrics.detection` for what libraries
do.
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import softmax

from ..base.errors import OptionError
from ..evaluation.replicates import checksums
from ..evaluation.sampled import ITSELF
from ..metrics.bootstrap import resampled
from ..metrics.detection import false_positive_rate
from .naming import CLEAN, Answers

MATCHING, PROBABILITY = "concept matching", "highest probability"
SCORES = (MATCHING, PROBABILITY)


def score(own: Answers, kind: str) -> Float[np.ndarray, " picture"]:
    """The score of each picture, higher for what is known better; of `MATCHING` for a network of labels nan."""
    if kind == MATCHING and not own.reads:
        return np.full(len(own.rows), np.nan)
    return softmax(np.asarray(own.cosines if kind == MATCHING else own.logits, float), axis=1).max(1)


def require_strangers(there: object) -> None:
    """Raises OptionError where there are no strangers to ask about (false or None)."""
    if not there:
        raise OptionError("Expected pictures of strangers among those that are asked about, got none; name a data set.")


def strangers_told(found: Sequence[Answers], resamples: int = 200) -> pd.DataFrame:
    """How well each member tells strangers of each kind from known products with held-out names in plain view.

    A flat table by member, strangers and score with ``run``. Columns: auroc, whose replicates resample the names on
    both sides (of photographs, the pictures), and fpr95, the share of strangers accepted where 95 % of the known are;
    its replicates are nan, for it hangs on a single picture. Raises OptionError where no strangers were asked about.
    """
    require_strangers(any(own.strangers for own in found))
    parts = []
    for own in found:
        known = own.of(CLEAN)
        for kind in SCORES:
            if kind == MATCHING and not own.reads:
                continue
            first = score(known, kind)
            for strange in own.strangers:
                other = own.of(strange)
                second = score(other, kind)
                by = "number" if len(set(other.rows["name"])) == 1 else "name"
                part = _auroc(first, _column(known, "name"), second, _column(other, by), resamples)
                rate = false_positive_rate(first, second)
                part["fpr95"] = np.where(part["replicate"] == ITSELF, rate, np.nan)
                for place, (name, value) in enumerate((("member", own.card.name), ("strangers", strange))):
                    part.insert(place, name, value)
                part.insert(2, "score", kind)
                parts.append(part.assign(run=own.card.seed))
    return pd.concat(parts, ignore_index=True)


def _column(own: Answers, name: str) -> np.ndarray:
    return own.rows[name].to_numpy().astype(str)


def _auroc(
    known: Float[np.ndarray, " known"],
    names: np.ndarray,
    strangers: Float[np.ndarray, " stranger"],
    groups: np.ndarray,
    resamples: int,
) -> pd.DataFrame:
    """An AUROC and its replicates: wins are counted once for each pair of names, then weighted."""
    wins = (known[:, None] > strangers) + 0.5 * (known[:, None] == strangers)
    one, own = np.unique(names, return_inverse=True)
    two, other = np.unique(groups, return_inverse=True)
    first, second = np.eye(len(one))[own], np.eye(len(two))[other]
    by_names = first.T @ wins @ second
    sides = [resampled(len(one), resamples, 0), resampled(len(two), resamples, 1)]
    weights = [np.vstack([np.ones((1, drawn.shape[1])), drawn]) for drawn in sides]
    totals = (weights[0] @ first.sum(0)) * (weights[1] @ second.sum(0))
    values = np.einsum("rk,ks,rs->r", weights[0], by_names, weights[1]) / totals
    draws = [a ^ b for a, b in zip(checksums(sides[0]), checksums(sides[1]))]
    fewer = min(len(one), len(two))
    known_as = {"replicate": range(ITSELF, resamples), "draw": [0, *draws]}
    known_as |= {"pictures": crc32("\n".join([*one, *two]).encode()), "units": fewer, "freedom": fewer - 1}
    return pd.DataFrame(known_as | {"auroc": values})
