"""Figures in one style: colours that mean the same on every page, readable on light and dark ground, with their data.

Figures have no ground of their own and grey writing, so that a page's light or dark ground shows through. `publish`
saves a figure as SVG and the table behind it as CSV, where the page that is being computed collects its downloads.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from scipy import ndimage
from torch import Tensor

INK = "#767676"
PALETTE = {
    "blue": "#045fff", "amber": "#cd8403", "teal": "#2ea588", "red": "#b4180b", "plum": "#934282", "lavender": "#9787d8",
    "violet": "#743db2", "crimson": "#a43642", "grey": "#8a8a8a",
}
"""Every colour of a line, bar or point. Any two but the grey can be told apart with each kind of colour blindness, and
each stands out from white and from black (tests/test_plots.py); `INK` can be read on both."""
COLOURS = {name: PALETTE[colour] for name, colour in {
    "winclip": "blue", "anomalyclip": "amber", "vcpclip": "plum", "vcpclip+": "teal", "april-gan": "red",
    "anovl": "lavender", "adaclip": "violet", "aa-clip": "crimson",
    "rotation": "blue", "hue": "amber", "saturation": "teal",
    "reported": "grey", "chance": "grey",
}.items()}
"""What a colour means: on every page the same model, or the same perturbation."""
SERIES = tuple(colour for name, colour in PALETTE.items() if name != "grey")
"""The same palette for series without a colour of their own, such as categories."""
MAP_COLOURS = "inferno"
TRUTH_COLOUR = "#00e5ff"


def use_style() -> None:
    """The book's figure style, for all figures that follow."""
    sns.set_theme(context="notebook", style="ticks", palette=list(SERIES))
    plt.rcParams.update({
        "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none", "legend.facecolor": "none",
        "figure.dpi": 110, "savefig.dpi": 110, "figure.constrained_layout.use": True, "svg.fonttype": "none",
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
        "axes.titlecolor": INK, "grid.color": INK, "grid.alpha": 0.3, "font.size": 10, "axes.titlesize": 10,
        "axes.labelsize": 10, "legend.fontsize": 9, "legend.frameon": False,
        "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.title_fontsize": 9,
        "axes.spines.top": False, "axes.spines.right": False, "patch.edgecolor": "none",
    })


def publish(figure: Figure, name: str, data: pd.DataFrame | None = None) -> None:
    """Save `figure` as ``NAME.svg`` and `data` as ``NAME.csv`` among the page's downloads; nothing outside a page run."""
    if folder := _downloads():
        figure.savefig(folder / f"{name}.svg")
    if data is not None:
        publish_table(data, name)


def publish_table(data: pd.DataFrame, name: str) -> None:
    """Save a table as ``NAME.csv`` among the page's downloads; nothing outside a page run."""
    if folder := _downloads():
        data.to_csv(folder / f"{name}.csv", index=not isinstance(data.index, pd.RangeIndex), float_format="%.6g")


def _downloads() -> Path | None:
    folder = os.environ.get("ZSAS_PAGE_FILES")
    return Path(folder) if folder else None


def picture(axes: Axes, image: Float[Tensor, "3 height width"], title: str = "") -> None:
    """One RGB picture without axes."""
    axes.imshow(image.permute(1, 2, 0).clamp(0, 1).numpy(force=True))
    axes.set_title(title)
    axes.set_axis_off()


def overlay(
    axes: Axes, image: Float[Tensor, "3 height width"], anomaly_map: Float[Tensor, "height width"],
    mask: Bool[Tensor, "height width"] | None = None, title: str = "", limits: tuple[float, float] | None = None,
) -> None:
    """An anomaly map over its greyed picture, with the ground truth's outline; colours span `limits` or the map's range."""
    axes.imshow(blended(image, anomaly_map, limits))
    if mask is not None and mask.any():
        axes.contour(mask.numpy(force=True), levels=[0.5], colors=TRUTH_COLOUR, linewidths=1.2)
    axes.set_title(title)
    axes.set_axis_off()


def blended(
    image: Float[Tensor, "3 height width"], anomaly_map: Float[Tensor, "height width"], limits: tuple[float, float] | None = None
) -> Float[np.ndarray, "height width 3"]:
    """The pixels of `overlay`: the greyed picture, the more coloured the higher the map, in [0, 1]."""
    grey = image.mean(0).numpy(force=True)
    values = anomaly_map.numpy(force=True)
    low, high = limits or (values.min(), values.max())
    strength = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    coloured = plt.get_cmap(MAP_COLOURS)(strength)[..., :3]
    weight = 0.25 + 0.6 * strength[..., None]
    return ((1 - weight) * grey[..., None] + weight * coloured).clip(0, 1).astype(np.float32)


def outlined(pixels: Float[np.ndarray, "height width 3"], mask: Bool[Tensor, "height width"]) -> Float[np.ndarray, "height width 3"]:
    """Pixels with the border of a mask drawn in the colour of the ground truth, one pixel wide, outside of it."""
    pixels = pixels.copy()
    pixels[ndimage.binary_dilation(mask.numpy(force=True)) & ~mask.numpy(force=True)] = to_rgb(TRUTH_COLOUR)
    return pixels


