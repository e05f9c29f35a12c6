"""What an image tower answers, of whatever family; a module of one's own is a backbone if it answers it too."""

from collections.abc import Callable, Mapping, Sequence

from jaxtyping import Float, Int
from torch import Tensor

from ...base.errors import OptionError

LOCAL_PATHS = ("value", "query", "diagonal")
ATTENDED = ("tokens", "batch")
WINDOWS = ("encoded", "pooled")
"""How windows get embeddings: each run through all blocks by itself, or pooled from tokens that saw the picture."""

Change = Callable[[int, Float[Tensor, "batch token channel"]], Float[Tensor, "batch longer channel"]]


class ImageTower:
    """An image tower whose pictures are normalised and of its size, and whose patches lie row by row.

    What it reads runs through blocks; what stands between them are tensors (batch, token, channel), first the `prefix`
    tokens that are no patches (class token, registers), then the patches. Hierarchical towers have stages for blocks,
    each with a grid and width of its own, and no prefix; what stands before their first is the pictures. Embeddings are
    of one space with the sentences' and not of unit length.

    A family sets `family`; `size` (height, width) of pictures in pixels; `patch_size`, pixels per side of a patch;
    `grids` (rows, columns) and `widths` before the first block and behind each; `prefix`; `embed_dim`; and in
    `cannot` one sentence for everything that it cannot do, by name: "encoded" windows, "pooled" windows, "value path",
    "changed tokens", "some patches".
    It defines `start`, `stream`, `embedding` and `dense`, and of the rest what `cannot` does not name.
    """

    family: str
    size: tuple[int, int]
    patch_size: int
    grids: tuple[tuple[int, int], ...]
    widths: tuple[int, ...]
    embed_dim: int
    prefix: int = 0
    cannot: Mapping[str, str] = {}

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches behind the last block."""
        return self.grids[-1]

    @property
    def depth(self) -> int:
        """Number of blocks, or stages."""
        return len(self.widths) - 1

    @property
    def seen(self) -> tuple[int, int]:
        """Height and width of the part of a picture, from its top left, that the patches cover: what patches do not
        fill is not read."""
        (height, width), (rows, columns) = self.size, self.grid
        return min(height, rows * self.patch_size), min(width, columns * self.patch_size)

    @property
    def classes(self) -> list[type]:
        """The classes whose sources decide what it gives."""
        return [type(self)]

    def require(self, ability: str) -> None:
        """Raises OptionError, with the sentence of `cannot`, for what this tower cannot do."""
        if ability in self.cannot:
            raise OptionError(self.cannot[ability])

    def start(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch *start"]:
        """What the first block reads, positions added."""
        raise NotImplementedError

    def stream(self, start: Float[Tensor, "batch *start"], last: int | None = None) -> list[Tensor]:
        """What stands between the blocks, from `start` (number 0) on: depth + 1 tensors, or only the `last` ones."""
        raise NotImplementedError

    def stream_of(
        self, start: Float[Tensor, "batch *start"], patches: Int[Tensor, "batch chosen"]
    ) -> list[Float[Tensor, "batch fewer channel"]]:
        """`stream` of some patches of each picture alone, by their numbers, with the positions that they have in the
        whole picture: they see none of the others."""
        self.require("some patches")
        raise NotImplementedError

    def embedding(
        self, last: Float[Tensor, "batch token channel"], normed: bool = True
    ) -> Float[Tensor, "batch embed"]:
        """The picture's embedding, from what stands behind the last block; ``normed=False`` leaves the last norm out
        where a class token is projected, and changes nothing elsewhere."""
        raise NotImplementedError

    def dense(self, state: Float[Tensor, "batch token channel"]) -> Float[Tensor, "batch patch embed"]:
        """Every patch in the joint space, from what stands behind the last block or a `local_step`."""
        raise NotImplementedError

    def normed(self, last: Float[Tensor, "batch token channel"]) -> Float[Tensor, "batch patch channel"]:
        """Patches behind the last block with the norm that comes before pooling or projection, if there is one."""
        return last[:, self.prefix :]

    def encoded(self, start: Float[Tensor, "batch *start"]) -> Float[Tensor, "batch embed"]:
        """`embedding` of what `start` gives."""
        return self.embedding(self.stream(start, last=1)[-1])

    def encoded_windows(
        self, start: Float[Tensor, "batch *start"], side: int, chosen: Int[Tensor, "batch window"] | None = None
    ) -> Float[Tensor, "batch window embed"]:
        """Every window of ``side`` x ``side`` patches, stride 1, row by row, each run through all blocks by itself with
        the positions of the whole picture; or those whose numbers are ``chosen`` for each picture."""
        self.require("encoded")
        raise NotImplementedError

    def encoded_with_windows(
        self, start: Float[Tensor, "batch *start"], sides: Sequence[int]
    ) -> tuple[Float[Tensor, "batch embed"], list[Float[Tensor, "batch _ embed"]]]:
        """`encoded` and, for each of ``sides``, `encoded_windows`."""
        return self.encoded(start), [self.encoded_windows(start, side) for side in sides]

    def pooled_windows(self, tail: list[Tensor], side: int) -> Float[Tensor, "batch window embed"]:
        """The same windows pooled from tokens that have seen the whole picture; ``tail`` ends with what stands before
        the last block and behind it."""
        self.require("pooled")
        raise NotImplementedError

    def begun(self, start: Float[Tensor, "batch *start"]) -> dict[str, Tensor]:
        """What the first block's attention makes of the start, by name, for `pooled` and `changed_stream` of the same
        start, which then need not do it again; nothing where they would not be quicker for it."""
        return {}

    def pooled(
        self,
        start: Float[Tensor, "batch *start"],
        sides: Sequence[int],
        begun: Mapping[str, Tensor] | None = None,
    ) -> tuple[Float[Tensor, "batch embed"], list[Float[Tensor, "batch _ embed"]]]:
        """`embedding` and, for each of ``sides``, `pooled_windows`, of one pass."""
        tail = self.stream(start, last=2)
        return self.embedding(tail[-1]), [self.pooled_windows(tail, side) for side in sides]

    def local_step(self, number: int, state: Float[Tensor, "batch token channel"], path: str) -> Tensor:
        """What block ``number`` (from 1) adds to a value-value path (`LOCAL_PATHS`) that reads ``state``, what stands
        before it: its attention with other queries and keys, without its feed-forward part."""
        self.require("value path")
        raise NotImplementedError

    def changed_stream(
        self, start: Float[Tensor, "batch *start"], change: Change, begun: Mapping[str, Tensor] | None = None
    ) -> list[Tensor]:
        """`stream` with changes: what ``change(number, tokens)`` makes of the start (number 0) and of what stands
        behind each block is what the next one reads. It may append tokens behind the patches, which see and are seen by
        all others, have no position, and are left out of what is returned. Gradients reach what it puts in. With what
        `begun` gives, it only appends to the start."""
        self.require("changed tokens")
        raise NotImplementedError

    def value_stream(self, start: Float[Tensor, "batch *start"], first: int, across: str) -> list[Tensor]:
        """`stream` with values in the place of queries and keys from block ``first`` (from 1) on, feed-forward parts
        and all; ``across`` says over what attention runs (`ATTENDED`): the tokens of a picture, or the pictures of the
        batch at one place, which is none of a tower but what AA-CLIP's program does."""
        self.require("value path")
        raise NotImplementedError

    def cast(self, dtype) -> None:
        """Run the blocks in another precision."""
        raise NotImplementedError
