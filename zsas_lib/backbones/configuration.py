"""open_clip's configuration of a model: what it says of the two towers, the activation, and how pictures are read.

It has a name in open_clip, is a JSON file or a dict, or lies beside weights, in a repository of the Hugging Face hub or
in a copy of one. What lies beside weights was written with them and decides.
"""

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import open_clip
from open_clip.model import CLIP, CustomTextCLIP

from ..base.errors import DataError, OptionError, UnknownNameError
from ..base.options import whole_number
from .weights import CONFIGURATION, HUB, LOCAL, NotInRepositoryError, hub_file, local_folder

LARGEST_GRID = 256
"""Patches per side; the attention of more needs memory that no machine has."""


@dataclass(frozen=True)
class Configuration:
    """A model's configuration.

    :param source: where it stands; :param model: as open_clip builds it, ``embed_dim``, ``vision_cfg``, ``text_cfg``.
    :param statistics: ``mean`` and ``std`` of the pictures' channels, where they are told.
    """

    source: str
    model: dict[str, Any]
    statistics: dict[str, list[float]] = field(default_factory=dict)


def named_configuration(source: str | Path | Mapping[str, object]) -> Configuration:
    """What an architecture's name, JSON file, dict, ``hf-hub:ORG/NAME`` or ``local-dir:FOLDER`` stands for.

    Raises UnknownNameError if it stands for nothing, DataError for a file that cannot be read or is no configuration.
    """
    if isinstance(source, Mapping):
        return _checked(deepcopy(dict(source)), "architecture")
    if source in open_clip.list_models():
        return _checked(open_clip.get_model_config(source), str(source))
    if str(source).startswith(HUB):
        return _read(hub_file(str(source).removeprefix(HUB), CONFIGURATION))
    if str(source).startswith(LOCAL):
        found = _read(local_folder(str(source)) / CONFIGURATION)
        if found.model["text_cfg"].get("hf_tokenizer_name"):  # as open_clip does: the tokenizer's files lie there too
            found.model["text_cfg"]["hf_tokenizer_name"] = str(local_folder(str(source)))
        return found
    if Path(source).suffix == ".json":
        return _read(Path(source))
    raise UnknownNameError("open_clip architecture", source, vision_transformers(), "A JSON file or a dict will do.")


def configuration_beside(weights: Path, source: str | Path) -> Configuration | None:
    """What lies beside a weights file, or in the repository of the hub that it is from (``source``); None for nothing.

    Raises DataError for a file that cannot be fetched or read, or is no configuration.
    """
    if (beside := weights.parent / CONFIGURATION).is_file():
        return _read(beside)
    if str(source).startswith(HUB):
        try:
            return _read(hub_file(str(source).removeprefix(HUB), CONFIGURATION))
        except NotInRepositoryError:
            return None
    return None


def decided_beside(named: Configuration, beside: Configuration, quick: bool, weights: Path) -> Configuration:
    """The configuration beside the weights, which decides, where that of the name agrees with it in all but the
    activation and the size of the pictures.

    A UserWarning tells where it is silent on the activation and the name (``quick``) is not. Raises DataError where the
    two are different architectures.
    """
    other = _differences(named.model, beside.model)
    if other:
        raise DataError(
            f"{weights} is of another architecture than {named.source}: {beside.source} beside it has {other}. Load it "
            f"as {LOCAL}{weights.parent}, or name its own architecture."
        )
    if quick and "quick_gelu" not in beside.model:
        warnings.warn(
            f"{named.source} has activation 'quick_gelu', and {beside.source} beside the weights does not mention it, "
            "which to open_clip means 'gelu', and so it is here. activation='quick_gelu' or 'gelu' decides.",
            stacklevel=3,
        )
    return beside


def require_class_token(name: str, configuration: Configuration) -> None:
    """Raises OptionError if the image tower is no vision transformer that ends in a class token."""
    if found := _unsuitable(configuration.model):
        raise OptionError(
            f"Backbone {name!r}: its image tower is {found}; expected open_clip's VisionTransformer with a class "
            "token, such as ViT-B-16."
        )


