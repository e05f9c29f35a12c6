"""One small tower of every family and kind of block, built by open_clip with random weights. zsas_lib must not be
imported here (see conftest.py)."""

from copy import deepcopy
from functools import cache
from unittest.mock import patch

import timm
import torch
from tiny_clip import TINY, tiny, tiny_backbone

PLAIN = {"depth": 3, "embed_dim": 32, "num_heads": 2, "img_size": 64}
"""Arguments with which timm makes a small transformer of one of its names."""
CONTEXT = 24
FULL_LENGTH = {"context_length": CONTEXT, "no_causal_mask": True, "pool_type": "last", "proj_bias": True}
TEXTS = {
    "siglip": FULL_LENGTH,
    "no projection": {**FULL_LENGTH, "proj_type": "none", "proj_bias": False, "width": 24, "heads": 2},
    "bidirectional": {"context_length": CONTEXT, "no_causal_mask": True},
    "coca": {"context_length": CONTEXT, "embed_cls": True, "output_tokens": True},
}
COCA = {"custom_text": True, "multimodal_cfg": {"context_length": CONTEXT, "width": 32, "heads": 2, "layers": 1}}


def _timm(name: str, pool: str = "", projection: str | None = "linear", text: str = "", **arguments: object):
    size = arguments.get("img_size", 64)
    vision = {"timm_model_name": name, "timm_pool": pool, "timm_proj": projection, "image_size": size}
    return {**with_text(text), "vision_cfg": vision}, arguments


def with_text(text: str) -> dict:
    model = deepcopy(TINY)
    if text:
        model["text_cfg"] |= TEXTS[text]
        model["custom_text"] = True
    return model


def _open_clip(text: str = "", **vision: object):
    return {**with_text(text), "vision_cfg": tiny(layers=3, **vision)["vision_cfg"]}, {}


CLIPA = {"pool_type": "avg", "no_ln_pre": True, "final_ln_after_pool": True}
TOKENS = {
    "class token": _open_clip(),
    "custom blocks": _open_clip(qk_norm=True, scale_heads=True, scale_attn_inner=True, scale_attn=True, scale_fc=True),
    "clipa": _open_clip(**CLIPA),
    "mean of normed": _open_clip(pool_type="avg"),
    "coca": ({**_open_clip("coca", attentional_pool=True, attn_pooler_heads=2, output_tokens=True)[0], **COCA}, {}),
    "siglip": _timm("vit_base_patch16_siglip_224", "map", "none", "siglip", **PLAIN | {"embed_dim": 24}),
    "pe-core": _timm("vit_pe_core_tiny_patch16_384", "map", None, **PLAIN),
    "eva01": _timm("eva_giant_patch14_224", "token", None, **PLAIN | {"img_size": 56}),
    "eva02": _timm("eva02_base_patch16_clip_224", "token", None, **PLAIN),
    "eva02-e": _timm("eva02_enormous_patch14_clip_224", "token", None, **PLAIN | {"img_size": 56}),
    "vitamin": _timm("vitamin_small_224", **PLAIN | {"embed_dim": 384, "num_heads": 6}),
    "mobileclip-b": _timm("vit_base_mci_224", "token", None, "bidirectional", **PLAIN | {"depth": 2, "embed_dim": 768}),
    "gap": _timm("vit_medium_patch16_gap_256", **PLAIN),
    "relpos": _timm("vit_relpos_medium_patch16_cls_224", **PLAIN),
    "dinov2": _timm("vit_small_patch14_reg4_dinov2", "token", text="no projection", **PLAIN | {"img_size": 56}),
}
MAPS = {
    "convnext": _timm("convnext_tiny", depths=(1, 1, 1, 1), dims=(8, 16, 24, 32)),
    "convnext mlp": _timm("convnext_tiny", projection="mlp", depths=(1, 1, 1, 1), dims=(8, 16, 24, 32)),
    "fastvit": _timm("fastvit_mci0", "avg", None, "bidirectional", layers=(1, 1, 1, 1), embed_dims=(32, 32, 64, 64)),
    "swin": _timm(
        "swin_base_patch4_window7_224", depths=(1, 1, 1, 1), embed_dim=8, num_heads=(1, 1, 2, 2), img_size=128
    ),
    "resnet": ({**tiny(), "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 32}}, {}),
}
for architecture, _ in MAPS.values():
    architecture["vision_cfg"]["image_size"] = 128
UNEVEN = {
    "siglip 70": _timm(
        "vit_base_patch16_siglip_224", "map", "none", "siglip", **PLAIN | {"embed_dim": 24, "img_size": 70}
    )
}
"""Its 4 patches a side leave 6 pixels unread."""
TOWERS = {**TOKENS, **MAPS}


def fitted(kind: str):
    """While it is entered, timm makes towers of its names as small as this one."""
    arguments, make = {**TOWERS, **UNEVEN}[kind][1], timm.create_model

    def made(name, *positional, **own):
        return make(name, *positional, **own, **arguments)

    return patch("timm.create_model", made)


def register(kind: str):
    """While it is entered, the tower's architecture is the backbone "tiny", and there is no other."""
    from zsas_lib.backbones import registry
    from zsas_lib.backbones.aliases import Registration

    return patch.object(registry, "_REGISTERED", {"tiny": Registration(deepcopy({**TOWERS, **UNEVEN}[kind][0]))})


def small(kind: str, **options: object):
    """The small backbone of that kind, with parameters that are nowhere 0 or 1."""
    with fitted(kind):
        backbone = tiny_backbone({**TOWERS, **UNEVEN}[kind][0], **options)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in backbone.clip.parameters():
            value.add_(0.05 * torch.randn(value.shape, generator=generator))
        for name, value in backbone.clip.named_buffers():
            if name.endswith("running_var"):
                value.fill_(0.8)
    return backbone


@cache
def kept(kind: str):
    """`small` of that kind, made once for all tests that do not change it."""
    return small(kind)
