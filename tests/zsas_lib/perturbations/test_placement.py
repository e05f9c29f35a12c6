"""Placements against torch's and scipy's own, and the agreement of their three ways."""

import numpy as np
import pytest
import torch
from scipy.ndimage import shift, zoom

from zsas_lib.base.errors import OptionError, UnknownNameError
from zsas_lib.perturbations.placement import PLACEMENTS, placed, placement_words

IMAGES = torch.rand(2, 3, 24, 20, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "spelled, expected",
    [
        ("mirror", IMAGES.flip(-1)),
        ("upside_down", IMAGES.flip(-2)),
        ("rotation(180)", IMAGES.rot90(2, (2, 3))),
        ("shift(0)", IMAGES),
        ("scale(1)", IMAGES),
    ],
)
def test_what_is_exact_is_exact_and_shows_everything(spelled, expected):
    own = placed(spelled)
    torch.testing.assert_close(own.images(IMAGES), expected, atol=2e-6, rtol=0)
    torch.testing.assert_close(own.maps(IMAGES[:, 0]), expected[:, 0], atol=2e-6, rtol=0)
    assert (own.masks(IMAGES[:, 0] > 0.5) == (expected[:, 0] > 0.5)).all() and own.shown(24, 20).all()


@pytest.mark.parametrize(
    "spelled, by", [("shift(0.25)", (0, 5)), ("shift(-0.1)", (0, -2)), ("shift_down(0.5)", (12, 0))]
)
def test_a_shift_is_scipys_with_the_border_continued(spelled, by):
    expected = shift(IMAGES[0, 0].numpy(), by, order=0, mode="nearest")
    own = placed(spelled)
    np.testing.assert_array_equal(own.images(IMAGES)[0, 0], expected)
    shown = shift(np.ones((24, 20)), by, order=0, mode="constant") > 0.5
    np.testing.assert_array_equal(own.shown(24, 20), shown)


def test_a_scale_of_two_is_scipys_zoom_of_the_middle():
    own = placed("scale(2)")
    expected = zoom(IMAGES[0, 0].numpy(), 2, order=1, mode="nearest", grid_mode=True)[12:36, 10:30]
    np.testing.assert_allclose(own.images(IMAGES)[0, 0], expected, atol=1e-5)
    assert own.shown(24, 20).all() and placed("scale(0.5)").shown(24, 20).sum() == 12 * 10


@pytest.mark.parametrize("spelled", ["rotation(30)", "scale(0.8)", "scale(1.5)", "shift(0.2)", "mirror"])
def test_masks_maps_and_images_move_alike(spelled):
    own = placed(spelled)
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(48.0), indexing="ij")
    spot = torch.exp(-((rows - 14) ** 2 + (columns - 30) ** 2) / 60)[None]
    images, maps = own.images(spot[None].expand(1, 3, -1, -1))[:, 0], own.maps(7 * spot - 3)
    torch.testing.assert_close(maps, 7 * images - 3, atol=0.02, rtol=0)
    edge = ((images - 0.5).abs() > 0.1) & own.shown(40, 48)
    assert (own.masks(spot > 0.5) == (images > 0.5))[edge].all() and edge.float().mean() > 0.5


@pytest.mark.parametrize("spelled", ["rotation(30)", "scale(1.5)", "shift(0.2)", "mirror"])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_placed_in_single(spelled, kind):
    own, images = placed(spelled), IMAGES.to(kind)
    torch.testing.assert_close(own.images(images), own.images(images.float()).to(kind))
    torch.testing.assert_close(own.maps(images[:, 0]), own.maps(images[:, 0].float()).to(kind))


def test_names_are_read_and_said():
    assert placed(" rotation(-15.5) ").amount == -15.5 and placed("mirror").placement is PLACEMENTS["mirror"]
    assert placement_words("rotation(15)") == "turned by 15 degrees" and placement_words("mirror") == "mirrored"
    assert placement_words("scale(1.25)") == "scaled by 1.25"
    with pytest.raises(UnknownNameError, match="placement 'turn'.*mirror"):
        placed("turn(3)")
    for wrong, said in {
        "rotation(": "such as 'mirror'",
        "rotation": r"rotation\(AMOUNT\) .*\[-180, 180\] degrees",
        "scale(3)": r"\[0.5, 2\], got",
        "mirror(1)": "has no amount",
    }.items():
        with pytest.raises(OptionError, match=said):
            placed(wrong)
