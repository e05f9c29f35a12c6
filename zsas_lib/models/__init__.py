"""Published models behind one call: `model(images, class_names) -> Prediction`."""

import inspect
from importlib import import_module
from pathlib import Path

from torch import nn

from ..backbones.registry import Backbone
from ..base.errors import UnknownNameError

MODELS = {
    "winclip": ("winclip:WinCLIP", {}),
    "anomalyclip": ("anomalyclip:AnomalyCLIP", {}),
    "vcpclip": ("vcpclip:VCPCLIP", {}),
    "vcpclip+": ("vcpclip:VCPCLIP", {"temperature": 0.07, "uniop": True, "loreb": True, "idp": True}),
    "april-gan": ("april_gan:AprilGAN", {}),
}
"""Name -> file and class, and the options that differ from the class's own defaults."""


def list_models() -> list[str]:
    """The names `load_model` knows, sorted."""
    return sorted(MODELS)


def load_model(name: str, backbone: Backbone, *, checkpoint: str | Path | None = None, **options: object) -> nn.Module:
    """A published model on a backbone; `options` are the keyword arguments of its class, such as `WinCLIP`.

    Every model has `.name`, `.backbone`, `.options` (all of them, JSON-able) and is called with images
    `(batch, 3, height, width)` in [0, 1] and one class name or one per image. One with learnable parts predicts after
    `zsas.fit`, or from a `checkpoint` that its `save` wrote. Raises UnknownNameError for an unknown model or option,
    ValueError for an option's value, or a checkpoint of a model that learns nothing; DataError for a checkpoint that
    does not fit.
    """
    if name not in MODELS:
        raise UnknownNameError("model", name, MODELS)
    place, defaults = MODELS[name]
    module, attribute = place.split(":")
    model = getattr(import_module(f".{module}", __name__), attribute)
    parameters = inspect.signature(model).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of model {name!r}", option, known)
    loaded = model(backbone, **defaults | options)
    if checkpoint is not None:
        if not hasattr(loaded, "load"):
            raise ValueError(
                f"Model {name!r} learns nothing, so it has no checkpoint; leave checkpoint={checkpoint} out."
            )
        loaded.load(checkpoint)
    return loaded
