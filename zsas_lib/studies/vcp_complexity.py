"""Parameters and floating point operations of VCP-CLIP(+) as paper V's Table 2 and the released code count them.

`evaluation.complexity` counts any model as this library runs it. V's numbers differ by design, so they are worked out
here by hand: sentences of 77 tokens, where this library stops at the end token; the linear layer of the deep prompts
once per sentence and post-VCP's queries once per tapped layer, where this library runs both once; post-VCP's keys and
values of every patch, which this library does without; smoothing not counted; and parameters that the released code
carries along unused. None of these changes a result.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import pandas as pd
import torch

from ..backbones.backbone import Backbone
from ..backbones.families.tokens import TokenTower
from ..backbones.text_tower import OpenClipText
from ..evaluation.complexity import ParameterCounts, parameter_counts
from ..models.anomalyclip import AnomalyCLIP
from ..models.prediction import AnomalyModel
from ..models.vcpclip import VCPCLIP, ContextPrompt
from .variants import factorial_variants

RELEASED_TOKENS = 77
"""Tokens a sentence in the released code."""


@dataclass(frozen=True)
class ReleasedParameters(ParameterCounts):
    """As `ParameterCounts`, and in `extras` by name what else the released code counts or leaves out (negative), which
    nothing computes with."""

    extras: dict[str, int] = field(default_factory=dict)

    @property
    def released(self) -> int:
        """With the extras: what counting the released code's modules gives."""
        return self.total + sum(self.extras.values())


@dataclass(frozen=True)
class Flops:
    """Floating point operations for one picture, a multiplication and an addition each counted as one, by part.

    `layers` are the linear and convolutional layers outside attention, all that a profiler sees which listens to such
    modules (as paper V's does); `attention` its projections, scores and mixtures; `bare` matrix products with plain
    parameters and between embeddings. Norms, activations, softmax and enlarging are not counted.
    """

    layers: dict[str, int]
    attention: dict[str, int]
    bare: dict[str, int]

    @property
    def profiled(self) -> int:
        """Linear and convolutional layers alone, as V Table 2 prints."""
        return sum(self.layers.values())

    @property
    def total(self) -> int:
        return self.profiled + sum(self.attention.values()) + sum(self.bare.values())

    def parts(self) -> pd.DataFrame:
        """A row per part, from the smallest: ``part``, whether `profiled` counts it ("counted by V"), and ``GFLOP``."""
        rows = [
            (f"{part}, attention" if kind == "attention" else part, kind == "layers", value / 1e9)
            for kind in ("layers", "attention", "bare")
            for part, value in getattr(self, kind).items()
        ]
        return pd.DataFrame(rows, columns=["part", "counted by V", "GFLOP"]).sort_values("GFLOP")


def counted_variants(shapes: Backbone) -> dict[str, VCPCLIP]:
    """The nine rows of V's Table 2 on a backbone of `shapes_only`, to be counted."""
    with torch.device("meta"):
        return {name: VCPCLIP(shapes, **variant.options) for name, variant in factorial_variants().items()}


def released_counts(models: Mapping[str, VCPCLIP]) -> pd.DataFrame:
    """`released_parameters` and `released_flops` (in GFLOP) of models, one row each by its name in ``variant``."""
    rows = []
    for name, model in models.items():
        parameters, operations = released_parameters(model), released_flops(model)
        rows.append(
            {
                "variant": name,
                "learned": parameters.learned,
                "with backbone": parameters.total,
                "as released code": parameters.released,
                "GFLOP, layers only": operations.profiled / 1e9,
                "GFLOP, all": operations.total / 1e9,
            }
        )
    return pd.DataFrame(rows)


def released_parameters(model: AnomalyModel) -> ReleasedParameters:
    """How many parameters a model has on its backbone, here and in the released code.

    For VCP-CLIP on ViT-L-14-336 at 518 pixels `released` is V Table 2's 437.035 M, for VCP-CLIP+ its 438.217 M: the
    paper leaves out the pre-VCP that the code of VCP-CLIP+ still builds, and alpha and beta, which are no module's.
    AnomalyCLIP's 5.5 M unused ones are in its checkpoints.
    """
    own = parameter_counts(model)
    return ReleasedParameters(own.backbone, own.learned, _extras(model))


