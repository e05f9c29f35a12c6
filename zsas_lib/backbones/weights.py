"""CLIP weights files: finding, reading and fitting them into a model, never unpickling anything."""

import os
import socket
import urllib.request
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import huggingface_hub
import torch
from huggingface_hub.errors import EntryNotFoundError
from open_clip.model import CLIP, CustomTextCLIP, convert_to_custom_text_state_dict, resize_pos_embed
from open_clip.pretrained import download_pretrained_from_url
from safetensors.torch import load_file
from torch import Tensor

from ..base.errors import DataError
from ..base.ledger import note_weights

HUB = "hf-hub:"
HUB_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "model.safetensors",
)
CONNECT_SECONDS = 5


@dataclass(frozen=True)
class Weights:
    """The tensors of a weights file, in float32, by open_clip's names; `openai`: they came in OpenAI's own format."""

    path: Path
    tensors: dict[str, Tensor]
    openai: bool


def read_weights(path: Path) -> Weights:
    """Read safetensors, an open_clip checkpoint (`.pt`, `.bin`) or an OpenAI TorchScript archive.

    A `state_dict` entry and a `module.` prefix are unwrapped, half precision becomes float32. Pickled code is never
    run. Raises DataError, naming the file, if it is missing, unreadable or holds no tensors.
    """
    if not path.is_file():
        raise DataError(f"No weights file at {path}; expected a .safetensors or .pt file of CLIP weights.")
    note_weights(path)
    try:
        content, archived = _content(path)
    except Exception as error:
        raise DataError(
            f"Cannot read {path} as CLIP weights ({_first_line(error)}); expected safetensors, a checkpoint of plain "
            "tensors saved by open_clip, or OpenAI's TorchScript archive. Is the download complete?"
        ) from error
    tensors = content.get("state_dict", content) if isinstance(content, Mapping) else {}
    tensors = {name.removeprefix("module."): value for name, value in tensors.items() if isinstance(value, Tensor)}
    if not tensors:
        raise DataError(f"{path} holds no CLIP weights; expected a mapping from parameter names to tensors.")
    openai = archived or "input_resolution" in tensors
    for name in ("input_resolution", "context_length", "vocab_size"):
        tensors.pop(name, None)
    return Weights(path, {name: value.float() for name, value in tensors.items()}, openai)


def assign_weights(clip: CLIP | CustomTextCLIP, weights: Weights, positions: str = "bicubic") -> None:
    """Make the tensors read the parameters of a model built on the meta device.

    Positional embeddings of another grid are interpolated as `positions` says: "bicubic" (antialiased) or "bilinear"
    (not). Raises DataError, naming the file and the parameters, if the two do not fit.
    """
    tensors = dict(weights.tensors)
    if isinstance(clip, CustomTextCLIP):
        tensors = convert_to_custom_text_state_dict(tensors)
        tensors.pop("text.transformer.embeddings.position_ids", None)
    expected = {name: value.shape for name, value in clip.state_dict().items()}
    if "logit_scale" in tensors:
        tensors["logit_scale"] = tensors["logit_scale"].reshape(expected["logit_scale"])
    if _is_square_grid(tensors.get("visual.positional_embedding")):
        resize_pos_embed(tensors, clip, positions, antialias=positions == "bicubic")
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
        raise DataError(
            f"{weights.path} does not fit the architecture: {listed}. Load it under the one it was made for."
        )
    clip.load_state_dict(tensors, assign=True)
    causal: Any = clip if isinstance(clip, CLIP) else clip.text
    if getattr(causal, "attn_mask", None) is not None:
        causal.attn_mask = torch.full(causal.attn_mask.shape, -torch.inf).triu(1)


def hub_file(repository: str, *names: str) -> Path:
    """The first of `names` in a Hugging Face repository that is cached or can be downloaded.

    Raises DataError at once, not after retries, where the hub cannot be reached.
    """
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
    raise _unavailable(wanted, f"the repository has none of {', '.join(names)}")


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
    """The weights file behind an entry of open_clip's table or ``hf-hub:ORG/NAME`` if it is on this machine already."""
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
    return Path("~/.cache/clip").expanduser() / os.path.basename(url)


def _content(path: Path) -> tuple[object, bool]:
    if path.suffix == ".safetensors":
        return load_file(path), False
    if zipfile.is_zipfile(path) and any(name.endswith("/constants.pkl") for name in zipfile.ZipFile(path).namelist()):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit.load.* is deprecated", category=DeprecationWarning)
            return torch.jit.load(path, map_location="cpu").state_dict(), True
    return torch.load(path, map_location="cpu", weights_only=True), False


def _require_reachable(wanted: str, url: str) -> None:
    if urllib.request.getproxies():
        return
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port or 443), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise _unavailable(wanted, f"{address.hostname} cannot be reached: {error}") from error


def _is_square_grid(embedding: Tensor | None) -> bool:
    return embedding is not None and embedding.ndim == 2 and isqrt(len(embedding) - 1) ** 2 == len(embedding) - 1


def _shortened(names: list[str], shown: int = 3) -> str:
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")


def _unavailable(wanted: str, reason: str) -> DataError:
    return DataError(
        f"Cannot fetch {wanted} ({reason}). Download it where there is a network and pass the file as "
        "load_backbone(..., weights=PATH), or pass weights='random' to try the code without it."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
