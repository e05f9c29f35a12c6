"""CLIP weights files: finding, reading and fitting them into a model, never unpickling anything."""

import os
import re
import socket
import urllib.request
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import huggingface_hub
import torch
from huggingface_hub.errors import EntryNotFoundError
from open_clip.model import CLIP, convert_to_custom_text_state_dict
from open_clip.pretrained import download_pretrained_from_url
from torch import Tensor

from ..base.errors import DataError
from ..base.ledger import note_weights
from ..base.places import expanded
from ..base.tensors import UnreadableError, finite_floats, saved_content
from .families.sizes import interpolated, match, pair, square_grid
from .materialise import fill_buffers

HUB = "hf-hub:"
LOCAL = "local-dir:"
CONFIGURATION = "open_clip_config.json"
"""The file beside hub weights that says what they are for."""
HUB_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "model.safetensors",
)
LOCAL_WEIGHTS = (
    *HUB_WEIGHTS[:3],
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
"""The names that open_clip prefers in a folder, in its order."""
COUNTS = ".num_batches_tracked"
"""How the names of whole numbers end that only training reads."""
SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")
POSITIONS = "visual.positional_embedding"
CONNECT_SECONDS = 5


_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class NotInRepositoryError(DataError):
    """A repository of the hub is there, and the file that was asked for is not in it."""


@dataclass(frozen=True)
class Weights:
    """The tensors of a weights file, in float32, by open_clip's names; `openai`: they came in OpenAI's own format."""

    path: Path
    tensors: dict[str, Tensor]
    openai: bool


def read_weights(path: Path) -> Weights:
    """Read safetensors, an open_clip checkpoint (`.pt`, `.bin`) or an OpenAI TorchScript archive.

    A `state_dict` entry and a `module.` prefix are unwrapped, half precision becomes float32. Pickled code is never
    run. Raises DataError, naming the file, if it is missing, unreadable, holds no tensors, or other than finite floats.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; expected a file of CLIP weights, or the backbone {LOCAL}{path}.")
    if not path.is_file():
        raise DataError(f"No weights file at {path}; expected a .safetensors or .pt file of CLIP weights.")
    note_weights(path)
    try:
        content, archived = saved_content(path)
    except UnreadableError as error:
        raise DataError(
            f"Cannot read {path} as CLIP weights ({error}); expected safetensors, a checkpoint of plain tensors saved "
            "by open_clip, or OpenAI's TorchScript archive. Is the download complete?"
        ) from None
    tensors = content.get("state_dict", content) if isinstance(content, Mapping) else {}
    tensors = {name.removeprefix("module."): value for name, value in tensors.items() if isinstance(value, Tensor)}
    if not tensors:
        raise DataError(f"{path} holds no CLIP weights; expected a mapping from parameter names to tensors.")
    openai = archived or "input_resolution" in tensors
    for name in ("input_resolution", "context_length", "vocab_size", "text.transformer.embeddings.position_ids"):
        tensors.pop(name, None)  # whole numbers that the model does not learn
    tensors = {name: value for name, value in tensors.items() if not name.endswith(COUNTS)}
    return Weights(path, finite_floats(path, tensors), openai)


def assign_weights(clip: Any, weights: Weights, positions: str = "bicubic") -> bool:
    """Make the tensors read the parameters of a model built on the meta device, open_clip's CLIP or another of its.

    Positional embeddings of another grid are interpolated as `positions` says (see `sizes.interpolated`); returns
    whether they were. A tower whose positions are not interpolated here takes the size that they are for. Raises
    DataError, naming the file and the parameters, if the two do not fit.
    """
    tensors = dict(weights.tensors)
    if not isinstance(clip, CLIP):
        tensors = convert_to_custom_text_state_dict(tensors)
    match(clip.visual, tensors)
    expected = {name: value.shape for name, value in clip.state_dict().items()}
    for name in ("logit_scale", "logit_bias"):
        if name in expected and name in tensors and tensors[name].numel() == 1:
            tensors[name] = tensors[name].reshape(expected[name])
    saved = tensors.get(POSITIONS)
    if saved is not None and POSITIONS in expected and (old := square_grid(saved, 1)):
        tensors[POSITIONS] = interpolated(saved, old, pair(cast(Any, clip.visual).grid_size), 1, positions)
    tensors |= {name: torch.zeros((), dtype=torch.long) for name in expected if name.endswith(COUNTS)}
    differences = {
        "missing": [name for name in expected if name not in tensors],
        "not in the architecture": [name for name in tensors if name not in expected],
        "of another shape": [
            f"{name} (file {tuple(tensors[name].shape)}, architecture {tuple(shape)})"
            for name, shape in expected.items()
            if name in tensors and tensors[name].shape != shape
        ],
    }
    if any(differences.values()):
        listed = "; ".join(f"{len(names)} {kind}: {_shortened(names)}" for kind, names in differences.items() if names)
        foreign = any(name.startswith(("vision_model.", "text_model.")) for name in tensors)
        raise DataError(
            f"{weights.path} does not fit the architecture: {listed}. Load it under the one it was made for"
            + (", and in open_clip's format: these are the names of transformers." if foreign else ".")
        )
    clip.load_state_dict(tensors, assign=True)
    fill_buffers(clip)
    return saved is not None and tensors[POSITIONS] is not saved


def local_folder(name: str) -> Path:
    """The folder that ``local-dir:FOLDER`` names, with open_clip's configuration in it.

    Raises DataError if there is none.
    """
    folder = Path(name.removeprefix(LOCAL)).expanduser()
    if name == LOCAL or not folder.is_dir():
        raise DataError(f"No folder {folder} for {name!r}; expected one with {CONFIGURATION} and weights.")
    if not (folder / CONFIGURATION).is_file():
        raise DataError(
            f"{folder} has no {CONFIGURATION}, without which nothing says what its weights are for; fetch it from "
            "where they come, or give the architecture's name and weights=FILE."
        )
    return folder


def local_file(name: str) -> Path:
    """The weights in the folder that ``local-dir:FOLDER`` names: those that open_clip takes, with a UserWarning where
    several might be meant. Raises DataError if there are none."""
    folder = local_folder(name)
    files = [path for suffix in SUFFIXES for path in sorted(folder.glob(f"*{suffix}"))]
    if not files:
        raise DataError(f"{folder} has no weights; expected a file that ends in {', '.join(SUFFIXES)}.")
    preferred = sorted(
        (path for path in files if path.name in LOCAL_WEIGHTS), key=lambda p: LOCAL_WEIGHTS.index(p.name)
    )
    if not preferred and len(files) > 1:
        warnings.warn(
            f"{folder} has several files of weights, {', '.join(path.name for path in files)}; {files[0].name} is "
            "taken, as open_clip does. Name the one that is meant by weights=FILE.",
            stacklevel=2,
        )
    return (preferred or files)[0]


def hub_file(repository: str, *names: str) -> Path:
    """The first of `names` in a Hugging Face repository that is cached or can be downloaded.

    Raises DataError at once, not after retries, where the hub cannot be reached.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise DataError(
            f"{HUB}{repository} names no repository of the hub, which is ORG/NAME; a folder of this machine is "
            f"{LOCAL}FOLDER."
        )
    if cached := _cached(repository, names):
        return cached
    wanted = f"{names[0]} of {HUB}{repository}"
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise _unavailable(wanted, "HF_HUB_OFFLINE is set")
    _require_reachable(wanted, huggingface_hub.constants.ENDPOINT)
    for name in names:
        try:
            return Path(huggingface_hub.hf_hub_download(repository, name))
        except EntryNotFoundError:
            continue
        except Exception as error:
            raise _unavailable(wanted, _first_line(error)) from error
    raise NotInRepositoryError(str(_unavailable(wanted, f"the repository has none of {', '.join(names)}")))


def tag_file(tag: Mapping[str, object]) -> Path:
    """The weights file behind an entry of open_clip's table of pretrained tags, downloaded where it is not cached."""
    if repository := str(tag.get("hf_hub", "")):
        repository, names = _place(repository)
        return hub_file(repository, *names)
    url = str(tag["url"])
    cached = _downloaded(url)
    if not cached.is_file():
        _require_reachable(url, url)
    try:
        return Path(download_pretrained_from_url(url))
    except Exception as error:
        raise _unavailable(url, _first_line(error)) from error


def why_no_downloads() -> str:
    """Why nothing can be downloaded from the Hugging Face hub now, "" where it can."""
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        _require_reachable("anything", huggingface_hub.constants.ENDPOINT)
    except DataError:
        return f"{urlsplit(huggingface_hub.constants.ENDPOINT).hostname} cannot be reached"
    return ""


def cached_file(source: Mapping[str, object] | str) -> Path | None:
    """The weights file behind an entry of open_clip's table, ``hf-hub:ORG/NAME`` or ``local-dir:FOLDER`` if it is on
    this machine already."""
    if isinstance(source, str) and source.startswith(LOCAL):
        return local_file(source)
    if isinstance(source, str):
        return _cached(source.removeprefix(HUB), HUB_WEIGHTS)
    if repository := str(source.get("hf_hub", "")):
        return _cached(*_place(repository))
    path = _downloaded(str(source["url"]))
    return path if path.is_file() else None


def _cached(repository: str, names: Sequence[str]) -> Path | None:
    found = (huggingface_hub.try_to_load_from_cache(repository, name) for name in names)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def _place(hub: str) -> tuple[str, Sequence[str]]:
    """Repository and file names of what open_clip writes as ``ORG/NAME/FILE``, where the file may be left out."""
    owner, name, *rest = hub.split("/", 2)
    return f"{owner}/{name}", (rest[0],) if rest and rest[0] else HUB_WEIGHTS


def _downloaded(url: str) -> Path:
    return expanded("~/.cache/clip") / os.path.basename(url)


def _require_reachable(wanted: str, url: str) -> None:
    if urllib.request.getproxies():
        return
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port or 443), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise _unavailable(wanted, f"{address.hostname} cannot be reached: {error}") from error


def _shortened(names: list[str], shown: int = 3) -> str:
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")


def _unavailable(wanted: str, reason: str) -> DataError:
    return DataError(
        f"Cannot fetch {wanted} ({reason}). Download it where there is a network and pass the file as "
        "load_backbone(..., weights=PATH), or pass weights='random' to try the code without it."
    )


def _first_line(error: Exception) -> str:
    return (_TERMINAL_CODE.sub("", str(error)).strip().splitlines() or [type(error).__name__])[0]
