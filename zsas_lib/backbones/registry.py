"""Backbones by name: registration, aliases, and loading with the weights' own activation.

Any open_clip vision transformer that ends in a class token works. OpenAI's weights were trained with QuickGELU, which
open_clip 3 no longer switches on for the plain architecture names; here the activation follows the weights.
"""

import json
from collections.abc import Collection, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

from ..base.errors import DataError, UnknownNameError
from .aliases import ALIASES, Registration
from .backbone import ACTIVATIONS, PRECISIONS, Backbone
from .weights import HUB, HUB_WEIGHTS, assign_weights, cached_file, hub_file, read_weights, tag_file

POSITIONS = ("bicubic", "bilinear")


_REGISTERED = dict(ALIASES)


def list_backbones() -> list[str]:
    """The registered names, sorted. `load_backbone` also takes "ARCHITECTURE:PRETRAINED" and "hf-hub:ORG/NAME".

    >>> "vit-l-14-336" in zsas.list_backbones()
    True
    """
    return sorted(_REGISTERED)


def register_backbone(
    name: str,
    *,
    architecture: str | Path | Mapping[str, object],
    pretrained: str | Path | None = None,
    image_size: int | None = None,
    activation: str | None = None,
) -> None:
    """Give a backbone a name that `load_backbone`, notebooks and the command line accept.

    `architecture` is an open_clip name, a JSON file in open_clip's format (`embed_dim`, `vision_cfg`, `text_cfg`) or
    such a dict; `pretrained` one of the architecture's tags, a weights file or "hf-hub:ORG/NAME"; without it weights
    must be given on loading. Raises ValueError if the name already stands for something else, UnknownNameError or
    DataError if there is no such architecture or activation.

    >>> zsas.register_backbone(
    ...     "my-vit", architecture="ViT-B-32", pretrained="my_vit.safetensors"
    ... )
    >>> "my-vit" in zsas.list_backbones()
    True
    """
    _require_known("activation", activation, ACTIVATIONS)
    registration = Registration(deepcopy(architecture), pretrained, image_size, activation)
    if not str(architecture).startswith(HUB):
        _architecture(registration)
    if _REGISTERED.setdefault(name, registration) != registration:
        raise ValueError(
            f"Backbone {name!r} is already registered as {_REGISTERED[name]}; choose another name for {registration}."
        )


def load_backbone(
    name: str,
    weights: str | Path | None = None,
    image_size: int | None = None,
    activation: str | None = None,
    device: str | torch.device | None = None,
    precision: str = "float32",
    positions: str = "bicubic",
    seed: int = 0,
) -> Backbone:
    """A frozen CLIP by name: a registered one, "ARCHITECTURE:PRETRAINED" of open_clip's, or "hf-hub:ORG/NAME".

    `weights`: None for those registered, "random" (from `seed`; the global random state is left alone) or a local
    file: safetensors, an open_clip checkpoint, OpenAI's archive. `image_size` in pixels: another than the native one
    interpolates the positional embeddings: `positions` "bicubic", antialiased, as open_clip does, or "bilinear", as
    AnomalyCLIP does. `activation`: None for the one these weights were trained with, else "gelu" or "quick_gelu".
    `device`: None for CUDA where there is one. `precision`: "float32" or "bfloat16".

    Raises UnknownNameError for an unknown name, tag, activation, precision or interpolation; DataError if a file cannot
    be fetched, read, or does not fit the architecture; ValueError if the architecture is no vision transformer with a
    class token, or the size no multiple of the patch size.

    >>> backbone = zsas.load_backbone("embedded", image_size=96)
    >>> backbone.encode_text(["a whole ring", "a damaged ring"]).shape
    torch.Size([2, 128])
    """
    _require_known("activation", activation, ACTIVATIONS)
    _require_known("precision", precision, PRECISIONS)
    _require_known("interpolation of positions", positions, POSITIONS)
    registration = _find(name)
    tag = _tag(registration)
    architecture, preprocessing = _architecture(registration)
    if found := _unsuitable(architecture):
        raise ValueError(
            f"Backbone {name!r}: its image tower is {found}; expected open_clip's VisionTransformer with a class "
            "token, such as ViT-B-16."
        )
    vision = architecture["vision_cfg"]
    vision["image_size"] = image_size or registration.image_size or vision.get("image_size", 224)
    _require_whole_patches(name, vision)
    read = None if weights == "random" else read_weights(_weights_file(name, weights, registration, tag))
    quick = architecture.get("quick_gelu") or tag.get("quick_gelu") or (read is not None and read.openai)
    activation = activation or registration.activation or ACTIVATIONS[bool(quick)]
    architecture["quick_gelu"] = activation == "quick_gelu"
    if read is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            clip = _build(architecture)
    else:
        with torch.device("meta"):
            clip = _build(architecture)
        assign_weights(clip, read, positions)
    statistics = {key: value for key, value in {**preprocessing, **tag}.items() if key in ("mean", "std")}
    backbone = Backbone(
        clip, name=name, architecture=architecture, precision=precision, is_random=read is None, **statistics
    )
    return backbone.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def weights_at_hand(name: str) -> Path | None:
    """The weights file of a backbone where it is on this machine already, else None; nothing is downloaded.

    Raises UnknownNameError for a name that `load_backbone` does not know.
    """
    registration = _find(name)
    source = _tag(registration) or registration.pretrained
    if isinstance(source, Mapping) or (isinstance(source, str) and source.startswith(HUB)):
        return cached_file(source)
    return Path(source) if source and Path(source).is_file() else None


