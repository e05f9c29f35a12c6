"""What pictures of every kind are as RGB in [0, 1], and which are refused."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import write_mask, write_picture
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from zsas_lib.base.errors import DataError
from zsas_lib.data.check import check_dataset
from zsas_lib.data.load import load_dataset
from zsas_lib.data.masks import read_mask
from zsas_lib.data.pictures import PIXELS_VARIABLE, converted, largest, read_image, upright_size


def saved(path: Path, picture: Image.Image, **options) -> Path:
    picture.save(path, **options)
    return path


def test_image_is_the_pixels_divided_by_255(tmp_path):
    path = write_picture(tmp_path / "a.png", seed=3)
    image = read_image(path)
    assert image.dtype == torch.float32 and image.is_contiguous()
    expected = np.asarray(Image.open(path)).transpose(2, 0, 1)
    np.testing.assert_array_equal((image.numpy() * 255).round().astype(np.uint8), expected)


def test_grey_becomes_rgb(tmp_path):
    levels = np.arange(200, dtype=np.uint8).reshape(10, 20)
    image = read_image(saved(tmp_path / "a.png", Image.fromarray(levels)))
    torch.testing.assert_close(image, torch.from_numpy(levels / 255).float().expand(3, -1, -1))


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bit_grey_keeps_its_levels(tmp_path, ending):
    levels = np.linspace(0, 65535, 200).astype(np.uint16).reshape(10, 20)
    image = read_image(saved(tmp_path / f"a.{ending}", Image.fromarray(levels)))
    torch.testing.assert_close(image, torch.from_numpy(levels / 65535).float().expand(3, -1, -1))
    assert len(image[0].unique()) == 200
    mask = read_mask(saved(tmp_path / f"m.{ending}", Image.fromarray(levels)), "nonzero")
    np.testing.assert_array_equal(mask.numpy(), levels > 0)


def test_floating_point_picture_must_lie_in_the_unit_interval(tmp_path):
    levels = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    image = read_image(saved(tmp_path / "a.tif", Image.fromarray(levels)))
    torch.testing.assert_close(image[1], torch.from_numpy(levels))
    path = saved(tmp_path / "b.tif", Image.fromarray(levels * 255))
    with pytest.raises(DataError, match=r"b\.tif holds values outside its range; expected floating-point .* \[0, 1\]"):
        read_image(path)


def test_transparency_is_white_in_pictures_and_normal_in_masks(tmp_path):
    pixels = np.zeros((2, 2, 4), dtype=np.uint8)
    pixels[0, 0] = (255, 0, 0, 255)
    pixels[0, 1] = (255, 0, 0, 0)
    path = saved(tmp_path / "a.png", Image.fromarray(pixels))
    assert read_image(path)[:, 0].T.tolist() == [[1, 0, 0], [1, 1, 1]]
    assert read_mask(path).tolist() == [[True, False], [False, False]]


def test_alpha_that_is_zero_everywhere_is_ignored(tmp_path):
    pixels = np.zeros((2, 2, 4), dtype=np.uint8)
    pixels[0, 0, :3] = (255, 0, 51)
    path = saved(tmp_path / "a.png", Image.fromarray(pixels))
    assert read_image(path)[:, 0].T.tolist() == [[1, 0, pytest.approx(0.2)], [0, 0, 0]]
    assert read_mask(path).tolist() == [[True, False], [False, False]]


def test_palettes_are_looked_up(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([0, 0, 255, 0, 0, 0])
    picture.putdata([0, 1])
    path = saved(tmp_path / "a.png", picture)
    assert read_image(path)[:, 0].T.tolist() == [[0, 0, 1], [0, 0, 0]]
    assert read_mask(path).tolist() == [[True, False]]


def test_orientation_tags_turn_pictures_and_masks(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side: turn by 90 degrees clockwise to view
    stored = Image.new("RGB", (16, 8))
    stored.paste((255, 255, 255), (0, 0, 8, 8))
    path = saved(tmp_path / "a.jpg", stored, exif=exif, quality=100)
    upright = read_image(path)
    assert upright.shape == (3, 16, 8) and upright[:, :8].min() > 0.9 and upright[:, 8:].max() < 0.1
    assert upright_size(path) == (8, 16)
    mask = read_mask(saved(tmp_path / "m.png", stored, exif=exif))
    assert mask.shape == (16, 8) and mask[:8].all() and not mask[8:].any()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_from_the_head_is_that_of_the_picture(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.jpg", Image.new("L", (5, 9)), exif=exif)
    assert upright_size(path) == tuple(read_image(path).shape[:0:-1])


@pytest.mark.parametrize("behind", [False, True])
def test_a_png_is_unpacked_for_its_size_only_where_tags_lie_behind_its_pixels(tmp_path, behind, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "a.png", Image.new("L", (5, 9)), exif=exif)
    if behind:
        content = path.read_bytes()
        start, pixels = content.index(b"eXIf") - 4, content.index(b"IDAT") - 4
        path.write_bytes(content[:start] + content[pixels:-12] + content[start:pixels] + content[-12:])
    unpacked = []
    load = PngImageFile.load
    monkeypatch.setattr(PngImageFile, "load", lambda self: unpacked.append(self) or load(self))
    assert upright_size(path) == (9, 5)
    assert bool(unpacked) == behind
    assert tuple(read_image(path).shape[:0:-1]) == (9, 5)
    cut = saved(tmp_path / "b.png", Image.new("L", (50, 90))).read_bytes()[:-20]
    path.write_bytes(cut)
    with pytest.raises(DataError, match="cannot be read"):
        upright_size(path)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp"])
@pytest.mark.parametrize("kept", [0, 0.1, 0.7])
def test_truncation_is_found_in_every_format(tmp_path, ending, kept):
    path = write_picture(tmp_path / f"a.{ending}", size=(64, 64))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=rf"{path} cannot be read"):
        read_image(path)


def test_no_picture_and_no_file(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(DataError, match=rf"{path} does not exist"):
        read_image(path)
    path.write_text("<html>Not found</html>")
    with pytest.raises(DataError, match=rf"{path} cannot be read as a picture \(its content is of no kind"):
        read_mask(path)


def test_a_colour_space_that_cannot_be_turned_into_another_is_named(tmp_path):
    with pytest.raises(DataError, match=r"a\.tif has the colour space LAB, .*expected grey, RGB, CMYK or a palette"):
        converted(Image.new("LAB", (4, 4)), "HSV", tmp_path / "a.tif")


@pytest.fixture
def narrow(monkeypatch):
    """Pillow's own limit, so low that small pictures are beyond it."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)


