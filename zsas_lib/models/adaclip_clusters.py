"""k-means of a few points of each of several pictures at once, as scikit-learn's `KMeans` with one start does it.

All that it needs of the points are their products, so that a step takes no more than a few small matrices, and every
picture begins with the same random numbers, so that all take their steps together. Where scikit-learn would fill a
cluster that has lost its points, it does so itself.
"""

import warnings
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
    labels, whole = _lloyd(products, _seeds(products, clusters, seed), TOLERANCE * centred.var(1).mean(1))
    for number in np.flatnonzero(~whole):
        labels[number] = _by_scikit_learn(values[number], clusters, seed)
    return to_device(torch.from_numpy(labels), points.device)


def _squared_distances(products: Float[np.ndarray, "batch point point"]) -> Float[np.ndarray, "batch point point"]:
    norms = products.diagonal(axis1=1, axis2=2)
    return np.maximum(norms[:, :, None] - 2 * products + norms[:, None], 0)


def _seeds(products: Float[np.ndarray, "batch point point"], clusters: int, seed: int) -> Int[np.ndarray, "batch _"]:
    """The points that greedy k-means++ draws as first centres."""
    drawn, distances = np.random.RandomState(seed), _squared_distances(products)
    pictures, points = np.arange(len(products))[:, None], products.shape[1]
    first = drawn.choice(points, p=np.full(points, 1 / points))
    chosen, closest = [np.full(len(products), first)], distances[:, first]
    for _ in range(1, clusters):
        sums = closest.cumsum(1)
        targets = drawn.uniform(size=2 + int(np.log(clusters))) * sums[:, -1:]
        tried = (sums[:, None] < targets[:, :, None]).sum(2).clip(None, points - 1)
        nearer = np.minimum(closest[:, None], distances[pictures, tried])
        best = nearer.sum(2).argmin(1)[:, None]
        closest = np.take_along_axis(nearer, best[:, :, None], 1)[:, 0]
        chosen.append(tried[pictures, best][:, 0])
    return np.stack(chosen, 1)


def _lloyd(
    products: Float[np.ndarray, "batch point point"],
    seeds: Int[np.ndarray, "batch cluster"],
    least: Float[np.ndarray, " batch"],
) -> tuple[Int[np.ndarray, "batch point"], np.ndarray]:
    """The labels of Lloyd's algorithm from these points, and of which pictures no cluster was ever empty.

    A centre is a mean of points, held as the points' shares in it.
    """
    every, clusters = np.arange(seeds.shape[1]), seeds.shape[1]
    shares = np.zeros((len(products), products.shape[1], clusters))
    shares[np.arange(len(seeds))[:, None], seeds, every] = 1
    labels = np.full(products.shape[:2], -1)
    whole, going = np.ones(len(products), bool), np.ones(len(products), bool)
    for _ in range(STEPS):
        own, shares_now = products[going], shares[going]
        nearest = _nearest(own, shares_now)
        members = (nearest[:, :, None] == every).astype(np.float64)
        sizes = members.sum(1, keepdims=True)
        settled = (nearest == labels[going]).all(1)
        moved = members / np.maximum(sizes, 1) - shares_now
        distance = np.einsum("bpk,bpk->b", moved, own @ moved)
        labels[going], shares[going] = nearest, shares_now + moved
        numbers = np.flatnonzero(going)
        whole[numbers] &= (sizes > 0).all((1, 2))
        near = numbers[(distance <= least[going]) & ~settled]
        if len(near):
            labels[near] = _nearest(products[near], shares[near])
        going[numbers[settled | (distance <= least[going]) | ~whole[numbers]]] = False
        if not going.any():
            break
    return labels, whole


def _nearest(products: np.ndarray, shares: Float[np.ndarray, "batch point cluster"]) -> Int[np.ndarray, "batch point"]:
    mixed = products @ shares
    return (np.einsum("bpk,bpk->bk", shares, mixed)[:, None] - 2 * mixed).argmin(2)


def _by_scikit_learn(points: Float[np.ndarray, "point channel"], clusters: int, seed: int) -> Int[np.ndarray, " point"]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer distinct points there are fewer clusters
        kmeans = cast(Any, KMeans)  # whose annotations have n_init as a word alone
        return kmeans(clusters, n_init=1, random_state=seed).fit_predict(points)
