"""A module of one's own as a backbone: where its class stands, and that it answers all that models ask of a tower,
before any of them runs."""

import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..base.errors import DataError, OptionError
from ..base.ledger import note_weights
from ..base.options import whole_number
from ..base.places import expanded
from .aliases import IN_A_FILE
from .backbone import INTERPOLATIONS, Backbone
from .configuration import channels
from .families.sizes import Size, asked_size, pair
from .families.tower import ImageTower
from .precision import EXACT, FAST, precision_on
from .text_tower import LEARNED_WORDS, NOT_OPEN_CLIPS, OpenClipText, TextTower
from .weights import COUNTS, Weights

Maker = Callable[..., nn.Module]
SETS = ("family", "size", "patch_size", "grids", "widths", "embed_dim")
DEFINES = ("start", "stream", "embedding", "dense")
MAY_DEFINE = {
    "encoded": "encoded_windows",
    "pooled": "pooled_windows",
    "value path": "local_step",
    "some patches": "stream_of",
}
"""What a tower need not be able to do, and by which method it does."""
INTERFACE = "the page Fork of the book has one in 30 lines"


def own_maker(architecture: Any) -> Maker | None:
    """What makes the module that an architecture stands for: a class or function itself, or what has the name in
    "FILE.py:NAME". None for all that open_clip builds.

    Raises DataError for a file that is not there, or without such a name, or with the name of another module.
    """
    if not isinstance(architecture, str | Path):
        return cast(Maker, architecture) if callable(architecture) else None
    if not (found := IN_A_FILE.fullmatch(str(architecture))):
        return None
    file, name = expanded(found[1]).resolve(), found[2]
    if not file.is_file():
        raise DataError(f"No file {file} for {architecture}; expected FILE.py:NAME, a class or function in that file.")
    note_weights(file)
    made: Any = getattr(_module(file), name, None)
    if not callable(made):
        raise DataError(f"{file} has no class or function {name}, which {architecture} names.")
    return cast(Maker, made)


def same_definition(former: object, new: object) -> bool:
    """Whether two classes or functions have one name in one module, so that the new one is the former defined anew."""
    places = [(getattr(made, "__module__", None), getattr(made, "__qualname__", None)) for made in (former, new)]
    return callable(former) and callable(new) and places[0] == places[1]


