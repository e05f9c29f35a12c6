"""Galleries and pictures of steps, by what matplotlib was given to draw."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from toy import toy_dataset

from zsas_book import figures


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def sample(tmp_path):
    return toy_dataset(tmp_path, {"ceramic_ring": 1})[3]


def test_a_tile_says_what_it_shows_unless_it_is_a_map(sample):
    assert figures.tile(sample).title == "ceramic ring: glow"
    assert figures.tile(sample, "first").title == "first"
    assert figures.tile(sample, anomaly_map=sample.image[0]).title == ""
    assert figures.tile(sample, outline=False).mask is None


def test_a_gallery_has_pictures_outlines_maps_and_gaps_in_their_places(sample):
    anomaly_map = sample.image[0]
    rows = [
        [figures.tile(sample, outline=False), figures.tile(sample)],
        [None, figures.tile(sample, "AUROC\n50 %", anomaly_map, (0.0, 2.0))],
    ]
    figure = figures.gallery(rows, names=["first_row", "second"])
    axes = np.array(figure.axes).reshape(2, 2)
    pixels = [[axis.images[0].get_array() if axis.images else None for axis in line] for line in axes]
    whole = sample.image.permute(1, 2, 0).numpy()
    np.testing.assert_allclose(pixels[0][0], whole)
    np.testing.assert_allclose(pixels[0][1], figures.outlined(whole, sample.mask))
    assert pixels[1][0] is None
    np.testing.assert_allclose(pixels[1][1], figures.blended(sample.image, anomaly_map, (0.0, 2.0)))
    assert axes[1, 1].get_title() == "AUROC\n50 %"
    assert [line[0].texts[0].get_text() for line in axes] == ["first\nrow", "second"]


@pytest.mark.slow
def test_a_gallery_is_no_wider_than_a_page(sample):
    assert figures.gallery([[figures.tile(sample)] * 12]).get_figwidth() == pytest.approx(9.0)
    assert figures.gallery([[figures.tile(sample)] * 2], size=1.5).get_figwidth() == pytest.approx(3.0)


def test_an_empty_gallery_is_refused():
    with pytest.raises(ValueError, match="at least one tile"):
        figures.gallery([])


def arrows(figure) -> list[tuple[float, float]]:
    return [(text.xyann[0], text.xy[0]) for text in figure.axes[0].texts if not text.get_text()]


def test_steps_are_boxes_from_top_to_bottom_joined_by_arrows():
    figure = figures.steps(["picture", ["image tower", "text tower"], ["patches", "sentences"], "map"], ["text tower"])
    axes = figure.axes[0]
    boxes = [text.get_text() for text in axes.texts if text.get_text()]
    assert boxes == ["picture", "image tower", "text tower", "patches", "sentences", "map"]
    middles = [text.get_position()[1] for text in axes.texts if text.get_text()]
    assert middles == sorted(middles, reverse=True)
    left, middle, right = 1.75, 3.5, 5.25
    assert arrows(figure) == [
        (middle, left),
        (middle, right),
        (left, left),
        (right, right),
        (left, middle),
        (right, middle),
    ]
    colours = [to_hex(patch.get_edgecolor()) for patch in axes.patches]
    assert colours.count(figures.SERIES[1]) == 1 and colours[2] == figures.SERIES[1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["learned", "fixed"]


def test_long_text_is_wrapped_to_its_box_but_for_formulas():
    figure = figures.steps([["a sentence of many words that do not fit"] * 4, "$M = (a + b) / 2$"])
    lines = [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    assert lines[0].count("\n") >= 1 and lines[-1] == "$M = (a + b) / 2$"


def test_a_learned_step_must_be_a_step():
    with pytest.raises(ValueError, match="learned ones among them"):
        figures.steps(["picture"], ["pictur"])


def test_columns_are_named_once_above_their_first_tile(sample):
    columns = {"": [figures.tile(sample)] * 2, "model": [figures.tile(sample, anomaly_map=sample.image[0])] * 2}
    figure = figures.gallery_of_columns(columns, names=["ring", "nut"])
    assert [axis.get_title() for axis in figure.axes] == ["", "model", "", ""]
    blended = figures.blended(sample.image, sample.image[0])
    np.testing.assert_allclose(figure.axes[3].images[0].get_array(), blended)
    with pytest.raises(ValueError, match="zip"):
        figures.gallery_of_columns({"a": [figures.tile(sample)], "b": []})
