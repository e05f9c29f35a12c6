"""Learned models against their bars: trained on embedded-a and tested on embedded-b, and the other way round.

    python benchmarks/learned.py
    python benchmarks/learned.py --models vcpclip+ --directions embedded-b --seeds 0
    python benchmarks/learned.py --models anomalyclip --directions held-out --options '{"local_from": 0.25}'

Bars on embedded-b, mean over three seeds: VCP-CLIP+ and AnomalyCLIP at least 0.95 in pixel AUROC, each at least 0.02 above
zero-shot WinCLIP on the same backbone; a training at most 60 s on 2 cores. The settings are not the papers', which are
meant for thousands of pictures and a large backbone: a higher rate that falls to zero, pictures larger than the
backbone's own (as in the papers, 518 pixels for a backbone of 336), smoothing over half a patch, and for AnomalyCLIP on
five blocks a value-value path in the last alone. The third line shows what a choice does without embedded-b: three
categories of embedded-a are held out of the training and judge it. About twenty minutes on 2 cores.
"""

import argparse
import json
import time

import pandas as pd
import torch

import zsas_lib as zsas
from zsas_lib.data.dataset import AnomalyDataset

IMAGE_SIZE = 240
OPTIONS = {
    "anomalyclip": {"local_from": 1.0, "smoothing": 14.0},
    "vcpclip": {"smoothing": 14.0},
    "vcpclip+": {"smoothing": 14.0},
    "april-gan": {},
}
TRAINING = {
    "anomalyclip": {"epochs": 6, "decay": True},
    "vcpclip": {"epochs": 4, "batch_size": 8, "rate": 2e-3, "zoom": 0.5, "decay": True, "loss_size": 60},
    "vcpclip+": {"epochs": 4, "batch_size": 8, "rate": 2e-3, "zoom": 0.5, "decay": True, "loss_size": 60},
    "april-gan": {"epochs": 10, "decay": True},
}
HELD_OUT = ["cork_sheet", "marbled_button", "rubber_star"]
METRICS = ["pixel_auroc", "pixel_ap", "aupro", "image_auroc"]


def test_and_training(tested: str, image_size: int) -> tuple[AnomalyDataset, AnomalyDataset]:
    if tested != "held-out":
        return tuple(zsas.load_dataset(name, image_size=image_size) for name in (tested, zsas.auxiliary_name(tested)))
    data = zsas.load_dataset("embedded-a", image_size=image_size)
    return data.select(HELD_OUT), data.select([category for category in data.categories if category not in HELD_OUT])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=list(TRAINING))
    parser.add_argument("--directions", nargs="*", default=["embedded-b", "embedded-a"], help="tested on; held-out too")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--image-size", type=int, default=IMAGE_SIZE, help="of the learned models, in pixels")
    parser.add_argument("--options", type=json.loads, default={}, help="of the learned models, as JSON, before those above")
    options = parser.parse_args()
    own, backbone = zsas.load_backbone("embedded"), zsas.load_backbone("embedded", image_size=options.image_size)
    print(f"{torch.get_num_threads()} threads; mean over seeds {options.seeds}, standard deviation behind it")
    for tested in options.directions:
        pictures, examples = test_and_training(tested, backbone.image_size)
        winclip = zsas.evaluate(zsas.load_model("winclip", own), test_and_training(tested, own.image_size)[0], resamples=2).loc["mean"]
        print(f"{tested:<11} {'winclip':<12}" + "".join(f" {metric} {winclip[metric]:.3f}       " for metric in METRICS))
        for name in options.models:
            rows, seconds = [], []
            for seed in options.seeds:
                model = zsas.load_model(name, backbone, **OPTIONS[name] | options.options)
                start = time.perf_counter()
                zsas.fit(model, examples, seed=seed, **TRAINING[name])
                seconds.append(time.perf_counter() - start)
                rows.append(zsas.evaluate(model, pictures, resamples=2).loc["mean", METRICS])
            table = pd.DataFrame(rows).astype(float)
            numbers = "".join(f" {metric} {table[metric].mean():.3f} ± {table[metric].std(ddof=0):.3f}" for metric in METRICS)
            above = table.pixel_auroc.mean() - winclip.pixel_auroc
            print(f"{tested:<11} {name:<12}{numbers}  {above:+.3f} above winclip, trained in {max(seconds):.0f} s", flush=True)


if __name__ == "__main__":
    main()
