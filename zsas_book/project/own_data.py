"""Whether a run is asked about other data, or with another backbone, than the embedded ones of its profile."""

from collections.abc import Iterable, Mapping, Sequence

from .backbones import WEIGHTS
from .kinds import BACKBONE, DATASET, FILE
from .parameters import Parameter, Value, items_of

EMBEDDED = "embedded"
ZOO = "zoo:"


def has_own_data(declared: Sequence[Parameter], values: Mapping[str, Value], given: Iterable[str]) -> bool:
    """Whether one of the parameters that were ``given`` names a data set or a backbone that does not come with the
    library, or weights. What a page is given by the book itself does not count."""
    return any(
        _is_own(parameter, name)
        for parameter in declared
        if parameter.name in set(given)
        for name in map(str, items_of(values[parameter.name]))
    )


def _is_own(parameter: Parameter, name: str) -> bool:
    if DATASET in parameter.kind:
        from zsas_lib.data.registry import dataset_record

        return not dataset_record(name).embedded
    if parameter.kind == BACKBONE:
        return name != EMBEDDED and not name.startswith(ZOO)
    return parameter.kind == FILE and parameter.name == WEIGHTS
