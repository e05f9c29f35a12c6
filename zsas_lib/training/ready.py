"""Models that predict: loaded, or trained on auxiliary data, once for each cache key: model, data, settings,
sources."""

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backbones.registry import Backbone
from ..base.digests import canonical, configuration_digest
from ..base.errors import DataError
from ..base.files import locked
from ..base.freed import keep_freed
from ..base.sources import source_digest
from ..data.dataset import AnomalyDataset
from ..data.load import load_dataset
from ..data.registry import auxiliary_name
from ..models.kinds import require_kinds
from ..models.learned import LearnedModel, require_learnable
from ..models.load import load_model
from ..models.prediction import AnomalyModel
from ..models.trivial import MeanGroundTruth
from ..store.folder import require_writable_store, results_folder
from .fit import fit
from .recipes import training_of
from .selection import identity, resolved

FOLDER = "trained"


def trained(model: AnomalyModel, dataset: AnomalyDataset, *, store: Path | None = None, **options: Any) -> LearnedModel:
    """``model`` after ``fit(model, dataset, **options)``, from the store where that has been done before.

    A training that was stopped goes on from its last whole epoch. A training is locked while it runs: another process
    that asks for the same one waits and then loads it. At which size ``dataset`` gives its pictures matters no more
    than to `fit`. ``store`` is a folder, by default `store.folder.results_folder`. Raises what `fit` raises, such as
    NothingToLearnError for a model that learns nothing, and TypeError for what is no data set, an option that it does
    not have, and for ``each_epoch``, which a training that is done already would not call.

    >>> model = zsas.load_model("april-gan", zsas.load_backbone("embedded"))
    >>> auxiliary = zsas.load_dataset("embedded-a", categories="ceramic_disc")
    >>> auxiliary = auxiliary.select(per_category=4)
    >>> zsas.trained(model, auxiliary, epochs=1) is model
    True
    """
    model = require_learnable(model)
    require_kinds((dataset, AnomalyDataset))
    path = training_place(model, dataset, store=store, **options)
    if not path.is_file():
        require_writable_store(store)
        path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        if path.exists():
            try:
                model.load(path)
                return model
            except DataError as error:
                warnings.warn(f"{error} It is trained again.", stacklevel=2)
        keep_freed()
        fit(model, dataset, checkpoint=path.with_suffix(".checkpoint"), output=path, **options)
    return model


def training_place(model: LearnedModel, dataset: AnomalyDataset, *, store: Path | None = None, **options: Any) -> Path:
    """The file that holds what `trained` learns with these, whether it is there or not. Raises as `trained`."""
    bound = inspect.signature(fit).bind(model, dataset, **options)
    bound.apply_defaults()
    settings = {
        name: value
        for name, value in bound.arguments.items()
        if name not in ("model", "dataset", "checkpoint", "output")
    }
    side = max(model.backbone.size)
    settings["select"] = resolved(settings["select"], settings["held_out"])
    if settings["target"] is not None:
        settings["target"] = identity(settings["target"].squashed(side))
    read = dataset.squashed(side)  # as `fit` reads it
    configuration = model.description() | {"data": [read.name, read.digest], "settings": settings}
    sources = source_digest(fit, *model.classes, type(dataset))
    key = configuration_digest({"configuration": canonical(configuration), "sources": sources})
    return (store or results_folder()) / FOLDER / f"{key}.safetensors"


def ready_model(
    name: str,
    backbone: Backbone,
    auxiliary: AnomalyDataset,
    *,
    store: Path | None = None,
    recipe: str | None = None,
    fit: Mapping[str, Any] | None = None,
    **options: Any,
) -> AnomalyModel:
    """A model that predicts: `load_model(name, backbone, **options)`, and, if it learns, `trained` on ``auxiliary``
    with the settings ``fit``. Options and settings that are not given, or None, are those of the ``recipe``
    (`recipes.training_of`). What these raise.

    >>> backbone = zsas.load_backbone("embedded")
    >>> auxiliary = zsas.load_dataset("embedded-a", categories="ceramic_disc")
    >>> auxiliary = auxiliary.select(per_category=4)
    >>> model = zsas.ready_model("april-gan", backbone, auxiliary, fit={"epochs": 1})
    >>> model(torch.rand(1, 3, 144, 144), "ceramic ring").anomaly_map.shape
    torch.Size([1, 144, 144])
    """
    model, settings = _begun(name, backbone, recipe, fit, options)
    return trained(model, auxiliary, store=store, **settings) if isinstance(model, LearnedModel) else model


@dataclass(frozen=True)
class Asked:
    """A model that a data set is to be tested with, not yet trained: ``auxiliary`` is what it learns from with the
    settings ``fit``, None for one that learns nothing."""

    model: AnomalyModel
    auxiliary: AnomalyDataset | None
    fit: Mapping[str, Any]
    store: Path | None

    @property
    def place(self) -> Path | None:
        """Where what it learns is kept (`training_place`)."""
        if self.auxiliary is None:
            return None
        return training_place(require_learnable(self.model), self.auxiliary, store=self.store, **self.fit)

    def ready(self) -> AnomalyModel:
        """The model, trained or from the store if it learns."""
        if self.auxiliary is None:
            return self.model
        return trained(self.model, self.auxiliary, store=self.store, **self.fit)


def model_for(name: str, backbone: Backbone | None, dataset: str, **options: Any) -> AnomalyModel:
    """A model ready to be tested on the data set of that name: `ready_model` on its `auxiliary_name`. All options are
    those of `model_asked_for`.

    >>> backbone = zsas.load_backbone("embedded")
    >>> zsas.model_for("winclip", backbone, "embedded-b").name
    'winclip'
    """
    return model_asked_for(name, backbone, dataset, **options).ready()


def model_asked_for(
    name: str,
    backbone: Backbone | None,
    dataset: str,
    *,
    root: str | Path | None = None,
    auxiliary_root: str | Path | None = None,
    per_category: int | None = None,
    mask_rule: str | None = None,
    store: Path | None = None,
    recipe: str | None = None,
    fit: Mapping[str, Any] | None = None,
    **options: Any,
) -> Asked:
    """What `model_for` trains: the model, with the ``options`` of `load_model`, and what it learns from.

    The auxiliary data are read from ``auxiliary_root``, ``per_category`` pictures of each category (None: all), with
    the ``mask_rule`` of `load_dataset`, and only if the model learns. The mean ground truth of others is told the masks
    of the data set itself, which lies in ``root``, with the same rule. ``recipe``, ``fit`` and ``store`` as in
    `ready_model`.
    """
    model, settings = _begun(name, backbone, recipe, fit, options)
    rule: dict[str, Any] = {} if mask_rule is None else {"mask_rule": mask_rule}
    if isinstance(model, MeanGroundTruth):
        model.remember_masks(load_dataset(dataset, root, **rule))
    if not isinstance(model, LearnedModel):
        return Asked(model, None, {}, store)
    auxiliary = load_dataset(auxiliary_name(dataset), auxiliary_root, **rule).select(per_category=per_category)
    return Asked(model, auxiliary, settings, store)


def _begun(
    name: str,
    backbone: Backbone | None,
    recipe: str | None,
    fit: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> tuple[AnomalyModel, dict[str, Any]]:
    """A model with the recipe's options, and the settings of its training."""
    if backbone is not None:
        require_kinds((backbone, Backbone))
    of_recipe = training_of(name, recipe, "" if backbone is None else backbone.name)
    given = {setting: value for setting, value in (fit or {}).items() if value is not None}
    return load_model(name, backbone, **{**of_recipe.options, **options}), {**of_recipe.fit, **given}
