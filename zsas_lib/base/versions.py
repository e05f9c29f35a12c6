"""Whether tensors are still what they were, told without reading them."""

from collections.abc import Iterable
from typing import TypeAlias

from torch import Tensor

Version: TypeAlias = tuple[tuple[int, int], ...]


def version_of(tensors: Iterable[Tensor]) -> Version:
    """Where tensors lie and how often they were changed in place: as long as it is the same, so are they. A change
    through ``.data``, which torch does not count, is not seen."""
    return tuple((_place(tensor), 0 if tensor.is_inference() else tensor._version) for tensor in tensors)


def _place(tensor: Tensor) -> int:
    try:
        return tensor.data_ptr()
    except RuntimeError:  # of a tensor that lies nowhere
        return id(tensor)
