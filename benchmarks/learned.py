"""All models, trained on one embedded set and tested on the other, both ways, against bars.

    python -m benchmarks learned
    python -m benchmarks.learned --models vcpclip+ --directions embedded-b --seeds 0
    python -m benchmarks.learned --models anomalyclip --directions held-out --options '{"local_from": 0.25}'

Bars on embedded-b, mean over three seeds: VCP-CLIP+ and AnomalyCLIP at least 0.95 in pixel AUROC, each at least 0.02
above zero-shot WinCLIP on the same backbone; a training of any model at most 60 s of CPU time, which is less on 2
cores. The settings are those of the short recipe (`zsas_lib.training.recipes`), which all pages and `zsas train` use.

Every training's numbers are put into ``benchmarks/learned.csv``, which the page of benchmarks shows; a training that is
there is not done again, unless its settings, its data or the sources of what learns have changed; what learns nothing
is measured anew. The third line shows what a choice does without embedded-b: three categories of embedded-a are held
out of the training and judge it; nothing is kept of it.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch

import zsas_lib as zsas
from zsas_book.site.benchmarks_page import LEARNED, LEARNED_COLUMNS, QUALITIES, learned
from zsas_lib.base.files import write_atomically
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.models import MODELS, list_trivial_maps
from zsas_lib.training.ready import training_place
from zsas_lib.training.recipes import SHORT, training_of

from .table import Measurement, Settings, machine

HELD_OUT = ["cork_sheet", "marbled_button", "rubber_star"]
WINCLIP = "winclip"
ALL = [WINCLIP, *(name for name in zsas.list_models() if name not in (WINCLIP, *list_trivial_maps()))]
"""The others are measured against the first."""
BARRED = ["anomalyclip", "vcpclip+"]
DIRECTIONS = ["embedded-b", "embedded-a"]
SEEDS = [0, 1, 2]


def test_and_training(tested: str, image_size: int) -> tuple[AnomalyDataset, AnomalyDataset]:
    if tested != "held-out":
        return tuple(zsas.load_dataset(name, image_size=image_size) for name in (tested, zsas.auxiliary_name(tested)))
    data = zsas.load_dataset("embedded-a", image_size=image_size)
    return data.select(HELD_OUT), data.select([category for category in data.categories if category not in HELD_OUT])


def rows_of(
    name: str,
    tested: str,
    seeds: Sequence[int],
    *,
    image_size: int | None = None,
    options: Mapping[str, object] | None = None,
    quick: bool = False,
    root: Path | None = None,
) -> pd.DataFrame:
    """A row for each seed, with `LEARNED_COLUMNS`: the mean metrics of the model trained from it, and the CPU seconds
    that the training took. Of a model that learns nothing the first alone.
    Rows of trainings that the project at ``root`` has are read, and new ones put there."""
    backbone = zsas.load_backbone("embedded", image_size=image_size)
    pictures, examples = test_and_training(tested, backbone.image_size)
    recipe = training_of(name, SHORT, "embedded")
    training = dict(recipe.fit)
    if quick:
        pictures, examples = (data.select(data.categories[:2], per_category=6) for data in (pictures, examples))
        training = training | {"epochs": 1}
    found = []
    for seed in seeds if MODELS[name].learns else seeds[:1]:
        model = zsas.load_model(name, backbone, **{**recipe.options, **(options or {})})
        place = "untrained"
        if MODELS[name].learns:
            place = training_place(model, examples, store=Path(), seed=seed, **training).stem[:16]
        key = {"tested": tested, "model": name, "seed": seed, "training": place}
        known = learned(root) if root and MODELS[name].learns else pd.DataFrame(columns=LEARNED_COLUMNS)
        if len(row := known[(known[list(key)] == pd.Series(key)).all(axis=1)]):
            found.append(row)
            continue
        start = time.process_time()
        if MODELS[name].learns:
            zsas.fit(model, examples, seed=seed, **training)
        seconds = time.process_time() - start if MODELS[name].learns else 0.0
        qualities = zsas.evaluate(model, pictures, resamples=2).loc["mean", QUALITIES].astype(float)
        by = {name: value for name, value in machine("cpu").items() if name in LEARNED_COLUMNS}
        row = pd.DataFrame([key | qualities.to_dict() | {"cpu_seconds": seconds} | by])[LEARNED_COLUMNS]
        found.append(row)
        if root:
            keep(root, row)
    return pd.concat(found, ignore_index=True)


def keep(root: Path, row: pd.DataFrame) -> None:
    """Put a training's row into the project's table, in the place of a former one's of the same model and seed."""
    before, places = learned(root), ["tested", "model", "seed"]
    same = (before[places] == row.iloc[0][places]).all(axis=1)
    parts = [part for part in (before[~same], row) if len(part)]
    table = pd.concat(parts, ignore_index=True).sort_values(places, kind="stable")
    with write_atomically(root / LEARNED) as file:
        file.write(table.to_csv(index=False, float_format="%.5g").encode())


def measure(settings: Settings) -> Iterator[Measurement]:
    """The numbers of every model and direction, beside WinCLIP's; trainings that were measured before are read."""
    seeds, root = (SEEDS[:1], None) if settings.quick else (SEEDS, Path.cwd())
    for tested in DIRECTIONS[:1] if settings.quick else DIRECTIONS:
        winclip = float("nan")
        for name in [WINCLIP, *BARRED[:1]] if settings.quick else ALL:
            table = rows_of(name, tested, seeds, quick=settings.quick, root=root)
            quality, rounds = table.pixel_auroc.mean(), len(table)
            winclip = quality if name == WINCLIP else winclip
            note = ", ".join(f"{metric} {table[metric].mean():.3f}" for metric in QUALITIES[1:])
            note = f"± {table.pixel_auroc.std(ddof=0):.4f} over seeds, {note}" if rounds > 1 else note
            what = f"{name} on {tested}, pixel_auroc"
            yield Measurement(what, quality, "", WINCLIP, winclip, quality / winclip, rounds, note)
            if tested == "embedded-b" and name in BARRED:
                yield Measurement(f"{what} above winclip", quality - winclip, rounds=rounds)
            if MODELS[name].learns:
                longest = f"longest {table.cpu_seconds.max():.0f}"
                what = f"{name}, training" if tested == "embedded-b" else f"{name}, training on embedded-b"
                yield Measurement(what, table.cpu_seconds.median(), "CPU s", rounds=rounds, note=longest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=ALL, choices=ALL)
    parser.add_argument("--directions", nargs="*", default=DIRECTIONS, help="tested on; held-out too")
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    parser.add_argument("--image-size", type=int, help="in pixels; the backbone's own by default")
    parser.add_argument(
        "--options", type=json.loads, default={}, help="of the models, as JSON, before those above; nothing is kept"
    )
    options = parser.parse_args()
    as_it_is = not options.options and options.image_size is None
    print(f"{torch.get_num_threads()} threads; mean over seeds {options.seeds}, standard deviation behind it")
    for tested in options.directions:
        root = Path.cwd() if as_it_is and tested != "held-out" else None
        for name in options.models:
            table = rows_of(
                name, tested, options.seeds, image_size=options.image_size, options=options.options, root=root
            )
            numbers = "".join(
                f" {metric} {table[metric].mean():.3f} ± {table[metric].std(ddof=0):.3f}" for metric in QUALITIES
            )
            print(f"{tested:<11} {name:<12}{numbers}  trained in {table.cpu_seconds.max():.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
