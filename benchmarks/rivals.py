"""What a picture costs with methods that do more for it than one pass, in CPU time and in turn.

AdaCLIP encodes 48 sentences for each picture and runs the image tower twice: at most 1.5 times VCP-CLIP+. AnoVL adapts
to each picture in five steps: at most twice its plain pass, with its 22 views and without them.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import torch

import zsas_lib as zsas
from zsas_lib.data.dataset import Batch
from zsas_lib.evaluation.complexity import as_it_begins
from zsas_lib.models.prediction import AnomalyModel
from zsas_lib.training.recipes import SHORT, training_of

from .table import Measurement, Settings, compared

SIZES, BATCHES = (144, 240), (8, 1)
THREADS = 1


def cpu_seconds(model: AnomalyModel, batch: Batch, pictures: int) -> float:
    """Of a prediction, for a picture."""
    images, names = batch.images[:pictures], batch.categories[:pictures]
    start = time.process_time()
    model(images, names)
    return (time.process_time() - start) / pictures


@torch.no_grad()
def measure(settings: Settings) -> Iterator[Measurement]:
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        for size in SIZES[:1] if settings.quick else SIZES:
            yield from at_size(size, settings)
    finally:
        torch.set_num_threads(threads)


def at_size(size: int, settings: Settings) -> Iterator[Measurement]:
    backbone = zsas.load_backbone("embedded", image_size=size)
    batch = next(zsas.load_dataset("embedded-b", image_size=size).batches(max(BATCHES)))

    def model(name: str, **options: object) -> AnomalyModel:
        return zsas.load_model(name, backbone, **{**training_of(name, SHORT, "embedded").options, **options})

    def pair(what: str, ours: AnomalyModel, other: AnomalyModel, against: str, batches: Sequence[int], rounds: int):
        with ExitStack() as begun:
            for own in (ours, other):
                begun.enter_context(as_it_begins(own))
            for pictures in batches:
                sides = [lambda own=own: cpu_seconds(own, batch, pictures) for own in (ours, other)]
                what_of = f"{what}, {size} px, batches of {pictures}"
                yield compared(what_of, *sides, against, rounds, unit="CPU ms per picture", scale=1000)

    rounds = 2 if settings.quick else 5 * settings.rounds
    batches = BATCHES[:1] if settings.quick else BATCHES
    yield from pair("AdaCLIP", model("adaclip"), model("vcpclip+"), "VCP-CLIP+", batches, rounds)
    plain, adapted = (model("anovl", views="off", adapter=adapter) for adapter in ("off", "text"))
    yield from pair("AnoVL without views", adapted, plain, "its plain pass", batches, rounds)
    if not settings.quick:
        plain, adapted = (model("anovl", adapter=adapter) for adapter in ("off", "text"))
        yield from pair("AnoVL", adapted, plain, "its plain pass", BATCHES[:1], settings.rounds)
