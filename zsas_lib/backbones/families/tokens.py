"""Transformers: a trunk of blocks that read tokens, and a pool that makes an embedding of what comes out."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from .parts import Pool, Trunk
from .shared_attention import attended, with_more
from .tower import Change, ImageTower
from .windows import attend, attend_windows, chosen_tokens, window_index, window_means, window_tokens

HIDDEN_BYTES_AT_ONCE = {"cpu": 2**21, "cuda": 2**30}
DIAGONAL_WEIGHT = 1.0
"""The gamma of paper K's A + gamma diag(A), fixed: nothing in the released code learns it."""


class TokenTower(ImageTower):
    """A trunk and a pool. Windows are encoded by all blocks, or pooled: by the pool, confined to their patches, or
    where it reads the class token alone, by the last block's class query, confined to them too."""

    def __init__(self, trunk: Trunk, pool: Pool, embed_dim: int):
        self.trunk, self.pool = trunk, pool
        self.family, self.prefix, self.embed_dim = pool.family, trunk.prefix, embed_dim
        self.size, self.patch_size = trunk.size, trunk.patch_size
        self.grids = (trunk.grid,) * (trunk.depth + 1)
        self.widths = (trunk.width,) * (trunk.depth + 1)

    @property
    def classes(self) -> list[type]:
        return [type(self), type(self.trunk), type(self.pool)]

    def cast(self, dtype: torch.dtype) -> None:
        self.trunk.cast(dtype)

    def start(self, images: Tensor) -> Tensor:
        return self.trunk.start(images)

    def stream(self, start: Tensor, last: int | None = None) -> list[Tensor]:
        states = [start.to(self.trunk.dtype)]
        for number in range(self.depth):
            states.append(self.trunk.block(number, states[-1]))
            if last is not None:
                del states[:-last]
        return [state.to(start.dtype) for state in states]

    def stream_of(self, start: Tensor, patches: Int[Tensor, "batch chosen"]) -> list[Tensor]:
        trunk = self.trunk
        states = [chosen_tokens(start.to(trunk.dtype), patches[:, None], self.prefix)]
        for number in range(self.depth):
            tokens = states[-1]
            query, key, value = trunk.split(number, trunk.projected(number, tokens), patches)
            bias = trunk.bias(number, patches, len(tokens))
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
            states.append(trunk.feed(number, tokens + trunk.added(number, mixed)))
        return [state.to(start.dtype) for state in states]

    def _blocks(self, start: Tensor, count: int, begun: Mapping[str, Tensor] | None = None) -> Tensor:
        """What stands behind the first blocks."""
        trunk, tokens = self.trunk, start.to(self.trunk.dtype)
        for number in range(count):
            if number == 0 and begun:
                tokens = trunk.feed(0, tokens + trunk.added(0, begun["mixed"]))
            else:
                tokens = trunk.block(number, tokens)
        return tokens.to(start.dtype)

    def begun(self, start: Tensor) -> dict[str, Tensor]:
        trunk, differentiates = self.trunk, start.requires_grad and torch.is_grad_enabled()
        on = start.device.type in ("cpu", "meta") and trunk.dtype == start.dtype == torch.float32
        if not on or differentiates or not self.pool.reads_first_only or trunk.bias(0, None, len(start)) is not None:
            return {}
        parts = trunk.split(0, trunk.projected(0, start))
        mixed, sums = attended(*parts)
        return dict(zip(("query", "key", "value"), parts)) | {"mixed": mixed, "sums": sums}

    def embedding(self, last: Tensor, normed: bool = True) -> Tensor:
        return self.pool.embedding(last, normed)

    def normed(self, last: Tensor) -> Tensor:
        return self.pool.normed(last)

    def dense(self, state: Tensor) -> Tensor:
        return self.pool.dense(state)

    def encoded(self, start: Tensor) -> Tensor:
        if not self.pool.reads_first_only:
            parts = start.split(self._pictures_at_once(start, [None]))
            return torch.cat([super(TokenTower, self).encoded(part) for part in parts])
        return self._encoded_parts(start, [None])[0]

    def encoded_windows(self, start: Tensor, side: int, chosen: Int[Tensor, "batch chosen"] | None = None) -> Tensor:
        return self._encoded_parts(start, [side], chosen)[0].unflatten(0, (len(start), -1))

    def encoded_with_windows(self, start: Tensor, sides: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        if len(start) > 1 or not self.pool.reads_first_only:  # several pictures keep a processor's cache full anyway
            return super().encoded_with_windows(start, sides)
        whole, *windows = self._encoded_parts(start, [None, *sides])
        return whole, [own.unflatten(0, (len(start), -1)) for own in windows]

    def _encoded_parts(
        self, start: Tensor, sides: Sequence[int | None], chosen: Int[Tensor, "batch chosen"] | None = None
    ) -> list[Tensor]:
        """The embeddings of whole pictures (None) and of the windows of each side, some pictures at a time."""
        at_once = self._pictures_at_once(start, sides, chosen)
        parts = []
        for number, part in enumerate(start.split(at_once)):
            own = None if chosen is None else chosen[number * at_once :][: len(part)]
            parts.append([self.pool.embedding(last) for last in self._by_steps(part, sides, own)])
        return [torch.cat(embeddings) for embeddings in zip(*parts)]

    def pooled_windows(self, tail: list[Tensor], side: int) -> Tensor:
        if not self.pool.reads_first_only:
            return self.pool.windows(tail[-1], self.grid, side)
        return self._class_queries(tail[-2], [side])[0]

    def pooled(
        self, start: Tensor, sides: Sequence[int], begun: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        if not self.pool.reads_first_only:
            return super().pooled(start, sides)
        whole, *windows = self._class_queries(self._blocks(start, self.depth - 1, begun), [None, *sides])
        return whole[:, 0], windows

    def local_step(self, number: int, state: Tensor, path: str) -> Tensor:
        trunk, number = self.trunk, number - 1
        projected = trunk.projected(number, state.to(trunk.dtype))
        query, key, value = trunk.split(number, projected, placed=path != "value")
        if path == "diagonal":
            scores = query * query.shape[-1] ** -0.5 @ key.mT
            bias = trunk.bias(number, None, len(state))
            shares = (scores if bias is None else scores + bias).softmax(-1)
            shares = shares + DIAGONAL_WEIGHT * torch.diag_embed(shares.diagonal(dim1=-2, dim2=-1))
            mixed = shares / shares.sum(-1, keepdim=True) @ value
        else:
            asked = {"value": value, "query": query}[path]
            mixed = F.scaled_dot_product_attention(asked, asked, value)
        return trunk.added(number, mixed).to(state.dtype)

    def changed_stream(self, start: Tensor, change: Change, begun: Mapping[str, Tensor] | None = None) -> list[Tensor]:
        count, tokens = start.shape[1], change(0, start)
        states = [tokens[:, :count]]
        for number in range(self.depth):
            if number == 0 and begun:
                behind = self._begun_block(tokens, count, begun)
            else:
                behind = self._extended(number, tokens, count)
            tokens = change(number + 1, behind)
            states.append(tokens[:, :count])
        return states

    def _begun_block(self, tokens: Tensor, count: int, begun: Mapping[str, Tensor]) -> Tensor:
        """The first block of the start and of tokens behind it, with what is known of the start."""
        trunk, mixed = self.trunk, begun["mixed"]
        if tokens.shape[1] > count:
            query, key, value = trunk.split(0, trunk.projected(0, tokens[:, count:]), placed=False)
            mixed = with_more(begun["query"], mixed, begun["sums"], key, value)
            keys, values = torch.cat([begun["key"], key], 2), torch.cat([begun["value"], value], 2)
            mixed = torch.cat([mixed, F.scaled_dot_product_attention(query, keys, values)], 2)
        return trunk.feed(0, tokens + trunk.added(0, mixed))

    def _extended(self, number: int, tokens: Tensor, count: int) -> Tensor:
        """A block (from 0) of ``count`` tokens that have places, and of more that have none."""
        trunk, states = self.trunk, tokens.to(self.trunk.dtype)
        if states.shape[1] == count or not trunk.places_in_blocks:
            return trunk.block(number, states).to(tokens.dtype)
        projected = trunk.projected(number, states)
        placed = trunk.split(number, projected[:, :count])
        more = trunk.split(number, projected[:, count:], placed=False)
        query, key, value = (torch.cat(both, 2) for both in zip(placed, more))
        bias, added = trunk.bias(number, None, len(states)), states.shape[1] - count
        bias = bias if bias is None else F.pad(bias, (0, added, 0, added))
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return trunk.feed(number, states + trunk.added(number, mixed)).to(tokens.dtype)

    def value_stream(self, start: Tensor, first: int, across: str) -> list[Tensor]:
        trunk, states = self.trunk, [start.to(self.trunk.dtype)]
        for number in range(self.depth):
            tokens = states[-1]
            if number < first - 1:
                states.append(trunk.block(number, tokens))
                continue
            projected = trunk.projected(number, tokens)
            turned = projected.transpose(0, 1) if across == "batch" else projected
            value = trunk.split(number, turned, placed=False)[2]
            mixed = F.scaled_dot_product_attention(value, value, value)
            mixed = mixed.permute(2, 1, 0, 3) if across == "batch" else mixed
            states.append(trunk.feed(number, tokens + trunk.added(number, mixed)))
        return [state.to(start.dtype) for state in states]

    def _by_steps(self, start: Tensor, sides: Sequence[int | None], chosen: Tensor | None = None) -> list[Tensor]:
        """The last tokens of whole pictures (None) and of each window of a side, or of those that are chosen. The same
        as running the blocks on each, without three kinds of needless work: tokens that windows share are projected
        once in the first block; where the pool reads the first token alone, it is the last block's only query; and all
        but attention is done to the tokens of all sides together."""
        trunk, tokens = self.trunk, start.to(self.trunk.dtype)
        windows = [None if side is None else window_index(self.grid, side, start.device) for side in sides]
        if chosen is not None:
            windows = [own if own is None else own[chosen] for own in windows]
        shapes: list[torch.Size] = []
        for number in range(self.depth):
            projected = trunk.projected(number, tokens)
            if number == 0:
                cut = [
                    self._cut(joined, side, own) for side, own in zip(sides, windows) for joined in (tokens, projected)
                ]
                tokens, projected = _rows(cut[::2]), _rows(cut[1::2])
                shapes = [part.shape[:2] for part in cut[::2]]
                windows = [own.flatten(0, 1) if own is not None and own.ndim == 3 else own for own in windows]
            asked = 1 if self.pool.reads_first_only and number == self.depth - 1 else None
            mixed = []
            for part, own in zip(_sequences(projected, shapes), windows):
                query, key, value = trunk.split(number, part, own)
                bias = trunk.bias(number, own, len(part))
                found = attend(query[:, :, :asked], key, value, bias if bias is None else bias[:, :, :asked])
                mixed.append(found.transpose(1, 2))
            if asked:
                tokens = _rows([part[:, :asked] for part in _sequences(tokens, shapes)])
                shapes = [torch.Size((count, asked)) for count, _ in shapes]
            tokens = trunk.feed(number, tokens + trunk.added(number, _rows(mixed).transpose(1, 2)))
        return [part.to(start.dtype) for part in _sequences(tokens, shapes)]

    def _cut(self, tokens: Tensor, side: int | None, windows: Tensor | None) -> Tensor:
        """The sequences of whole pictures or of windows, whose patches have these numbers: for all pictures the same
        (window, patch), or chosen for each (picture, window, patch)."""
        if side is None or windows is None:
            return tokens
        if windows.ndim == 2:
            return window_tokens(tokens, self.grid, side, self.prefix)
        return chosen_tokens(tokens, windows, self.prefix)

    def _class_queries(self, before: Tensor, sides: Sequence[int | None]) -> list[Float[Tensor, "batch _ embed"]]:
        """What the last block's class query makes of the patches of each window alone, added to their mean; None for
        the picture's own embedding. See `class_token` for why."""
        trunk, number = self.trunk, self.depth - 1
        tokens = before.to(trunk.dtype)
        patches = slice(self.prefix, None)
        query, key, value = trunk.split(number, trunk.projected(number, tokens))
        bias, scores = trunk.bias(number, None, len(tokens)), None
        embeddings = []
        for side in sides:
            if side is None:
                own, mixed = (
                    tokens[:, :1],
                    attend(query[:, :, :1], key, value, bias if bias is None else bias[:, :, :1]),
                )
            else:
                if scores is None:
                    scores = (query[:, :, :1] * query.shape[-1] ** -0.5 @ key.mT)[:, :, 0]
                    scores = scores if bias is None else scores + bias[:, :, 0]
                own = window_means(tokens[:, patches], self.grid, side)
                mixed = attend_windows(scores[:, :, patches], value[:, :, patches], self.grid, side)
            asked = trunk.feed(number, own + trunk.added(number, mixed)).to(before.dtype)
            embedded = self.pool.embedding(asked.flatten(0, 1)[:, None])
            embeddings.append(embedded.unflatten(0, asked.shape[:2]))
        return embeddings

    def _pictures_at_once(
        self, start: Tensor, sides: Sequence[int | None], chosen: Int[Tensor, "batch chosen"] | None = None
    ) -> int:
        """How many pictures go through the blocks together, so that hidden activations stay in a processor's cache."""
        (rows, columns), length = self.grid, 0
        for side in sides:
            if side is None:
                length += start.shape[1]
            else:
                windows = (rows - side + 1) * (columns - side + 1) if chosen is None else chosen.shape[1]
                length += windows * (self.prefix + side**2)
        bytes_at_once = HIDDEN_BYTES_AT_ONCE.get(start.device.type, HIDDEN_BYTES_AT_ONCE["cuda"])
        return max(1, bytes_at_once // (length * self.trunk.hidden * self.trunk.dtype.itemsize))


def _rows(parts: Sequence[Tensor]) -> Tensor:
    """The tokens of sequences of several lengths as one sequence, (1, token, ...)."""
    rows = [part.flatten(0, 1) for part in parts]
    return (rows[0] if len(rows) == 1 else torch.cat(rows))[None]


def _sequences(rows: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """The sequences that `_rows` put together, whose counts and lengths these are."""
    parts = rows[0].split([count * length for count, length in shapes])
    return [part.unflatten(0, tuple(shape)) for part, shape in zip(parts, shapes)]
