"""Making a model by its name."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

from ..backbones.backbone import Backbone
from ..backbones.families.sizes import Size
from ..backbones.registry import shapes_only
from ..base.errors import UnknownNameError
from . import MODELS, list_models
from .kinds import require_kinds
from .prediction import AnomalyModel


def load_model(
    name: str, backbone: Backbone | None = None, *, checkpoint: str | Path | None = None, **options: object
) -> AnomalyModel:
    """A published model on a backbone, or a trivial map; `options` are the keyword arguments of its class, such as
    `WinCLIP`.

    Every model has `.name`, `.backbone`, `.options` (all of them, JSON-able) and is called with images
    `(batch, 3, height, width)` in [0, 1] and one class name or one per image. One with learnable parts predicts after
    `zsas.fit`, or from a `checkpoint` that its `save` wrote. A trivial map (`list_trivial_maps`) has no use for a
    backbone: its own is None, whatever is given. Raises UnknownNameError for an unknown model or option, TypeError for
    another model without a backbone, ValueError for an option's value, a backbone that the model cannot run on
    (`why_not`) or whose tokenizer is not installed, or a checkpoint of a model that learns nothing; DataError for a
    checkpoint that does not fit, or where the tokenizer's files are neither here nor to be had.

    >>> backbone = zsas.load_backbone("embedded")
    >>> model = zsas.load_model("winclip", backbone, scales=(2,))
    >>> prediction = model(torch.rand(1, 3, 144, 144), "ceramic ring")
    >>> prediction.anomaly_map.shape, prediction.image_score.shape
    (torch.Size([1, 144, 144]), torch.Size([1]))
    """
    model, record = model_class(name), MODELS[name]
    parameters = inspect.signature(model).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of model {name!r}", option, known)
    if record.trivial:
        loaded = model(**{**record.options, **options})
    elif not isinstance(backbone, Backbone):
        got = "" if backbone is None else f", got {backbone!r}"
        raise TypeError(f'Model {name!r} needs a backbone{got}: load_model({name!r}, load_backbone("embedded")).')
    else:
        require_runs(name, backbone)
        loaded = model(backbone, **{**record.options, **options})
    if checkpoint is not None:
        if not record.learns:
            raise ValueError(
                f"Model {name!r} learns nothing, so it has no checkpoint; leave checkpoint={checkpoint} out."
            )
        loaded.load(checkpoint)
    return loaded


def model_class(name: str) -> Any:
    """The subclass of `AnomalyModel` behind a model's name. Raises UnknownNameError."""
    if name not in list_models():
        raise UnknownNameError("model", name, list_models())
    module, attribute = MODELS[name].place.split(":")
    return getattr(import_module(f".{module}", __package__), attribute)


def why_not(name: str, backbone: Backbone | str, image_size: Size | None = None) -> str:
    """Why a model cannot run on a backbone, in a sentence; "" where it can. The backbone's name will do, of which no
    weights are read or fetched; what is raised for it is what `load_backbone` raises.

    >>> models = ("winclip", "april-gan", "anomalyclip", "vcpclip")
    >>> [name for name in models if zsas.why_not(name, "RN50:openai")]
    ['anomalyclip', 'vcpclip']
    """
    model = model_class(name)
    if isinstance(backbone, str):
        backbone = shapes_only(backbone, image_size)
    require_kinds((backbone, Backbone))
    return model.cannot(backbone)


def require_runs(name: str, backbone: Backbone | str, image_size: Size | None = None) -> None:
    """Raises OptionError for a model that cannot run on a backbone (`why_not`), or one that cannot read sentences here
    for want of a package, and what `load_backbone` raises for the name of one; DataError where its tokenizer's files
    are neither here nor to be had. Weights are neither read nor fetched."""
    model = model_class(name)
    if isinstance(backbone, str):
        backbone = shapes_only(backbone, image_size)
    model.require_suits(backbone)
    backbone.text.require_readable()
