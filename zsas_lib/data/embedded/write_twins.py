"""Two smaller embedded data sets, of other products and seeds: ``embedded-c`` in BTAD's official layout,
``embedded-d`` in MPDD's.

They are written as ``embedded-b`` is, by a module of their own, so that neither pair's pictures hang on the other's.
"""

from pathlib import Path

from .products import LIKE_BTAD, LIKE_MPDD
from .write import _plan, _write, mvtec_places

SIZE = 384
"""Pixels per side: enough for towers of up to as many, drawn in half the time of 512."""
COUNTS = (4, 12, 12)
"""Normal training, normal test and damaged test pictures a category."""


def btad_places(category: str, split: str, kind: str | None, number: int, index: int) -> tuple[Path, Path | None]:
    name = f"{index:04d}.png"
    image = Path(category, split, "ko" if kind else "ok", name)
    return image, Path(category, "ground_truth", "ko", name) if kind else None


def write_embedded_c(root: Path, *, products=LIKE_BTAD, counts=COUNTS, size=SIZE, seed=1) -> None:
    """``embedded-c`` in BTAD's layout, which tells no kinds of defects apart; ``defects.csv`` beside it does."""
    _write(root, list(_plan(products, counts, seed, btad_places)), size, size, lambda folder, shots: None)


def write_embedded_d(root: Path, *, products=LIKE_MPDD, counts=COUNTS, size=SIZE, seed=1) -> None:
    """``embedded-d`` in MPDD's layout, which is MVTec AD's."""
    _write(root, list(_plan(products, counts, seed, mvtec_places)), size, size, lambda folder, shots: None)
