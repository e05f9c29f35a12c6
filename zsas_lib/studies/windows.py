"""WinCLIP from the inside: cosines of single sentences, how windows cover the patches, and what arithmetic means would
make of their scores."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..backbones.backbone import Backbone
from ..data.dataset import Sample
from ..models.enlarged import enlarged
from ..models.prompts import PromptEnsemble
from ..models.winclip import WinCLIP, harmonic_map

OPEN_CHOICES: Mapping[str, Mapping[str, object]] = {
    "this page": {},
    "21 templates (anomalib)": {"templates": 21},
    "no full stop": {"full_stop": False},
    "raw class name": {"raw_names": True},
    "raw text mean": {"text_mean": "raw"},
    "temperature 0.01": {"temperature": 0.01},
    "no image term": {"image_term": False},
    "one scale, side 2": {"scales": (2,)},
    "one scale, side 3": {"scales": (3,)},
}
"""Options of `WinCLIP` in which public reimplementations differ, one at a time, by what they are called."""
IN_WORDS = ("21 templates (anomalib)", "no full stop", "raw class name", "raw text mean")
"""Those of `OPEN_CHOICES` that are about the sentences."""


def sentence_cosines(
    backbone: Backbone, image: Float[Tensor, "3 height width"], prompts: PromptEnsemble
) -> pd.DataFrame:
    """The cosine of a whole picture's embedding with every sentence: columns state (normal or abnormal), sentence and
    cosine; the index counts within a state."""
    with torch.no_grad():
        embedding = backbone.encode_image(image[None].to(backbone.device))[0]
        parts = [
            pd.DataFrame(
                {
                    "state": state,
                    "sentence": group,
                    "cosine": (backbone.encode_text(list(group)) @ embedding).tolist(),
                }
            )
            for state, group in (("normal", prompts.normal), ("abnormal", prompts.abnormal))
        ]
    return pd.concat(parts)


def window_cover(grid: int, side: int) -> Float[Tensor, "{grid} {grid}"]:
    """How many windows of ``side`` patches, one patch apart, cover each patch of a grid."""
    return _spread(torch.ones(1, grid - side + 1, grid - side + 1), side)[0]


def arithmetic_map(scores: Float[Tensor, "batch rows columns"], side: int) -> Float[Tensor, "batch grid grid"]:
    """Each patch's arithmetic mean over the windows of ``side`` patches that cover it, from the scores of all of them;
    `models.winclip.harmonic_map` is the harmonic one."""
    return _spread(scores, side) / _spread(torch.ones_like(scores), side)


class Steps(NamedTuple):
    """What WinCLIP makes of one picture without references, in memory: ``whole``, the score of the whole picture; the
    ``scores`` of all windows by their side; and at the picture's size the ``maps`` "side K", the harmonic mean over the
    windows of each scale, "WinCLIP", the map itself, and "arithmetic", what arithmetic means over windows and scales
    would give, without the whole picture's score."""

    whole: float
    scores: dict[int, Tensor]
    maps: dict[str, Tensor]


def zero_shot_steps(model: WinCLIP, sample: Sample) -> Steps:
    """One picture through WinCLIP, step by step."""
    images = sample.image[None].to(model.backbone.device)
    with torch.no_grad():
        whole = float(model.image_scores(images, sample.category))
        windows = model.window_scores(images, sample.category)
        final = model(images, sample.category).anomaly_map[0].float().cpu()
    size, grid = final.shape, model.backbone.patches
    maps = {f"side {side}": at_size(harmonic_map(own, grid, side)[0], size) for side, own in windows.items()}
    arithmetic = torch.stack([arithmetic_map(own, side)[0] for side, own in windows.items()]).mean(0)
    maps |= {"WinCLIP": final, "arithmetic": at_size(arithmetic, size)}
    return Steps(whole, {side: own[0].cpu() for side, own in windows.items()}, maps)


def at_size(patches: Float[Tensor, "rows columns"], size: Sequence[int]) -> Float[Tensor, "height width"]:
    """A map of patches at the size (height, width) of a picture, bilinearly, as WinCLIP enlarges its own; in memory."""
    return enlarged(patches[None, None], size)[0, 0].cpu()


def score_table(scores: Mapping[int, Float[Tensor, "_ _"]]) -> pd.DataFrame:
    """The scores of the windows of one picture by their side, a row each: row, column, score, side."""
    parts = []
    for side, values in scores.items():
        rows, columns = np.indices(values.shape).reshape(2, -1)
        cells = {"row": rows, "column": columns, "score": values.flatten().numpy(force=True), "side": side}
        parts.append(pd.DataFrame(cells))
    return pd.concat(parts)


def _spread(scores: Tensor, side: int) -> Tensor:
    return F.conv_transpose2d(scores[:, None], scores.new_ones(1, 1, side, side))[:, 0]
