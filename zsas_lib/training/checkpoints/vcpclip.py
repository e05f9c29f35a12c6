"""VCP-CLIP's and VCP-CLIP+'s files, as xiaozhen228/VCP-CLIP and augustinus2000/VCP-CLIP-plus write them."""

import math
from typing import cast

import torch
from torch import Tensor

from ...backbones.backbone import Backbone
from ...backbones.text_tower import OpenClipText
from ...models.vcpclip import FIRST_BALANCE
from .april_gan import ACTIVATION as ACTIVATION
from .april_gan import POSITIONS as POSITIONS
from .april_gan import projections
from .entries import WORDS, Entries

PROMPTS = ("prompt_", "deep_prompt_")
"""How the names of VCP-CLIP's prompts begin."""


def _vcp_parts(entries: Entries, backbone: Backbone, place: str = "") -> tuple[dict, dict[str, Tensor], Tensor]:
    """The options that both VCP-CLIPs' files decide, what they learn, by our names, and the two logarithms of the
    scales; `place` is where prompts are."""
    tower, embed, width = cast(OpenClipText, backbone.text), backbone.embed_dim, backbone.width
    text = tower.width
    tensors = projections(entries, backbone)
    for ours, theirs, inputs in (
        ("query", "q_proj_pre", embed),
        ("key", "k_proj_pre_1", width),
        ("value", "v_proj_pre_1", width),
        ("output", "proj_post_t", width),
    ):
        tensors[f"post_vcp.{ours}.weight"] = entries.take(f"Zero_try.{theirs}.weight", width, inputs, 1)[..., 0]
        tensors[f"post_vcp.{ours}.bias"] = entries.take(f"Zero_try.{theirs}.bias", width)
    blocks = tower.depth
    first = entries.take(f"{place}prompt_embeddings", 1, None, text)
    deep = entries.take(f"{place}deep_prompt_embeddings", blocks - 1, first.shape[1], text)
    tensors["deep_prompts.prompts"] = torch.cat([first, deep])
    for ours, theirs, shape in (("linear", "prompt_proj", (text, text)), ("norm", "prompt_norm", (text,))):
        tensors[f"deep_prompts.{ours}.weight"] = entries.take(f"{place}{theirs}.weight", *shape)
        tensors[f"deep_prompts.{ours}.bias"] = entries.take(f"{place}{theirs}.bias", text)
    scales = torch.stack([entries.take("New_Lan_Embed.prompt_temp"), entries.take("Zero_try.prompt_temp_l1")])
    return {"deep_tokens": first.shape[1]}, tensors, scales


def vcpclip(entries: Entries, backbone: Backbone) -> tuple[dict, dict[str, Tensor]]:
    """The model's options, as far as the file decides them, and what it learned, by our names."""
    width = cast(OpenClipText, backbone.text).width
    options, tensors, scales = _vcp_parts(entries, backbone)
    entries.pass_over("prompt_text_projection")
    query = entries.take("New_Lan_Embed.prompt_query", 1, None, width)
    count = query.shape[1]
    tensors["class_word.tokens"] = query
    tensors["class_word.convolution.weight"] = entries.take("New_Lan_Embed.prompt_linear1.fc.weight", count, 1, 3)
    tensors["class_word.convolution.bias"] = entries.take("New_Lan_Embed.prompt_linear1.fc.bias", count)
    return options | {"class_tokens": count, "fusion": 0.8}, tensors | {"log_scales": scales}


def vcpclip_plus(entries: Entries, backbone: Backbone) -> tuple[dict, dict[str, Tensor]]:
    """As `vcpclip`. Prompts are read where the authors' test reads them, beside CLIP's weights; training saves them a
    second time. CLIP's weights in the file, which their test takes for its towers, must be the backbone's."""
    width, embed = cast(OpenClipText, backbone.text).width, backbone.embed_dim
    options, tensors, scales = _vcp_parts(entries, backbone, "model.")
    place = "model.prompt_token_embedding."
    vectors = entries.take(f"{place}prompt_tokens", 1, None, width)
    tensors["class_word.vectors"] = vectors
    for ours, theirs, shape in (
        ("mixture", "projector", (1, vectors.shape[1])),
        ("norm", "norm", (width,)),
        ("linear", "fusion_proj", (width, embed + width)),
    ):
        tensors[f"class_word.{ours}.weight"] = entries.take(f"{place}{theirs}.weight", *shape)
        tensors[f"class_word.{ours}.bias"] = entries.take(f"{place}{theirs}.bias", shape[0])
    tensors |= {"alpha": entries.take("alpha"), "beta": torch.tensor(FIRST_BALANCE)}
    _require_same_towers(entries, backbone)
    for key, value in entries.tensors.items():
        if key.startswith(PROMPTS) and not torch.equal(value, entries.tensors.get(f"model.{key}", value)):
            entries.problems.append(f"{key} differs from model.{key}")
    if not torch.allclose(scales[0], scales[1]):
        entries.problems.append(f"has two temperatures, {(-scales).exp().tolist()}, expected one that was fixed")
    entries.pass_over("model.", *PROMPTS, "New_Lan_Embed.")
    return options | {"temperature": round(math.exp(-scales[0]), 6), "tokens": vectors.shape[1]}, tensors


def _require_same_towers(entries: Entries, backbone: Backbone) -> None:
    """The file's image and text towers and positions are the backbone's; its table of words has one more, of zeros."""
    for name, value in backbone.clip.state_dict().items():
        if name == "logit_scale":  # nothing reads it
            continue
        if name == "token_embedding.weight":
            entries.require_same(f"model.{name}", torch.cat([value, value.new_zeros(1, value.shape[1])]), WORDS)
        elif name == "visual.positional_embedding":
            stretched = backbone.positions or POSITIONS
            known = "positions" if stretched == POSITIONS else f"positions (bicubic ones, not {stretched})"
            entries.require_same(f"model.{name}", value, known)
        else:
            tower = "weights of the image tower" if name.startswith("visual.") else "weights of the text tower"
            entries.require_same(f"model.{name}", value, tower)
