"""open_clip's configuration of a model: what it says of the two towers, the activation, and how pictures are read.

It has a name in open_clip, is a JSON file or a dict, or lies beside weights, in a repository of the Hugging Face hub or
in a copy of one, where transformers' will do. What lies beside weights was written with them and decides.
"""

import json
import math
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

import open_clip
import timm
import torch
from open_clip.coca_model import CoCa
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

from ..base.errors import DataError, OptionError, UnknownNameError
from ..base.options import whole_number
from .backbone import INTERPOLATIONS
from .families.sizes import RESNET_STRIDE, Size, asked_size, pair
from .families.timm_trunk import KINDS
from .hub import HUB, LOCAL, NotInRepositoryError, cached_hub_file, hub_file
from .tokenizers import require_transformers
from .transformers_format import (
    PREPROCESSORS,
    TRANSFORMERS,
    TRUNK_ARGUMENTS,
    architecture_of,
    has_both_towers,
    is_transformers,
    statistics_of,
)
from .weights import CONFIGURATION, local_folder

READ = ("mean", "std", "interpolation")
PLACEHOLDER = "test_vit"
"""timm's smallest tower, where open_clip would make a large one that another takes the place of."""
LARGEST_GRID = 256
"""Patches per side; the attention of more needs memory that no machine has."""


@dataclass(frozen=True)
class Configuration:
    """A model's configuration.

    :param source: where it stands; :param model: as open_clip builds it, ``embed_dim``, ``vision_cfg``, ``text_cfg``.
    :param statistics: how pictures are read, as far as it is told: ``mean`` and ``std`` of their channels,
        ``interpolation`` ("bicubic" or "bilinear") for other sizes.
    """

    source: str
    model: dict[str, Any]
    statistics: dict[str, Any] = field(default_factory=dict)


def named_configuration(source: str | Path | Mapping[str, object]) -> Configuration:
    """What an architecture's name, JSON file, dict, ``hf-hub:ORG/NAME`` or ``local-dir:FOLDER`` stands for.

    Raises UnknownNameError if it stands for nothing, DataError for a file that cannot be read or is no configuration.
    """
    if isinstance(source, Mapping):
        return _checked(deepcopy(dict(source)), "architecture")
    if source in open_clip.list_models():
        return _checked(open_clip.get_model_config(source), str(source))
    if str(source).startswith(HUB):
        return _of_repository(str(source).removeprefix(HUB))
    if str(source).startswith(LOCAL):
        folder = local_folder(str(source))
        found = _read(next(folder / name for name in (CONFIGURATION, TRANSFORMERS) if (folder / name).is_file()))
        if found.model["text_cfg"].get("hf_tokenizer_name"):  # as open_clip does: the tokenizer's files lie there too
            found.model["text_cfg"]["hf_tokenizer_name"] = str(folder)
        return found
    if Path(source).suffix == ".json":
        return _read(Path(source))
    raise UnknownNameError("open_clip architecture", source, open_clip.list_models(), "A JSON file or a dict will do.")


def configuration_beside(weights: Path, source: str | Path) -> Configuration | None:
    """What lies beside a weights file, or in the repository of the hub that it is from (``source``); None for nothing.

    Raises DataError for a file that cannot be fetched or read, or is no configuration.
    """
    if (beside := weights.parent / CONFIGURATION).is_file():
        return _read(beside)
    if (beside := weights.parent / TRANSFORMERS).is_file() and has_both_towers(_json(beside)):
        return _read(beside)
    if str(source).startswith(HUB):
        try:
            return _of_repository(str(source).removeprefix(HUB))
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


def usual_preprocessing(architecture: object, model: Mapping[str, Any]) -> dict[str, Any]:
    """How most of the weights that open_clip knows for an architecture, or for others with the same tower of timm's,
    want pictures read: mean, std, interpolation; nothing where it knows none."""
    trunk = model["vision_cfg"].get("timm_model_name")
    named = str(architecture) in open_clip.list_models()
    names = [str(architecture)] if named else _with_trunk(trunk) if trunk else []
    tags = [get_pretrained_cfg(name, tag) for name in names for tag in list_pretrained_tags_by_model(name)]
    told = Counter((tuple(tag["mean"]), tuple(tag["std"]), tag["interpolation"]) for tag in tags)
    return dict(zip(READ, told.most_common(1)[0][0])) if told else {}


