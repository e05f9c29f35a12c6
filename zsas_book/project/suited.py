"""Models and the backbones that they are to run on, checked before weights are read or fetched."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext

from zsas_lib.base.errors import DataError, OptionError, UnknownNameError

from .kinds import BACKBONE
from .parameters import Parameter, Value

MODEL = "model"
OWN = "_backbone"
"""``winclip_backbone`` is another backbone for the model winclip."""


def unsuited(
    declared: Sequence[Parameter], values: Mapping[str, Value], *, fetch: bool, looked_at: dict | None = None
) -> Iterator[str]:
    """Why models cannot run on the backbones that the values name, a sentence each.

    Which models do, the parameters that name models say, or the help of the backbone. Nothing is said of a backbone
    that comes with the library, at its own size, nor of one of which nothing is known here: that the notebook itself
    registers, or of which not even the configuration can be had, which loading it says. ``fetch``: whether a
    configuration and files of a tokenizer may be downloaded. ``looked_at`` keeps backbones for further calls that are
    given the same one.
    """
    for parameter in declared:
        backbone = values[parameter.name]
        if parameter.kind == BACKBONE and isinstance(backbone, str):
            size = values.get("image_size") if parameter.name == BACKBONE else None
            asked = size is not None or _needs_weights(backbone)
            if asked and (models := _models_on(parameter, declared, values)):
                yield from _refusals(models, backbone, size, fetch, {} if looked_at is None else looked_at)


def _refusals(models: Sequence[str], backbone: str, size: Value, fetch: bool, looked_at: dict) -> Iterator[str]:
    from zsas_lib.backbones.hub import nothing_fetched
    from zsas_lib.backbones.registry import shapes_only
    from zsas_lib.models.load import require_runs

    with nullcontext() if fetch else nothing_fetched():
        try:
            if (backbone, size) not in looked_at:
                looked_at[backbone, size] = shapes_only(backbone, size if isinstance(size, int) else None)
            shapes = looked_at[backbone, size]
        except OptionError as error:
            yield str(error)
            return
        except (UnknownNameError, DataError):
            return
        found = []
        for model in models:
            try:
                require_runs(model, shapes)
            except OptionError as error:
                found.append(str(error))
            except DataError:
                continue
    yield from dict.fromkeys(found)


def _needs_weights(backbone: str) -> bool:
    from zsas_lib.backbones.aliases import ALIASES  # here, so that pages without a backbone do not depend on it

    return backbone not in ALIASES or ALIASES[backbone].needs_download


def _models_on(parameter: Parameter, declared: Sequence[Parameter], values: Mapping[str, Value]) -> list[str]:
    """The models that run on the backbone of this parameter."""
    from zsas_lib.models import MODELS

    own = {other.name.removesuffix(OWN) for other in declared if other.kind == BACKBONE and values[other.name]}
    if parameter.name != BACKBONE:
        names: Sequence[object] = [parameter.name.removesuffix(OWN)]
    else:
        named = [values[other.name] for other in declared if other.kind.startswith(MODEL)]
        listed = [name for value in named for name in (value if isinstance(value, list) else [value])]
        names = [name for name in (*parameter.models, *listed) if name not in own]
    return [str(name) for name in dict.fromkeys(names) if name in MODELS and not MODELS[str(name)].trivial]
