"""What identifiers are called where people read them: metrics, models and perturbations by the labels of their
registries, all other names with spaces for underscores."""

import zsas_lib as zsas
from zsas_lib.models import MODELS
from zsas_lib.perturbations import PERTURBATIONS

ERROR = "_se"  # ends the name of a column of standard errors


def label(name: str) -> str:
    """What a metric (``pixel_auroc``: "pixel AUROC"), its standard error (``pixel_auroc_se``: "± pixel AUROC"), a model
    (``april-gan``: "APRIL-GAN"), here or in a paper's tables only, or a category (``ceramic_ring``: "ceramic ring") is
    called.

    Only whole identifiers become words, so a sentence or a file's name with an underscore stays as it is.
    """
    if name in zsas.METRICS:
        return zsas.METRICS[name].label
    if name.endswith(ERROR) and name.removesuffix(ERROR) in zsas.METRICS:
        return f"± {zsas.METRICS[name.removesuffix(ERROR)].label}"
    if name in MODELS:
        return MODELS[name].label
    return name.replace("_", " ") if name.isidentifier() else name


def axis_label(name: str) -> str:
    """What an axis along which a metric, a perturbation or anything else runs is called, with the unit where one is
    known: "pixel AUROC (%)", "hue shift (radians)"."""
    if name in zsas.METRICS:
        return zsas.METRICS[name].axis
    return PERTURBATIONS[name].label if name in PERTURBATIONS else label(name)
