"""Learned models against their bars: trained on embedded-a and tested on embedded-b, and the other way round.

    python -m benchmarks learned
    python -m benchmarks.learned --models vcpclip+ --directions embedded-b embedded-a --seeds 0
    python -m benchmarks.learned --models anomalyclip --directions held-out --options '{"local_from": 0.25}'

Bars on embedded-b, mean over three seeds: VCP-CLIP+ and AnomalyCLIP at least 0.95 in pixel AUROC, each at least 0.02
above zero-shot WinCLIP on the same backbone; a training at most 60 s on 2 cores. The settings are those of the short
recipe (`zsas_lib.training.recipes`), which all pages and `zsas train` use. The third line shows what a choice does
without embedded-b: three categories of embedded-a are held out of the training and judge it.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import torch

import zsas_lib as zsas
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.training.recipes import SHORT, SHORT_SIZE, SHORT_TRAININGS, training_of

from .table import Measurement, Settings

HELD_OUT = ["cork_sheet", "marbled_button", "rubber_star"]
BARRED = ["anomalyclip", "vcpclip+"]
SEEDS = [0, 1, 2]
METRICS = ["pixel_auroc", "pixel_ap", "aupro", "image_auroc"]


def test_and_training(tested: str, image_size: int) -> tuple[AnomalyDataset, AnomalyDataset]:
    if tested != "held-out":
        return tuple(zsas.load_dataset(name, image_size=image_size) for name in (tested, zsas.auxiliary_name(tested)))
    data = zsas.load_dataset("embedded-a", image_size=image_size)
    return data.select(HELD_OUT), data.select([category for category in data.categories if category not in HELD_OUT])


def of_winclip(tested: str) -> pd.Series:
    """The mean metrics of zero-shot WinCLIP, at the backbone's own size."""
    own = zsas.load_backbone("embedded")
    return zsas.evaluate(
        zsas.load_model("winclip", own), test_and_training(tested, own.image_size)[0], resamples=2
    ).loc["mean"]


def of_trainings(
    name: str,
    tested: str,
    seeds: Sequence[int],
    *,
    image_size: int = SHORT_SIZE,
    options: Mapping[str, object] | None = None,
    quick: bool = False,
) -> pd.DataFrame:
    """A row for each seed: the mean metrics of the model trained from it, and the seconds that the training took."""
    backbone = zsas.load_backbone("embedded", image_size=image_size)
    pictures, examples = test_and_training(tested, image_size)
    recipe = training_of(name, SHORT, "embedded")
    training = dict(recipe.fit)
    if quick:
        pictures, examples = (data.select(data.categories[:2], per_category=6) for data in (pictures, examples))
        training = training | {"epochs": 1}
    rows = []
    for seed in seeds:
        model = zsas.load_model(name, backbone, **{**recipe.options, **(options or {})})
        start = time.perf_counter()
        zsas.fit(model, examples, seed=seed, **training)
        seconds = time.perf_counter() - start
        rows.append(
            zsas.evaluate(model, pictures, resamples=2).loc["mean", METRICS].astype(float).to_dict()
            | {"seconds": seconds}
        )
    return pd.DataFrame(rows)


def measure(settings: Settings) -> Iterator[Measurement]:
    winclip = of_winclip("embedded-b").pixel_auroc
    for name in BARRED:
        table = of_trainings(name, "embedded-b", SEEDS[:1] if settings.quick else SEEDS, quick=settings.quick)
        quality, rounds = table.pixel_auroc, len(table)
        yield Measurement(
            f"{name} on embedded-b, pixel_auroc",
            quality.mean(),
            "",
            "winclip",
            winclip,
            quality.mean() / winclip,
            rounds,
            f"± {quality.std(ddof=0):.4f} over seeds, AUPRO {table.aupro.mean():.3f}",
        )
        yield Measurement(f"{name} on embedded-b, pixel_auroc above winclip", quality.mean() - winclip, rounds=rounds)
        yield Measurement(
            f"{name}, training", table.seconds.median(), "s", rounds=rounds, note=f"longest {table.seconds.max():.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=list(SHORT_TRAININGS))
    parser.add_argument("--directions", nargs="*", default=["embedded-b", "embedded-a"], help="tested on; held-out too")
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    parser.add_argument("--image-size", type=int, default=SHORT_SIZE, help="of the learned models, in pixels")
    parser.add_argument(
        "--options", type=json.loads, default={}, help="of the learned models, as JSON, before those above"
    )
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads; mean over seeds {options.seeds}, standard deviation behind it")
    for tested in options.directions:
        winclip = of_winclip(tested)
        print(
            f"{tested:<11} {'winclip':<12}" + "".join(f" {metric} {winclip[metric]:.3f}        " for metric in METRICS)
        )
        for name in options.models:
            table = of_trainings(name, tested, options.seeds, image_size=options.image_size, options=options.options)
            numbers = "".join(
                f" {metric} {table[metric].mean():.3f} ± {table[metric].std(ddof=0):.3f}" for metric in METRICS
            )
            above = table.pixel_auroc.mean() - winclip.pixel_auroc
            print(
                f"{tested:<11} {name:<12}{numbers}  {above:+.3f} above winclip, trained in {table.seconds.max():.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
