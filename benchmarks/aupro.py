"""Exact AUPRO against anomalib's: time of both in turn on the same maps in one run, and the difference of the values.

    python benchmarks/aupro.py --peer-python PATH_TO_A_PYTHON_WITH_ANOMALIB_2.7

The maps are smooth noise, raised in the blobs that are the anomalous regions, plus a little pixel noise. anomalib's
pins differ from ours, so it has an environment of its own, for instance

    uv venv --python 3.11 PEER && uv pip install --python PEER/bin/python anomalib==2.7.0 torch torchvision

and answers from a process there: each line sent to it starts one computation, which it times itself.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from statistics import median

import numpy as np
import torch
from scipy import ndimage

from zsas_lib.metrics import aupro

PEER = """
import sys, time, numpy, torch
from importlib.metadata import version
from anomalib.metrics.aupro import _AUPRO
torch.set_num_threads(int(sys.argv[2]))
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
    masks = np.stack([smooth_noise(10) > 1.3 if image < anomalous else np.zeros((size, size), bool)
                      for image in range(images)])
    maps += masks + 0.05 * rng.standard_normal(maps.shape)
    return maps.astype(np.float32), masks


def compare(peer_python: str, threads: int, rounds: int, maps: np.ndarray, masks: np.ndarray, data: Path) -> str:
    """One row of the table: both implementations in turn, ``rounds`` times after one warm-up of each."""
    torch.set_num_threads(threads)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    peer = subprocess.Popen(
        [peer_python, "-c", PEER, str(data), str(threads)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )
    with peer:
        version = peer.stdout.readline().strip()
        if not version:
            sys.exit(f"{peer_python} cannot import anomalib; --peer-python takes a Python that has it (see the top).")
        ours, theirs = [], []
        tensors = torch.from_numpy(maps), torch.from_numpy(masks)
        for _ in range(rounds + 1):
            start = time.perf_counter()
            value = aupro(*tensors)
            ours.append(time.perf_counter() - start)
            print(file=peer.stdin, flush=True)
            seconds, peer_value = map(float, peer.stdout.readline().split())
            theirs.append(seconds)
        peer.stdin.close()
    ours, theirs = ours[1:], theirs[1:]
    ratio = median(slow / fast for slow, fast in zip(theirs, ours))
    return (f"{threads:7d} {median(ours):9.3f} {min(ours):9.3f} {median(theirs):14.3f} {min(theirs):9.3f} {ratio:7.1f}x"
            f" {value:11.8f} {peer_value:11.8f} {abs(value - peer_value):10.1e} {version:>10}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has anomalib (default: this one)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--anomalous", type=int, default=40)
    parser.add_argument("--size", type=int, default=518)
    options = parser.parse_args()

    maps, masks = synthetic_category(options.images, options.anomalous, options.size)
    print(f"{options.images} maps of {options.size}x{options.size}, {options.anomalous} with defects on "
          f"{masks[:options.anomalous].mean():.1%} of their pixels; median of {options.rounds} rounds in turn; "
          f"numpy {np.__version__}, torch {metadata.version('torch')}")
    print("threads  ours [s]       min   anomalib [s]       min   ratio       ours    anomalib difference    version")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "category.npz"
        np.savez(data, maps=maps, masks=masks)
        for threads in options.threads:
            print(compare(options.peer_python, threads, options.rounds, maps, masks, data), flush=True)


if __name__ == "__main__":
    main()
