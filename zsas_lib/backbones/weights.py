"""CLIP weights files: finding, reading and fitting them into a model, never unpickling anything."""

import json
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from open_clip.model import CLIP, convert_to_custom_text_state_dict
from torch import Tensor

from ..base.errors import DataError
from ..base.ledger import note_weights
from ..base.tensors import UnreadableError, finite_floats, saved_content
from .families.sizes import interpolated, match, pair, square_grid
from .hub import HUB, LOCAL, cached_hub_file, downloaded, hub_file, url_file
from .materialise import fill_buffers
from .transformers_format import TRANSFORMERS
from .transformers_names import in_open_clips_words

CONFIGURATION = "open_clip_config.json"
"""The file beside hub weights that says what they are for."""
INDEX = ".index.json"
"""How the name of a file ends that says which tensors are in which shard."""
TRANSFORMERS_WEIGHTS = (
    "model.safetensors",
    f"model.safetensors{INDEX}",
    "pytorch_model.bin",
    f"pytorch_model.bin{INDEX}",
)
HUB_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    *TRANSFORMERS_WEIGHTS,
)
LOCAL_WEIGHTS = (
    *HUB_WEIGHTS[:3],
    "open_clip_pytorch_model.pth",
    *TRANSFORMERS_WEIGHTS,
    "pytorch_model.pth",
    "model.pth",
)
"""The names that open_clip prefers in a folder, in its order, and the indices of shards."""
COUNTS = ".num_batches_tracked"
"""How the names of whole numbers end that only training reads."""
WHOLE_NUMBERS = ("input_resolution", "context_length", "vocab_size")
POSITION_IDS = "embeddings.position_ids"
SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")
POSITIONS = "visual.positional_embedding"
TOWERS = {
    r"visual\.trunk\.": "an image tower of timm's",
    r"visual\.attnpool\.": "a ResNet",
    r"visual\.transformer\.": "open_clip's own vision transformer",
    r"(text\.)?transformer\.resblocks\.": "a text tower",
    r"text\.transformer\.(?!resblocks)": "a text tower of Hugging Face's",
}
"""What parameters are of whose names begin so."""

_SHARD = re.compile(r"-\d{5}-of-\d{5}\.")


@dataclass(frozen=True)
class Weights:
    """The tensors of a weights file, in float32, by its own names; `openai`: they came in OpenAI's own format."""

    path: Path
    tensors: dict[str, Tensor]
    openai: bool


def read_weights(path: Path) -> Weights:
    """Read safetensors, an open_clip checkpoint (`.pt`, `.bin`), an OpenAI TorchScript archive, or the index of shards.

    A `state_dict` entry and a `module.` prefix are unwrapped, half precision becomes float32. Pickled code is never
    run. Raises DataError, naming the file, if it is missing, unreadable, holds no tensors, or other than finite floats.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; expected a file of CLIP weights, or the backbone {LOCAL}{path}.")
    if not path.is_file():
        raise DataError(f"No weights file at {path}; expected a .safetensors or .pt file of CLIP weights.")
    note_weights(path)
    parts = [_tensors(path.with_name(name)) for name in _shards(path) or [path.name]]
    tensors = {name: value for part, _ in parts for name, value in part.items()}
    openai = any(archived for _, archived in parts) or WHOLE_NUMBERS[0] in tensors
    for name in [own for own in tensors if own in WHOLE_NUMBERS or own.endswith((COUNTS, POSITION_IDS))]:
        del tensors[name]  # nothing that the model learns
    return Weights(path, finite_floats(path, tensors), openai)


def _tensors(path: Path) -> tuple[dict[str, Tensor], bool]:
    """What one file holds, and whether it is a TorchScript archive."""
    if not path.is_file():
        raise DataError(f"{path} is missing, one of the shards of {path.parent}; fetch all that its index lists.")
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
    return tensors, archived


def assign_weights(clip: Any, weights: Weights, positions: str = "bicubic") -> bool:
    """Make the tensors read the parameters of a model built on the meta device, open_clip's CLIP or another of its.

    Those of transformers' CLIP and SigLIP get open_clip's names. Positional embeddings of another grid are interpolated
    as `positions` says (see `sizes.interpolated`); returns whether they were. A tower whose positions are not
    interpolated here takes the size that they are for. Raises DataError, naming the file and the parameters, if the two
    do not fit.
    """
    tensors = in_open_clips_words(weights.tensors)
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
        raise DataError(
            f"{weights.path} does not fit the architecture{_told_apart(tensors, expected)}: {listed}. Load it under "
            f"the one it was made for{_advice(weights.path, tensors)}."
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
    if not any((folder / configuration).is_file() for configuration in (CONFIGURATION, TRANSFORMERS)):
        raise DataError(
            f"{folder} has no {CONFIGURATION}, nor transformers' {TRANSFORMERS}, without which nothing says what its "
            "weights are for; fetch it from where they come, or give the architecture's name and weights=FILE."
        )
    return folder


def local_file(name: str) -> Path:
    """The weights in the folder that ``local-dir:FOLDER`` names: those that open_clip takes, with a UserWarning where
    several might be meant. Raises DataError if there are none."""
    folder = local_folder(name)
    there = [path for suffix in (*SUFFIXES, INDEX) for path in sorted(folder.glob(f"*{suffix}"))]
    files = [path for path in there if not _SHARD.search(path.name)]
    if not files:
        found = f"only the shard {there[0].name} and no index" if there else "no weights"
        raise DataError(f"{folder} has {found}; expected a file that ends in {', '.join((*SUFFIXES, INDEX))}.")
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


def hub_weights(repository: str, *names: str) -> Path:
    """The weights of a Hugging Face repository, the first of ``names`` or of those that such files have; of weights in
    shards their index, beside all of them. Raises what `hub.hub_file` does."""
    path = hub_file(repository, *(names or HUB_WEIGHTS))
    for shard in _shards(path):
        hub_file(repository, shard, revision=path.parent.name)
    return path


def tag_file(tag: Mapping[str, object]) -> Path:
    """The weights file behind an entry of open_clip's table of pretrained tags, downloaded where it is not cached."""
    if hub := _place(str(tag.get("hf_hub", ""))):
        return hub_weights(*hub)
    return url_file(str(tag["url"]))


