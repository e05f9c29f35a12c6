"""Trained models from the store of results: fitted once for every model, data set, setting and state of the library."""

import inspect
import warnings
from pathlib import Path

from .data.dataset import AnomalyDataset
from .digests import canonical, configuration_digest, source_digest
from .errors import DataError
from .models.learned import LearnedModel
from .results import results_folder
from .training import fit

FOLDER = "trained"


def trained(model: LearnedModel, dataset: AnomalyDataset, *, store: Path | None = None, **options: object) -> LearnedModel:
    """``model`` after ``fit(model, dataset, **options)``, from the store where that has been done before.

    A training that was stopped goes on from its last whole epoch. ``store`` is a folder, by default
    `results.results_folder`. What `fit` raises, and TypeError for an option that it does not have.
    """
    bound = inspect.signature(fit).bind(model, dataset, **options)
    bound.apply_defaults()
    settings = {name: value for name, value in bound.arguments.items() if name not in ("model", "dataset", "checkpoint")}
    configuration = model.description() | {"data": [dataset.name, dataset.digest], "settings": settings}
    sources = source_digest(fit, type(model), type(model.backbone), type(dataset))
    key = configuration_digest({"configuration": canonical(configuration), "sources": sources})
    path = (store or results_folder()) / FOLDER / f"{key}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        try:
            model.load(path)
            return model
        except DataError as error:
            warnings.warn(f"{error} It is trained again.", stacklevel=2)
    fit(model, dataset, checkpoint=path.with_suffix(".checkpoint"), **options)
    model.save(path)
    return model
