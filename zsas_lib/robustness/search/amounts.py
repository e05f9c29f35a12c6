"""Amounts of several perturbations at once: one column each, in the box of their ranges."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ...base.errors import UnknownNameError
from ...base.options import listed
from ...perturbations import OF_PAPER_S, PERTURBATIONS


def ordered(over: str | Sequence[str]) -> tuple[str, ...]:
    """The names of perturbations, or of one, in the order of `PERTURBATIONS`.

    Raises ValueError for none or one named twice, UnknownNameError for an unknown one.
    """
    over = listed(over)
    for perturbation in over:
        if perturbation not in PERTURBATIONS:
            raise UnknownNameError("perturbation", perturbation, PERTURBATIONS)
    if not over or len(set(over)) < len(over):
        raise ValueError(
            f"Expected one or more different perturbations of {', '.join(PERTURBATIONS)}, got {list(over)}."
        )
    return tuple(perturbation for perturbation in PERTURBATIONS if perturbation in over)


def columns(over: Sequence[str]) -> list[str]:
    """What amounts are called in a table: the columns of ``over``, in its order."""
    return [PERTURBATIONS[perturbation].column for perturbation in over]


def in_tables(over: Sequence[str] = ()) -> tuple[str, ...]:
    """The perturbations of which a table of a search over ``over`` has columns: those and the three of paper S."""
    return tuple(perturbation for perturbation in PERTURBATIONS if perturbation in (*OF_PAPER_S, *over))


def in_table(table: pd.DataFrame) -> tuple[str, ...]:
    """The perturbations of which a table has columns."""
    return tuple(name for name, perturbation in PERTURBATIONS.items() if perturbation.column in table)


def neutral(over: Sequence[str]) -> Float[Tensor, " over"]:
    """The amounts that change nothing."""
    return torch.tensor([float(PERTURBATIONS[perturbation].neutral) for perturbation in over])


def neutral_columns(over: Sequence[str]) -> dict[str, float]:
    """The amounts that change nothing, by column."""
    return dict(zip(columns(over), neutral(over).tolist()))


def completed(points: pd.DataFrame, over: Sequence[str]) -> pd.DataFrame:
    """Points with all columns that those of a search over ``over`` have, and neutral amounts where one was missing."""
    amounts = neutral_columns(in_tables(over))
    lacking = [column for column in amounts if column not in points]
    return points.fillna(amounts).assign(**{column: amounts[column] for column in lacking})


def into_box(over: Sequence[str], amounts: Float[Tensor, "*point over"]) -> Float[Tensor, "*point over"]:
    """Amounts inside their ranges: where a perturbation wraps (the hue, an angle) wrapped, the others clipped."""
    low, high = box(over)
    wrapped = torch.remainder(amounts - low, high - low) + low
    circular = torch.tensor([PERTURBATIONS[name].wraps for name in over], device=amounts.device)
    return torch.where(circular, wrapped, amounts.clamp(low, high))


def box(over: Sequence[str]) -> tuple[Float[Tensor, " over"], Float[Tensor, " over"]]:
    """The lowest and the highest amounts."""
    low, high = ([float(getattr(PERTURBATIONS[name], end)) for name in over] for end in ("low", "high"))
    return torch.tensor(low), torch.tensor(high)


def random_amounts(over: Sequence[str], count: int, seeds: Sequence[int]) -> Float[Tensor, "image {count} over"]:
    """Uniform amounts, for each image from its own seed."""
    low, high = box(over)
    shares = np.stack([np.random.default_rng(seed).random((count, len(over)), dtype=np.float32) for seed in seeds])
    return low + (high - low) * torch.from_numpy(shares)


def even_shares(count: int, dimensions: int, start: int = 0) -> Float[Tensor, "{count} {dimensions}"]:
    """Points that fill the unit cube evenly whatever their number: the additive recurrence whose steps are powers of
    the root of x^(dimensions + 1) = x + 1 (the golden ratio in one dimension). The first ``start`` are left out."""
    root = 2.0
    for _ in range(50):
        root = (1 + root) ** (1 / (dimensions + 1))
    steps = root ** -np.arange(1, dimensions + 1)
    return torch.from_numpy(((0.5 + np.arange(start + 1, start + count + 1)[:, None] * steps) % 1).astype(np.float32))
