"""Pixel AUROC of many pictures at once, each its own, where their maps are: the number of a search's point."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor


def picture_aurocs(
    maps: Float[Tensor, "picture height width"],
    normal: Bool[Tensor, "picture height width"],
    anomalous: Bool[Tensor, "picture height width"],
) -> Float[Tensor, " picture"]:
    """`pixel_auroc` of each picture over its ``normal`` and its ``anomalous`` pixels; nan where either are none, and no
    number in particular where a map is not finite. Exact: scores are sorted, and ties count one half.

    On a device nothing is waited for: there all pixels are looked up among the sorted normal ones, on the CPU the
    anomalous ones alone.
    """
    scores, hits = maps.flatten(1), anomalous.flatten(1)
    if maps.device.type == "cpu":
        found = [_auroc(*of) for of in zip(scores.numpy(), normal.flatten(1).numpy(), hits.numpy())]
        return torch.tensor(found, dtype=maps.dtype)
    others = torch.where(normal.flatten(1), scores, torch.inf).sort(1).values
    ends = [torch.searchsorted(others, scores, right=right) for right in (False, True)]  # below; below or tied
    twice = torch.where(hits, ends[0] + ends[1], 0).sum(1)
    pairs = normal.flatten(1).sum(1) * hits.sum(1)
    return torch.where(pairs > 0, twice / (2 * pairs), torch.nan).to(maps.dtype)


def _auroc(scores: np.ndarray, normal: np.ndarray, anomalous: np.ndarray) -> float:
    others, hits = np.sort(scores[normal]), np.sort(scores[anomalous])
    if not (len(others) and len(hits)):
        return float("nan")
    below = np.searchsorted(others, hits)
    tied = hits == others[np.minimum(below, len(others) - 1)]
    up_to = np.searchsorted(others, hits[tied], "right")
    twice = 2 * int(below.sum()) + int((up_to - below[tied]).sum())
    return twice / (2 * len(others) * len(hits))
