"""Peak memory of `zsas_lib.evaluate` on 2,000 maps of 518 x 518 pixels, in one category, in five and in twenty.

A data set that draws its pictures when it is asked for them, and a model whose map is the picture, go through the
library's own evaluation in a process of their own. The peak is that of the whole process, torch and the library
included.
"""

import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from scipy import ndimage

from zsas_lib import evaluate
from zsas_lib.backbones.backbone import Backbone
from zsas_lib.data.dataset import AnomalyDataset, Sample
from zsas_lib.data.record import NORMAL, Record
from zsas_lib.models.prediction import AnomalyModel, Prediction

from .table import Measurement, Settings

CATEGORIES = (1, 5, 20)
SHARE = 0.3
"""Of the pictures that are normal."""
TEMPLATES = 16
"""So many different maps; what each picture adds is noise of its own and a shift."""


class Drawn(AnomalyDataset):
    """Pictures that are made when they are asked for, of maps and masks (template, height, width), by the record's
    number."""

    def __init__(self, records: Sequence[Record], maps: np.ndarray, masks: np.ndarray):
        super().__init__("drawn", Path("drawn"), records)
        self.maps, self.masks = maps, masks

    def __getitem__(self, index: int) -> Sample:
        record = self.records[index]
        number = int(record.path.stem)
        rng = np.random.default_rng(number)
        template, shift = number % TEMPLATES, tuple(rng.integers(0, self.maps.shape[1], 2))
        mask = np.roll(self.masks[template], shift, (0, 1)) & record.is_anomalous
        noise = 0.05 * rng.random(mask.shape, dtype=np.float32)
        map_ = np.roll(self.maps[template], shift, (0, 1)) + noise + np.float32(0.2) * mask
        image = torch.from_numpy(map_).expand(3, -1, -1)
        return Sample(image, torch.from_numpy(mask), record.is_anomalous, record.category, record.defect, record.path)

    def select(self, categories: Sequence[str]) -> "Drawn":
        return Drawn(super().select(categories).records, self.maps, self.masks)


class Towerless(Backbone):
    """A backbone without towers."""

    device = torch.device("cpu")

    def __init__(self):
        torch.nn.Module.__init__(self)


class Shown(AnomalyModel):
    """A model whose map is the picture."""

    name = "shown"

    def __init__(self):
        super().__init__(Towerless(), {})

    def forward(self, images, class_names):
        return Prediction(images[:, 0], images[:, 0].amax((1, 2)))


def drawn(pictures: int, categories: int, size: int) -> Drawn:
    """So many pictures in so many categories: smooth maps, blobs on two percent of the pixels of the anomalous ones."""
    rng = np.random.default_rng(0)
    maps = np.stack([ndimage.zoom(rng.random((20, 20)), size / 20, order=1) for _ in range(TEMPLATES)]).astype(
        np.float32
    )
    blobs = np.stack([ndimage.zoom(rng.random((12, 12)), size / 12, order=1) for _ in range(TEMPLATES)])
    masks = blobs > np.quantile(blobs, 0.98)
    own = pictures // categories
    records = [
        Record(
            Path("drawn", f"{category * own + number}.png"),
            Path("drawn", f"{category * own + number}_mask.png") if number >= SHARE * own else None,
            f"category_{category:02}",
            "blob" if number >= SHARE * own else NORMAL,
        )
        for category in range(categories)
        for number in range(own)
    ]
    return Drawn(records, maps, masks)


def measure(settings: Settings) -> Iterator[Measurement]:
    pictures, size = (40, 64) if settings.quick else (2_000, 518)
    peaks = {}
    for categories in CATEGORIES:
        words = [sys.executable, "-m", "benchmarks.memory", str(pictures), str(categories), str(size)]
        answer = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        peaks[categories], before = float(answer[0]), float(answer[1])
        kind = "category" if categories == 1 else "categories"
        yield Measurement(
            f"peak memory of {pictures:,} maps, {categories} {kind}",
            peaks[categories],
            "GB",
            note=f"{size} x {size} pixels, {before:.2f} GB before the first, {float(answer[2]):.0f} s",
        )
    few, many = peaks[CATEGORIES[0]], peaks[CATEGORIES[-1]]
    what = f"growth from {CATEGORIES[0]} category to {CATEGORIES[-1]}"
    yield Measurement(what, many, "GB", f"{CATEGORIES[0]} category", few, few / many)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main(pictures: int, categories: int, size: int) -> None:
    data, before, start = drawn(pictures, categories, size), _peak(), perf_counter()
    table = evaluate(Shown(), data)
    assert len(table) == categories + 1 and len(table.per_image) == pictures
    print(_peak(), before, perf_counter() - start)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
