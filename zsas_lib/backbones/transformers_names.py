"""The parameters of transformers' CLIP and SigLIP by open_clip's names."""

import re

import torch
from torch import Tensor

_TEXT = (
    (r"text_model\.encoder\.layers", "transformer.resblocks"),
    (r"text_model\.embeddings\.token_embedding", "token_embedding"),
    (r"text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"text_model\.final_layer_norm", "ln_final"),
)
_BLOCK = (
    (r"self_attn\.in_proj_", "attn.in_proj_"),
    (r"self_attn\.out_proj", "attn.out_proj"),
    (r"layer_norm([12])", r"ln_\1"),
    (r"mlp\.fc1", "mlp.c_fc"),
    (r"mlp\.fc2", "mlp.c_proj"),
)
NAMES = {
    "clip": (
        *_TEXT,
        *_BLOCK,
        (r"vision_model\.encoder\.layers", "visual.transformer.resblocks"),
        (r"vision_model\.embeddings\.class_embedding", "visual.class_embedding"),
        (r"vision_model\.embeddings\.patch_embedding", "visual.conv1"),
        (r"vision_model\.embeddings\.position_embedding\.weight", "visual.positional_embedding"),
        (r"vision_model\.pre_layrnorm", "visual.ln_pre"),
        (r"vision_model\.post_layernorm", "visual.ln_post"),
    ),
    "siglip text": (
        *((theirs, f"text.{ours}") for theirs, ours in _TEXT),
        *_BLOCK,
        (r"text_model\.head", "text.text_projection"),
    ),
    "siglip image": (
        (r"self_attn\.in_proj_", "attn.qkv."),
        (r"self_attn\.out_proj", "attn.proj"),
        (r"layer_norm([12])", r"norm\1"),
        (r"vision_model\.encoder\.layers", "visual.trunk.blocks"),
        (r"vision_model\.embeddings\.patch_embedding", "visual.trunk.patch_embed.proj"),
        (r"vision_model\.embeddings\.position_embedding\.weight", "visual.trunk.pos_embed"),
        (r"vision_model\.post_layernorm", "visual.trunk.norm"),
        (r"vision_model\.head\.probe", "visual.trunk.attn_pool.latent"),
        (r"vision_model\.head\.attention\.out_proj", "visual.trunk.attn_pool.proj"),
        (r"vision_model\.head\.layernorm", "visual.trunk.attn_pool.norm"),
        (r"vision_model\.head\.mlp", "visual.trunk.attn_pool.mlp"),
    ),
}
"""What stands in transformers' names, and in open_clip's."""
_QUERY = re.compile(r"self_attn\.q_proj\.")


def in_open_clips_words(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parameters of transformers' CLIP or SigLIP by the names and in the shapes that open_clip has for them; those
    of other models as they are."""
    pooled = "vision_model.head.probe" in tensors
    found = {}
    for name, value in _joined(tensors).items():
        kind = "clip" if not pooled else "siglip text" if name.startswith("text_model.") else "siglip image"
        if name.startswith(("text_model.", "vision_model.")):
            for theirs, ours in NAMES[kind]:
                name = re.sub(theirs, ours, name)
        found[name] = value
    for theirs, ours in (("text_projection.weight", "text_projection"), ("visual_projection.weight", "visual.proj")):
        if theirs in found:
            found[ours] = found.pop(theirs).T.contiguous()
    for part in ("weight", "bias"):
        if (value := found.pop(f"vision_model.head.attention.in_proj_{part}", None)) is not None:
            width = len(value) // 3
            found[f"visual.trunk.attn_pool.q.{part}"] = value[:width].clone()
            found[f"visual.trunk.attn_pool.kv.{part}"] = value[width:].clone()
    if pooled and (table := found.get("visual.trunk.pos_embed")) is not None:
        found["visual.trunk.pos_embed"] = table[None]
    return found


def _joined(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same with the projections of queries, keys and values in one."""
    joined = dict(tensors)
    for name in tensors:
        parts = [_QUERY.sub(f"self_attn.{part}_proj.", name) for part in "qkv"]
        if _QUERY.search(name) and all(part in tensors for part in parts):
            joined[_QUERY.sub("self_attn.in_proj_", name)] = torch.cat([joined.pop(part) for part in parts])
    return joined
