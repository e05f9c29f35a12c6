"""One style for all figures: colours that mean the same on every page, readable on light and dark ground; labels."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import seaborn as sns

INK = "#767676"
PALETTE = {
    "blue": "#045fff",
    "amber": "#cd8403",
    "teal": "#2ea588",
    "red": "#b4180b",
    "plum": "#934282",
    "lavender": "#9787d8",
    "violet": "#743db2",
    "crimson": "#a43642",
    "grey": "#8a8a8a",
}
"""Every colour of a line, bar or point. Any two but the grey can be told apart with each kind of colour blindness, and
each stands out from white and from black (tests/zsas_book/figures/test_figures.py); `INK` can be read on both."""
COLOURS = {
    name: PALETTE[colour]
    for name, colour in {
        "winclip": "blue",
        "anomalyclip": "amber",
        "vcpclip": "plum",
        "vcpclip+": "teal",
        "april-gan": "red",
        "anovl": "lavender",
        "adaclip": "violet",
        "aa-clip": "crimson",
        "rotation": "blue",
        "hue": "amber",
        "saturation": "teal",
        "reported": "grey",
        "chance": "grey",
    }.items()
}
"""What a colour means: on every page the same model, or the same perturbation."""
SERIES = tuple(colour for name, colour in PALETTE.items() if name != "grey")
"""The same palette for series without a colour of their own, such as categories."""
MAP_COLOURS = "inferno"
TRUTH_COLOUR = "#00e5ff"


def use_style() -> None:
    """The book's figure style, for all figures that follow."""
    sns.set_theme(context="notebook", style="ticks", palette=list(SERIES))
    plt.rcParams.update(
        {
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "legend.facecolor": "none",
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "figure.constrained_layout.use": True,
            "svg.fonttype": "none",
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.titlecolor": INK,
            "grid.color": INK,
            "grid.alpha": 0.3,
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.labelsize": 10,
            "legend.fontsize": 9,
            "legend.frameon": False,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.title_fontsize": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "patch.edgecolor": "none",
        }
    )


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
METRIC_LABELS: Mapping[str, str] = {
    "pixel_auroc": "pixel AUROC (%)",
    "pixel_ap": "pixel AP (%)",
    "pixel_f1_max": "pixel F1-max (%)",
    "pixel_iou": "IoU at F1-max (%)",
    "aupro": "AUPRO (%)",
    "aupro_200": "AUPRO, 200 thresholds (%)",
    "image_auroc": "image AUROC (%)",
    "image_ap": "image AP (%)",
    "image_f1_max": "image F1-max (%)",
}