def backbone_record(name: str) -> Registration:
    """What is known of a backbone that `load_backbone` takes; of an open_clip pair or "hf-hub:ORG/NAME" little is.

    Raises UnknownNameError for a name that `load_backbone` does not know.
    """
    return _find(name)


def _require_known(kind: str, value: str | None, known: Collection[str]) -> None:
    if value is not None and value not in known:
        raise UnknownNameError(kind, value, known)


def _find(name: str) -> Registration:
    if name in _REGISTERED:
        return _REGISTERED[name]
    if name.startswith(HUB):
        return Registration(name, name)
    architecture, _, pretrained = name.partition(":")
    architecture = architecture.replace("/", "-")
    if architecture in open_clip.list_models():
        return Registration(architecture, pretrained or None)
    if pretrained:
        raise UnknownNameError("open_clip architecture", architecture, _vision_transformers())
    remedy = "Or give an open_clip pair such as 'ViT-B-32:openai', 'hf-hub:ORG/NAME', or use register_backbone."
    raise UnknownNameError("backbone", name, _REGISTERED, remedy)


def _architecture(registration: Registration) -> tuple[dict, dict]:
    """open_clip's configuration of the model, and of its preprocessing where that comes with it."""
    source = registration.architecture
    content: dict[str, Any]
    if isinstance(source, Mapping):
        content = deepcopy(dict(source))
    elif source in open_clip.list_models():
        content = open_clip.get_model_config(source) or {}
    elif str(source).startswith(HUB):
        content = _json(hub_file(str(source).removeprefix(HUB), "open_clip_config.json"))
    elif Path(source).suffix == ".json":
        content = _json(Path(source))
    else:
        raise UnknownNameError(
            "open_clip architecture", source, _vision_transformers(), "A JSON file or a dict will do."
        )
    model = content.get("model_cfg", content)
    if missing := {"embed_dim", "vision_cfg", "text_cfg"} - set(model):
        raise DataError(
            f"Architecture {source} lacks {', '.join(sorted(missing))}; expected open_clip's configuration."
        )
    return model, content.get("preprocess_cfg", {})


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read the architecture file {path} ({error}); expected open_clip's JSON.") from error


def _tag(registration: Registration) -> dict:
    """open_clip's entry for the registered tag: where weights are, QuickGELU, normalisation; else empty."""
    architecture, pretrained = registration.architecture, registration.pretrained
    if isinstance(architecture, str) and isinstance(pretrained, str):
        return get_pretrained_cfg(architecture, pretrained)
    return {}


def _weights_file(name: str, weights: str | Path | None, registration: Registration, tag: dict) -> Path:
    if weights is None and tag:
        return tag_file(tag)
    source = registration.pretrained if weights is None else weights
    if str(source).startswith(HUB):
        return hub_file(str(source).removeprefix(HUB), *HUB_WEIGHTS)
    tags = list_pretrained_tags_by_model(str(registration.architecture))
    if source is None:
        also = f", or choose one of {', '.join(f'{name}:{tag}' for tag in tags)}" if tags else ""
        raise ValueError(f"Backbone {name!r} has no weights of its own; pass weights=PATH or weights='random'{also}.")
    if weights is None and tags and not Path(source).is_file():
        raise UnknownNameError(
            f"pretrained tag of {registration.architecture}", source, tags, "A weights file will do."
        )
    return Path(source)


def _unsuitable(architecture: dict) -> str | None:
    """What the image tower is, if it is no vision transformer that ends in a class token."""
    vision = architecture["vision_cfg"]
    if "timm_model_name" in vision:
        return f"timm's {vision['timm_model_name']}"
    if not isinstance(vision.get("layers", 12), int):
        return "a ResNet"
    if "multimodal_cfg" in architecture or vision.get("attentional_pool"):
        return "one with attentional pooling"
    if vision.get("pool_type", "tok") != "tok":
        return f"one with pool_type={vision['pool_type']!r}"
    return None


def _require_whole_patches(name: str, vision: dict) -> None:
    size, patch = vision["image_size"], vision.get("patch_size", 16)
    if not (isinstance(size, int) and isinstance(patch, int)):
        raise ValueError(f"Backbone {name!r}: expected square images and patches, got image {size}, patch {patch}.")
    if size < patch or size % patch:
        below, above = max(size // patch, 1) * patch, (size // patch + 1) * patch
        raise ValueError(
            f"Backbone {name!r}: image_size {size} is not a multiple of the patch size {patch}; use {below} or {above}."
        )


def _build(architecture: dict) -> CLIP | CustomTextCLIP:
    arguments = {key: value for key, value in architecture.items() if key != "custom_text"}
    custom = architecture.get("custom_text") or "hf_model_name" in architecture["text_cfg"]
    return (CustomTextCLIP if custom else CLIP)(**deepcopy(arguments))


@cache
def _vision_transformers() -> list[str]:
    configurations = {name: open_clip.get_model_config(name) for name in open_clip.list_models()}
    return [name for name, configuration in configurations.items() if configuration and not _unsuitable(configuration)]
