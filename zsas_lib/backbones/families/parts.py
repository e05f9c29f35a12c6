"""What a transformer is put together of: blocks that read tokens, and a pool that reads what comes out of them."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Projection:
    """Into the joint space, by the matrix of open_clip's image tower; of a copy of the tower, by the copy's."""

    def __init__(self, visual: Any):
        self.visual = visual

    def __call__(self, states: Float[Tensor, "*batch channel"]) -> Float[Tensor, "*batch embed"]:
        return states @ self.visual.proj


class Trunk(ABC):
    """The blocks of a transformer and what comes before them. Blocks are numbered from 0; `hidden` is the width
    of their feed-forward parts.

    `block` is a whole block as its module runs it. The other steps are the same taken apart, so that windows, class
    queries and value paths can be had of them: ``feed(number, x + added(number, attention of split(projected(x))))``.
    """

    size: tuple[int, int]
    patch_size: int
    grid: tuple[int, int]
    prefix: int
    width: int
    depth: int
    hidden: int
    places_in_blocks = True
    """Whether blocks are told where patches are, rather than the tokens before the first."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """Of the blocks' parameters."""

    @abstractmethod
    def cast(self, dtype: torch.dtype) -> None:
        """Have the blocks' parameters be of it."""

    @abstractmethod
    def start(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch token channel"]:
        """What the first block reads."""

    @abstractmethod
    def block(self, number: int, tokens: Float[Tensor, "batch token channel"]) -> Float[Tensor, "batch token channel"]:
        """A block of whole pictures."""

    @abstractmethod
    def projected(
        self, number: int, tokens: Float[Tensor, "batch token channel"]
    ) -> Float[Tensor, "batch token joined"]:
        """Queries, keys and values of the block's own norm of the tokens, one after the other in the last dimension."""

    @abstractmethod
    def split(
        self,
        number: int,
        projected: Float[Tensor, "sequence token joined"],
        windows: Int[Tensor, "window patch"] | None = None,
        *,
        placed: bool = True,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (sequence, head, token, channel), normed and, if ``placed``, rotated by the
        positions of the whole picture or, with ``windows``, the numbers of their patches, of these: those of every
        picture, or all pictures' own, one after the other."""

    def bias(
        self, number: int, windows: Int[Tensor, "window patch"] | None, sequences: int
    ) -> Float[Tensor, "_ head token token"] | None:
        """What positions add to the attention's scores, of whole pictures or of windows as in `split`."""
        return None

    @abstractmethod
    def added(
        self, number: int, mixed: Float[Tensor, "sequence head token channel"]
    ) -> Float[Tensor, "sequence token joined"]:
        """What the block adds to its tokens for mixtures of values."""

    @abstractmethod
    def feed(self, number: int, tokens: Float[Tensor, "batch token channel"]) -> Float[Tensor, "batch token channel"]:
        """The tokens after the block's feed-forward part."""


class Pool(ABC):
    """What makes an embedding of the tokens behind the last block; see `tower.ImageTower` for what is asked of it.
    `reads_first_only`: the embedding depends on token 0 alone, so that the last block needs no other query."""

    family: str
    prefix: int
    reads_first_only = False

    @abstractmethod
    def embedding(
        self, last: Float[Tensor, "batch token channel"], normed: bool = True
    ) -> Float[Tensor, "batch embed"]:
        """Of whole sequences."""

    @abstractmethod
    def normed(self, last: Float[Tensor, "batch token channel"]) -> Float[Tensor, "batch patch channel"]:
        """Patches with the norm before pooling or projection."""

    @abstractmethod
    def dense(self, state: Float[Tensor, "batch token channel"]) -> Float[Tensor, "batch patch embed"]:
        """Patches in the joint space."""

    def windows(
        self, last: Float[Tensor, "batch token channel"], grid: tuple[int, int], side: int
    ) -> Float[Tensor, "batch window embed"]:
        """Windows pooled from the last tokens; a pool that reads token 0 alone has none of its own."""
        raise NotImplementedError(f"{type(self).__name__} reads no patches")
