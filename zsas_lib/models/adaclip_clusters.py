"""k-means of a few points of each of several pictures at once, as scikit-learn's `KMeans` with one start does it.

All that it needs of the points are their products, so that a step takes no more than a few small matrices, and every
picture begins with the same random numbers, so that all take their steps together. Where scikit-learn would fill a
cluster that has lost its points, it does so itself.
"""

import warnings
from functools import cache
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from ..base.devices import to_device

STEPS, TOLERANCE = 300, 1e-4
"""scikit-learn's: the most steps, and the sum of the centres' squared moves, in variances of the points, after which
there are no more."""


def k_means(points: Float[Tensor, "batch point channel"], clusters: int, seed: int) -> Int[Tensor, "batch point"]:
    """Which cluster each point of a picture is in, drawn with ``seed`` anew for each picture; of fewer points or fewer
    distinct ones there are fewer clusters. Where the points are; no gradient."""
    values = points.detach().float().cpu().numpy()
    clusters = min(clusters, values.shape[1])
    centred = values - values.mean(1, keepdims=True)
    products = (centred @ centred.transpose(0, 2, 1)).astype(np.float64)
    variances = products.trace(axis1=1, axis2=2) / centred[0].size
    labels, whole = _lloyd(products, _seeds(products, clusters, seed), TOLERANCE * variances)
    for number in np.flatnonzero(~whole):
        labels[number] = _by_scikit_learn(values[number], clusters, seed)
    return to_device(torch.from_numpy(labels), points.device)


def _squared_distances(products: Float[np.ndarray, "batch point point"]) -> Float[np.ndarray, "batch point point"]:
    norms = products.diagonal(axis1=1, axis2=2)
    return np.maximum(norms[:, :, None] - 2 * products + norms[:, None], 0)


@cache
def _drawn(points: int, clusters: int, seed: int) -> tuple[int, Float[np.ndarray, "later tried 1"]]:
    """What greedy k-means++ draws: the first centre, and for each later one the shares of the distances at which points
    are tried."""
    drawn = np.random.RandomState(seed)
    first = int(drawn.choice(points, p=np.full(points, 1 / points)))
    return first, drawn.uniform(size=(clusters - 1, 2 + int(np.log(clusters)), 1))


def _seeds(products: Float[np.ndarray, "batch point point"], clusters: int, seed: int) -> Int[np.ndarray, "batch _"]:
    """The points that greedy k-means++ draws as first centres."""
    distances = _squared_distances(products)
    pictures, last = np.arange(len(products)), products.shape[1] - 1
    first, shares = _drawn(products.shape[1], clusters, seed)
    chosen, closest = np.full((len(products), clusters), first), distances[:, first]
    for number, share in enumerate(shares, 1):
        sums = closest.cumsum(1)
        tried = np.minimum((sums < share[:, :, None] * sums[:, -1:]).sum(2), last)
        nearer = np.minimum(closest, distances[pictures, tried])
        best = nearer.sum(2).argmin(0)
        closest, chosen[:, number] = nearer[best, pictures], tried[best, pictures]
    return chosen


def _lloyd(
    products: Float[np.ndarray, "batch point point"],
    seeds: Int[np.ndarray, "batch cluster"],
    least: Float[np.ndarray, " batch"],
) -> tuple[Int[np.ndarray, "batch point"], np.ndarray]:
    """The labels of Lloyd's algorithm from these points, and of which pictures no cluster was ever empty.

    A centre is a mean of points, held as the points' shares in it, and ``mixed`` has its products with all points.
    """
    every, clusters = np.arange(seeds.shape[1]), seeds.shape[1]
    shares = np.zeros((len(products), products.shape[1], clusters))
    shares[np.arange(len(seeds))[:, None], seeds, every] = 1
    mixed = np.take_along_axis(products, seeds[:, None], 2)
    found, whole = np.full(products.shape[:2], -1), np.ones(len(products), bool)
    labels, going = found, np.arange(len(products))
    for _ in range(STEPS):
        nearest = _nearest(mixed, shares)
        members = (nearest[:, :, None] == every).astype(np.float64)
        sizes = members.sum(1, keepdims=True)
        settled = (nearest == labels).all(1)
        moved = members / np.maximum(sizes, 1)
        mixed_now = products @ moved
        near = ((moved - shares) * (mixed_now - mixed)).sum((1, 2)) <= least
        shares, mixed, labels = moved, mixed_now, nearest
        full = sizes.all((1, 2))
        ended = settled | near | ~full
        if not ended.any():
            continue
        if (at_last := near & ~settled).any():
            labels[at_last] = _nearest(mixed[at_last], shares[at_last])
        found[going[ended]], whole[going[ended]] = labels[ended], full[ended]
        if ended.all():
            return found, whole
        going = going[~ended]
        products, shares, mixed, least, labels = (values[~ended] for values in (products, shares, mixed, least, labels))
    found[going] = labels
    return found, whole


def _nearest(
    mixed: Float[np.ndarray, "batch point cluster"], shares: Float[np.ndarray, "batch point cluster"]
) -> np.ndarray:
    return ((shares * mixed).sum(1, keepdims=True) - 2 * mixed).argmin(2)


def _by_scikit_learn(points: Float[np.ndarray, "point channel"], clusters: int, seed: int) -> Int[np.ndarray, " point"]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer distinct points there are fewer clusters
        kmeans = cast(Any, KMeans)  # whose annotations have n_init as a word alone
        return kmeans(clusters, n_init=1, random_state=seed).fit_predict(points)
