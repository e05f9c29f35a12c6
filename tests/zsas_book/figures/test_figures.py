"""Pixels of overlays, against what they are made of."""

import html
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgb
from mini_project import REPOSITORY
from skimage.color import rgb2lab

from zsas_book import figures
from zsas_book.figures.style import colours_of
from zsas_lib.models import BEST_TRIVIAL, MODELS, list_models, list_trivial_maps
from zsas_lib.perturbations import PERTURBATIONS

SIMULATED = {  # Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
IMAGE = torch.rand((3, 6, 8), generator=torch.Generator().manual_seed(0))


def test_an_overlay_is_grey_where_nothing_is_found_and_coloured_where_most_is():
    anomaly_map = torch.zeros(6, 8)
    anomaly_map[2, 3] = 2.0
    pixels, grey = figures.blended(IMAGE, anomaly_map), IMAGE.mean(0).numpy()
    colours = plt.get_cmap(figures.MAP_COLOURS)
    np.testing.assert_allclose(pixels[0, 0], 0.75 * grey[0, 0] + 0.25 * np.array(colours(0.0)[:3]), atol=1e-6)
    np.testing.assert_allclose(pixels[2, 3], 0.15 * grey[2, 3] + 0.85 * np.array(colours(1.0)[:3]), atol=1e-6)
    nothing = figures.blended(IMAGE, torch.zeros(6, 8))
    np.testing.assert_allclose(figures.blended(IMAGE, anomaly_map, (2.0, 3.0)), nothing)


def test_the_outline_lies_around_the_mask_and_changes_nothing_else():
    pixels, mask = IMAGE.permute(1, 2, 0).numpy(), torch.zeros(6, 8, dtype=torch.bool)
    mask[2:4, 3:5] = True
    drawn = figures.outlined(pixels, mask)
    changed = (drawn != pixels).any(-1)
    assert changed.sum() == 8 and not changed[mask.numpy()].any()
    assert drawn[1, 3] == pytest.approx(to_rgb(figures.TRUTH_COLOUR))
    np.testing.assert_array_equal(figures.outlined(pixels, torch.zeros_like(mask)), pixels)


def linear(colour: str) -> np.ndarray:
    values = np.array(to_rgb(colour))
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(colour: str, ground: str) -> float:
    """The contrast ratio of WCAG 2."""
    darker, lighter = sorted(float(linear(one) @ (0.2126, 0.7152, 0.0722)) + 0.05 for one in (colour, ground))
    return lighter / darker


@pytest.mark.parametrize("kind", SIMULATED)
def test_any_two_colours_can_be_told_apart_also_by_the_colour_blind(kind):
    seen = np.clip([np.array(SIMULATED[kind]) @ linear(colour) for colour in figures.SERIES], 0, 1)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(encoded)
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[np.triu_indices(len(lab), 1)]
    assert apart.min() > 20  # a just noticeable difference is some 2.3


@pytest.mark.parametrize("ground", ["white", "black"])
def test_colours_stand_out_and_writing_can_be_read_on_light_and_dark_ground(ground):
    assert {
        name: contrast(colour, ground) for name, colour in figures.PALETTE.items() if contrast(colour, ground) < 3
    } == {}
    assert contrast(figures.INK, ground) >= 4.5


def test_each_model_and_each_perturbation_has_a_colour_that_no_other_has():
    models = [name for name in list_models() if name not in list_trivial_maps()]
    for names in (models, PERTURBATIONS):
        colours = [figures.COLOURS[name] for name in names]
        assert len(set(colours)) == len(colours) and figures.PALETTE["grey"] not in colours


def test_what_is_no_model_is_grey():
    for name in (*list_trivial_maps(), BEST_TRIVIAL, "reported", "chance"):
        assert figures.COLOURS[name] == figures.PALETTE["grey"]
    assert figures.label(BEST_TRIVIAL) == "best trivial map"


def test_names_without_a_key_take_the_colours_in_turn_and_a_wrong_key_is_refused():
    given = colours_of({"mine": "", "winclip": "blue", "yours": ""})
    assert given == {"mine": figures.SERIES[0], "winclip": figures.PALETTE["blue"], "yours": figures.SERIES[1]}
    with pytest.raises(KeyError, match="bleu"):
        colours_of({"mine": "bleu"})


def test_every_model_has_a_label():
    assert set(list_models()) == set(MODELS), "none is printed only"
    assert [figures.label(name) for name in MODELS] == [record.label for record in MODELS.values()]
    assert figures.label("vcpclip+") == "VCP-CLIP+" and figures.label("aa-clip") == "AA-CLIP"


def test_no_notebook_names_a_colour_of_its_own():
    for path in (REPOSITORY / "notebooks").glob("*.md"):
        assert re.findall(r"#[0-9a-fA-F]{6}\b|\bC\d\b|color=\"(?!none|white)\w+\"", path.read_text()) == [], path.name


def drawn_words(figure) -> set[str]:
    """The texts of a figure as SVG."""
    file = io.StringIO()
    figure.savefig(file, format="svg")
    return {html.unescape(text) for text in re.findall(r"<text [^>]*>([^<]*)</text>", file.getvalue())}


@pytest.mark.slow
def test_names_in_figures_are_text_and_no_formulas():
    name = "$x_1$ <M8> & $y$"
    axes = figures.panels()[1]
    figures.category_lines(axes, pd.DataFrame({name: [1.0, 2.0]}, index=[name, "b"]), even=True)
    figures.legend(axes.figure)
    tile = figures.Tile(IMAGE, f"title {name}")
    assert name in drawn_words(axes.figure)
    assert f"title {name}" in drawn_words(figures.gallery([[tile]]))
    assert drawn_words(figures.steps(["map $M^W$", "the map"])) >= {"the map"}


@pytest.mark.slow
def test_logarithmic_axes_have_plain_numbers():
    axes = figures.panels()[1]
    axes.plot([0.01, 1.0, 250.0], [1.0, 2.0, 3.0])
    figures.log_axes(axes, "x")
    assert axes.get_xscale() == "log" and axes.get_yscale() == "linear"
    words = drawn_words(axes.figure)
    assert {"0.01", "0.03", "0.1", "1", "100"} <= words and not any("$" in word for word in words)


@pytest.mark.slow
def test_gaps_stand_with_their_intervals_about_a_line_in_two_columns_of_panels():
    rows = [
        (name, metric, gap, gap - 1, gap + 2)
        for metric in ("aupro", "image_auroc", "pixel_ap")
        for name, gap in (("a − b", 1.0), ("a − c", -3.0))
    ]
    gaps = pd.DataFrame(rows, columns=["pair", "metric", "gap", "low", "high"])
    axes = figures.gap_panels(gaps, "pair", ["aupro", "image_auroc", "pixel_ap"]).axes
    assert [axis.get_xlabel() for axis in axes[:2]] == ["AUPRO (points)", "image AUROC (points)"]
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["a − b", "a − c"] and len(axes) == 4
    drawn = [own.get_segments()[0][:, 0].tolist() for own in axes[0].collections]
    assert drawn == [pytest.approx([-0.5, 2.5]), pytest.approx([-4.5, -1.5])]
    assert figures.gap_panels(gaps.drop(columns=["low", "high"]), "pair", ["aupro"]).axes
