"""The worst-case search of a batch against a plain loop: the same Adam, one image and one start after the other.

Both must find the same, up to rounding: Adam divides gradients by their own size, so what rounding does grows with the
steps.
"""

from collections.abc import Iterator

import torch

import zsas_lib as zsas
from zsas_lib.perturbations import PERTURBATIONS
from zsas_lib.robustness.search.amounts import into_box, random_amounts
from zsas_lib.robustness.search.objective import Objective

from .table import Measurement, Settings, compared, seconds_of

TOLERANCE = 2e-3
"""Of an image's pixel AUROC in its worst case."""


def plain_loop(model, images, masks, name: str, steps: int, restarts: int, seeds: list[int]) -> torch.Tensor:
    """The lowest pixel AUROC that each image has at any point tried."""
    found = []
    for image, mask, seed in zip(images, masks, seeds):
        objective, lowest = Objective(model, image[None], mask[None], name), []
        starts = random_amounts(objective.over, restarts, [seed])[0]
        starts[0] = 0  # these three change nothing at 0
        for start in starts:
            free = [amount.clone().requires_grad_() for amount in start]
            optimiser = torch.optim.Adam(
                [{"params": [one], "lr": PERTURBATIONS[kind].rate} for kind, one in zip(objective.over, free)],
                maximize=True,
            )
            for _ in range(steps // restarts):
                optimiser.zero_grad()
                amounts = torch.stack(free)[None]
                amounts = amounts + (into_box(objective.over, amounts) - amounts).detach()
                outcome = objective.outcome(torch.tensor([0]), amounts)
                outcome.loss.sum().backward()
                lowest.append(outcome.pixel_auroc[0])
                optimiser.step()
        found.append(torch.stack(lowest).min())
    return torch.stack(found)


def measure(settings: Settings) -> Iterator[Measurement]:
    count, steps, restarts = (2, 4, 2) if settings.quick else (4, 20, 5)
    model = zsas.load_model("winclip", zsas.load_backbone("embedded"))
    damaged = zsas.load_dataset("embedded-b", image_size=model.backbone.image_size).select(anomalous=True)
    samples = list(damaged.select(damaged.categories[:1], per_category=count))
    images, masks = torch.stack([sample.image for sample in samples]), torch.stack([sample.mask for sample in samples])
    name, seeds, results = samples[0].category, list(range(count)), {}

    def ours() -> float:
        def call():
            results["ours"] = zsas.worst_case(
                model, images, masks, name, steps=steps, restarts=restarts, seed=seeds
            ).pixel_auroc

        return seconds_of(call)

    def loop() -> float:
        def call():
            results["loop"] = plain_loop(model, images, masks, name, steps, restarts, seeds)

        return seconds_of(call)

    rounds = min(settings.rounds, 3)
    row = compared(
        "Adam over three perturbations",
        ours,
        loop,
        "one image and start after the other",
        rounds,
        note=f"{count} images, {restarts} starts of {steps // restarts} steps, embedded backbone",
    )
    difference = (results["ours"] - results["loop"]).abs().max().item()
    if not difference <= TOLERANCE:
        raise RuntimeError(f"The loop found other worst cases than the batch: pixel AUROC differs by {difference:.1e}.")
    yield Measurement(**{**vars(row), "note": f"{row.note}, pixel AUROC differs by at most {difference:.0e}"})