def _extras(model: AnomalyModel) -> dict[str, int]:
    if model.backbone is None:
        return {}
    text = cast(OpenClipText, model.backbone.text).width
    if isinstance(model, AnomalyCLIP):
        projected = 896
        return {"linear layers beside the compound prompts, unused": len(model.compound) * (text + 1) * projected}
    if not isinstance(model, VCPCLIP):
        return {}
    switches = model.options["uniop"] + model.options["loreb"]
    extras = {
        "a 49409th word, replaced before it is read": text,
        "second text projection, unused": text * model.backbone.embed_dim,
    }
    if model.options["temperature"] != "learned":
        extras["two temperatures, fixed"] = 2
    if switches:
        extras["alpha and beta, not in a module"] = -switches
    return extras


def released_flops(model: VCPCLIP, text_tokens: int = RELEASED_TOKENS) -> Flops:
    """Operations for one picture of the backbone's size, each sentence ``text_tokens`` long, by part.

    For VCP-CLIP on ViT-L-14-336 at 518 pixels `profiled` is V Table 2's 602.362 GFLOP, for VCP-CLIP+ its 602.364; with
    attention it is 1.072 TFLOP.
    """
    backbone = model.backbone
    layers, attention = _image_tower(backbone)
    bare = {"image projection": 2 * backbone.width * backbone.embed_dim}
    _add_vcpclip(model, text_tokens, layers, attention, bare)
    return Flops(layers, attention, bare)


def _image_tower(backbone: Backbone) -> tuple[dict[str, int], dict[str, int]]:
    patches, width = backbone.grid**2, backbone.width
    mlps, attention = _blocks(backbone.depth, cast(TokenTower, backbone.image).trunk.hidden, width, patches + 1)
    return {"patch embedding": 2 * patches * width * 3 * backbone.patch_size**2, "image MLPs": mlps}, {
        "image": attention
    }


def _blocks(depth: int, hidden: int, width: int, tokens: int) -> tuple[int, int]:
    """MLPs and attention of a sequence that runs through blocks."""
    mlp = 2 * 2 * tokens * width * hidden
    return depth * mlp, depth * _attention(width, tokens, projections=4)


def _attention(width: int, tokens: int, projections: int) -> int:
    """Products with width x width matrices, then scores and mixtures."""
    return 2 * projections * tokens * width**2 + 2 * 2 * tokens**2 * width


def _add_vcpclip(model: VCPCLIP, text_tokens: int, layers: dict, attention: dict, bare: dict) -> None:
    backbone = model.backbone
    tower, width, embed, patches = (
        cast(OpenClipText, backbone.text),
        backbone.width,
        backbone.embed_dim,
        backbone.grid**2,
    )
    text, depth, tapped = tower.width, tower.depth, len(model.projections)
    mlps, attended = _blocks(depth, tower.hidden, text, text_tokens)
    layers["text MLPs"] = 2 * mlps
    layers["patch projections"] = 2 * tapped * patches * width * embed
    layers["post-VCP"] = 2 * tapped * (2 * embed * width + 2 * patches * width**2 + 2 * width**2)
    layers["prompt projection"] = 2 * 2 * depth * model.options["deep_tokens"] * text**2
    if model.options["idp"]:
        layers["IDP"] = 2 * (model.options["tokens"] * text + (embed + text) * text)
    else:
        layers["pre-VCP"] = 2 * text * cast(ContextPrompt, model.class_word).convolution.weight.numel()
        if embed != text:
            bare["pre-VCP"] = 2 * embed * text
    attention["text"] = 2 * attended
    attention["post-VCP"] = 2 * tapped * 2 * 2 * patches * width
    bare["text projection"] = 2 * 2 * text * embed
    bare["comparison"] = 2 * tapped * patches * 2 * (embed + width)