def with_image_size(name: str, configuration: Configuration, size: int | None) -> Configuration:
    """The same for pictures of ``size`` pixels, None for its own size.

    Raises OptionError if that is no multiple of the patch size, or too large.
    """
    model = deepcopy(configuration.model)
    vision = model["vision_cfg"]
    patch, own = vision.get("patch_size", 16), vision.get("image_size", 224)
    if isinstance(own, Sequence) and len(set(own)) == 1:
        own = own[0]
    if not (isinstance(own, int) and isinstance(patch, int)):
        raise OptionError(f"Backbone {name!r}: expected square images and patches, got image {own}, patch {patch}.")
    owner = f"Backbone {name!r}"
    size = whole_number(owner, "image_size", own if size is None else size, patch, expected="pixels, a whole number")
    if size % patch:
        below, above = size // patch * patch, (size // patch + 1) * patch
        raise OptionError(
            f"{owner}: image_size {size} is not a multiple of the patch size {patch}; use {below} or {above}."
        )
    if size // patch > LARGEST_GRID:
        raise OptionError(
            f"{owner}: image_size {size} makes {size // patch} x {size // patch} patches of {patch} pixels, more than "
            f"any machine has room for; use {LARGEST_GRID * patch} at most."
        )
    vision["image_size"] = size
    return Configuration(configuration.source, model, configuration.statistics)


def build(configuration: Configuration) -> CLIP | CustomTextCLIP:
    """open_clip's model. Raises DataError for what open_clip cannot build."""
    arguments = {key: value for key, value in configuration.model.items() if key != "custom_text"}
    custom = configuration.model.get("custom_text") or "hf_model_name" in arguments["text_cfg"]
    try:
        return (CustomTextCLIP if custom else CLIP)(**deepcopy(arguments))
    except TypeError as error:
        raise DataError(
            f"{configuration.source}: open_clip {open_clip.__version__} cannot build this architecture ({error}); it "
            "may be of a newer version's."
        ) from error


@cache
def vision_transformers() -> list[str]:
    """open_clip's architectures that can be backbones."""
    configurations = {name: open_clip.get_model_config(name) for name in open_clip.list_models()}
    return [name for name, configuration in configurations.items() if configuration and not _unsuitable(configuration)]


def _read(path: Path) -> Configuration:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read the architecture file {path} ({error}); expected open_clip's JSON.") from error
    return _checked(content, str(path))


def _checked(content: Any, source: str) -> Configuration:
    """The parts of what open_clip's JSON holds. Raises DataError, naming what it lacks or what is amiss."""
    model = content.get("model_cfg", content) if isinstance(content, Mapping) else {}
    needed = ("embed_dim", "vision_cfg", "text_cfg")
    if not isinstance(model, Mapping) or (missing := set(needed) - model.keys()):
        lacks = ", ".join(sorted(missing)) if isinstance(model, Mapping) else "its parts"
        raise DataError(f"Architecture {source} lacks {lacks}; expected open_clip's configuration.")
    preprocessing = content.get("preprocess_cfg") or {}
    parts = {"vision_cfg": model["vision_cfg"], "text_cfg": model["text_cfg"], "preprocess_cfg": preprocessing}
    for name, part in parts.items():
        if not isinstance(part, Mapping):
            raise DataError(f"Architecture {source}: {name} is {part!r}; expected a table of names and values.")
    if not isinstance(quick := model.get("quick_gelu", False), bool):
        raise DataError(f"Architecture {source}: quick_gelu is {quick!r}; expected true or false.")
    statistics = {key: _channels(preprocessing[key], key, source) for key in ("mean", "std") if key in preprocessing}
    return Configuration(source, dict(model), statistics)


def _channels(value: Any, key: str, source: str) -> list[float]:
    """Three numbers, from three or, as open_clip takes it too, one for all."""
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value] * 3
    numbers = [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
    if len(values) != 3 or len(numbers) != 3 or (key == "std" and min(numbers) <= 0):
        raise DataError(
            f"{source}: {key} is {value!r}; expected three finite numbers{', above 0' if key == 'std' else ''}."
        )
    return numbers


def _differences(named: Mapping[str, Any], beside: Mapping[str, Any]) -> str:
    """Where two architectures say different things of one part, size of the pictures aside; "" for nowhere."""
    found = [] if named["embed_dim"] == beside["embed_dim"] else [("embed_dim", named, beside)]
    for part in ("vision_cfg", "text_cfg"):
        ours, theirs = named[part], beside[part]
        found += [
            (f"{part}.{key}", ours, theirs)
            for key in ours.keys() & theirs.keys() - {"image_size", "hf_tokenizer_name"}
            if ours[key] != theirs[key]
        ]
    words = [
        f"{path} {theirs[path.rpartition('.')[2]]!r} instead of {ours[path.rpartition('.')[2]]!r}"
        for path, ours, theirs in sorted(found, key=lambda entry: entry[0])
    ]
    return ", ".join(words[:3]) + (", ..." if len(words) > 3 else "")


def _unsuitable(architecture: Mapping[str, Any]) -> str | None:
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
