"""CLIP and SigLIP as transformers describes them, in open_clip's words: `config.json`, and how pictures are read."""

from collections.abc import Mapping
from math import inf, nextafter
from typing import Any

from ..base.errors import DataError

TRANSFORMERS = "config.json"
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
_USUAL = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
}
_CLIP = {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}
_SIGLIP = {"hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6}
_CLIP_TEXT = {"hidden_size": 512, "intermediate_size": 2048, "num_attention_heads": 8, "max_position_embeddings": 77}
LEFT_OUT = {
    "clip": {
        "vision_config": {**_USUAL, **_CLIP, "patch_size": 32},
        "text_config": {**_USUAL, **_CLIP, **_CLIP_TEXT, "vocab_size": 49408, "eos_token_id": 49407},
    },
    "siglip": {
        "vision_config": {**_USUAL, **_SIGLIP, "patch_size": 16, "vision_use_head": True},
        "text_config": {**_USUAL, **_SIGLIP, "vocab_size": 32000, "max_position_embeddings": 64},
    },
}
"""What a configuration of each type need not mention, and the value that it then has."""
CLIPS_VOCABULARY = 49408
"""Words of CLIP's own tokenizer, which open_clip has built in; its end is the largest id."""
LEGACY_END = 2
"""An ``eos_token_id`` with which transformers takes the largest id."""
TRUNK = "vit_base_patch16_siglip_224"
"""timm's name for a tower with SigLIP's pool; its sizes are given besides."""
TRUNK_ARGUMENTS = "timm_model_arguments"
"""What timm is to be given beside its name; open_clip has no word for it."""
TANH = ("gelu_pytorch_tanh", "gelu_new")
INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}
"""Of Pillow's numbers."""
HALF, OPENAI = (0.5,) * 3, (0.48145466, 0.4578275, 0.40821073)
STATISTICS = {
    "clip": {"mean": OPENAI, "std": (0.26862954, 0.26130258, 0.27577711), "interpolation": "bicubic"},
    "siglip": {"mean": HALF, "std": HALF, "interpolation": "bicubic"},
}
"""How pictures are read where nothing beside the configuration says otherwise."""


def is_transformers(content: Any) -> bool:
    """Whether a JSON file's content is a configuration of transformers, of whatever model."""
    return isinstance(content, Mapping) and "model_type" in content


def has_both_towers(content: Any) -> bool:
    """Whether it is one that is read here."""
    return is_transformers(content) and content["model_type"] in LEFT_OUT


def architecture_of(content: Mapping[str, Any], source: str, tokenizer: str) -> dict[str, Any]:
    """open_clip's configuration of the model, whose tokenizer lies in ``tokenizer``, a repository or a folder, where it
    is not CLIP's own. Raises DataError for a model of another type, or one that open_clip cannot build."""
    kind = str(content["model_type"])
    if kind not in LEFT_OUT:
        one_tower = "which has no text tower" if kind.endswith("vision_model") else "which is not read here"
        raise DataError(f"{source} is transformers' configuration of a {kind}, {one_tower}; expected clip or siglip.")
    vision, text = (_part(content, part, source) for part in ("vision_config", "text_config"))
    towers = _clip(content, vision, text) if kind == "clip" else _siglip(vision, text, source)
    acts = {_activation(part, source) for part in (vision, text)}
    if len(acts) > 1:
        raise DataError(f"{source} has the activations {' and '.join(sorted(acts))}; expected one for both towers.")
    if kind == "siglip" or text["vocab_size"] != CLIPS_VOCABULARY:
        towers["text_cfg"]["hf_tokenizer_name"] = tokenizer
    return {**towers, "quick_gelu": acts == {"quick_gelu"}}


def statistics_of(kind: str, preprocessor: Any, source: str) -> dict[str, Any]:
    """How pictures are read: ``mean``, ``std``, ``interpolation``, of what a preprocessor's file says."""
    told = preprocessor.get("image_processor", preprocessor) if isinstance(preprocessor, Mapping) else None
    if not isinstance(told, Mapping):
        raise DataError(
            f"{source} holds no table of names and values; expected what transformers' preprocessors write."
        )
    found: dict[str, Any] = {
        ours: told[theirs] for ours, theirs in (("mean", "image_mean"), ("std", "image_std")) if theirs in told
    }
    if told.get("do_normalize") is False:
        found = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    if told.get("resample") in INTERPOLATIONS:
        found["interpolation"] = INTERPOLATIONS[told["resample"]]
    return {**STATISTICS[kind], **found}


