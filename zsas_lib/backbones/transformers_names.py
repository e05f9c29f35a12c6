"""The parameters of transformers' CLIP and SigLIP by open_clip's names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class _Names:
    """open_clip's names for a tower: of its blocks, within them, of queries, keys and values in one, of the rest."""

    blocks: str
    within: Mapping[str, str]
    joined: str
    rest: Mapping[str, str]


_OWN = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_TIMMS = {**_OWN, "self_attn.out_proj": "attn.proj", "layer_norm1": "norm1", "layer_norm2": "norm2"}
_TIMMS |= {"mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
_WORDS = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
_POOL = {
    f"head.{theirs}.{what}": f"visual.trunk.attn_pool.{ours}.{what}"
    for theirs, ours in (
        ("attention.out_proj", "proj"),
        ("layernorm", "norm"),
        ("mlp.fc1", "mlp.fc1"),
        ("mlp.fc2",) * 2,
    )
    for what in ("weight", "bias")
}
NAMES = {
    ("clip", "vision_model"): _Names(
        "visual.transformer.resblocks",
        _OWN,
        "attn.in_proj_",
        {
            "embeddings.class_embedding": "visual.class_embedding",
            "embeddings.patch_embedding.weight": "visual.conv1.weight",
            "embeddings.position_embedding.weight": "visual.positional_embedding",
            **{f"pre_layrnorm.{what}": f"visual.ln_pre.{what}" for what in ("weight", "bias")},
            **{f"post_layernorm.{what}": f"visual.ln_post.{what}" for what in ("weight", "bias")},
        },
    ),
    ("clip", "text_model"): _Names("transformer.resblocks", _OWN, "attn.in_proj_", _WORDS),
    ("siglip", "vision_model"): _Names(
        "visual.trunk.blocks",
        _TIMMS,
        "attn.qkv.",
        {
            "embeddings.position_embedding.weight": "visual.trunk.pos_embed",
            "head.probe": "visual.trunk.attn_pool.latent",
            **{
                f"embeddings.patch_embedding.{what}": f"visual.trunk.patch_embed.proj.{what}"
                for what in ("weight", "bias")
            },
            **{f"post_layernorm.{what}": f"visual.trunk.norm.{what}" for what in ("weight", "bias")},
            **_POOL,
        },
    ),
    ("siglip", "text_model"): _Names(
        "text.transformer.resblocks",
        _OWN,
        "attn.in_proj_",
        {
            **{theirs: f"text.{ours}" for theirs, ours in _WORDS.items()},
            **{f"head.{what}": f"text.text_projection.{what}" for what in ("weight", "bias")},
        },
    ),
}
_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
_JOINED = re.compile(r"self_attn\.([qkv])_proj")
_POOLS_INPUT = "vision_model.head.attention.in_proj_"


def in_open_clips_words(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parameters of transformers' CLIP or SigLIP by the names and in the shapes that open_clip has for them; those
    of other models as they are."""
    kind = "siglip" if "vision_model.head.probe" in tensors else "clip"
    found: dict[str, Tensor] = {}
    joined: dict[str, dict[str, str]] = {}
    for theirs, value in tensors.items():
        tower, _, name = theirs.partition(".")
        names = NAMES.get((kind, tower))
        layer = _LAYER.fullmatch(name)
        if theirs.startswith(_POOLS_INPUT):
            what, width = theirs.removeprefix(_POOLS_INPUT), len(value) // 3
            found[f"visual.trunk.attn_pool.q.{what}"] = value[:width].clone()
            found[f"visual.trunk.attn_pool.kv.{what}"] = value[width:].clone()
        elif theirs in ("text_projection.weight", "visual_projection.weight"):
            found[{"text_projection": "text_projection", "visual_projection": "visual.proj"}[tower]] = (
                value.T.contiguous()
            )
        elif names and layer and (part := _JOINED.fullmatch(layer[2])):
            joined.setdefault(f"{names.blocks}.{layer[1]}.{names.joined}{layer[3]}", {})[part[1]] = theirs
        elif names and layer and layer[2] in names.within:
            found[f"{names.blocks}.{layer[1]}.{names.within[layer[2]]}.{layer[3]}"] = value
        else:
            found[names.rest.get(name, theirs) if names else theirs] = value
    for name, parts in joined.items():
        if set(parts) == set("qkv"):
            found[name] = torch.cat([tensors[parts[part]] for part in "qkv"])
        else:
            found |= {theirs: tensors[theirs] for theirs in parts.values()}
    if kind == "siglip" and (table := found.get("visual.trunk.pos_embed")) is not None:
        found["visual.trunk.pos_embed"] = table[None]
    return found
