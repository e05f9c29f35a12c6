"""The noise that a picture meets: its own, whatever else is in its batch."""

from pathlib import Path
from zlib import crc32

from ..data.dataset import AnomalyDataset


def noise_seeds(paths: list[Path], dataset: AnomalyDataset, seed: int) -> list[int]:
    """A seed for each picture of a data set, made of its path under the data set's root and ``seed``: the same in every
    batch, for every model and wherever the data lie."""
    return [crc32(f"{seed} {path.relative_to(dataset.root).as_posix()}".encode()) for path in paths]
