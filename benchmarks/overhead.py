"""What everything but the tower costs, against an earlier build of the project (`before.BEFORE`) in one run.

A point of the search for the worst case, with a model whose map is the mean of the picture's channels: perturbing,
turning the map back, loss and pixel AUROC, 16 points at once. A single channel would not do: a shift of saturation
takes it to 0 all over an area, and in which order such pixels are ranked is decided by rounding, in either build. And
`zsas_lib.evaluate` with 500 resamples on maps of 518 x 518, less what drawing them takes; the earlier build keeps no
replicates of it. The builds answer in turn, each in a process of its own, in seconds of the processor, all threads
together, which what else runs on the machine disturbs least.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from .before import BEFORE, build, checked_out
from .peer import Peer
from .table import Measurement, Settings, compared

SIZES = (144, 240, 518)
MAPS = 60
TOLERANCE = 1e-6

ANSWERS = """
import sys, time
import numpy as np, torch
from scipy import ndimage
from benchmarks.memory import Shown, drawn
try:
    from zsas_lib.robustness.search.objective import Objective
    from zsas_lib.evaluation.evaluate import evaluate
except ImportError:
    from zsas_lib.search.objective import Objective
    from zsas_lib.evaluation import evaluate

class Mean(Shown):
    def forward(self, images, class_names):
        return super().forward(images.mean(1, keepdim=True), class_names)

def objective(size):
    rng = np.random.default_rng(0)
    smooth = [ndimage.zoom(rng.random((4, 20, 20)), (1, size / 20, size / 20), order=1) for _ in range(16)]
    planes = torch.from_numpy(np.stack(smooth)).float().clamp(0, 1)
    return Objective(Mean(), planes[:, :3].contiguous(), planes[:, 3] > 0.8, "part")

def amounts(seed):
    shares = torch.rand(16, 3, generator=torch.Generator().manual_seed(seed))
    return (shares - 0.5) * torch.tensor([180.0, 6.28, 1.0])

made = {}
print("ready", flush=True)
for line in sys.stdin:
    kind, size, count = line.split()
    size, count = int(size), int(count)
    if kind == "point":
        points = made.setdefault(size, objective(size))
        with torch.no_grad():
            start = time.process_time()
            for seed in range(count):
                found = points.outcome(torch.arange(16), amounts(seed))
        seconds = (time.process_time() - start) / (16 * count)
        values = [*found.loss.tolist(), *found.pixel_auroc.tolist()]
    else:
        data = made.setdefault((size, count), drawn(count, 1, size))
        start = time.process_time()
        for _ in data.batches(16):
            pass
        middle = time.process_time()
        table = evaluate(Shown(), data, resamples=500)
        seconds = (time.process_time() - middle - (middle - start)) / count
        values = [*table.iloc[0].tolist(), *table.per_image.pixel_auroc.tolist(), *table.spread.iloc[0].tolist()]
    print(seconds, *values, flush=True)
"""


def measure(settings: Settings) -> Iterator[Measurement]:
    sizes, maps, large, rounds = ((96,), 4, 96, 1) if settings.quick else (SIZES, MAPS, 518, settings.rounds)
    with ExitStack() as stack:
        before = stack.enter_context(build(stack.enter_context(checked_out()), ANSWERS))
        ours = stack.enter_context(build(Path.cwd(), ANSWERS))
        for size in sizes:
            note = f"16 points of {size} x {size} at once, no tower"
            yield _against(f"a point of a search, {size} px", f"point {size} 2", ours, before, rounds, note)
        note = f"{maps} maps, 500 resamples, of which only ours keeps the metrics"
        yield _against(
            f"evaluate, a map of {large} x {large}", f"evaluate {large} {maps}", ours, before, min(rounds, 3), note
        )


def _against(what: str, question: str, ours: Peer, before: Peer, rounds: int, note: str) -> Measurement:
    """Raises RuntimeError where the builds' numbers differ by more than `TOLERANCE`."""
    sides = [[float(word) for word in peer.ask(question)][1:] for peer in (ours, before)]
    apart = max(abs(one - other) for one, other in zip(*sides, strict=True) if one == one or other == other)
    if not apart <= TOLERANCE:
        raise RuntimeError(f"{what}: numbers differ from those of {BEFORE} by {apart:.1e}, more than {TOLERANCE:.0e}.")
    return compared(
        what,
        lambda: float(ours.ask(question)[0]),
        lambda: float(before.ask(question)[0]),
        BEFORE,
        rounds,
        unit="ms",
        scale=1e3,
        note=f"{note}, numbers differ by at most {apart:.0e}",
    )
