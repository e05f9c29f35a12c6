"""The embedded backbone against its bars: WinCLIP on embedded-b, above the best map without a model in how many
categories, on real photographs, in bfloat16, of one patch repeated over a picture, and its speed."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from numpy.random import default_rng

import zsas_lib as zsas
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.evaluation.speed import milliseconds
from zsas_lib.models.prediction import AnomalyModel
from zsas_lib.studies.trivial import CHOSEN, best_of, trivial_maps

from .table import Measurement, NotRun, Settings
from .trivial import FOLDERS, PHOTOGRAPHS

ABOVE = 0.1  # AUPRO above the best map without a model
PATCHES = 48  # that are repeated, one picture each


def measure(settings: Settings) -> Iterator[Measurement]:
    models = {
        kind: zsas.load_model("winclip", zsas.load_backbone("embedded", precision=kind))
        for kind in ("float32", "bfloat16")
    }
    model, size = models["float32"], models["float32"].backbone.image_size
    yield from speed(model, settings)
    dataset = zsas.load_dataset("embedded-b", image_size=size)
    if settings.quick:
        dataset = dataset.select(dataset.categories[:2], per_category=6)
    exact = zsas.evaluate(model, dataset)
    mean = exact.loc["mean"]
    for metric in ("pixel_auroc", "aupro", "image_auroc"):
        error = exact.spread.loc["mean"].get(metric)  # None for AUPRO
        yield Measurement(
            f"embedded-b, {metric}", mean[metric], note="" if pd.isna(error) else f"standard error {error:.3f}"
        )
    best = best_of({called: zsas.evaluate(map_, dataset) for called, map_ in trivial_maps(dataset).items()})
    yield Measurement(
        f"embedded-b, categories {ABOVE:g} AUPRO above the best trivial map",
        int((exact.drop(index="mean").aupro - best.drop(index="mean").aupro >= ABOVE).sum()),
        note=f"of {len(dataset.categories)}; {best.attrs[CHOSEN]['aupro']}",
    )
    yield Measurement(
        "one patch repeated, highest by lowest score", repeated(model, dataset), note=f"worst of {PATCHES} patches"
    )
    below = int((exact.drop(index="mean").pixel_auroc < 0.9).sum())
    yield Measurement("embedded-b, categories below 0.90 pixel_auroc", below)
    halved = zsas.evaluate(models["bfloat16"], dataset).loc["mean", "pixel_auroc"]
    yield Measurement("embedded-b, pixel_auroc moved by bfloat16", abs(halved - mean.pixel_auroc))
    scores = []
    for folder in FOLDERS:
        if not (PHOTOGRAPHS / folder).is_dir():
            raise NotRun(f"no photographs in {PHOTOGRAPHS / folder}.")
        pictures = zsas.load_dataset("folder", PHOTOGRAPHS / folder, image_size=size)
        found = zsas.evaluate(model, pictures.select(per_category=6 if settings.quick else None)).loc["mean"]
        scores.append(found.image_auroc)
        for metric in ("pixel_auroc", "aupro"):
            yield Measurement(f"photographs of {Path(folder).name}, {metric}", found[metric])
    yield Measurement("photographs, image_auroc", sum(scores) / len(scores), note="mean of the sets")


def repeated(model: AnomalyModel, dataset: AnomalyDataset) -> float:
    """The highest score by the lowest over the patches of a picture that is one patch throughout; the worst of
    `PATCHES` patches from anywhere in pictures of ``dataset``."""
    rng = default_rng(0)
    size, patch = model.backbone.image_size, model.backbone.patch_size
    pictures = []
    for place in rng.choice(len(dataset), min(PATCHES, len(dataset)), replace=False):
        top, left = rng.integers(size - patch, size=2)
        cut = dataset[int(place)].image[:, top : top + patch, left : left + patch]
        pictures.append(cut.repeat(1, size // patch, size // patch))
    with torch.no_grad():
        maps = model(torch.stack(pictures), "object").anomaly_map
    scores = F.avg_pool2d(maps[:, None], patch).flatten(1)
    return float((scores.amax(1) / scores.amin(1)).max())


def speed(model: torch.nn.Module, settings: Settings) -> Iterator[Measurement]:
    size = model.backbone.image_size
    times = sorted(milliseconds(model, torch.rand(16, 3, size, size), "object", repeats=2 * settings.rounds + 1))
    yield Measurement(
        "WinCLIP forward, batches of 16",
        times[settings.rounds],
        "ms per image",
        rounds=len(times),
        note=f"best {times[0]:.1f}",
    )
