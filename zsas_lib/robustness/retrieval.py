"""Finding pictures by a name and names by a picture, beside what chance gives.

One direction asks each held-out name for its pictures among those of all held-out names in plain view; the other asks
each picture for its name among the held-out names. Numbers are by name, so that intervals are over resampled names.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..metrics.retrieval import chance_of_retrieval, hit_rate, r_precision, retrieval_average_precision
from .naming import CLEAN, Answers, by_seed

PICTURES, NAMED = "name to pictures", "picture to name"
CHANCE = "chance"
METRICS = ("hit@1", "hit@5", "R-precision", "mAP")


def retrieved(found: Sequence[Answers], kind: str = CLEAN, level: int = 0) -> pd.DataFrame:
    """How well every member finds, in one set of pictures: a flat table by member and direction with ``run``.

    Columns: `METRICS`. The member `CHANCE` is what a random order gives, of which a single seed is said.
    """
    tables = []
    for own in (answers.of(kind, level) for answers in found):
        places = [own.known.index(name) for name in own.asked]
        scores = np.asarray(own.cosines[:, places], float)
        relevant = own.rows["name"].to_numpy()[:, None] == np.array(own.asked)
        for direction, values, wanted in ((NAMED, scores, relevant), (PICTURES, scores.T, relevant.T)):
            names = own.rows["name"].to_numpy() if direction == NAMED else np.array(own.asked)
            known: dict[str, object] = {"member": own.card.name, "seed": own.card.seed, "direction": direction}
            tables.append(_by_name(names, _measured(values, wanted), known))
            if own.card == found[0].card:
                tables.append(_by_name(names, _chance(wanted), known | {"member": CHANCE}))
    return by_seed(pd.concat(tables, ignore_index=True), ["member", "direction"])


def _five(relevant: np.ndarray) -> int:
    """Of fewer than five things all."""
    return min(5, relevant.shape[1])


def _measured(scores: np.ndarray, relevant: np.ndarray) -> dict[str, np.ndarray]:
    own = (hit_rate(scores, relevant, 1), hit_rate(scores, relevant, _five(relevant)), r_precision(scores, relevant))
    return dict(zip(METRICS, (*own, retrieval_average_precision(scores, relevant))))


def _chance(relevant: np.ndarray) -> dict[str, np.ndarray]:
    one, five = (chance_of_retrieval(relevant, k) for k in (1, _five(relevant)))
    return dict(zip(METRICS, (one["hit rate"], five["hit rate"], five["R-precision"], five["average precision"])))


def _by_name(names: np.ndarray, values: dict[str, np.ndarray], known: dict[str, object]) -> pd.DataFrame:
    table = pd.DataFrame({"category": names.astype(str)} | values)
    means = pd.DataFrame(table.groupby("category", sort=True)[list(METRICS)].mean())
    return means.reset_index().assign(**known)