def sweep_lines(
    axes: Axes, table: pd.DataFrame, metric: str = "pixel_auroc", categories: Sequence[str] | None = None, mean: bool = True
) -> None:
    """A uniform sweep's `metric` in percent against the perturbation's value, one line a category, with bands of one
    bootstrap standard error over images where the table has ``METRIC_se``; the mean over categories as a thick grey line."""
    chosen = list(categories or dict.fromkeys(table.category[table.category != "mean"]))
    for colour, category in zip(np.resize(SERIES, len(chosen)), chosen):
        rows = table[table.category == category].sort_values("value")
        axes.plot(rows.value, 100 * rows[metric], color=colour, label=category.replace("_", " "), marker="o", markersize=3)
        if f"{metric}_se" in rows:
            band = rows[f"{metric}_se"]
            low, high = (100 * (rows[metric] + sign * band).clip(0, 1) for sign in (-1, 1))
            axes.fill_between(rows.value, low, high, color=colour, alpha=0.15)
    if mean and (table.category == "mean").any():
        rows = table[table.category == "mean"].sort_values("value")
        axes.plot(rows.value, 100 * rows[metric], color=INK, linewidth=2.5, label="mean")
    axes.set_ylabel(METRIC_LABELS.get(metric, metric))
    axes.grid(axis="y")


def category_bars(axes: Axes, table: pd.DataFrame, metric: str, spread: pd.DataFrame | None = None) -> None:
    """One bar a category in percent, with error bars of one standard error from `spread`, and the mean as a dashed grey line."""
    rows = table.drop(index="mean").sort_values(metric)
    error = None if spread is None else 100 * spread[metric].reindex(rows.index)
    axes.barh([name.replace("_", " ") for name in rows.index], 100 * rows[metric], xerr=error, color=COLOURS["winclip"],
              error_kw={"ecolor": INK})
    axes.axvline(100 * table.loc["mean", metric], color=INK, linestyle="--", linewidth=1.5)
    axes.set_xlabel(METRIC_LABELS.get(metric, metric))
    axes.grid(axis="x")


def model_bars(axes: Axes, tables: Mapping[str, pd.DataFrame], metric: str, reported: Mapping[str, pd.Series] | None = None) -> None:
    """One bar per category and model in percent, in the first table's order, and each model's mean as a dashed line.

    Where a table has ``METRIC_se`` (fractions), bars get error bars. `reported` holds printed fractions by model and
    category; they stand in the bars as diamonds.
    """
    first = next(iter(tables.values()))
    categories = [category for category in first.index if category != "mean"]
    height = 0.8 / len(tables)
    for number, (name, table) in enumerate(tables.items()):
        colour = COLOURS.get(name, SERIES[number % len(SERIES)])
        places = np.arange(len(categories)) + (number - (len(tables) - 1) / 2) * height
        error = 100 * table.loc[categories, f"{metric}_se"] if f"{metric}_se" in table else None
        axes.barh(places, 100 * table.loc[categories, metric], height=height, color=colour, xerr=error, label=MODEL_LABELS.get(name, name),
                  error_kw={"ecolor": INK, "elinewidth": 1})
        axes.axvline(100 * table.loc["mean", metric], color=colour, linestyle="--", linewidth=1.5)
        if reported and name in reported:
            axes.plot(100 * reported[name].reindex(categories), places, "D", color=COLOURS["reported"], markersize=4,
                      label="reported" if number == 0 else None)
    axes.set(yticks=range(len(categories)), yticklabels=[category.replace("_", " ") for category in categories],
             ylim=(len(categories) - 0.5, -0.5), xlabel=METRIC_LABELS.get(metric, metric))
    axes.grid(axis="x")


MODEL_LABELS: Mapping[str, str] = {
    "winclip": "WinCLIP", "april-gan": "APRIL-GAN", "anomalyclip": "AnomalyCLIP", "vcpclip": "VCP-CLIP", "vcpclip+": "VCP-CLIP+",
    "anovl": "AnoVL", "adaclip": "AdaCLIP", "aa-clip": "AA-CLIP",
}
"""How the papers write the models' names; the last three are not in the library, but their printed numbers are."""
PERTURBATION_LABELS: Mapping[str, str] = {
    "rotation": "rotation, clockwise (degrees)", "hue": "hue shift (radians)", "saturation": "saturation shift",
}
METRIC_LABELS: Mapping[str, str] = {
    "pixel_auroc": "pixel AUROC (%)", "pixel_ap": "pixel AP (%)", "pixel_f1_max": "pixel F1-max (%)",
    "pixel_iou": "IoU at F1-max (%)", "aupro": "AUPRO (%)", "aupro_200": "AUPRO, 200 thresholds (%)",
    "image_auroc": "image AUROC (%)", "image_ap": "image AP (%)", "image_f1_max": "image F1-max (%)",
}
