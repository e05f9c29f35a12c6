"""Published models behind one call: `model(images, class_names) -> Prediction`."""

import inspect
from importlib import import_module

from torch import nn

from ..backbones import Backbone
from ..errors import UnknownNameError

MODELS = {"winclip": "winclip:WinCLIP"}


def list_models() -> list[str]:
    """The names `load_model` knows, sorted."""
    return sorted(MODELS)


def load_model(name: str, backbone: Backbone, **options: object) -> nn.Module:
    """A published model on a backbone; `options` are the keyword arguments of its class, such as `WinCLIP`.

    Every model has `.name`, `.backbone`, `.options` (all of them, JSON-able) and is called with images
    `(batch, 3, height, width)` in [0, 1] and one class name or one per image. Raises UnknownNameError for an unknown
    model or option, ValueError for an option's value.
    """
    if name not in MODELS:
        raise UnknownNameError("model", name, MODELS)
    module, attribute = MODELS[name].split(":")
    model = getattr(import_module(f".{module}", __name__), attribute)
    parameters = inspect.signature(model).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of model {name!r}", option, known)
    return model(backbone, **options)
