"""What chapters open with: their pictures, those that models learn from, the settings of a training, single samples."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from os import PathLike
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from zsas_lib.backbones.backbone import Backbone
from zsas_lib.base import ledger
from zsas_lib.base.files import free_first
from zsas_lib.data.dataset import AnomalyDataset, Sample, read_once
from zsas_lib.data.load import load_dataset
from zsas_lib.data.registry import auxiliary_name
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.evaluation.tables import ResultTable
from zsas_lib.models import MODELS
from zsas_lib.models.learned import LearnedModel
from zsas_lib.models.prediction import AnomalyModel
from zsas_lib.models.read_once import towers_read_once
from zsas_lib.perturbations import named
from zsas_lib.store.results import stored
from zsas_lib.training.ready import model_asked_for
from zsas_lib.training.shared_batches import batches_shared

from .words import counted

_to_the_end = ExitStack()


def pictures_of(
    dataset: str,
    data_root: str | PathLike | None = None,
    categories: Sequence[str] | None = None,
    per_category: int | None = None,
    image_size: int | None = None,
    mask_rule: str | None = None,
    normal_per_category: int | None = None,
) -> AnomalyDataset:
    """The test pictures of a chapter, from its parameters: at most ``per_category`` of each category, half of them
    damaged, and of these at most ``normal_per_category`` normal ones. ``mask_rule`` and what is raised are those of
    `load_dataset` and `AnomalyDataset.select`. Whatever pictures the process of a page or shard reads from here on are
    read once (`read_once`)."""
    if ledger.watched:
        _to_the_end.enter_context(read_once())
    pictures = load_dataset(dataset, data_root, categories=categories, image_size=image_size, mask_rule=mask_rule)
    pictures = pictures.select(per_category=per_category)
    if normal_per_category is None or all(record.is_anomalous for record in pictures.records):
        return pictures
    normal = {*pictures.select(anomalous=False, per_category=normal_per_category).records}
    return pictures.part([record for record in pictures.records if record.is_anomalous or record in normal])


def auxiliary_of(
    dataset: str,
    auxiliary_root: str | PathLike | None = None,
    per_category: int | None = None,
    image_size: int | None = None,
    mask_rule: str | None = None,
) -> AnomalyDataset:
    """What models learn from that are tested on ``dataset``: the test pictures of its `auxiliary_name`."""
    return pictures_of(auxiliary_name(dataset), auxiliary_root, None, per_category, image_size, mask_rule)


def training_settings(
    epochs: int | None,
    training_batch_size: int | None,
    rate: float | None,
    augment: bool | None,
    decay: bool | None,
    seed: int | None = None,
) -> dict[str, object]:
    """The settings of `fit` that chapters have as parameters; None stands for the recipe's (`training_of`). Without
    ``seed`` they have none, for chapters that train from several."""
    settings = {
        "epochs": epochs,
        "training_batch_size": training_batch_size,
        "rate": rate,
        "augment": augment,
        "decay": decay,
    }
    return settings if seed is None else settings | {"seed": seed}


def networks_of(
    models: Sequence[str],
    tower: Backbone | Mapping[str, Backbone],
    dataset: str,
    seeds: Sequence[int],
    training: Mapping[str, object],
    once: Sequence[str] = (),
    **options: object,
) -> dict[str, list[AnomalyModel]]:
    """Several models of a chapter, by name: one that learns once for each seed of its training, any other and those of
    ``once`` from the first seed alone. The backbone is one for all, or one for each by its name. ``options`` are those
    of `model_for`, whose errors are raised. What another page trains meanwhile comes last, so that two pages share
    their trainings; models that read the same of a backbone are trained from one seed one after the other, for they
    share what they read."""
    towers = tower if isinstance(tower, Mapping) else dict.fromkeys(models, tower)
    asked = {
        (name, seed): model_asked_for(name, towers[name], dataset, fit={**training, "seed": seed}, **options)
        for name in models
        for seed in (seeds if MODELS[name].learns and name not in once else seeds[:1])
    }
    kinds = {job: _read_by(own.model) for job, own in asked.items()}
    first = list(dict.fromkeys(kinds.values()))
    jobs = sorted(asked, key=lambda job: (first.index(kinds[job]), seeds.index(job[1])))
    places = {job: asked[job].place for job in jobs}
    with read_once(), batches_shared():
        ready = {job: asked[job].ready() for job in free_first(places, {job: (kinds[job], job[1]) for job in jobs})}
    return {name: [ready[job] for job in asked if job[0] == name] for name in models}


def _read_by(model: AnomalyModel) -> str:
    """What a model reads of its backbone: those of one kind, trained from one seed, share it (`batches_shared`)."""
    if not isinstance(model, LearnedModel):
        return model.name
    return json.dumps([id(model.backbone), model.reads, model.read_options()])


def runs_of(
    networks: Mapping[str, Sequence[AnomalyModel]], pictures: AnomalyDataset, resamples: int = 200
) -> dict[str, list[ResultTable]]:
    """What `evaluate` says of each of `networks_of`, from the store: one evaluation for each model and training, which
    all chapters find that ask for the same pictures at the same size."""
    with towers_read_once():
        return {
            name: [cast(ResultTable, stored(evaluate, network, pictures, resamples=resamples)) for network in own]
            for name, own in networks.items()
        }


def damaged_sample(pictures: AnomalyDataset, picture: int) -> Sample:
    """The damaged picture of that number. Raises ValueError, which says what to take instead, where there are fewer or
    its mask is empty at this size."""
    damaged, names = pictures.select(anomalous=True), ", ".join(pictures.categories)
    if picture >= len(damaged):
        below = f"0 to {len(damaged) - 1}" if len(damaged) > 1 else "0"
        raise ValueError(
            f"{names} has {counted(len(damaged), 'damaged picture')}, so picture={picture} is none; take {below}."
        )
    sample = damaged[picture]
    if not sample.mask.any():
        size = tuple(sample.mask.shape)
        raise ValueError(f"The mask of {sample.path} is empty at {size} pixels; take another picture than {picture}.")
    return sample


def spread_out(items: Sequence | AnomalyDataset, count: int) -> list:
    """At most ``count`` of the items, such as the pictures of a data set, evenly spaced in their order."""
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[int(place)] for place in places]


def damaged_examples(pictures: AnomalyDataset, count: int) -> list[Sample]:
    """At most ``count`` damaged pictures of different categories, as far as there are so many."""
    return spread_out(pictures.select(per_category=2).select(anomalous=True), count)


def sample_at(pictures: AnomalyDataset, path: str) -> Sample:
    """The picture with this path below the data set's root, as `evaluate` names it in its rows for single pictures."""
    places = {record.path: place for place, record in enumerate(pictures.records)}
    return pictures[places[pictures.root / path]]


def map_of(network: nn.Module, sample: Sample) -> Float[Tensor, "height width"]:
    """The anomaly map that a model gives of one picture, in memory and without a gradient."""
    with torch.no_grad():
        return network(sample.image[None].to(network.device), sample.category).anomaly_map[0].float().cpu()


def perturbed_sample(sample: Sample, perturbation: str, amount: float) -> Sample:
    """A picture after one perturbation, its mask moved where that moves pixels; the neutral amount leaves both as they
    are. Raises UnknownNameError for an unknown perturbation."""
    known = named(perturbation)
    if amount == known.neutral:
        return sample
    mask = known.motion.masks_along(sample.mask[None], amount)[0] if known.motion else sample.mask
    return replace(sample, image=known.apply(sample.image[None], amount)[0], mask=mask)
