"""Parameters that go together, checked before anything runs: a data set and its folder, its categories, what models
learn from, amounts of a perturbation, placements, files.

No model is loaded and nothing is made or downloaded: of an embedded data set in the cache the categories are known.
Whether models run on a backbone is in `suited`.
"""

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from zsas_lib.base.errors import DataError, OptionError, UnknownNameError, meant
from zsas_lib.data.registry import DATASETS, dataset_record

from .backbones import unknown_backbones
from .kinds import AMOUNT, BACKBONE, CATEGORY, FILE, LEARNT_CATEGORY, PLACEMENT
from .parameters import Parameter, ParameterError, Value
from .paths import LOCAL, path_in
from .suited import unsuited

DATASET, ROOT, AUXILIARY_ROOT, PERTURBATION = "dataset", "data_root", "auxiliary_root", "perturbation"
CATEGORIES = "categories"
"""Of the chapter; other parameters may name some of these for a part of it."""
SHOWN = 8  # categories that a message lists

Categories = Callable[[str, Path | None], Sequence[str]]


def require_together(
    declared: Sequence[Parameter],
    values: Mapping[str, Value],
    root: Path,
    registered: Collection[str] | None = (),
) -> None:
    """Raises DataError where data or files that the values name are missing, and ParameterError where values do not fit
    each other; paths are relative to the project's folder ``root``. ``registered`` is that of `unknown_backbones`."""
    for problem in missing(declared, values, root):
        raise DataError(problem)
    for problem in [*unknown_backbones(declared, values, root, registered), *misfits(declared, values, root)]:
        raise ParameterError(problem)


def categories_of(name: str, root: Path | None) -> Sequence[str]:
    """The categories of a data set in a folder, None for its usual place. Raises DataError where it is not there."""
    if root is None and dataset_record(name).embedded:
        from zsas_lib.data.embedded.catalogue import categories

        return categories(name)
    from zsas_lib.data.load import load_dataset

    return load_dataset(name, root).categories


def missing(
    declared: Sequence[Parameter], values: Mapping[str, Value], root: Path, known: Categories = categories_of
) -> Iterator[str]:
    """What is not where the values say, a sentence each: data sets, files."""
    for name, folder in datasets_of(values):
        try:
            known(name, _place(values.get(folder), root))
        except DataError as error:
            yield str(error)
    for parameter in declared:
        value = values[parameter.name]
        if parameter.kind in (FILE, BACKBONE) and isinstance(value, str):
            before, path = path_in(value, parameter.kind)
            if parameter.kind == BACKBONE and before != LOCAL:
                continue
            if path and not (place := _place(path, root)).exists():
                yield f"Parameter {parameter.name!r} is {value!r}, but there is no {place}."


def misfits(
    declared: Sequence[Parameter],
    values: Mapping[str, Value],
    root: Path,
    known: Categories = categories_of,
    looked_at: dict | None = None,
) -> Iterator[str]:
    """Which values do not fit each other, a sentence each; nothing is said of data that are not there. ``looked_at`` is
    that of `unsuited`."""
    yield from _without_auxiliary(values)
    yield from unsuited(declared, values, fetch=False, looked_at=looked_at)
    for parameter in declared:
        value = values[parameter.name]
        chosen = list(value) if isinstance(value, list) else [] if value is None else [value]
        if chosen and (whose := _whose_categories(parameter, values)):
            name, folder = whose[0], _place(values.get(whose[1]), root)
            try:
                there = list(known(name, folder))
            except DataError:
                continue
            where = f"data set {name!r}" + (f" in {folder}" if folder else "")
            these = values.get(CATEGORIES)
            part = parameter.kind == CATEGORY and parameter.name != CATEGORIES
            if part and isinstance(these, list) and {*these} <= {*there}:
                there, where = these, f"parameter {CATEGORIES!r}"
            if strange := [category for category in chosen if category not in there]:
                more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
                yield (
                    f"Parameter {parameter.name!r} names {', '.join(map(repr, strange))}, but {where} "
                    f"has {', '.join(there[:SHOWN])}{more}; give it too: -p {parameter.name} {shlex.quote(there[0])}"
                    + (", or None for all." if parameter.default is None else ".")
                    + meant(strange[0], there)
                )
        if parameter.kind == PLACEMENT:
            from zsas_lib.perturbations.placement import placed

            for spelled in chosen:
                try:
                    placed(str(spelled))
                except (UnknownNameError, OptionError) as error:
                    yield f"Parameter {parameter.name!r}: {error}"
        if parameter.kind == AMOUNT and chosen and PERTURBATION in values:
            from zsas_lib.perturbations import named

            of = named(str(values[PERTURBATION]))
            if beyond := [amount for amount in chosen if not of.takes(amount)]:
                yield (
                    f"Parameter {parameter.name!r} has {beyond[0]:g}, but {of.name} takes {of.low:g} to {of.high:g} "
                    f"({of.unit}); give it too: -p {parameter.name} {of.low:g},{of.high:g}"
                    + (", or None for a grid over its range." if parameter.default is None else ".")
                )


def _whose_categories(parameter: Parameter, values: Mapping[str, Value]) -> tuple[str, str] | None:
    """The data set that a parameter names categories of, and the parameter that names its folder."""
    if parameter.kind == CATEGORY and DATASET in values:
        return str(values[DATASET]), ROOT
    if parameter.kind == LEARNT_CATEGORY and values.get(DATASET) in DATASETS:
        auxiliary = dataset_record(str(values[DATASET])).auxiliary
        return (auxiliary, AUXILIARY_ROOT) if auxiliary else None
    return None


def datasets_of(values: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    """The data sets that are read, and the parameter that names the folder of each."""
    if values.get(DATASET) in DATASETS:
        yield str(values[DATASET]), ROOT
        if (auxiliary := dataset_record(str(values[DATASET])).auxiliary) and learns(values):
            yield auxiliary, AUXILIARY_ROOT


def learns(values: Mapping[str, Value]) -> bool:
    """Whether a chapter with these parameters trains a model."""
    from zsas_lib.models import MODELS

    if AUXILIARY_ROOT not in values:
        return False
    names = [values["model"]] if "model" in values else values.get("models") or []
    return not names or any(name not in MODELS or MODELS[name].learns for name in names)


def _without_auxiliary(values: Mapping[str, Value]) -> Iterator[str]:
    name = values.get(DATASET)
    if name in DATASETS and not dataset_record(str(name)).auxiliary and learns(values):
        able = ", ".join(other for other, record in DATASETS.items() if record.auxiliary)
        yield (
            f"{values.get('model', 'This chapter')} learns from an auxiliary data set, and {name!r} has none; take a "
            f"data set that has one ({able}), or a model that learns nothing."
        )


def _place(path: Value, root: Path) -> Path | None:
    return None if path is None else root / Path(str(path)).expanduser()
