"""What each epoch of a training learns, with how many pictures a step, and where it stands in its stage."""

import math
from dataclasses import dataclass

from ..models.learned import Recipe, Stage


@dataclass(frozen=True)
class Epoch:
    """One epoch: its ``stage``, None where a recipe has none; pictures per training step; the number of steps before
    its stage, and of its stage; whether its stage is the last."""

    stage: Stage | None
    training_batch_size: int
    before: int
    steps: int
    last: bool

    def share(self, step: int, decay: bool) -> float:
        """Of the rate, in the training's step of that number: with ``decay`` along half a cosine over the stage."""
        own = step - self.before
        falling = 0.5 + 0.5 * math.cos(math.pi * own / self.steps) if decay else 1.0
        return falling * 0.5 ** sum(own >= halved for halved in (self.stage.halved_after if self.stage else ()))


def planned(recipe: Recipe, epochs: int, training_batch_size: int | None, pictures: int) -> list[Epoch]:
    """The epochs of a training on so many pictures; ``epochs`` are those of the last stage, and a batch size that is
    given is that of all."""
    found: list[Epoch] = []
    before = 0
    for stage in recipe.stages or (None,):
        share, own = (stage.epochs, stage.training_batch_size) if stage else (1.0, recipe.training_batch_size)
        count, batch = max(1, round(epochs * share)), training_batch_size or own
        steps = count * math.ceil(pictures / batch)
        found += [Epoch(stage, batch, before, steps, not recipe.stages or stage is recipe.stages[-1])] * count
        before += steps
    return found