def with_image_size(name: str, configuration: Configuration, size: Size | None) -> Configuration:
    """The same for pictures of ``size`` pixels, one number or (height, width), None for its own size.

    Raises OptionError if that is no multiple of the patch size, or too large.
    """
    model = deepcopy(configuration.model)
    vision, owner = model["vision_cfg"], f"Backbone {name!r}"
    own = vision.get("image_size", 224)
    stride = vision.get("patch_size") or (16 if isinstance(vision.get("layers", 12), int) else RESNET_STRIDE)
    if not isinstance(stride, int) or not _is_size(own):
        raise OptionError(f"{owner}: expected one size of patches and of images, got image {own}, patch {stride}.")
    asked = asked_size(owner, own if size is None else size)
    if "timm_model_name" in vision:
        patch = vision.get(TRUNK_ARGUMENTS, {}).get("patch_size")
        stride = 1 if pair(asked) == pair(own) else patch or _timm_stride(vision["timm_model_name"])
    for pixels in pair(asked):
        expected = "pixels, a whole number" if isinstance(asked, int) else "(height, width) in pixels, each"
        whole_number(owner, "image_size", pixels, stride, expected=expected)
        if pixels % stride:
            below, above = pixels // stride * stride, (pixels // stride + 1) * stride
            raise OptionError(
                f"{owner}: image_size {pixels} is not a multiple of the patch size {stride}; use {below} or {above}."
            )
        if pixels // stride > LARGEST_GRID and stride > 1:
            raise OptionError(
                f"{owner}: image_size {pixels} makes {pixels // stride} patches of {stride} pixels a side, more than "
                f"any machine has room for; use {LARGEST_GRID * stride} at most."
            )
    height, width = pair(asked)
    if height != width and vision.get("pos_embed_type") == "sin_cos_2d":
        raise OptionError(f"{owner}: its positions are sines of a square grid; use one number as image_size.")
    vision["image_size"] = height if height == width else [height, width]
    return Configuration(configuration.source, model, configuration.statistics)


def build(name: str, configuration: Configuration) -> CLIP | CustomTextCLIP | CoCa:
    """open_clip's model, a ResNet for square pictures. Raises OptionError where Hugging Face's package is missing, and
    DataError for what open_clip cannot build."""
    arguments = {key: deepcopy(value) for key, value in configuration.model.items() if key != "custom_text"}
    vision, text = arguments["vision_cfg"], arguments["text_cfg"]
    if repository := text.get("hf_model_name"):
        require_transformers(name, f"the text tower {repository} of Hugging Face")
        if not Path(repository).is_dir():
            hub_file(repository, "config.json")
        text["hf_model_pretrained"] = False
    vision["timm_model_pretrained"], trunk = False, vision.pop(TRUNK_ARGUMENTS, None)
    if not isinstance(vision.get("layers", 12), int) and "timm_model_name" not in vision:
        vision["image_size"] = max(pair(vision["image_size"]))
    custom = configuration.model.get("custom_text") or repository
    kind = (CoCa if "multimodal_cfg" in arguments else CustomTextCLIP) if custom else CLIP
    named = vision.get("timm_model_name")
    if trunk and vision.get("timm_proj") == "none":  # else the projection's size is that of the tower named
        vision["timm_model_name"] = PLACEHOLDER
    try:
        clip: Any = kind(**arguments)
        if trunk:
            clip.visual.trunk = timm.create_model(named, num_classes=0, **trunk)
        if kind is CoCa and clip.text_decoder.text_projection is not None:  # open_clip leaves whatever memory holds
            torch.nn.init.normal_(clip.text_decoder.text_projection, std=clip.text_decoder.width**-0.5)
        return clip
    except (TypeError, AssertionError) as error:
        raise DataError(
            f"{configuration.source}: open_clip {open_clip.__version__} cannot build this architecture ({error}); it "
            "may be of a newer version's."
        ) from error


