"""The tensors in a file that an authors' program saved."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...backbones.backbone import Backbone
from ...base.errors import DataError
from ...base.tensors import ModuleParts, UnreadableError, saved_content, why_no_weights

SAME = 1e-3
"""Largest difference between a file's copy of frozen weights and the backbone's, as a share of the largest of these:
two roundings to half precision apart, not two trainings."""
WORDS = "word embeddings"
SAVED_MODULES = (
    *(f"clip.adaptor.{name}" for name in ("Adaptor", "BasicTransformerBlock", "CrossAttention")),
    *(f"torch.nn.modules.{name}" for name in ("linear.Linear", "container.Sequential", "dropout.Dropout")),
    "torch.nn.modules.normalization.LayerNorm",
)
"""The classes of what AF-CLIP's program saves whole; they are read, not run."""
ALONE = "the tensor"
"""The name of an entry of a file that holds nothing else."""
MARKS = {
    "vcpclip+": "model.prompt_token_embedding.",
    "vcpclip": "Zero_try.",
    "april-gan": "trainable_linearlayer.",
    "anomalyclip": "prompt_learner.",
    "adaclip": "clip_model.patch_token_layer.",
    "aa-clip": "image_adapter.",
    "af-clip": "attention.attn.to_q.",
}
"""How the names of entries begin that tell whose file it is, in the order in which they do."""


class Entries:
    """A file's tensors by dotted names: asked for with their shapes, and what is wrong told at the end."""

    def __init__(self, name: str, path: Path, backbone: Backbone):
        self.name, self.path, self.backbone = name, path, backbone
        self.tensors: dict[str, Tensor] = {}
        self.left: set[str] = set()
        self.problems: list[str] = []
        self.add(path)

    def add(self, path: Path) -> None:
        """Another file's entries too. Raises DataError for one that cannot be read."""
        try:
            content, _ = saved_content(path, SAVED_MODULES)
        except UnreadableError as error:
            raise DataError(
                f"{path} cannot be read as a checkpoint of {self.name} ({error}); expected what its authors' code "
                "saves."
            ) from None
        if isinstance(content, ModuleParts):
            content = content.tensors()
        if isinstance(content, Tensor):
            content = {ALONE: content}
        found = dict(_flat(content)) if isinstance(content, Mapping) else {}
        self.tensors |= found
        self.left |= set(found)

    def take(self, key: str, *shape: int | None) -> Tensor:
        """An entry in float32; None in the shape stands for any size. In the place of a wrong one something empty."""
        self.left.discard(key)
        if key not in self.tensors:
            self.problems.append(f"lacks {key}")
        elif problem := why_no_weights(key, self.tensors[key]):
            self.problems.append(problem)
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

    def count(self, prefix: str) -> int:
        """How many entries begin so."""
        return sum(key.startswith(prefix) for key in self.tensors)

    def require_same(self, key: str, frozen: Tensor, what: str) -> None:
        """A file's copy of frozen weights is the backbone's; `what` names them."""
        known = len(self.problems)
        tensor, ours = self.take(key, *frozen.shape).to(frozen.dtype).float(), frozen.detach().cpu().float()
        if len(self.problems) == known and ours.numel():
            apart = ((tensor - ours).abs().max() / ours.abs().max().clamp(min=1e-12)).item()
            if not apart <= SAME:
                self.problems.append(f"{key} holds other {what} than the backbone")

    def require_all(self) -> None:
        self.problems += [f"has {key}, which {self.name} lacks" for key in sorted(self.left)]
        if self.problems:
            more = f"; and {len(self.problems) - 6} more" if len(self.problems) > 6 else ""
            raise DataError(
                f"{self.path} is no checkpoint of {self.name} for backbone {self.backbone.name!r}: "
                f"{'; '.join(self.problems[:6])}{more}. It may be another model's, or another backbone's: the released "
                f"ones are for vit-l-14-336 at image_size=518.{self._whose()}"
            )

    def _whose(self) -> str:
        """Whose file it is, in a sentence, if it is not that of the model that was asked for."""
        for name, mark in MARKS.items():
            if name != self.name and self.count(mark):
                return f" Its entries are those of {name}: load it as {name!r}."
            if self.count(mark):
                break
        return ""


def _flat(content: Mapping, before: str = "") -> list[tuple[str, Tensor]]:
    entries: list[tuple[str, Tensor]] = []
    for key, value in content.items():
        if isinstance(value, Mapping):
            entries += _flat(value, f"{before}{key}.")
        elif isinstance(value, Tensor):
            entries.append((f"{before}{key}", value))
    return entries
