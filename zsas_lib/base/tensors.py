"""Tensors in files: what torch or safetensors saved, read without running anything; and whether they are weights."""

import pickletools
import re
import warnings
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from .errors import DataError

_LARGEST_HEADER = 100_000_000
_CLASS = re.compile(r"GLOBAL ([\w.]+)")


class UnreadableError(DataError):
    """Why a file's tensors cannot be read: words of ours to put into a sentence, never those of torch, which advise to
    switch off what keeps a file's code from being run."""


class ModuleParts:
    """What a saved module held, read in the place of its class, of which nothing is run."""

    def tensors(self, before: str = "") -> dict[str, Tensor]:
        """Its parameters and those of the modules in it, by dotted names."""
        own = {f"{before}{name}": value for name, value in vars(self).get("_parameters", {}).items()}
        found = {name: value for name, value in own.items() if isinstance(value, Tensor)}
        for name, part in vars(self).get("_modules", {}).items():
            found |= part.tensors(f"{before}{name}.") if isinstance(part, ModuleParts) else {}
        return found


def saved_content(path: Path, modules: Collection[str] = ()) -> tuple[object, bool]:
    """What stands in a file of safetensors, of `torch.save`, or in a TorchScript archive; and whether it is the last.

    The content decides, not the name. Nothing that a file holds is run; objects of the classes that ``modules`` names
    are read as `ModuleParts`. Raises UnreadableError.
    """
    if path.is_dir():
        raise UnreadableError("it is a folder")
    if not path.is_file():
        raise UnreadableError("there is no such file")
    with path.open("rb") as file:
        head = file.read(64)
    if what := _no_tensors(head):
        raise UnreadableError(what)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch on protocols and on its own future; what matters ends in an error
            if _is_safetensors(head):
                return load_file(path), False
            if _is_archive(path):
                return torch.jit.load(path, map_location="cpu").state_dict(), True
            with torch.serialization.safe_globals([(ModuleParts, name) for name in modules]):
                return torch.load(path, map_location="cpu", weights_only=True), False
    except (OSError, MemoryError):
        raise
    except SafetensorError:
        raise UnreadableError("its safetensors are damaged or cut short") from None
    except Exception as error:  # torch raises nearly anything for a file that is damaged
        raise UnreadableError(
            _foreign_classes(path, str(error)) or "it is damaged, cut short, or no file of torch.save"
        ) from None


def finite_floats(path: Path, tensors: Mapping[str, Tensor], *, double: bool = False) -> dict[str, Tensor]:
    """The tensors in float32; those in double precision as they are where ``double`` asks for that.

    Raises DataError, naming the file and the first entries, if one is not of floats (16 bits or more) or holds NaN or
    infinite values.
    """
    problems = [problem for name, value in tensors.items() if (problem := why_no_weights(name, value))]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise DataError(
            f"{path} holds what cannot be weights: {'; '.join(problems[:3])}{more}. Expected finite floats of 16 bits "
            "or more; quantised files must be turned back first, and a training that diverged is lost."
        )
    return {
        name: value if double and value.dtype == torch.float64 else value.float() for name, value in tensors.items()
    }


def why_no_weights(name: str, value: Tensor) -> str:
    """Why the values of this tensor cannot be weights, naming it; "" where they can."""
    if value.layout != torch.strided or not value.is_floating_point() or value.element_size() < 2:
        return f"{name} is {str(value.dtype).removeprefix('torch.')}, expected floats"
    if value.numel() and not torch.stack(value.detach().float().aminmax()).isfinite().all():
        return f"{name} has NaN or infinite values"
    return ""


def _no_tensors(head: bytes) -> str:
    """What a file is that begins so, if it is none of tensors."""
    if not head:
        return "it is empty"
    if head.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS and not the file, which `git lfs pull` fetches"
    if head.lstrip().startswith(b"<"):
        return "it is a web page: the download was refused, or asks for something first"
    if not (head.startswith((b"PK", b"\x80")) or _is_safetensors(head)):
        return "it is neither safetensors nor a file of torch.save"
    return ""


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LARGEST_HEADER


def _is_archive(path: Path) -> bool:
    """Whether it is TorchScript's."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as file:
        return any(name.endswith("/constants.pkl") for name in file.namelist())


def _foreign_classes(path: Path, said: str) -> str:
    """The classes that would have to be run to read the file, in words; `said` is torch's error, which names one."""
    found = set(_CLASS.findall(said))
    if found and zipfile.is_zipfile(path):
        found.update(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
    elif not found:
        found = _pickled_classes(path)
    if not found:
        return ""
    return (
        f"besides tensors it holds {', '.join(sorted(found))}, and nothing in a file is run; save the tensors alone "
        "where the file comes from, as in torch.save(model.state_dict(), PATH)"
    )


def _pickled_classes(path: Path) -> set[str]:
    """What a plain pickle would import, torch's own aside."""
    found, last = set(), ["", ""]
    try:
        with path.open("rb") as file:
            for operation, argument, _ in pickletools.genops(file):
                if operation.name == "GLOBAL":
                    found.add(str(argument).replace(" ", "."))
                elif operation.name == "STACK_GLOBAL":
                    found.add(".".join(last))
                elif isinstance(argument, str):
                    last = [last[1], argument]
    except ValueError:  # no pickle, or a part of one
        return set()
    return {name for name in found if not name.startswith(("torch", "collections."))}