def cached_file(source: Mapping[str, object] | str) -> Path | None:
    """The weights file behind an entry of open_clip's table, ``hf-hub:ORG/NAME`` or ``local-dir:FOLDER`` if it is on
    this machine already."""
    if isinstance(source, str) and source.startswith(LOCAL):
        return local_file(source)
    hub = [source.removeprefix(HUB)] if isinstance(source, str) else _place(str(source.get("hf_hub", "")))
    if hub:
        repository, *names = hub
        path = cached_hub_file(repository, *(names or HUB_WEIGHTS))
        whole = path and all(cached_hub_file(repository, name, revision=path.parent.name) for name in _shards(path))
        return path if whole else None
    path = downloaded(str(cast(Mapping, source)["url"]))
    return path if path.is_file() else None


def _place(hub: str) -> list[str]:
    """Repository and file name of what open_clip writes as ``ORG/NAME/FILE``, where the file may be left out; nothing
    of nothing."""
    if not hub:
        return []
    owner, name, *rest = hub.split("/", 2)
    return [f"{owner}/{name}", *filter(None, rest)]


def _shards(path: Path) -> list[str]:
    """The files beside an index that have the tensors it lists; none for a file that is no index.

    Raises DataError for one that lists no files of its own folder.
    """
    if not path.name.endswith(INDEX):
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = sorted(set(content["weight_map"].values()))
        named = all(name == os.path.basename(name) and name.endswith(SUFFIXES) for name in files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"Cannot read {path} as the index of weights in shards ({error!r}).") from error
    if not files or not named:
        raise DataError(f"{path} lists {files}; expected weights in its own folder.")
    return files


def _told_apart(tensors: Iterable[str], expected: Iterable[str]) -> str:
    """Which towers a file has, and which the architecture, where these are of other families."""
    has, wants = (
        {kind for part, kind in TOWERS.items() if any(re.match(part, name) for name in names)}
        for names in (tensors, expected)
    )
    if not has or has >= wants:
        return ""
    lacking, others = (" and ".join(sorted(kinds)) for kinds in (wants - has, has - wants))
    return f", having {others} in the place of {lacking}" if others else f", lacking {lacking}"


def _advice(path: Path, tensors: Iterable[str]) -> str:
    if _SHARD.search(path.name):
        return "; the file is one shard of several, and weights=FILE takes their index"
    if any(name.startswith(("vision_model.", "text_model.")) for name in tensors):
        return ", and in open_clip's format: these are the names of transformers, for neither its CLIP nor its SigLIP"
    return ""


def _shortened(names: list[str], shown: int = 3) -> str:
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")