def own_backbone(
    name: str,
    maker: Maker,
    read: Weights | None,
    *,
    image_size: Size | None,
    precision: str,
    device: torch.device,
    seed: int,
    is_random: bool,
) -> Backbone:
    """The backbone of the module that ``maker`` makes: called with ``image_size=`` where one is asked for, with the
    weights that were read in the place of those that it is made with.

    The module has an `ImageTower` as its attribute `image`, a `TextTower` as `text`, the pictures' `mean` and `std`,
    and may have `interpolation`. Raises OptionError, in one sentence, for anything else, for towers that do not answer
    what `ImageTower` says, for a size or precision that the module does not take; DataError for weights that do not
    fit.
    """
    if image_size is not None and "image_size" not in inspect.signature(maker).parameters:
        raise OptionError(
            f"Backbone {name!r}: {_called(maker)} takes no image_size, so its pictures have one size only."
        )
    if image_size is not None:
        image_size = asked_size(f"Backbone {name!r}", image_size)
        for pixels in pair(image_size):
            whole_number(f"Backbone {name!r}", "image_size", pixels, 1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        module: Any = maker() if image_size is None else maker(image_size=image_size)
    if not isinstance(module, nn.Module):
        raise OptionError(
            f"Backbone {name!r}: {_called(maker)} makes a {_called(type(module))}; expected a module of torch."
        )
    image, text = _image(name, module), _text(name, module)
    if image_size is not None and tuple(image.size) != pair(image_size):
        raise OptionError(
            f"Backbone {name!r}: asked for pictures of {pair(image_size)} pixels, its tower takes {image.size}."
        )
    casts = type(image).cast is not ImageTower.cast
    if not casts and precision not in (EXACT, FAST):
        raise OptionError(f"Backbone {name!r} runs in float32 only: {_called(type(image))} defines no cast.")
    precision = precision_on(device, precision) if casts else EXACT
    if read is not None:
        _take(module, read)
    mean, std = (channels(getattr(module, key, None), key, f"Backbone {name!r}") for key in ("mean", "std"))
    interpolation = getattr(module, "interpolation", INTERPOLATIONS[0])
    if interpolation not in INTERPOLATIONS:
        raise OptionError(
            f"Backbone {name!r}: interpolation is {interpolation!r}; expected {' or '.join(INTERPOLATIONS)}."
        )
    backbone = Backbone(
        module,
        name=name,
        architecture={"module": _called(maker), "embed_dim": image.embed_dim, "image_size": list(image.size)},
        image=image,
        text=text,
        precision=precision,
        interpolation=interpolation,
        is_random=is_random,
        mean=mean,
        std=std,
    )
    _require_answers(backbone)
    return backbone


def _called(made: Any) -> str:
    return getattr(made, "__qualname__", type(made).__qualname__)


def _module(file: Path) -> Any:
    """The file as a module, run anew when it has changed; `sys.modules` has it, where its source is looked for."""
    known: Any = sys.modules.get(file.stem)
    if known is not None and Path(getattr(known, "__file__", None) or "").resolve() != file:
        raise DataError(f"{file} has the name of another module, {file.stem}; call the file otherwise.")
    changed = file.stat().st_mtime_ns
    if known is None or getattr(known, "_changed", changed) != changed:
        spec: Any = importlib.util.spec_from_file_location(file.stem, file)
        known = importlib.util.module_from_spec(spec)
        known._changed = changed
        sys.modules[file.stem] = known
        try:
            spec.loader.exec_module(known)
        except BaseException:
            del sys.modules[file.stem]
            raise
    return known


def _image(name: str, module: Any) -> ImageTower:
    image, of = getattr(module, "image", None), _called(type(module))
    if not isinstance(image, ImageTower):
        raise OptionError(
            f"Backbone {name!r}: {of}.image is {_described(image)}, of no family that this book knows; expected an "
            f"ImageTower ({INTERFACE})."
        )
    kind = type(image)
    missing = [part for part in SETS if not hasattr(image, part)]
    missing += [part for part in DEFINES if getattr(kind, part) is getattr(ImageTower, part)]
    if missing:
        raise OptionError(
            f"Backbone {name!r}: its image tower, {_called(kind)}, has no {', '.join(missing)} ({INTERFACE})."
        )
    if len(image.grids) != len(image.widths) or len(image.widths) < 2:
        raise OptionError(
            f"Backbone {name!r}: {_called(kind)} has {len(image.grids)} grids and {len(image.widths)} widths; expected "
            "one of each before the first block and behind every block."
        )
    undefined = {
        ability: f"its image tower, {_called(kind)}, defines no {method}."
        for ability, method in MAY_DEFINE.items()
        if getattr(kind, method) is getattr(ImageTower, method)
    }
    image.cannot = {**undefined, **image.cannot}
    return image


def _text(name: str, module: Any) -> TextTower:
    text, of = getattr(module, "text", None), _called(type(module))
    if not isinstance(text, TextTower):
        raise OptionError(
            f"Backbone {name!r}: {of}.text is {_described(text)}, so it has no text side, and models compare pictures "
            f"with sentences; expected a TextTower ({INTERFACE})."
        )
    if type(text).encode is TextTower.encode or not hasattr(text, "embed_dim"):
        raise OptionError(
            f"Backbone {name!r}: its text tower, {_called(type(text))}, needs embed_dim and encode ({INTERFACE})."
        )
    if text.embed_dim != module.image.embed_dim:
        raise OptionError(
            f"Backbone {name!r}: pictures have {module.image.embed_dim} dimensions and sentences {text.embed_dim}; "
            "expected one space of both."
        )
    if not isinstance(text, OpenClipText):
        text.cannot = {LEARNED_WORDS: NOT_OPEN_CLIPS.format(f"{_called(type(text))}, one's own"), **text.cannot}
    return text


def _described(tower: Any) -> str:
    return "not there" if tower is None else f"a {_called(type(tower))}"


def _take(module: nn.Module, read: Weights) -> None:
    """Put weights that were read into a module. Raises DataError where they do not fit."""
    own = module.state_dict()
    counts = {name: value for name, value in own.items() if name.endswith(COUNTS)}
    try:
        module.load_state_dict({**read.tensors, **counts})
    except RuntimeError as error:
        found = " ".join(str(error).partition("\n")[2].split())
        raise DataError(
            f"{read.path} does not fit {_called(type(module))}, whose weights have other names or shapes: {found[:300]}"
        ) from None


@torch.no_grad()
def _require_answers(backbone: Backbone) -> None:
    """Run the towers once on an empty picture and a sentence. Raises OptionError where a shape is not what it says."""
    image, embed, (rows, columns) = backbone.image, backbone.embed_dim, backbone.patches
    start = image.start(torch.zeros(1, 3, *image.size, device=backbone.mean.device))
    stream, side = image.stream(start), min(rows, columns)
    windows = (rows - side + 1) * (columns - side + 1)
    counts = [image.prefix + height * width for height, width in image.grids]
    _require(backbone, "stream", [len(stream)], [image.depth + 1])
    for number, state in enumerate(stream[1:], 1):
        _require(backbone, f"stream, behind block {number},", state, [1, counts[number], image.widths[number]])
    _require(backbone, "stream with last=1", [len(image.stream(start, 1))], [1])
    _require(backbone, "embedding", image.embedding(stream[-1]), [1, embed])
    _require(backbone, "dense", image.dense(stream[-1]), [1, rows * columns, embed])
    if "encoded" not in image.cannot:
        _require(backbone, "encoded_windows", image.encoded_windows(start, side), [1, windows, embed])
    if "pooled" not in image.cannot:
        _require(backbone, "pooled_windows", image.pooled_windows(stream[-2:], side), [1, windows, embed])
    if "value path" not in image.cannot:
        added = image.local_step(image.depth, stream[-2], "value")
        _require(backbone, "local_step", added, list(stream[-2].shape))
    if "some patches" not in image.cannot:
        first = image.stream_of(start, torch.zeros(1, 1, dtype=torch.long, device=start.device))[-1]
        _require(backbone, "stream_of", first, [1, image.prefix + 1, image.widths[-1]])
    backbone.text.require_readable()
    _require(backbone, "encode", backbone.text.encode(["a pill", "a damaged pill"]), [2, embed])


def _require(backbone: Backbone, what: str, found: Tensor | Sequence[int], expected: list[int]) -> None:
    shape = list(found.shape) if isinstance(found, Tensor) else list(found)
    if shape != expected:
        tower = _called(type(backbone.text if what == "encode" else backbone.image))
        raise OptionError(
            f"Backbone {backbone.name!r}: {what} of {tower} gives {tuple(shape)}; expected {tuple(expected)} "
            f"({INTERFACE})."
        )
