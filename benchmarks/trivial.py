"""WinCLIP with the embedded backbone beside the best map without a model, on embedded-b and on real photographs, and
what such maps cost."""

import math
from collections.abc import Iterator
from pathlib import Path

import torch

import zsas_lib as zsas
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.evaluation.paired import paired
from zsas_lib.evaluation.speed import milliseconds
from zsas_lib.models.prediction import AnomalyModel
from zsas_lib.studies.trivial import CHOSEN, best_of, trivial_maps

from .table import Measurement, NotRun, Settings

PHOTOGRAPHS = Path("..", "shared", "data")
FOLDERS = ("hazelnut_toy", "real/kolektor", "real/mpdd")
METRICS = ("pixel_auroc", "aupro", "image_auroc")


def measure(settings: Settings) -> Iterator[Measurement]:
    yield from speed(settings)
    model = zsas.load_model("winclip", zsas.load_backbone("embedded"))
    size = model.backbone.image_size
    pictures = zsas.load_dataset("embedded-b", image_size=size)
    if settings.quick:
        pictures = pictures.select(pictures.categories[:2], per_category=6)
    yield from compared(model, pictures, "embedded-b")
    for folder in FOLDERS:
        if not (PHOTOGRAPHS / folder).is_dir():
            raise NotRun(f"no photographs in {PHOTOGRAPHS / folder}.")
        pictures = zsas.load_dataset("folder", PHOTOGRAPHS / folder, image_size=size)
        yield from compared(model, pictures.select(per_category=6 if settings.quick else None), folder)


def compared(model: AnomalyModel, pictures: AnomalyDataset, name: str) -> Iterator[Measurement]:
    """What WinCLIP has above the best trivial map, with its error over resampled pictures."""
    table = zsas.evaluate(model, pictures)
    best = best_of({called: zsas.evaluate(map_, pictures) for called, map_ in trivial_maps(pictures).items()})
    gaps = paired([table], [best]).set_index(["category", "metric"])
    for metric in METRICS:
        found = gaps.loc[("mean", metric)]
        known = f", standard error {found.se:.3f}" if math.isfinite(found.se) else ""
        note = f"{best.attrs[CHOSEN][metric]} {best.loc['mean', metric]:.3f}{known}"
        yield Measurement(f"{name}, {metric} of winclip above the best trivial map", found.gap, note=note)


def speed(settings: Settings) -> Iterator[Measurement]:
    for size in (144,) if settings.quick else (144, 518):
        images = torch.rand(16, 3, size, size)
        for name in zsas.list_trivial_maps()[:3]:  # the fourth is told masks and then costs as little as the first
            times = sorted(milliseconds(zsas.load_model(name), images, "object", repeats=2 * settings.rounds + 1))
            yield Measurement(
                f"{name}, {size} px, batches of 16", times[settings.rounds], "ms per image", rounds=len(times)
            )
