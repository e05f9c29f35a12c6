"""What identifiers are called where people read them: metrics, models and perturbations by the labels of their
registries, all other names with spaces for underscores."""

from collections.abc import Mapping

import zsas_lib as zsas

ERROR = "_se"  # ends the name of a column of standard errors
MODEL_LABELS: Mapping[str, str] = {
    "winclip": "WinCLIP",
    "april-gan": "APRIL-GAN",
    "anomalyclip": "AnomalyCLIP",
    "vcpclip": "VCP-CLIP",
    "vcpclip+": "VCP-CLIP+",
    "anovl": "AnoVL",
    "adaclip": "AdaCLIP",
    "aa-clip": "AA-CLIP",
}
"""How the papers write the models' names; the last three are not in the library, but their printed numbers are."""
PERTURBATION_LABELS: Mapping[str, str] = {
    "rotation": "rotation, clockwise (degrees)",
    "hue": "hue shift (radians)",
    "saturation": "saturation shift",
}


def label(name: str) -> str:
    """What a metric (``pixel_auroc``: "pixel AUROC"), its standard error (``pixel_auroc_se``: "± pixel AUROC"), a model
    (``april-gan``: "APRIL-GAN") or a category (``ceramic_ring``: "ceramic ring") is called.

    Only whole identifiers become words, so a sentence or a file's name with an underscore stays as it is.
    """
    if name in zsas.METRICS:
        return zsas.METRICS[name].label
    if name.endswith(ERROR) and name.removesuffix(ERROR) in zsas.METRICS:
        return f"± {zsas.METRICS[name.removesuffix(ERROR)].label}"
    return MODEL_LABELS.get(name) or (name.replace("_", " ") if name.isidentifier() else name)


def axis_label(name: str) -> str:
    """What an axis along which a metric, a perturbation or anything else runs is called, with the unit where one is
    known: "pixel AUROC (%)", "hue shift (radians)"."""
    if name in zsas.METRICS:
        return zsas.METRICS[name].axis
    return PERTURBATION_LABELS.get(name) or label(name)
