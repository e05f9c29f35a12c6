"""Which blocks of an image tower a model reads: shares of the depth, which suit towers of any."""

from collections.abc import Sequence

from ..base.errors import OptionError
from ..base.options import several

QUARTERS = (0.25, 0.5, 0.75, 1.0)
"""Blocks 6, 12, 18 and 24 of 24."""


def tapped_shares(owner: str, name: str, shares: Sequence[float]) -> list[float]:
    """``shares`` as a list, one at least, all above 0 and at most 1: block k of n is k / n. Raises OptionError."""
    given = several(owner, name, shares, (int, float), "shares of the depth")
    if not given or not all(0 < share <= 1 and not isinstance(share, bool) for share in given):
        raise OptionError(f"{owner} got {name}={shares!r}; expected shares of the depth above 0 and at most 1.")
    return given
