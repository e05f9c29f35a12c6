"""Backbones by name: registration, aliases, and loading with the weights' own activation.

Everything that open_clip builds works. OpenAI's weights were trained with QuickGELU, which
open_clip 3 no longer switches on for the plain architecture names; here the activation follows the weights.
"""

from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import open_clip
import torch
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

from ..base.errors import OptionError, UnknownNameError
from ..base.options import whole_number
from .aliases import ALIASES, Registration
from .backbone import ACTIVATIONS, Backbone
from .configuration import (
    READ,
    build,
    configuration_beside,
    decided_beside,
    named_configuration,
    usual_preprocessing,
    with_image_size,
)
from .families.sizes import Size, pair, resize
from .hub import HUB, LOCAL
from .own import own_backbone, own_maker, same_definition
from .precision import EXACT, PRECISIONS, precision_on
from .weights import assign_weights, cached_file, hub_weights, local_file, read_weights, tag_file
from .zoo import PREFIX, zoo_registration

POSITIONS = ("bicubic", "bicubic_plain", "bilinear")
LARGEST_SEED = 2**32 - 1

_REGISTERED = dict(ALIASES)


def list_backbones() -> list[str]:
    """The registered names, sorted. `load_backbone` also takes "ARCHITECTURE:PRETRAINED", "hf-hub:ORG/NAME" and
    "local-dir:FOLDER".

    >>> "vit-l-14-336" in zsas.list_backbones()
    True
    """
    return sorted(_REGISTERED)


def register_backbone(
    name: str,
    *,
    architecture: str | Path | Mapping[str, object] | Callable[..., torch.nn.Module],
    pretrained: str | Path | None = None,
    image_size: Size | None = None,
    activation: str | None = None,
) -> None:
    """Give a backbone a name that `load_backbone`, notebooks and the command line accept.

    `architecture` is an open_clip name, a JSON file in open_clip's format (`embed_dim`, `vision_cfg`, `text_cfg`) or
    such a dict; `pretrained` one of the architecture's tags, a weights file, "hf-hub:ORG/NAME" or "local-dir:FOLDER";
    without it weights must be given on loading.

    Or `architecture` makes a module of your own, with towers that answer what `ImageTower` and `TextTower` say (the
    book's page Fork shows one): a class or function, or "FILE.py:NAME" where it stands in a file, as it must for
    results to be stored. It has its weights when it is made, or takes those of a file. One that is defined anew takes
    the place of the former.

    Raises ValueError if the name already stands for something else, UnknownNameError or DataError if there is no such
    architecture or activation.

    >>> zsas.register_backbone(
    ...     "my-vit", architecture="ViT-B-32", pretrained="my_vit.safetensors"
    ... )
    >>> "my-vit" in zsas.list_backbones()
    True
    """
    _require_known("activation", activation, ACTIVATIONS)
    registration = Registration(deepcopy(architecture), pretrained, image_size, activation)
    maker = own_maker(architecture)
    if maker is None and not str(architecture).startswith(HUB):
        named_configuration(cast(Any, architecture))
    former = _REGISTERED.setdefault(name, registration)
    if maker is not None and same_definition(former.architecture, architecture):
        _REGISTERED[name] = former = registration
    if former != registration:
        raise ValueError(
            f"Backbone {name!r} is already registered as {_REGISTERED[name]}; choose another name for {registration}."
        )