def test_pictures_beyond_the_limit_are_too_large_and_the_way_to_allow_them_is_said(tmp_path, narrow, monkeypatch):
    wide = write_picture(tmp_path / "part/test/good/0.png", size=(20, 20))
    fits = saved(tmp_path / "fits.png", Image.new("L", (20, 10), 255))
    assert read_image(fits).shape == (3, 10, 20) and read_mask(fits).all()  # beyond half of it Pillow warns
    words = rf"{wide} is too large: 20 x 20 are 400 pixels, .* at most 200 .*{PIXELS_VARIABLE}=400"
    for read in (read_image, read_mask, upright_size):
        with pytest.raises(DataError, match=words) as caught:
            read(wide)
        assert "truncated" not in str(caught.value) and "MAX_IMAGE_PIXELS" not in str(caught.value)
    assert Image.MAX_IMAGE_PIXELS == 100
    with pytest.raises(DataError, match=words):
        load_dataset("folder", tmp_path)[0]
    monkeypatch.setenv(PIXELS_VARIABLE, "400")
    assert read_image(wide).shape == (3, 20, 20) and len(load_dataset("folder", tmp_path)[0].image) == 3
    monkeypatch.setenv(PIXELS_VARIABLE, "399")
    with pytest.raises(DataError, match="at most 399"):
        read_image(wide)


def test_a_mask_beyond_the_limit_is_named_by_the_check(tmp_path, narrow):
    write_picture(tmp_path / "part/test/dent/0.png", size=(20, 20))
    write_mask(tmp_path / "part/ground_truth/dent/0_mask.png", size=(20, 20))
    problems = check_dataset("folder", tmp_path).attrs["problems"]
    assert any("too large" in line for line in problems)


@pytest.mark.parametrize("value", ["many", "-1", "1e9", "0", "²"])
def test_a_limit_that_is_none_is_named(monkeypatch, value):
    monkeypatch.setenv(PIXELS_VARIABLE, value)
    with pytest.raises(DataError, match=rf"\${PIXELS_VARIABLE} is '{value}'; expected how many pixels"):
        largest()


def test_whoever_lifts_pillows_limit_has_lifted_it(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert largest() is None
    assert read_image(write_picture(tmp_path / "a.png", size=(20, 20))).shape == (3, 20, 20)


def test_pillows_limit_stands_again_whoever_reads_at_once(tmp_path, narrow):
    path = write_picture(tmp_path / "a.png", size=(10, 10))
    readers = [threading.Thread(target=lambda: [read_image(path) for _ in range(20)]) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert Image.MAX_IMAGE_PIXELS == 100
