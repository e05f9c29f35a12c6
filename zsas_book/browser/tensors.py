"""The tensors of a class-token CLIP as a page reads them: neutral names, the smallest type that holds them exactly."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import open_clip
import torch
from open_clip.transformer import QuickGELU
from torch import Tensor, nn

from zsas_lib.backbones.backbone import Backbone
from zsas_lib.backbones.families.class_token import CLASS_TOKEN
from zsas_lib.backbones.families.open_clip_trunk import OpenClipTrunk
from zsas_lib.base.errors import OptionError

WIDTH_STEP = 8
"""Widths are multiples of it, for the product reads columns by panels of so many."""
LONGEST = 4096
"""Tokens of a sequence, at most."""


class Part(NamedTuple):
    """A file's tensors: where each stands in the bytes (`type`, `at` in bytes, `shape`), and the bytes as base64."""

    places: dict[str, dict[str, Any]]
    base64: str


def require_exportable(backbone: Backbone) -> None:
    """Raises OptionError, in one sentence, for a backbone that the page's few hundred lines cannot run."""
    if why := _why_not(backbone):
        raise OptionError(f"Backbone {backbone.name!r} cannot run in a page: {why}.")


def shape_of(tower: Any, embed: int) -> dict[str, Any]:
    """What the page must know of a transformer of open_clip's besides its weights."""
    block = tower.resblocks[0]
    return {
        "width": tower.width,
        "heads": block.attn.num_heads,
        "layers": len(tower.resblocks),
        "hidden": block.mlp.c_fc.out_features,
        "activation": "quick_gelu" if isinstance(block.mlp.gelu, QuickGELU) else "gelu",
        "eps": block.ln_1.eps,
        "embed": embed,
    }


def image_part(backbone: Backbone) -> Part:
    """The image tower."""
    return _packed(_image_tensors(backbone))


def text_part(backbone: Backbone) -> Part:
    """The text tower."""
    return _packed(_text_tensors(backbone), apart=("text.words", "text.words.scale"))


def least_bytes(backbone: Backbone) -> int:
    """What both parts take at least: known of the shapes alone, before there are weights."""
    tensors = [*_image_tensors(backbone).values(), *_text_tensors(backbone).values()]
    return sum(tensor.numel() * (1 if tensor.dtype == torch.int8 else 2) for tensor in tensors) * 4 // 3


def _image_tensors(backbone: Backbone) -> dict[str, Tensor]:
    visual = backbone.clip.visual
    return {
        "image.first": visual.class_embedding,
        "image.places": visual.positional_embedding,
        "image.patches.matrix": visual.conv1.weight.flatten(1),
        **_norm("image.before", visual.ln_pre),
        **_blocks("image", visual.transformer),
        **_norm("image.norm", visual.ln_post),
        "image.projection.matrix": visual.proj.T,
    }


def _text_tensors(backbone: Backbone) -> dict[str, Tensor]:
    """The table of words, most of the file, is kept in eighths of its precision: a number of 8 bits for each of a
    row's, and a scale for each row, in which the largest is 127."""
    parts = backbone.text.parts
    projection = parts.text_projection
    table = parts.token_embedding.weight.detach()
    scale = (table.abs().amax(1) / 127).clamp_min(torch.finfo(torch.float16).tiny).half()
    return {
        "text.places": parts.positional_embedding,
        **_blocks("text", parts.transformer),
        **_norm("text.norm", parts.ln_final),
        "text.projection.matrix": projection.weight if isinstance(projection, nn.Linear) else projection.T,
        "text.words": (table / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8),
        "text.words.scale": scale,
    }


def _why_not(backbone: Backbone) -> str | None:
    trunk = getattr(backbone.image, "trunk", None)
    if backbone.family != CLASS_TOKEN or not isinstance(trunk, OpenClipTrunk):
        return (
            f"its image tower is of the family {backbone.family!r}, and pages run class-token ViTs of open_clip's own"
        )
    visual, text = backbone.clip.visual, backbone.text
    if not isinstance(visual.ln_pre, nn.LayerNorm) or not isinstance(visual.ln_post, nn.LayerNorm):
        return "its image tower has no norm before its blocks or none behind them"
    if (
        getattr(text, "pool", None) != "argmax"
        or not getattr(text, "causal", False)
        or text.parts.text_projection is None
    ):
        return "its text tower is not a causal one that is read at the end token, as CLIP's is"
    if not isinstance(text.tokenizer, open_clip.SimpleTokenizer):
        return "its sentences are cut by another tokenizer than CLIP's"
    for tower in (visual.transformer, text.parts.transformer):
        block = tower.resblocks[0]
        if not isinstance(block.attn, nn.MultiheadAttention):
            return "its blocks have attention of another kind than CLIP's plain one"
        if not isinstance(block.ls_1, nn.Identity):
            return "its blocks scale what they add (LayerScale)"
        if (
            not isinstance(block.mlp.gelu, QuickGELU | nn.GELU)
            or getattr(block.mlp.gelu, "approximate", "none") != "none"
        ):
            return "its blocks have another activation than GELU or QuickGELU"
        for width in (
            tower.width,
            block.mlp.c_fc.out_features,
            tower.width // block.attn.num_heads,
            backbone.embed_dim,
        ):
            if width % WIDTH_STEP:
                return f"a width of {width} is no multiple of {WIDTH_STEP}"
    if len(set(backbone.size)) > 1 or backbone.covered != (1.0, 1.0):
        return f"it reads pictures of {backbone.size} pixels; pages read squares that its patches cover"
    if backbone.grid**2 + 1 > LONGEST:
        return f"a picture has {backbone.grid**2 + 1} tokens, and pages take at most {LONGEST}"
    return None


def _blocks(tower: str, transformer: Any) -> dict[str, Tensor]:
    tensors = {}
    for number, block in enumerate(transformer.resblocks):
        name = f"{tower}.{number}"
        tensors |= _norm(f"{name}.norm1", block.ln_1) | _norm(f"{name}.norm2", block.ln_2)
        tensors |= {f"{name}.qkv.matrix": block.attn.in_proj_weight, f"{name}.qkv.bias": block.attn.in_proj_bias}
        for short, linear in (("out", block.attn.out_proj), ("up", block.mlp.c_fc), ("down", block.mlp.c_proj)):
            tensors |= {f"{name}.{short}.matrix": linear.weight, f"{name}.{short}.bias": linear.bias}
    return tensors


def _norm(name: str, norm: Any) -> dict[str, Tensor]:
    return {f"{name}.weight": norm.weight, f"{name}.bias": norm.bias}


def _packed(tensors: Mapping[str, Tensor], apart: tuple[str, ...] = ()) -> Part:
    """``apart`` are read when they are needed, and not laid out beforehand."""
    places, pieces, at = {}, [], 0
    for name, kind, values in _typed(tensors):
        places[name] = {"type": kind, "at": at, "shape": list(values.shape)} | ({"keep": True} if name in apart else {})
        piece = values.tobytes()
        piece += bytes(-len(piece) % 4)
        pieces.append(piece)
        at += len(piece)
    return Part(places, base64.b64encode(b"".join(pieces)).decode())


def _typed(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, str, np.ndarray]]:
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu()
        if tensor.dtype == torch.int8:
            yield name, "int8", tensor.numpy()
            continue
        half = tensor.half()
        exact = bool((half.float() == tensor.float()).all())
        yield name, "float16" if exact else "float32", (half if exact else tensor.float()).contiguous().numpy()