def load_backbone(
    name: str,
    weights: str | Path | None = None,
    image_size: Size | None = None,
    activation: str | None = None,
    device: str | torch.device | None = None,
    precision: str = EXACT,
    positions: str = "bicubic",
    seed: int = 0,
) -> Backbone:
    """A frozen CLIP by name: a registered one, "ARCHITECTURE:PRETRAINED" of open_clip's, "hf-hub:ORG/NAME", or
    "local-dir:FOLDER", a copy of such a repository; or "zoo:NAME:SEED", a small one that comes with the library.

    `weights`: None for those registered, "random" (from `seed`; the global random state is left alone) or a local
    file: safetensors or the index of its shards, an open_clip checkpoint, OpenAI's archive; transformers' CLIP and
    SigLIP too. An `open_clip_config.json`, or transformers' `config.json`, beside the file, or in the hub's repository
    that it comes from, decides the activation, the pictures' mean, standard deviation and size, as far as nothing is
    asked for; without either, most of the weights that open_clip knows for the architecture decide. What no weights can
    mend is said before they are downloaded.
    `image_size` in pixels, one number or (height, width): another than the native one interpolates the positions:
    `positions` "bicubic", antialiased, as open_clip does, "bicubic_plain", not antialiased, as AdaCLIP does, or
    "bilinear", as AnomalyCLIP does. `activation`: None for the one these weights were trained with, else "gelu" or
    "quick_gelu". `device`: None for CUDA where there is one. `precision`: "float32", "bfloat16", or "fast": bfloat16
    where the device computes in it, else float32; the backbone's attribute says which.

    Raises UnknownNameError for an unknown name, tag, activation, precision or interpolation; DataError if a file cannot
    be fetched, read, holds NaN or whole numbers, does not fit the architecture, or lies beside the configuration of
    another one; OptionError, a ValueError, if the towers are of no family that this library knows, the size is no
    multiple of the patch size, Hugging Face's transformers are needed and missing, or there is no such device. A
    UserWarning tells where configuration and name disagree.

    >>> backbone = zsas.load_backbone("embedded", image_size=96)
    >>> backbone.encode_text(["a whole ring", "a damaged ring"]).shape
    torch.Size([2, 128])
    """
    _require_known("activation", activation, ACTIVATIONS)
    _require_known("precision", precision, PRECISIONS)
    _require_known("interpolation of positions", positions, POSITIONS)
    whole_number("load_backbone", "seed", seed, 0, LARGEST_SEED)
    place = _device(device)
    registration = _find(name)
    if maker := own_maker(registration.architecture):
        return _own(name, registration, maker, weights, image_size, activation, precision, positions, place, seed)
    tag = _tag(registration)
    size = registration.image_size if image_size is None else image_size
    configuration = named_configuration(cast(Any, registration.architecture))
    sized = with_image_size(name, configuration, size)
    quick = bool(configuration.model.get("quick_gelu") or tag.get("quick_gelu"))
    statistics = {
        **usual_preprocessing(registration.architecture, configuration.model),
        **configuration.statistics,
        **{key: tag[key] for key in READ if key in tag},
    }
    read = None
    if weights != "random":
        source = registration.pretrained if weights is None else weights
        fetched = tag if weights is None and tag else str(source) if str(source).startswith(HUB) else ""
        if fetched and cached_file(fetched) is None:
            shapes_only(name, image_size)  # what no weights can mend is said before they are downloaded
        file = _weights_file(name, source, weights is None, registration, tag)
        read = read_weights(file)
        beside = None if weights is None and tag else configuration_beside(file, source or "")
        if beside and beside.source != configuration.source:
            asked = activation or registration.activation
            configuration = decided_beside(configuration, beside, quick and not (asked or read.openai), file)
            sized = with_image_size(name, configuration, size)
            quick = bool(configuration.model.get("quick_gelu"))
            statistics |= configuration.statistics
    activation = activation or registration.activation or ACTIVATIONS[quick or (read is not None and read.openai)]
    sized.model["quick_gelu"] = activation == "quick_gelu"
    stretched = False
    if read is None:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            clip = build(name, sized)
    else:
        with torch.device("meta"):
            clip = build(name, sized)
        stretched = assign_weights(clip, read, positions)
    stretched = resize(clip.visual, pair(sized.model["vision_cfg"]["image_size"]), positions) or stretched
    backbone = Backbone(
        clip,
        name=name,
        architecture=sized.model,
        precision=precision_on(place, precision),
        is_random=read is None,
        positions=positions if stretched and read is not None else None,
        **statistics,
    )
    return backbone.to(place)


def shapes_only(name: str, image_size: Size | None = None) -> Backbone:
    """A backbone without numbers (torch's meta device), which takes no memory and no weights, of the hub's at most its
    configuration. Make models on it, inside `torch.device("meta")`, to count; nothing can be predicted. Raises what
    `load_backbone` does."""
    with torch.device("meta"):
        return load_backbone(name, "random", image_size=image_size, device="meta")


def weights_at_hand(name: str) -> Path | None:
    """The weights file of a backbone where it is on this machine already, else None; nothing is downloaded.

    Raises UnknownNameError for a name that `load_backbone` does not know.
    """
    registration = _find(name)
    source = _tag(registration) or registration.pretrained
    if isinstance(source, Mapping) or (isinstance(source, str) and source.startswith((HUB, LOCAL))):
        return cached_file(source)
    return Path(source) if source and Path(source).is_file() else None


def backbone_record(name: str) -> Registration:
    """What is known of a backbone that `load_backbone` takes; of one that is not registered little is.

    Raises UnknownNameError for a name that `load_backbone` does not know.
    """
    return _find(name)


