"""What ensembles of sentences come to, kept in the cache folder for the processes that follow.

To encode the hundreds of sentences of one class takes a twentieth of a second on the smallest backbone, and every page
of the book asks about a dozen classes or two. What comes out depends on nothing but the sentences, the backbone, the
code that encodes them and what it runs on, which name the file, so that what is kept is never stale. Nothing is kept of
random weights, which nobody has twice, under autocast, which rounds, or where the folder cannot be written, and nobody
misses what is removed.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import open_clip
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ..backbones.backbone import Backbone
from ..base.sources import source_digest
from ..data.cache import cache_folder, keep_last, put

KEPT_BACKBONES = 20
"""Of so many, the last ones."""
SUFFIX = ".safetensors"


def kept(make: Callable[..., Tensor], backbone: Backbone, *arguments: object) -> Tensor:
    """``make(backbone, *arguments)``, from an earlier process if it was made there; of the arguments JSON can hold what
    they are made of."""
    nobodys = backbone.is_random or torch.is_autocast_enabled(backbone.device.type)
    file = None if nobodys else _file(make, backbone, arguments)
    if file is None:
        return make(backbone, *arguments)
    with suppress(OSError, SafetensorError, KeyError):
        return safetensors.torch.load(file.read_bytes())["made"].to(backbone.device)
    made = make(backbone, *arguments)
    with suppress(OSError):
        anew = not file.parent.exists()
        put(file, safetensors.torch.save({"made": made.cpu().contiguous()}))
        if anew:
            keep_last(file.parent.parent.iterdir(), KEPT_BACKBONES)
    return made


def _file(make: Callable[..., Tensor], backbone: Backbone, arguments: Sequence[object]) -> Path | None:
    code = _code(make, backbone.tower_classes)
    if code is None:
        return None
    runs_on = [backbone.device.type, str(backbone.mean.dtype), torch.__version__, open_clip.__version__]
    folder = [backbone.digest, code, *runs_on]
    return cache_folder() / "sentences" / _named(folder) / f"{_named(arguments)}{SUFFIX}"


@cache
def _code(make: Callable[..., Tensor], classes: tuple[type, ...]) -> str | None:
    """SHA-256 of the code that encodes, None where some of it is in no file, such as a notebook's."""
    try:
        return source_digest(make, Backbone, *classes)
    except ValueError:
        return None


def _named(what: object) -> str:
    return hashlib.sha256(json.dumps(what, default=vars).encode()).hexdigest()[:32]
