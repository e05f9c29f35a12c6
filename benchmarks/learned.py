"""Learned models against their bars: trained on embedded-a and tested on embedded-b, and the other way round.

    python benchmarks/learned.py
    python benchmarks/learned.py --models vcpclip+ --directions embedded-b --seeds 0

Bars on embedded-b, mean over three seeds: VCP-CLIP+ and AnomalyCLIP at least 0.95 in pixel AUROC, each at least 0.02 above
zero-shot WinCLIP on the same backbone; a training at most 60 s on 2 cores. The settings are not the papers', which are
meant for thousands of pictures and a large backbone: a higher rate that falls to zero. About ten minutes on 2 cores.
"""

import argparse
import time

import pandas as pd
import torch

import zsas_lib as zsas

SETTINGS = {
    "anomalyclip": {"decay": True},
    "vcpclip": {"epochs": 8, "batch_size": 8, "rate": 1e-3, "decay": True},
    "vcpclip+": {"epochs": 8, "batch_size": 8, "rate": 1e-3, "decay": True},
    "april-gan": {"epochs": 10, "decay": True},
}
METRICS = ["pixel_auroc", "pixel_ap", "aupro", "image_auroc"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=list(SETTINGS))
    parser.add_argument("--directions", nargs="*", default=["embedded-b", "embedded-a"], help="tested on")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    backbone = zsas.load_backbone("embedded")
    data = {name: zsas.load_dataset(name, image_size=backbone.image_size) for name in ("embedded-a", "embedded-b")}
    print(f"{torch.get_num_threads()} threads; mean over seeds {options.seeds}, standard deviation behind it")
    for tested in options.directions:
        winclip = zsas.evaluate(zsas.load_model("winclip", backbone), data[tested], resamples=2).loc["mean"]
        print(f"{tested:<11} {'winclip':<12}" + "".join(f" {metric} {winclip[metric]:.3f}       " for metric in METRICS))
        for name in options.models:
            rows, seconds = [], []
            for seed in options.seeds:
                model = zsas.load_model(name, backbone)
                start = time.perf_counter()
                zsas.fit(model, data[zsas.auxiliary_name(tested)], seed=seed, **SETTINGS[name])
                seconds.append(time.perf_counter() - start)
                rows.append(zsas.evaluate(model, data[tested], resamples=2).loc["mean", METRICS])
            table = pd.DataFrame(rows).astype(float)
            numbers = "".join(f" {metric} {table[metric].mean():.3f} ± {table[metric].std(ddof=0):.3f}" for metric in METRICS)
            above = table.pixel_auroc.mean() - winclip.pixel_auroc
            print(f"{tested:<11} {name:<12}{numbers}  {above:+.3f} above winclip, trained in {max(seconds):.0f} s", flush=True)


if __name__ == "__main__":
    main()
