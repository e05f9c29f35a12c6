"""The embedded backbone against its bars: WinCLIP on embedded-b, on real photographs, in bfloat16, and its speed."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch

import zsas_lib as zsas
from zsas_lib.evaluation.speed import milliseconds

from .table import Measurement, NotRun, Settings

PHOTOGRAPHS = Path("..", "shared", "data", "hazelnut_toy")


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
    below = int((exact.drop(index="mean").pixel_auroc < 0.9).sum())
    yield Measurement("embedded-b, categories below 0.90 pixel_auroc", below)
    halved = zsas.evaluate(models["bfloat16"], dataset).loc["mean", "pixel_auroc"]
    yield Measurement("embedded-b, pixel_auroc moved by bfloat16", abs(halved - mean.pixel_auroc))
    if not PHOTOGRAPHS.is_dir():
        raise NotRun(f"no photographs in {PHOTOGRAPHS}.")
    real = zsas.evaluate(model, zsas.load_dataset("folder", PHOTOGRAPHS, image_size=size))
    yield Measurement(f"photographs of {PHOTOGRAPHS.name}, pixel_auroc", real.loc["mean", "pixel_auroc"])


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
