"""Cue conflicts: what the pictures look like, and how answers by shape follow what is easier to read."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from zsas_lib.data.embedded.conflicts import Cues
from zsas_lib.evaluation.sampled import ITSELF

from .gallery import Tile, gallery
from .panels import legend, panels
from .style import INK, SERIES


def cue_gallery(pairs: Sequence[tuple[str, str]], strength: float, seed: int = 0) -> Figure:
    """A column for each material and shape: both at full strength, each weakened to ``strength``, each alone."""
    rows = {"both": (1, 1), "weaker material": (strength, 1), "weaker shape": (1, strength)}
    rows |= {"shape alone": (0, 1), "material alone": (1, 0)}
    drawn = [Cues(material, shape, seed, number) for number, (material, shape) in enumerate(pairs)]
    tiles = [
        [
            Tile(torch.from_numpy(cues(*strengths)).permute(2, 0, 1).float(), "" if place else " on ".join(pair))
            for cues, pair in zip(drawn, pairs)
        ]
        for place, strengths in enumerate(rows.values())
    ]
    return gallery(tiles, names=list(rows))


def bias_lines(answered: pd.DataFrame, colours: Mapping[str, str] | None = None) -> Figure:
    """A panel for each head: the share of answers by shape among those by a cue (upwards) against how much better the
    shape's control is read than the material's (across), a line for each member through its levels, the mean over
    seeds; a ring is at full strength of both. ``answered`` is of `shape_bias.conflicts_answered`."""
    own = answered[answered["replicate"] == ITSELF]
    heads = list(dict.fromkeys(own["head"]))
    members = list(dict.fromkeys(own["member"]))
    colours = colours or dict(zip(members, SERIES))
    figure, axes = panels(len(heads), height=3.6, share="xy")
    for axis, head in zip(np.atleast_1d(axes).ravel(), heads):
        axis.axvline(0, color=INK, linewidth=1)
        axis.axhline(50, color=INK, linewidth=1, linestyle=":")
        for member in members:
            part = own[(own["head"] == head) & (own["member"] == member)].groupby("level").mean(numeric_only=True)
            across = 100 * (part["shape_alone"] - part["material_alone"])
            colour = colours.get(member, INK)
            axis.plot(across, 100 * part["bias"], "o-", color=colour, markersize=3, linewidth=1.5, label=member)
            axis.plot(across.loc[[0]], 100 * part.loc[[0], "bias"], "o", color=colour, markersize=9, fillstyle="none")
        axis.set_title(head)
    figure.supxlabel("shape alone - material alone, named right (points)")
    figure.supylabel("answers by shape (%)")
    legend(figure)
    return figure
