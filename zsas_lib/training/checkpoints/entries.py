"""The tensors in a file that an authors' program saved."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...backbones.backbone import Backbone
from ...base.errors import DataError

SAME_WORDS = 1e-3
"""Largest difference between the word embeddings in a file and the backbone's."""


class Entries:
    """A file's tensors by dotted names: asked for with their shapes, and what is wrong told at the end."""

    def __init__(self, name: str, path: Path, backbone: Backbone):
        self.name, self.path, self.backbone = name, path, backbone
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            said = str(error).partition("\n")[0] or type(error).__name__
            raise DataError(
                f"{path} cannot be read as a checkpoint of {name} ({said}); expected what its authors' code saves."
            ) from error
        self.tensors = dict(_flat(content)) if isinstance(content, Mapping) else {}
        self.left = set(self.tensors)
        self.problems: list[str] = []

    def take(self, key: str, *shape: int | None) -> Tensor:
        """An entry in float32; None in the shape stands for any size. In the place of a wrong one something empty."""
        self.left.discard(key)
        if key not in self.tensors:
            self.problems.append(f"lacks {key}")
        else:
            tensor = self.tensors[key].detach().float()
            if tensor.ndim == len(shape) and all(wanted in (None, size) for wanted, size in zip(shape, tensor.shape)):
                return tensor
            expected = ", ".join("any" if size is None else str(size) for size in shape)
            self.problems.append(f"{key} is {tuple(tensor.shape)}, expected ({expected})")
        return torch.zeros([size or 1 for size in shape])

    def pass_over(self, *beginnings: str) -> None:
        """Entries that the authors save and nothing reads."""
        self.left = {key for key in self.left if not key.startswith(beginnings)}

    def require_words(self, key: str, words: Tensor) -> None:
        """Word embeddings in the file are the backbone's."""
        tensor = self.take(key, *words.shape)
        if not self.problems and (tensor - words.cpu().float()).abs().max() > SAME_WORDS:
            self.problems.append(f"{key} holds other word embeddings than the backbone")

    def require_all(self) -> None:
        self.problems += [f"has {key}, which {self.name} lacks" for key in sorted(self.left)]
        if self.problems:
            more = f"; and {len(self.problems) - 6} more" if len(self.problems) > 6 else ""
            raise DataError(
                f"{self.path} is no checkpoint of {self.name} for backbone {self.backbone.name!r}: "
                f"{'; '.join(self.problems[:6])}{more}. It may be another model's, or another backbone's: the released "
                "ones are for vit-l-14-336 at image_size=518."
            )


def _flat(content: Mapping, before: str = "") -> list[tuple[str, Tensor]]:
    entries: list[tuple[str, Tensor]] = []
    for key, value in content.items():
        if isinstance(value, Mapping):
            entries += _flat(value, f"{before}{key}.")
        elif isinstance(value, Tensor):
            entries.append((f"{before}{key}", value))
    return entries
