"""AdaCLIP's file, as caoyunkang/AdaCLIP writes it."""

from typing import cast

import torch
from torch import Tensor

from ...backbones.backbone import Backbone
from ...backbones.text_tower import OpenClipText
from .entries import Entries

ACTIVATION = "gelu"
"""What the released code runs both towers with. OpenAI trained them with QuickGELU."""
POSITIONS = "bicubic_plain"
"""How the released code stretches the positional embeddings, not antialiased."""
PLACE = "clip_model."
TAPPED = 4
"""Blocks that the released code reads, every n // 4 of n."""


def adaclip(entries: Entries, backbone: Backbone) -> tuple[dict, dict[str, Tensor]]:
    """The model's options, as far as the file decides them, and what it learned, by our names.

    A file says which towers get static tokens, but not which get dynamic ones alone: then the image tower does, the
    only one that the released code can give them to; one for none of the towers is asked for with ``towers=""``.
    """
    width, embed, text = backbone.width, backbone.embed_dim, cast(OpenClipText, backbone.text).width
    tensors = {}
    for number in range(TAPPED):
        for part, shape in (("weight", (embed, width)), ("bias", (embed,))):
            place = f"{PLACE}patch_token_layer.head.{number}.{part}"
            tensors[f"projections.{number}.{part}"] = entries.take(place, *shape)
    for part, shape in (("weight", (embed, embed)), ("bias", (embed,))):
        tensors[f"class_projection.{part}"] = entries.take(f"{PLACE}cls_token_layer.head.0.{part}", *shape)
    sizes: set[tuple[int, int]] = set()
    towers = ""
    for letter, tower, channels in (("V", "visual", width), ("L", "text", text)):
        static = f"{PLACE}{tower}_prompter.static_prompts."
        if depth := entries.count(static):
            towers += letter
            rows = [entries.take(f"{static}{number}", None, channels) for number in range(depth)]
            sizes |= {(depth, len(row)) for row in rows}
            if len({len(row) for row in rows}) == 1:
                tensors[f"static_{tower}"] = torch.stack(rows)
    lengths = set()
    for tower, channels in (("visual", width), ("text", text)):
        dynamic = f"{PLACE}dynamic_{tower}_prompt_generator.head."
        if count := entries.count(dynamic) // 2:
            lengths.add(count)
            parts = [
                [entries.take(f"{dynamic}{number}.{part}", channels, *more) for number in range(count)]
                for part, more in (("weight", (embed,)), ("bias", ()))
            ]
            tensors[f"dynamic_{tower}.weight"], tensors[f"dynamic_{tower}.bias"] = map(torch.cat, parts)
    if len({length for _, length in sizes} | lengths) > 1 or len(sizes) > 1:
        entries.problems.append("has learned tokens of different lengths or depths")
        return {}, {}
    options = {"prompts": "S" * bool(sizes) + "D" * bool(lengths), "raw_names": True}
    if step := backbone.depth // TAPPED:
        options["layers"] = [step * number / backbone.depth for number in range(1, TAPPED + 1)]
    if sizes:
        depth, length = sizes.pop()
        options |= {"depth": depth, "length": length, "towers": towers}
    elif lengths:
        options |= {"length": lengths.pop(), "towers": "V"}
    return options, tensors
