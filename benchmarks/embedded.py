"""The embedded backbone against its bars: WinCLIP on embedded-b, on real photographs, in bfloat16, and its speed.

    python benchmarks/embedded.py [--photographs FOLDER]

Bars: pixel AUROC 0.92, AUPRO 0.75 and image AUROC 0.80 on embedded-b, at least three categories below 0.90; pixel AUROC
0.95 on the photographs; bfloat16 within 0.002 of float32; at most 30 ms per image in batches of 16 on 2 cores.
"""

import time
from pathlib import Path
from statistics import median
from typing import Annotated

import torch
import typer

import zsas_lib as zsas

METRICS = ["pixel_auroc", "aupro", "image_auroc", "pixel_ap", "pixel_f1_max"]


def main(
    photographs: Annotated[Path | None, typer.Option(help="An MVTec-like folder of real photographs.")] = None,
    repeats: Annotated[int, typer.Option(help="Timed forward passes.")] = 15,
) -> None:
    """Print every number that has a bar."""
    models = {p: zsas.load_model("winclip", zsas.load_backbone("embedded", precision=p)) for p in ("float32", "bfloat16")}
    size = models["float32"].backbone.image_size
    dataset = zsas.load_dataset("embedded-b", image_size=size)
    tables = {precision: zsas.evaluate(model, dataset) for precision, model in models.items()}
    exact = tables["float32"]
    print(exact[METRICS].round(3).to_string())
    print(f"standard errors of the mean: {exact.spread.loc['mean'].round(3).to_dict()}")
    print(f"categories below 0.90 pixel AUROC: {(exact.drop(index='mean').pixel_auroc < 0.9).sum()}")
    print(f"bfloat16 - float32, mean pixel AUROC: {tables['bfloat16'].loc['mean', 'pixel_auroc'] - exact.loc['mean', 'pixel_auroc']:+.4f}")
    if photographs:
        real = zsas.evaluate(models["float32"], zsas.load_dataset("folder", photographs, image_size=size))
        print(f"{photographs.name}:\n{real[METRICS].round(3).to_string()}")
    images = torch.rand(16, 3, size, size)
    times = []
    with torch.no_grad():
        for _ in range(repeats + 1):
            start = time.perf_counter()
            models["float32"](images, "object")
            times.append((time.perf_counter() - start) / len(images))
    print(f"WinCLIP forward, batch 16, {torch.get_num_threads()} threads: {1e3 * median(times[1:]):.1f} ms per image (best {1e3 * min(times[1:]):.1f})")


if __name__ == "__main__":
    typer.run(main)
