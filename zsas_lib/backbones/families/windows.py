"""Square windows of a grid of patches, stride 1, row by row: their tokens, their numbers, their means, and attention
that is confined to them."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

SHORT_SEQUENCE = 32


def window_index(grid: tuple[int, int], side: int, device: torch.device | None = None) -> Int[Tensor, "window patch"]:
    """The numbers of the patches of each window."""
    rows, columns = grid

    def numbers(height: int, width: int) -> Tensor:
        down, across = (torch.arange(count, device=device) for count in (height, width))
        return (down[:, None] * columns + across).flatten()

    corner, inside = numbers(rows - side + 1, columns - side + 1), numbers(side, side)
    return corner[:, None] + inside


def window_tokens(
    tokens: Float[Tensor, "batch token channel"], grid: tuple[int, int], side: int, prefix: int
) -> Float[Tensor, "sequence short channel"]:
    """A sequence for each window of each picture: the prefix, then the window's patches."""
    patches = tokens[:, prefix:].unflatten(1, grid)
    shifted = _shifted(patches, side, 1)
    first = [tokens[:, number : number + 1, None].expand_as(shifted[0]) for number in range(prefix)]
    return torch.stack([*first, *shifted], dim=3).flatten(0, 2)


def chosen_tokens(
    tokens: Float[Tensor, "batch token channel"], windows: Int[Tensor, "batch window patch"], prefix: int
) -> Float[Tensor, "sequence short channel"]:
    """The same for some windows of each picture, by the numbers of their patches."""
    count, channels = windows.shape[1], tokens.shape[2]
    places = (windows + prefix).flatten(1)[..., None].expand(-1, -1, channels)
    own = tokens.gather(1, places).unflatten(1, (count, -1))
    first = tokens[:, None, :prefix].expand(-1, count, -1, -1)
    return torch.cat([first, own], dim=2).flatten(0, 1)


def window_means(
    patches: Float[Tensor, "batch patch channel"], grid: tuple[int, int], side: int
) -> Float[Tensor, "batch window channel"]:
    """The mean of the patches of each window."""
    planes = patches.mT.unflatten(2, grid)
    return F.avg_pool2d(planes, side, stride=1).flatten(2).mT


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """Softmax attention. For windows on a processor plain products are faster than torch's kernel (three times with two
    threads), if the softmax runs down columns: along short rows torch's takes longer than both products."""
    if query.device.type == "cpu" and key.shape[-2] <= SHORT_SEQUENCE:
        heads, (asked, keys, values) = query.shape[:2], (part.flatten(0, 1) for part in (query, key, value))
        nothing, scale = query.new_zeros(()), key.shape[-1] ** -0.5
        scores = torch.baddbmm(nothing, keys, asked.mT, beta=0, alpha=scale).unflatten(0, heads)
        shares = (scores if bias is None else scores + bias.mT).softmax(dim=-2).mT
        return (shares.flatten(0, 1) @ values).unflatten(0, heads)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


def attend_windows(
    scores: Float[Tensor, "batch head patch"],
    value: Float[Tensor, "batch head patch channel"],
    grid: tuple[int, int],
    side: int,
) -> Float[Tensor, "batch head window channel"]:
    """Softmax attention of one query, whose scores these are, confined to each window."""
    return _mixed(_shifted(scores.unflatten(2, grid), side, 2), _shifted(value.unflatten(2, grid), side, 2))


def attend_windows_by_own_queries(
    query: Float[Tensor, "batch head window channel"],
    key: Float[Tensor, "batch head patch channel"],
    value: Float[Tensor, "batch head patch channel"],
    grid: tuple[int, int],
    side: int,
    extra: tuple[Float[Tensor, "batch head window channel"], Float[Tensor, "batch head window channel"]],
) -> Float[Tensor, "batch head window channel"]:
    """The same with a query for each window, and the key and value of a token of its own in ``extra``."""
    rows = (grid[0] - side + 1, grid[1] - side + 1)
    scaled = (query * query.shape[-1] ** -0.5).unflatten(2, rows)
    keys = [*_shifted(key.unflatten(2, grid), side, 2), extra[0].unflatten(2, rows)]
    values = [*_shifted(value.unflatten(2, grid), side, 2), extra[1].unflatten(2, rows)]
    return _mixed([(scaled * part).sum(-1) for part in keys], values)


def _mixed(scores: list[Tensor], values: list[Tensor]) -> Tensor:
    """Of the places of a window, each over all windows (batch, head, row, column): no copy of a window's tokens."""
    shares = torch.stack(scores, dim=-1).softmax(dim=-1)
    mixed = shares[..., :1] * values[0]
    for number, part in enumerate(values[1:], 1):
        mixed = mixed + shares[..., number : number + 1] * part
    return mixed.flatten(2, 3)


def _shifted(planes: Tensor, side: int, first: int) -> list[Tensor]:
    """The planes' rows and columns (dimensions ``first`` and the next) as each place of a window sees them."""
    rows, columns = planes.shape[first] - side + 1, planes.shape[first + 1] - side + 1
    return [planes.narrow(first, i, rows).narrow(first + 1, j, columns) for i in range(side) for j in range(side)]
