"""Training of what a model learns, on an auxiliary data set: Adam on the model's own loss, the backbone frozen.

The papers train on the test split of another data set than the one they evaluate, because only that has defects, and
so does this: the data set's own pictures, normal and anomalous, with their masks.

The random numbers of an epoch depend on the seed and the epoch only, so a training that is stopped in any epoch goes on
from its last whole one and ends as if it had not been.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor
from tqdm import tqdm

from ..base.errors import DataError, OptionError, UnknownNameError
from ..base.files import require_place, write_atomically
from ..base.options import listed, plain
from ..base.tensors import saved_content
from ..data.dataset import AnomalyDataset
from ..evaluation.evaluate import evaluate
from ..models.kinds import require_kinds
from ..models.learned import Features, LearnedModel, require_learnable, unlike
from ..models.prediction import AnomalyModel
from .examples import Examples
from .hard_patches import HARD_WEIGHT, hard_loss, require_hard, without_hard
from .selection import SELECTED_BY, require_selection, selection_of
from .settings import require_settings, require_weights
from .stages import Epoch, planned


def fit(
    model: AnomalyModel,
    dataset: AnomalyDataset,
    *,
    seed: int = 0,
    epochs: int | None = None,
    training_batch_size: int | None = None,
    rate: float | None = None,
    augment: bool | None = None,
    zoom: float = 0.0,
    decay: bool = False,
    loss_size: int | None = None,
    rates: Mapping[str, float] | None = None,
    perturbed: str | Sequence[str] = (),
    looks: int = 1,
    weights: Sequence[float] | None = None,
    hard: Sequence[Sequence[int]] | None = None,
    hard_weight: float = HARD_WEIGHT,
    held_out: str | Sequence[str] = (),
    select: str | None = None,
    select_by: str = SELECTED_BY,
    target: AnomalyDataset | None = None,
    each_epoch: Callable[[int, LearnedModel], None] | None = None,
    checkpoint: str | Path | None = None,
    output: str | Path | None = None,
) -> pd.DataFrame:
    """Trains a model's learnable parts, from the parameters that ``seed`` begins with; it predicts afterwards.

    Pictures are read at the backbone's size. With neither augmentation nor zoom what the frozen towers say of a picture
    is computed once, if all of it can be kept (`examples.CACHED_BYTES`). Test data choose nothing, unless they are
    given as the ``target`` of ``select="target"``.

    Options; the first four are the paper's (the model's `recipe`) without a value:
        epochs: passes over the pictures, of a training in stages (AA-CLIP's) those of the last; the others have as many
            in proportion.
        training_batch_size: pictures per training step, of all stages.
        rate: Adam's learning rate.
        augment: whether pictures are augmented (`augmentation.augmented`).
        zoom: the probability with which a picture is cut to a part of itself first (`augmentation.zoomed`), which no
            paper does; trained on objects, VCP-CLIP+ then knows surfaces better.
        decay: whether the rate falls to zero along half a cosine, which no paper does; short trainings gain from it.
        loss_size: the side in pixels at which the loss compares maps with masks, the backbone's without a value, as in
            the papers. Maps are enlarged from a few patches, so that a quarter of the side costs a sixteenth and
            teaches the same.
        rates: learning rates of single parameters, by name; the recipe's others keep their proportion to ``rate``
            (`proportional_rates`).
        perturbed: names of `PERTURBATIONS` at random amounts of which pictures and masks are met, which no paper does
            (`training.perturbed`); without augmentation and zoom each picture has a few copies, whose amounts are the
            same in every training.
        looks: of so many points of a picture a step takes the one that the model then segments worst, by a cheap look
            where the model has one (`training.glanced`), else by the loss of whole copies; 1 takes any.
        weights: how often each picture that is trained on is met, in proportion; an epoch has as many steps as without.
        hard: numbers of patches of each picture that is trained on, row by row on the backbone's grid, which are to be
            called normal beside all else: ``hard_weight`` times the mean over a step's patches of the map where they
            are hard (`hard_patches.hard_loss`) is added to the loss, which no paper does. Pictures must stay as they
            are.
        held_out: categories of this data set that are not trained on; they choose the epoch, unless ``select`` says
            otherwise.
        select: which epoch's parameters are kept, in a training in stages of the last one's: those of the "last";
            "auxiliary": of the best one on ``held_out``, or without any on one in four pictures of each category, which
            are not trained on then; "target": of the best one on the test data ``target``, as some authors' programs
            do (`selection`): what is then reported on these data is no estimate for others. Without a value
            "auxiliary" with ``held_out``, else "last". Of several equal epochs the first is kept.
        select_by: the metric that is then to be highest, one of `selection.CHOOSING`; AdaCLIP's program takes
            "pixel_f1_max".
        target: the test data that choose, with ``select="target"`` alone.
        each_epoch: called after each epoch (of the last stage) with its number, from 1, and the model, which predicts;
            after a resumed training's own epochs only.
        checkpoint: a file that is rewritten atomically after every epoch and from which the same call goes on; it is
            removed at the end, when ``output`` stands.
        output: the file to write what was learned into at the end (`LearnedModel.save`). That both can be written is
            judged before anything is read.

    Returns one row per step: epoch, step, loss, and what the model watches (`LearnedModel.watched`) after it.

    Raises NothingToLearnError for a model that learns nothing, TypeError for what is no data set; UnknownNameError for
    an unknown held-out category, parameter, selection or metric; DataError for a data set without anomalous or without
    normal pictures, for pictures on which no epoch can be chosen, for a picture or mask that cannot be read or is not
    there, or a checkpoint of another training; OptionError, a ValueError, for settings that cannot be
    (`settings.require_settings`), such as a target without its selection, and for files that cannot be written;
    DivergedError, a FloatingPointError, if the loss or a parameter is not finite.

    >>> model = zsas.load_model("april-gan", zsas.load_backbone("embedded"))
    >>> auxiliary = zsas.load_dataset("embedded-a", categories="ceramic_disc")
    >>> auxiliary = auxiliary.select(per_category=4)
    >>> log = zsas.fit(model, auxiliary, epochs=1, training_batch_size=2)
    >>> log[["epoch", "step"]].to_numpy().tolist()
    [[0, 0], [0, 1]]
    """
    model = require_learnable(model)
    require_kinds((dataset, AnomalyDataset), *([] if target is None else [(target, AnomalyDataset)]))
    recipe = model.recipe
    epochs = recipe.epochs if epochs is None else epochs
    given, training_batch_size = training_batch_size, training_batch_size or recipe.training_batch_size
    rate, augment = (recipe.rate if rate is None else rate), (recipe.augment if augment is None else augment)
    side = max(model.backbone.size)
    require_settings(
        seed=seed,
        epochs=epochs,
        training_batch_size=given,
        rate=rate,
        augment=augment,
        zoom=zoom,
        decay=decay,
        loss_size=loss_size,
        largest_size=side,
        rates=rates,
        perturbed=(perturbed := listed(perturbed)),
        looks=looks,
    )
    seed, epochs, loss_size = plain(seed), int(epochs), plain(loss_size)
    training_batch_size, given = plain(training_batch_size), plain(given)
    held_out = listed(held_out)
    require_selection(select, select_by, target is not None, held_out)
    rates = {**proportional_rates(model, rate), **(rates or {})}
    for name in rates.keys() - recipe.rates.keys():
        if name not in model.learnable():
            raise UnknownNameError(f"parameter of {model.name} with a rate", name, {*recipe.rates, *model.learnable()})
    places = [Path(place) for place in (checkpoint, output) if place is not None]
    for place in places:
        require_place(place)
    if len(set(places)) < len(places):
        raise OptionError(f"fit got checkpoint and output {output}; expected two files.")
    selection = selection_of(dataset, select, select_by, held_out, target, side)
    chosen = selection.chosen
    require_weights(weights, len(chosen))
    patches = math.prod(model.backbone.patches)
    require_hard(hard, hard_weight, len(chosen), patches, moved=augment or zoom > 0 or bool(perturbed))
    settings = {
        "data": [dataset.name, chosen.digest],
        "seed": seed,
        "epochs": epochs,
        "training_batch_size": training_batch_size,
        "rate": rate,
        "rates": rates,
        "augment": augment,
        "zoom": zoom,
        "decay": decay,
        **selection.settings,
        "loss_size": loss_size or side,
        "perturbed": perturbed,
        "looks": looks,
        "weights": None if weights is None else [float(weight) for weight in weights],
        "hard": None if hard is None else [list(map(int, own)) for own in hard],
        "hard_weight": hard_weight,
    }
    plan = planned(recipe, epochs, given, len(chosen))
    run = _Run(model, seed, plan, None if checkpoint is None else Path(checkpoint), settings)
    examples = Examples(model, chosen, augment, zoom, perturbed, looks, weights, hard)
    with tqdm(
        total=len(plan), initial=run.epoch, desc=f"fit {model.name}", unit=" epochs", disable=None, leave=False
    ) as progress:
        while run.epoch < len(plan):
            with _own_numbers(model.backbone.device):
                torch.manual_seed(seed * 100_003 + run.epoch)
                for features, masks, is_anomalous in examples.shuffled(plan[run.epoch].training_batch_size):
                    run.step(features, masks, is_anomalous)
            run.end_epoch(selection.judges, each_epoch)
            progress.update()
    return run.finish(output)


def proportional_rates(model: LearnedModel, rate: float | None) -> dict[str, float]:
    """The recipe's rates of single parameters, by name, in the proportion to ``rate`` that they have to the recipe's.

    A short training with a higher rate then moves them as far as the paper's long one does.
    """
    scale = 1.0 if rate is None else rate / model.recipe.rate
    return {name: own * scale for name, own in model.recipe.rates.items()}


class DivergedError(FloatingPointError):
    """A training's loss or a parameter became NaN or infinite."""


class _Run:
    """A training under way: parameters, optimiser, log, and the best epoch where one is chosen."""

    def __init__(self, model: LearnedModel, seed: int, plan: Sequence[Epoch], checkpoint: Path | None, settings: dict):
        self.model, self.plan, self.checkpoint, self.settings = model, plan, checkpoint, settings
        model.initialise(seed)
        groups: dict[float, list] = {}
        for name, value in model.learnable().items():
            groups.setdefault(settings["rates"].get(name, settings["rate"]), []).append(value)
        self.rates = list(groups)
        self.optimiser = torch.optim.AdamW(
            [{"params": values} for values in groups.values()],
            betas=model.recipe.betas,
            weight_decay=model.recipe.weight_decay,
            fused=True,
        )
        self.epoch, self.log, self.best = 0, [], None
        if checkpoint and checkpoint.exists():
            self._resume(checkpoint)
        self._learn()

    @torch.enable_grad()
    def step(
        self, features: Features, masks: Bool[Tensor, "batch side side"], is_anomalous: Bool[Tensor, " batch"]
    ) -> None:
        features, hard = without_hard(features)
        loss = self.model.loss(features, _resized(masks, self.settings["loss_size"]), is_anomalous)
        if hard is not None:
            loss = loss + self.settings["hard_weight"] * hard_loss(self.model, features, hard)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        number = loss.item()  # the one wait of a step, behind all that it gives the device to do
        if not math.isfinite(number):
            raise DivergedError(
                f"The loss of {self.model.name} is {number} in step {len(self.log)} (epoch {self.epoch}); "
                "lower the rate, or use float32."
            )
        share = self.plan[self.epoch].share(len(self.log), self.settings["decay"])
        for group, own in zip(self.optimiser.param_groups, self.rates):
            group["lr"] = own * share
        self.optimiser.step()
        self.log.append({"epoch": self.epoch, "step": len(self.log), "loss": number, **self.model.watched()})

    def end_epoch(
        self, judges: AnomalyDataset | None, each_epoch: Callable[[int, LearnedModel], None] | None = None
    ) -> None:
        ended = self.plan[self.epoch]
        self.epoch += 1
        self._read_log()
        learned = self.model.learnable()
        for name, finite in zip(learned, torch.stack([value.isfinite().all() for value in learned.values()]).tolist()):
            if not finite:
                raise DivergedError(
                    f"{name} of {self.model.name} is not finite after epoch {self.epoch}; lower the rate, or use "
                    "float32."
                )
        if (judges or each_epoch) and ended.last:
            self.model.freeze()
            self.model.trained = self.settings
            if judges:
                self._judge(judges)
            if each_epoch:
                each_epoch(self.epoch, self.model)
        if self.checkpoint:
            state = {
                "settings": json.dumps(self._identity()),
                "epoch": self.epoch,
                "log": json.dumps(self.log),
                "best": self.best,
                "parameters": self._parameters(),
                "optimiser": self.optimiser.state_dict(),
            }
            with write_atomically(self.checkpoint) as file:
                torch.save(state, file)
        self._learn()

    def _judge(self, judges: AnomalyDataset) -> None:
        self.model.show_tested(judges)
        quality = float(evaluate(self.model, judges, resamples=2).loc["mean", self.settings["select_by"]])
        if self.best is None or quality > self.best["quality"]:
            self.best = {"quality": quality, "epoch": self.epoch, "parameters": self._parameters()}

    def finish(self, output: str | Path | None) -> pd.DataFrame:
        if self.best:
            self._assign(self.best["parameters"])
        self.model.freeze()
        self.model.trained = self.settings | {"kept_epoch": self.best["epoch"] if self.best else self.epoch}
        self.model.history = pd.DataFrame(self.log)
        if output is not None:
            self.model.save(output)
        if self.checkpoint:
            self.checkpoint.unlink(missing_ok=True)
        return self.model.history

    def _learn(self) -> None:
        """The model learns and does not predict, so that one whose training ends in an error does not either."""
        self.model.trained = None
        self.model.train()
        for value in self.model.learnable().values():
            value.requires_grad_(True)
        coming = self.plan[self.epoch] if self.epoch < len(self.plan) else None
        if coming and coming.stage:
            self.model.enter(coming.stage.name)

    def _read_log(self) -> None:
        """What the model has watched, as numbers: read once an epoch."""
        places = [(row, name) for row in self.log for name, value in row.items() if isinstance(value, Tensor)]
        if places:
            numbers = torch.stack([row[name] for row, name in places]).tolist()
            for (row, name), number in zip(places, numbers):
                row[name] = number

    def _identity(self) -> dict:
        return self.model.description() | self.settings

    def _parameters(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.model.learnable().items()}

    def _assign(self, parameters: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self.model.learnable().items():
                value.copy_(parameters[name])

    def _resume(self, checkpoint: Path) -> None:
        try:
            content, _ = saved_content(checkpoint)
            state = cast(dict, content)
            kept, log = json.loads(state["settings"]), json.loads(state["log"])
            parameters, optimiser, epoch, best = (state[key] for key in ("parameters", "optimiser", "epoch", "best"))
        except (DataError, LookupError, TypeError, ValueError) as error:
            said = str(error) if isinstance(error, DataError) else "it lacks what one holds"
            raise DataError(f"{checkpoint} is no checkpoint of a training ({said}); remove it.") from None
        own = json.loads(json.dumps(self._identity()))
        if other := unlike(kept, own):
            raise DataError(f"{checkpoint} belongs to another training, with {other}. Remove it, or name another file.")
        self._assign(parameters)
        self.optimiser.load_state_dict(optimiser)
        self.epoch, self.log, self.best = epoch, log, best


def _own_numbers(device: torch.device) -> AbstractContextManager[None]:
    """Afterwards the random numbers of the CPU and of the device go on as before (of MPS, torch cannot say)."""
    devices = [] if device.type in ("cpu", "mps") else [device]
    return torch.random.fork_rng(devices, device_type=device.type if devices else "cuda")


def _resized(masks: Bool[Tensor, "batch side side"], size: int) -> Bool[Tensor, "batch size size"]:
    """Masks of ``size`` pixels: each is what the old one's pixel at its centre was."""
    if size == masks.shape[-1]:
        return masks
    return F.interpolate(masks[:, None].float(), (size, size), mode="nearest-exact")[:, 0] > 0.5
