"""WinCLIP from the inside: cosines of single sentences, how windows cover the patches, and what arithmetic means would
make of their scores."""

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..backbones.backbone import Backbone
from ..models.prompts import PromptEnsemble


def sentence_cosines(
    backbone: Backbone, image: Float[Tensor, "3 height width"], prompts: PromptEnsemble
) -> pd.DataFrame:
    """The cosine of a whole picture's embedding with every sentence: columns state (normal or abnormal), sentence, cosine;
    the index counts within a state."""
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
    """Each patch's arithmetic mean over the windows of ``side`` patches that cover it, from the scores of all of them, as
    `models.winclip.harmonic_map` is the harmonic one."""
    return _spread(scores, side) / _spread(torch.ones_like(scores), side)


def enlarged(patches: Float[Tensor, "rows columns"], size: Sequence[int]) -> Float[Tensor, "height width"]:
    """A map of patches at the size (height, width) of the picture, bilinearly, as WinCLIP enlarges its own; in memory."""
    return F.interpolate(patches[None, None], tuple(size), mode="bilinear", align_corners=False)[0, 0].cpu()


def score_table(scores: Mapping[int, Float[Tensor, "batch rows columns"]]) -> pd.DataFrame:
    """The scores of the windows of one picture (`WinCLIP.window_scores`), a row each: row, column, score, side."""
    parts = [
        pd.DataFrame(values[0].numpy(force=True))
        .stack()
        .rename("score")
        .rename_axis(["row", "column"])
        .reset_index()
        .assign(side=side)
        for side, values in scores.items()
    ]
    return pd.concat(parts)


def _spread(scores: Tensor, side: int) -> Tensor:
    return F.conv_transpose2d(scores[:, None], scores.new_ones(1, 1, side, side))[:, 0]
