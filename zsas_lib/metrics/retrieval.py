"""How well a ranking finds what belongs to a query: hit rate, R-precision, average precision, and what chance gives.

Each query ranks the same items by its own scores, highest first; equal scores count in the mean over their orders only
for `chance`, else they stand in the order of the items (torchmetrics' convention). A query without any item of its own
has no number: its values are nan, and means leave it out.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import gammaln
from torch import Tensor

Ranked: TypeAlias = Float[Tensor, "query item"] | Float[np.ndarray, "query item"]
Relevant: TypeAlias = Bool[Tensor, "query item"] | Bool[np.ndarray, "query item"]


def hit_rate(scores: Ranked, relevant: Relevant, k: int = 5) -> Float[np.ndarray, " query"]:
    """Of each query, 1 if any of its ``k`` highest items belongs to it, else 0 (CLIP-benchmark's recall@k).

    Raises ValueError for shapes that differ, scores that are not finite, no query or item, and ``k`` below 1 or above
    the number of items; the other functions here raise the same.

    >>> scores = torch.tensor([[0.9, 0.5, 0.1], [0.2, 0.3, 0.4]])
    >>> relevant = torch.tensor([[False, True, False], [True, False, False]])
    >>> zsas.metrics.hit_rate(scores, relevant, k=2).tolist()
    [1.0, 0.0]
    """
    found = _in_order(scores, relevant)
    if not 1 <= k <= found.shape[1]:
        raise ValueError(f"Expected k from 1 to {found.shape[1]}, the number of items, got {k}.")
    return _where_any(found, found[:, :k].any(1).astype(float))


def r_precision(scores: Ranked, relevant: Relevant) -> Float[np.ndarray, " query"]:
    """Of each query with R items of its own, the share of these among its R highest.

    >>> scores = torch.tensor([[0.9, 0.5, 0.1]])
    >>> zsas.metrics.r_precision(scores, torch.tensor([[True, False, True]])).tolist()
    [0.5]
    """
    found = _in_order(scores, relevant)
    own = found.sum(1)
    first = np.arange(found.shape[1]) < own[:, None]
    return _where_any(found, (found & first).sum(1) / np.maximum(own, 1))


def retrieval_average_precision(scores: Ranked, relevant: Relevant) -> Float[np.ndarray, " query"]:
    """Of each query, the mean over its own items of the share of own items down to each; its mean over queries is mAP.

    >>> scores = torch.tensor([[0.9, 0.5, 0.1]])
    >>> relevant = torch.tensor([[True, False, True]])
    >>> zsas.metrics.retrieval_average_precision(scores, relevant).round(4).tolist()
    [0.8333]
    """
    found = _in_order(scores, relevant)
    precision = found.cumsum(1) / np.arange(1, found.shape[1] + 1)
    return _where_any(found, (precision * found).sum(1) / np.maximum(found.sum(1), 1))


def chance_of_retrieval(relevant: Relevant, k: int = 5) -> dict[str, Float[np.ndarray, " query"]]:
    """What a random order of the items gives each query on average: "hit rate" of the ``k`` first, "R-precision" and
    "average precision". Of n items, R of them a query's own, these are 1 - C(n - R, k) / C(n, k), R / n, and
    (R - 1) / (n - 1) + (H(n) / n) (1 - (R - 1) / (n - 1)) with the n-th harmonic number H(n).

    >>> own = zsas.metrics.chance_of_retrieval(torch.tensor([[True, False, False, False]]), k=1)
    >>> {name: round(float(values[0]), 4) for name, values in own.items()}
    {'hit rate': 0.25, 'R-precision': 0.25, 'average precision': 0.5208}
    """
    found = _checked(np.zeros(np.shape(relevant)), relevant)[1]
    items, own = found.shape[1], found.sum(1).astype(float)
    if not 1 <= k <= items:
        raise ValueError(f"Expected k from 1 to {items}, the number of items, got {k}.")
    others = items - own
    enough = np.maximum(others, k)
    logs = gammaln(enough + 1) - gammaln(enough - k + 1) - gammaln(items + 1) + gammaln(items - k + 1)
    missed = np.where(others >= k, np.exp(logs), 0.0)
    rest = (own - 1) / max(items - 1, 1)
    precision = rest + (1 / np.arange(1, items + 1)).sum() / items * (1 - rest)
    values = {"hit rate": 1 - missed, "R-precision": own / items, "average precision": precision}
    return {name: _where_any(found, value) for name, value in values.items()}


def _where_any(found: np.ndarray, values: np.ndarray) -> Float[np.ndarray, " query"]:
    return np.where(found.any(1), values, np.nan)


def _in_order(scores: Ranked, relevant: Relevant) -> Bool[np.ndarray, "query item"]:
    """Which items belong to a query, by falling score."""
    values, found = _checked(scores, relevant)
    return np.take_along_axis(found, np.argsort(-values, axis=1, kind="stable"), 1)


def _checked(scores: Ranked, relevant: Relevant) -> tuple[np.ndarray, np.ndarray]:
    values, found = (
        part.detach().cpu().numpy() if isinstance(part, Tensor) else np.asarray(part) for part in (scores, relevant)
    )
    if values.ndim != 2 or values.shape != found.shape or not values.size:
        raise ValueError(
            f"Expected scores and relevance (query, item) of at least one of each, got shapes {values.shape} and "
            f"{found.shape}."
        )
    if found.dtype != bool:
        raise ValueError(f"Expected bool relevance, got {found.dtype}.")
    if not np.isfinite(values).all():
        query, item = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"Expected finite scores, got {values[query, item]} for item {item} of query {query}.")
    return values, found