def _part(content: Mapping[str, Any], name: str, source: str) -> dict[str, Any]:
    """A tower's configuration; old files say parts of it once more in ``NAME_dict``, which decides."""
    usual: Mapping[str, Any] = LEFT_OUT[content["model_type"]][name]
    told = [content.get(key) or {} for key in (name, f"{name}_dict")]
    if not all(isinstance(part, Mapping) for part in told):
        raise DataError(f"{source}: {name} is {told[0]!r}; expected a table of names and values.")
    part = {**usual, **told[0], **told[1]}
    for key, value in usual.items():
        if type(value) is int and key != "image_size" and (type(part[key]) is not int or part[key] < 1):
            raise DataError(f"{source}: {name} has {key} {part[key]!r}; expected a whole number above 0.")
    return part


def _activation(part: Mapping[str, Any], source: str) -> str:
    if (found := part["hidden_act"]) not in ("gelu", "quick_gelu", *TANH):
        raise DataError(f"{source} has the activation {found}; expected gelu, quick_gelu or {TANH[0]}.")
    return TANH[0] if found in TANH else found


def _ratio(part: Mapping[str, Any]) -> float:
    """The number that times the width, rounded down, is the width of the feed-forward part."""
    ratio = part["intermediate_size"] / part["hidden_size"]
    return ratio if int(part["hidden_size"] * ratio) == part["intermediate_size"] else nextafter(ratio, inf)


def _tower(part: Mapping[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {"width": part["hidden_size"], "layers": part["num_hidden_layers"]}
    if _ratio(part) != 4:
        own["mlp_ratio"] = _ratio(part)
    if part["layer_norm_eps"] != _CLIP["layer_norm_eps"]:
        own["norm_kwargs"] = {"eps": part["layer_norm_eps"]}
    if part["hidden_act"] in TANH:
        own["act_kwargs"] = {"approximate": "tanh"}
    return own


def _text(part: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {"context_length": part["max_position_embeddings"], "vocab_size": part["vocab_size"]}
    return {**_tower(part), **sizes, "heads": part["num_attention_heads"]}


def _clip(content: Mapping[str, Any], vision: Mapping[str, Any], text: Mapping[str, Any]) -> dict[str, Any]:
    image = {
        **_tower(vision),
        "image_size": vision["image_size"],
        "patch_size": vision["patch_size"],
        "head_width": vision["hidden_size"] // vision["num_attention_heads"],
    }
    words = _text(text)
    if text["vocab_size"] != CLIPS_VOCABULARY and text["eos_token_id"] != LEGACY_END:
        words |= {"pool_type": "eos", "eos_id": text["eos_token_id"]}
    return {"embed_dim": content.get("projection_dim", 512), "vision_cfg": image, "text_cfg": words}


def _siglip(vision: Mapping[str, Any], text: Mapping[str, Any], source: str) -> dict[str, Any]:
    if not vision["vision_use_head"]:
        raise DataError(f"{source} has an image tower without SigLIP's pooling head; expected one with it.")
    trunk = {
        "img_size": vision["image_size"],
        "patch_size": vision["patch_size"],
        "embed_dim": vision["hidden_size"],
        "depth": vision["num_hidden_layers"],
        "num_heads": vision["num_attention_heads"],
        "mlp_ratio": _ratio(vision),
        "act_layer": "gelu_tanh" if vision["hidden_act"] in TANH else vision["hidden_act"],
    }
    image = {"image_size": vision["image_size"], "timm_model_name": TRUNK, "timm_pool": "map", "timm_proj": "none"}
    words = {
        **_text(text),
        "no_causal_mask": True,
        "pool_type": "last",
        "proj_bias": True,
        "tokenizer_kwargs": {"clean": "canonicalize"},
    }
    return {
        "embed_dim": text.get("projection_size") or text["hidden_size"],
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {**image, TRUNK_ARGUMENTS: trunk},
        "text_cfg": words,
    }