def require_backbone(name: str, *, other_weights: bool = False) -> None:
    """Raises UnknownNameError for a name that `load_backbone` does not know, or, unless it is given ``other_weights``,
    one whose tag its architecture does not have. Nothing is read or fetched."""
    registration = _find(name)
    if not other_weights and registration.pretrained and isinstance(registration.architecture, str):
        _require_tag(registration.architecture, registration.pretrained)


def _require_tag(architecture: str, pretrained: str | Path) -> None:
    """Raises UnknownNameError for what is neither a tag of the architecture, the hub's, nor a file."""
    tags = list_pretrained_tags_by_model(architecture)
    if tags and not str(pretrained).startswith((HUB, LOCAL)) and not Path(pretrained).is_file():
        if not get_pretrained_cfg(architecture, str(pretrained)):
            raise UnknownNameError(f"pretrained tag of {architecture}", pretrained, tags, "A weights file will do.")


def _require_known(kind: str, value: str | None, known: Collection[str]) -> None:
    if value is not None and value not in known:
        raise UnknownNameError(kind, value, known)


def _find(name: str) -> Registration:
    if name in _REGISTERED:
        return _REGISTERED[name]
    if not isinstance(name, str):
        raise UnknownNameError("backbone", name, _REGISTERED)
    if name.startswith((HUB, LOCAL)):
        return Registration(name, name)
    if name.startswith(PREFIX):
        return zoo_registration(name)
    architecture, _, pretrained = name.partition(":")
    architecture = architecture.replace("/", "-")
    if architecture in open_clip.list_models():
        return Registration(architecture, pretrained or None)
    if pretrained:
        raise UnknownNameError("open_clip architecture", architecture, open_clip.list_models())
    remedy = (
        "Or give an open_clip pair such as 'ViT-B-32:openai', 'hf-hub:ORG/NAME', 'local-dir:FOLDER', or use "
        "register_backbone."
    )
    raise UnknownNameError("backbone", name, _REGISTERED, remedy)


def _own(
    name: str,
    registration: Registration,
    maker: Callable[..., torch.nn.Module],
    weights: str | Path | None,
    image_size: Size | None,
    activation: str | None,
    precision: str,
    positions: str,
    place: torch.device,
    seed: int,
) -> Backbone:
    """A module of one's own, with the weights that are asked for, or those that it is made with."""
    if activation or registration.activation or positions != POSITIONS[0]:
        raise OptionError(
            f"Backbone {name!r} is a module of your own, which decides on activation and positions itself; leave "
            "both out."
        )
    source = registration.pretrained if weights is None else weights
    read = None
    if source is not None and source != "random":
        read = read_weights(_weights_file(name, source, weights is None, registration, {}))
    size = registration.image_size if image_size is None else image_size
    drawn = weights == "random"
    return own_backbone(
        name, maker, read, image_size=size, precision=precision, device=place, seed=seed, is_random=drawn
    ).to(place)


def _device(device: str | torch.device | None) -> torch.device:
    """Where a backbone goes. Raises OptionError for a name that is none, or a GPU that is not there."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
    except RuntimeError:
        raise OptionError(f"load_backbone got device={device!r}; expected a device such as cpu or cuda:0.") from None
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise OptionError(
            f"load_backbone got device={str(device)!r}; expected one that is there: torch finds "
            f"{torch.cuda.device_count()} GPUs."
        )
    return place


def _tag(registration: Registration) -> dict:
    """open_clip's entry for the registered tag: where weights are, QuickGELU, normalisation; else empty."""
    architecture, pretrained = registration.architecture, registration.pretrained
    if isinstance(architecture, str) and isinstance(pretrained, str):
        return get_pretrained_cfg(architecture, pretrained)
    return {}


def _weights_file(
    name: str, source: str | Path | None, registered: bool, registration: Registration, tag: Mapping[str, object]
) -> Path:
    """The file that `source` stands for, `registered` or given by hand."""
    if registered and tag:
        return tag_file(tag)
    if str(source).startswith(HUB):
        return hub_weights(str(source).removeprefix(HUB))
    if str(source).startswith(LOCAL):
        return local_file(str(source))
    tags = list_pretrained_tags_by_model(str(registration.architecture))
    if source is None:
        also = f", or choose one of {', '.join(f'{name}:{tag}' for tag in tags)}" if tags else ""
        raise OptionError(f"Backbone {name!r} has no weights of its own; pass weights=PATH or weights='random'{also}.")
    if registered:
        _require_tag(str(registration.architecture), source)
    return Path(source)
