"""What a parameter may name: things of zsas_lib's registries, such as ``(a data set)`` or ``(a model that learns)``, or
what other parameters and the disk decide, such as ``(a category)`` or ``(a folder)``.

A registry is imported when a value is checked against it, so that reading a notebook's parameters needs none of them.
"""

from collections.abc import Callable

from zsas_lib.base.errors import UnknownNameError


def _datasets() -> list[str]:
    from zsas_lib.data.registry import list_datasets

    return list_datasets()


def _datasets_to_learn_for() -> list[str]:
    from zsas_lib.data.registry import DATASETS

    return [name for name, record in DATASETS.items() if record.auxiliary]


def _datasets_with_kinds() -> list[str]:
    from zsas_lib.data.registry import DATASETS

    return [name for name, record in DATASETS.items() if record.names_defects]


def _embedded_datasets() -> list[str]:
    from zsas_lib.data.registry import DATASETS

    return [name for name, record in DATASETS.items() if record.embedded]


def _models() -> list[str]:
    from zsas_lib.models import list_models

    return list_models()


def _models_that_learn() -> list[str]:
    from zsas_lib.models import MODELS, list_models

    return [name for name in list_models() if MODELS[name].learns]


def _models_that_learn_nothing() -> list[str]:
    from zsas_lib.models import MODELS, list_models

    return [name for name in list_models() if not MODELS[name].learns]


def _models_with_backbone() -> list[str]:
    from zsas_lib.models import MODELS, list_models

    return [name for name in list_models() if not MODELS[name].trivial]


def _perturbations() -> list[str]:
    from zsas_lib.perturbations import PERTURBATIONS

    return list(PERTURBATIONS)


def _corruptions() -> list[str]:
    from zsas_lib.perturbations.corruptions import DEPTH_FREE

    return list(DEPTH_FREE)


def _metrics() -> list[str]:
    """Those that every table of `evaluate` has, from functions of its own."""
    from zsas_lib.metrics import METRICS

    return sorted(name for name, metric in METRICS.items() if metric.function and metric.evaluated)


def _factors() -> list[str]:
    from zsas_lib.data.embedded.factors import FACTORS

    return list(FACTORS)


def _members() -> list[str]:
    from zsas_lib.training.zoo.recipes import RECIPES

    return list(RECIPES)


def _sets_of_sentences() -> list[str]:
    from zsas_lib.robustness.sentences import SETS

    return list(SETS)


def _second_trainings() -> list[str]:
    from zsas_lib.robustness.hard_negatives import ARMS

    return list(ARMS)


DATASET = "data set"
KINDS: dict[str, Callable[[], list[str]]] = {
    DATASET: _datasets,
    "data set with an auxiliary one": _datasets_to_learn_for,
    "data set that names its defects": _datasets_with_kinds,
    "embedded data set": _embedded_datasets,
    "model": _models,
    "model that learns": _models_that_learn,
    "model that learns nothing": _models_that_learn_nothing,
    "model with a backbone": _models_with_backbone,
    "perturbation": _perturbations,
    "corruption": _corruptions,
    "metric": _metrics,
    "visual factor": _factors,
    "member of the zoo": _members,
    "set of sentences": _sets_of_sentences,
    "second training": _second_trainings,
}

FOLDER, FILE, BACKBONE, CATEGORY, AMOUNT = "folder", "file", "backbone", "category", "amount of the perturbation"
PLACEMENT, LEARNT_CATEGORY = "placement", "auxiliary category"
ELSEWHERE = {FOLDER: "str", FILE: "str", BACKBONE: "str", CATEGORY: "str", AMOUNT: "float", PLACEMENT: "str"}
ELSEWHERE |= {LEARNT_CATEGORY: "str"}
"""Kinds that no registry lists, and the type of each: paths, relative to the project's folder (a file may be "random"
or "hf-hub:ORG/NAME" too, where weights are meant); backbones, whose names may hold paths; categories of the parameter
``dataset`` in ``data_root``, and of what models learn from in ``auxiliary_root``; amounts of the parameter
``perturbation``; placements, such as "rotation(15)". `together` checks them, `paths` reads paths."""


def known_names(kind: str) -> list[str]:
    """The names of a kind that the registries have now. Raises UnknownNameError for a kind that is none."""
    if kind not in KINDS:
        raise UnknownNameError("kind of names", kind, KINDS)
    return KINDS[kind]()