def channels(value: Any, key: str, source: str) -> list[float]:
    """Three numbers, from three or, as open_clip takes it too, one for all. Raises DataError, naming the source."""
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value] * 3
    numbers = [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
    if len(values) != 3 or len(numbers) != 3 or (key == "std" and min(numbers) <= 0):
        raise DataError(
            f"{source}: {key} is {value!r}; expected three finite numbers{', above 0' if key == 'std' else ''}."
        )
    return numbers


@cache
def _with_trunk(trunk: str) -> list[str]:
    """open_clip's architectures with this tower of timm's."""
    configurations = {name: open_clip.get_model_config(name) or {} for name in open_clip.list_models()}
    return [name for name, own in configurations.items() if own.get("vision_cfg", {}).get("timm_model_name") == trunk]


@cache
def _timm_stride(trunk: str) -> int:
    """Pixels per side of what a tower of timm's ends in."""
    with torch.device("meta"):
        made = timm.create_model(trunk)
    tokens, parts = isinstance(made, KINDS), cast(Any, made)
    return parts.patch_embed.feat_ratio() if tokens else parts.feature_info[-1]["reduction"]


def _is_size(value: Any) -> bool:
    """Whether it can be a size: a number, or two."""
    listed = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2
    return isinstance(value, int) or (listed and all(isinstance(part, int) for part in value))


def _of_repository(repository: str) -> Configuration:
    """open_clip's configuration in a repository of the hub or, where there is none, that of transformers."""
    try:
        return _read(hub_file(repository, CONFIGURATION))
    except NotInRepositoryError:
        path = hub_file(repository, TRANSFORMERS)
    except DataError:
        path = cached_hub_file(repository, TRANSFORMERS)
        if path is None or cached_hub_file(repository, CONFIGURATION):
            raise
    try:
        return _read(path, repository, hub_file(repository, *PREPROCESSORS))
    except NotInRepositoryError:
        return _read(path, repository)


def _read(path: Path, tokenizer: str = "", preprocessor: Path | None = None) -> Configuration:
    """A file of open_clip's or, with the repository or folder of its ``tokenizer`` and the file of its
    ``preprocessor``, of transformers'; without these, what lies beside it."""
    content = _json(path)
    if not is_transformers(content):
        return _checked(content, str(path))
    beside = [path.with_name(name) for name in PREPROCESSORS]
    preprocessor = preprocessor or next((file for file in beside if file.is_file()), None)
    model = architecture_of(content, str(path), tokenizer or str(path.parent))
    told = statistics_of(content["model_type"], _json(preprocessor) if preprocessor else {}, str(preprocessor))
    return _checked({"model_cfg": model, "preprocess_cfg": told}, str(path))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read the architecture file {path} ({error}); expected open_clip's JSON.") from error


def _checked(content: Any, source: str) -> Configuration:
    """The parts of what open_clip's JSON holds. Raises DataError, naming what it lacks or what is amiss."""
    model = content.get("model_cfg", content) if isinstance(content, Mapping) else {}
    needed = ("embed_dim", "vision_cfg", "text_cfg")
    if not isinstance(model, Mapping) or (missing := set(needed) - model.keys()):
        lacks = ", ".join(sorted(missing)) if isinstance(model, Mapping) else "its parts"
        alone = isinstance(model, Mapping) and ("architecture" in model or missing == {"text_cfg"})  # timm's, ours
        why = ": it is an image tower without a text tower, and pictures are compared with sentences" if alone else ""
        raise DataError(f"Architecture {source} lacks {lacks}{why}; expected open_clip's configuration.")
    preprocessing = content.get("preprocess_cfg") or {}
    parts = {"vision_cfg": model["vision_cfg"], "text_cfg": model["text_cfg"], "preprocess_cfg": preprocessing}
    for name, part in parts.items():
        if not isinstance(part, Mapping):
            raise DataError(f"Architecture {source}: {name} is {part!r}; expected a table of names and values.")
    if not isinstance(quick := model.get("quick_gelu", False), bool):
        raise DataError(f"Architecture {source}: quick_gelu is {quick!r}; expected true or false.")
    statistics: dict[str, Any] = {
        key: channels(preprocessing[key], key, source) for key in ("mean", "std") if key in preprocessing
    }
    if preprocessing.get("interpolation") in INTERPOLATIONS:
        statistics["interpolation"] = preprocessing["interpolation"]
    return Configuration(source, dict(model), statistics)


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
