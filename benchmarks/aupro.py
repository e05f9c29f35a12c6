"""Exact AUPRO of one category against pyaupro's and anomalib's: time on the same maps, and the difference of the
values.

The maps are smooth noise, raised in the blobs that are the anomalous regions, plus a little pixel noise.
"""

import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from pyaupro import PerRegionOverlap, auc_compute
from scipy import ndimage

from zsas_lib.metrics.aupro import aupro

from .peer import peer
from .table import Measurement, Settings, compared, seconds_of

ANOMALIB = """
import sys, time, numpy, torch
from importlib.metadata import version
from anomalib.metrics.aupro import _AUPRO
data = numpy.load(sys.argv[1])
maps, masks = torch.from_numpy(data["maps"]), torch.from_numpy(data["masks"]).int()
print(version("anomalib"), flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    metric = _AUPRO(fpr_limit=0.3)
    metric.update(maps, masks)
    value = float(metric.compute())
    print(time.perf_counter() - start, value, flush=True)
"""


def synthetic_category(images: int, anomalous: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Float32 maps and bool masks (images, size, size), the first ``anomalous`` of them with defects."""
    rng = np.random.default_rng(seed)

    def smooth_noise(cells: int) -> np.ndarray:
        return ndimage.zoom(rng.standard_normal((cells, cells)), (size + cells) / cells, order=1)[:size, :size]

    maps = np.stack([smooth_noise(20) for _ in range(images)])
    masks = np.stack(
        [smooth_noise(10) > 1.3 if image < anomalous else np.zeros((size, size), bool) for image in range(images)]
    )
    maps += masks + 0.05 * rng.standard_normal(maps.shape)
    return maps.astype(np.float32), masks


def measure(settings: Settings) -> Iterator[Measurement]:
    images, anomalous, size = (6, 4, 64) if settings.quick else (60, 40, 518)
    maps, masks = synthetic_category(images, anomalous, size)
    tensors = torch.from_numpy(maps), torch.from_numpy(masks)
    value = aupro(*tensors)
    data = f"{images} maps of {size} x {size}, {anomalous} with defects"

    def ours() -> float:
        return seconds_of(lambda: aupro(*tensors))

    def pyaupro() -> float:
        return float(auc_compute(*PerRegionOverlap()(tensors[0], tensors[1].int()), 0.3))

    note = f"{data}, difference {abs(pyaupro() - value):.0e}"
    against = f"pyaupro {metadata.version('pyaupro')}"
    yield compared(
        "exact AUPRO against pyaupro", ours, lambda: seconds_of(pyaupro), against, settings.rounds, note=note
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "category.npz"
        np.savez(path, maps=maps, masks=masks)
        with peer(settings, ANOMALIB, path) as other:
            note = f"{data}, difference {abs(float(other.ask()[1]) - value):.0e}"
            against = f"anomalib {other.version}"
            yield compared(
                "exact AUPRO against anomalib", ours, lambda: float(other.ask()[0]), against, settings.rounds, note=note
            )
