"""The half-maximum rule: which pixels of a mask with more than one level are anomalous.

Levels in between arise in three ways, and each is undone:

* Smoothed edges (antialiasing, resizing, feathering) fall from a region's highest level to zero. The edge that was
  there before lies at half of that level.
* Weaker regions are drawn so. Hence each region has a half of its own: a region is a connected part (8 neighbours) of
  what lies above half of its own highest level.
* JPEG leaves ripples: thin, weak regions within a block of 8 x 8 pixels of a strong edge. A region that lies so close
  to something more than twice as strong counts only if it is 3 pixels wide somewhere.

Regions weaker than 1/16 of the file's highest level are noise.
"""

from collections import defaultdict
from typing import cast

import numpy as np
from jaxtyping import Bool, Shaped
from scipy import ndimage

KINDS = 32
"""Whole numbers below it number kinds of defects."""
GRADES = 32
"""A mask of more levels is not drawn in flat grades."""
STEPS = 1000
"""A deeper mask is rounded to that many levels."""
NOISE = 16
BLOCK = 8


def above_half(levels: Shaped[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Where a mask is anomalous by the half-maximum rule; ``levels`` are at least 0.

    >>> import numpy as np
    >>> from zsas_lib.data.soft_masks import above_half
    >>> levels = np.array([[60, 255, 90, 0, 0, 0, 0, 0, 0, 0, 0, 30, 80, 70, 40]])  # two regions with smooth edges
    >>> above_half(levels).astype(int).tolist()
    [[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0]]
    """
    kinds = np.unique(levels[levels > 0])
    if not len(kinds):
        return np.zeros(levels.shape, dtype=bool)
    if kinds[-1] < KINDS and (kinds == np.floor(kinds)).all():
        return levels > 0
    levels = levels.astype(np.float64)
    found = _regions(levels if len(kinds) <= STEPS else np.round(levels * (STEPS / kinds[-1])))
    if len(kinds) <= GRADES:
        found |= np.isin(levels, _grades(levels, kinds))
    return found


def _grades(levels: np.ndarray, kinds: np.ndarray) -> list[np.number]:
    """The levels that are flat parts of their own: 3 pixels wide somewhere, and most of their pixels do not lie on a
    slope, that is, have no lower or no higher neighbour."""
    lowest, highest = ndimage.minimum_filter(levels, 3), ndimage.maximum_filter(levels, 3)
    slope = (lowest < levels) & (highest > levels)
    wide = kinds[np.isin(kinds, levels[lowest == highest]) & (kinds > kinds[-1] / NOISE)]
    return [kind for kind in wide if slope[levels == kind].mean() < 0.5]


def _regions(levels: np.ndarray) -> Bool[np.ndarray, "height width"]:
    """All pixels of all regions. Each is found from a place in it, upwards: what is connected above half of the level
    there, then above half of the highest level in that, until there is none higher."""
    highest = float(levels.max())
    found = levels > highest / 2
    solid = ndimage.grey_opening(levels, (3, 3))  # of what is 3 pixels wide
    near = ndimage.maximum_filter(levels, 2 * BLOCK + 1)
    waiting: dict[float, list[tuple]] = defaultdict(list)  # places by the highest level known in their region
    for place in _places(levels, found, solid, near):
        waiting[float(levels[place])].append(place)
    while waiting:
        top = min(waiting)
        labels, count = _parts(levels > top / 2)
        tops, widest, strongest = (ndimage.maximum(of, labels, np.arange(count + 1)) for of in (levels, solid, near))
        regions = (tops <= top) & ((widest > top / 2) | (strongest <= 2 * top))
        chosen = np.zeros(count + 1, dtype=bool)
        for place in waiting.pop(top):
            own = labels[place]
            chosen[own] = regions[own]
            if top < tops[own] < highest and levels[place] > tops[own] / 2:
                waiting[float(tops[own])].append(place)
        found |= chosen[labels]
    return found


def _places(levels: np.ndarray, found: np.ndarray, solid: np.ndarray, near: np.ndarray) -> list[tuple]:
    """One place in whatever may be a region of less than the highest level: the highest of each part ``found`` above
    half of that, and where something wide or something with nothing stronger near it is highest among its neighbours.
    """
    highest = levels.max()
    low = ~found & (levels > highest / NOISE)
    wide = (solid > highest / NOISE) & (solid == ndimage.maximum_filter(solid, 3))
    lone = (near <= 2 * levels) & (levels == ndimage.maximum_filter(levels, 3))
    places = []
    for seeds in (found, low & (wide | lone)):
        labels, count = _parts(seeds)
        places += ndimage.maximum_position(levels, labels, np.arange(1, count + 1)) if count else []
    return [place for place in places if levels[place] < highest]


def _parts(pixels: np.ndarray) -> tuple[np.ndarray, int]:
    """The connected parts of these pixels, numbered from 1, and their number."""
    found = ndimage.label(pixels, np.ones((3, 3), dtype=bool))
    return cast(tuple[np.ndarray, int], found)  # scipy gives the number alone where told to
