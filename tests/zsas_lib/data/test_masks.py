"""What a pixel of a mask means, in every format and by every rule."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.data.load import load_dataset
from zsas_lib.data.masks import MASK_RULES, mask_size, read_mask
from zsas_lib.data.soft_masks import above_half

Y, X = np.mgrid[:48, :64]
DISC = (X - 20) ** 2 + (Y - 20) ** 2 < 100
OTHER = (X - 46) ** 2 + (Y - 22) ** 2 < 100
LEVELS = DISC.astype(np.uint8) * 255


def saved(path: Path, picture: Image.Image, **options) -> Path:
    picture.save(path, **options)
    return path


def read(path: Path, **options) -> np.ndarray:
    return read_mask(path, **options).numpy()


def jpeg(levels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def with_alpha(colour: np.ndarray, alpha: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([colour] * 3 + [alpha]))


NOTHING, FULL = np.zeros_like(LEVELS), np.full_like(LEVELS, 255)
GREY = Image.fromarray(LEVELS)
KINDS = {
    "1.png": GREY.convert("1"),
    "L.png": GREY,
    "L.bmp": GREY,
    "L.gif": GREY,
    "P.png": GREY.convert("P"),
    "RGB.png": GREY.convert("RGB"),
    "I16.png": Image.fromarray(LEVELS.astype(np.uint16) * 257),
    "one-of-65535.png": Image.fromarray(DISC.astype(np.uint16)),
    "I.tif": Image.fromarray(DISC.astype(np.int32) * 1000),
    "F.tif": Image.fromarray(DISC.astype(np.float32)),
    "CMYK.tif": GREY.convert("RGB").convert("CMYK"),
    "YCbCr.tif": GREY.convert("YCbCr"),
    "LA.png": Image.fromarray(np.dstack([LEVELS, FULL])),
    "LA-hidden.png": Image.fromarray(np.dstack([LEVELS, NOTHING])),
    "RGBA.png": with_alpha(LEVELS, FULL),
    "RGBA-hidden.png": with_alpha(LEVELS, NOTHING),
    "white-in-alpha.png": with_alpha(FULL, LEVELS),
    "black-in-alpha.png": with_alpha(NOTHING, LEVELS),
    "black-on-clear-white.png": with_alpha(255 - LEVELS, LEVELS),
}


@pytest.mark.parametrize("rule", MASK_RULES)
@pytest.mark.parametrize("name", KINDS)
def test_one_mask_in_many_formats(tmp_path, name, rule):
    np.testing.assert_array_equal(read(saved(tmp_path / name, KINDS[name]), rule=rule), DISC)


def test_opaque_black_is_blank(tmp_path):
    assert not read(saved(tmp_path / "a.png", with_alpha(NOTHING, FULL))).any()
    assert not read(saved(tmp_path / "b.jpg", Image.new("L", (16, 16)))).any()


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 97])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_jpeg_is_known_by_its_content_and_leaves_no_ripples(tmp_path, name, quality):
    file = io.BytesIO()
    GREY.save(file, "JPEG", quality=quality)
    (tmp_path / name).write_bytes(file.getvalue())
    np.testing.assert_array_equal(read(tmp_path / name), DISC)
    assert read(tmp_path / name, rule="nonzero").sum() > 1.05 * DISC.sum()
    once = saved(tmp_path / "was_jpeg.png", Image.open(tmp_path / name))
    np.testing.assert_array_equal(read(once), DISC)


def test_jpeg_within_tiff_and_webp(tmp_path):
    np.testing.assert_array_equal(read(saved(tmp_path / "a.tif", GREY, compression="jpeg", quality=60)), DISC)
    lossy = read(saved(tmp_path / "a.webp", GREY.convert("RGB"), quality=75))
    assert (lossy != DISC).sum() <= 3 and ndimage.label(lossy)[1] == 1


def test_ripples_of_straight_edges_are_no_regions():
    drawn = Image.new("L", (160, 120))
    for box in ((21, 13, 60, 40), (80, 30, 83, 100), (100, 55, 150, 57)):
        ImageDraw.Draw(drawn).rectangle(box, fill=255)
    truth = np.array(drawn) > 0
    for quality in range(30, 101, 5):
        levels = jpeg(np.array(drawn), quality)
        np.testing.assert_array_equal(above_half(levels), truth)


@pytest.mark.parametrize("grade", [200, 127, 100, 60, 30])
def test_a_weaker_grade_keeps_its_size(tmp_path, grade):
    levels = np.where(DISC, 255, np.where(OTHER, grade, 0)).astype(np.uint8)
    truth = DISC | OTHER
    np.testing.assert_array_equal(read(saved(tmp_path / "a.png", Image.fromarray(levels))), truth)
    np.testing.assert_array_equal(read(saved(tmp_path / "a.jpg", Image.fromarray(levels), quality=95)), truth)
    lossy = read(saved(tmp_path / "b.jpg", Image.fromarray(levels), quality=75))
    assert (lossy != truth).sum() <= 13 and ndimage.label(lossy)[1] == 2  # 30 of 255 is as weak as the ripples
    of_file = read(tmp_path / "a.png", rule="half-of-file")
    np.testing.assert_array_equal(of_file, truth if grade > 127 else DISC)


def smooth(grades, side=8):
    """Two discs of these grades, each pixel by how much of it they cover; and where that is more than a half."""
    y, x = (np.mgrid[: 48 * side, : 64 * side] + 0.5) / side
    cover = np.zeros((48, 64)), np.zeros((48, 64))
    for part, middle in zip(cover, (20, 46)):
        inside = (x - middle) ** 2 + (y - 22) ** 2 < 100
        part += inside.reshape(48, side, 64, side).mean((1, 3))
    return np.round(sum(part * grade for part, grade in zip(cover, grades))), sum(cover) > 0.5


@pytest.mark.parametrize("grade", [200, 120, 60, 40])
@pytest.mark.parametrize("deep", [False, True])
def test_smooth_edges_lie_where_they_were(tmp_path, grade, deep):
    levels, truth = smooth((255, grade))
    kind = levels.astype(np.uint16) * 257 if deep else levels.astype(np.uint8)
    path = saved(tmp_path / "a.png", Image.fromarray(kind))
    np.testing.assert_array_equal(read(path), truth)
    assert read(path, rule="nonzero").sum() > 1.05 * truth.sum()
    alpha = saved(tmp_path / "b.png", with_alpha(FULL, levels.astype(np.uint8)))
    np.testing.assert_array_equal(read(alpha), truth)


def test_wide_feathers_end_at_half():
    levels = np.clip(255 - 4 * np.abs(np.arange(-80, 81)), 0, 255)
    found = above_half(np.tile(levels, (60, 1)))
    np.testing.assert_array_equal(found[0], levels > 127.5)


@pytest.mark.parametrize("factor", [1, 85])
def test_numbers_of_kinds_count_whole_also_where_they_touch(tmp_path, factor):
    """As in VisA's masks; and the same numbers spread over the grey values for the eye."""
    kinds = np.where((X - 30) ** 2 + (Y - 20) ** 2 < 100, 3, np.where(DISC, 1, 0)).astype(np.uint8) * factor
    np.testing.assert_array_equal(read(saved(tmp_path / "a.png", Image.fromarray(kinds))), kinds > 0)
    deep = saved(tmp_path / "b.png", Image.fromarray(kinds.astype(np.uint16)))
    np.testing.assert_array_equal(read(deep), kinds > 0)


def test_thin_kinds_beside_strong_ones_count(tmp_path):
    kinds = np.where(DISC, 9, 0).astype(np.uint8)
    kinds[20, 30:40] = 1
    np.testing.assert_array_equal(read(saved(tmp_path / "a.png", Image.fromarray(kinds))), kinds > 0)


def test_colours_name_kinds(tmp_path):
    kinds = DISC.astype(np.uint8) + 2 * ((X - 30) ** 2 + (Y - 20) ** 2 < 100)
    picture = Image.frombytes("P", (64, 48), kinds.astype(np.uint8).tobytes())
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 60, 0, 128, 0, 128])
    for name, image in {"a.png": picture, "b.png": picture.convert("RGB")}.items():
        np.testing.assert_array_equal(read(saved(tmp_path / name, image)), kinds > 0)


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_any_non_zero_value_of_a_mask_is_anomalous_by_that_rule(tmp_path, mode):
    picture = Image.new(mode, (3, 1))
    picture.putpixel((0, 0), {"1": 1, "L": 1, "RGB": (0, 0, 1)}[mode])
    picture.putpixel((1, 0), {"1": 1, "L": 255, "RGB": (255, 255, 255)}[mode])
    path = saved(tmp_path / "a.png", picture)
    assert read(path, rule="nonzero").tolist() == [[True, True, False]]
    assert read(path).tolist() == [[mode == "1", True, False]]


def test_arrays(tmp_path):
    arrays = {"bool": DISC, "bytes": LEVELS, "long": DISC.astype(int), "half": DISC * 0.5}
    arrays |= {"last": np.dstack([LEVELS] * 3), "first": LEVELS[None]}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
        np.testing.assert_array_equal(read(tmp_path / f"{name}.npy"), DISC)
        assert mask_size(tmp_path / f"{name}.npy") == (64, 48)


def test_what_says_nothing_of_a_pixel_is_refused(tmp_path):
    np.save(tmp_path / "nan.npy", np.where(DISC, 1, np.nan))
    nan = saved(tmp_path / "nan.tif", Image.fromarray(np.where(DISC, 1, np.nan).astype(np.float32)))
    negative = saved(tmp_path / "negative.tif", Image.fromarray(-DISC.astype(np.int32)))
    for path in (tmp_path / "nan.npy", nan, negative):
        with pytest.raises(DataError, match=rf"{path} holds NaN, infinity or values below zero"):
            read_mask(path)
    np.save(tmp_path / "deep.npy", np.zeros((9, 9, 9)))
    np.save(tmp_path / "words.npy", np.array([["a"]]))
    for name in ("deep", "words"):
        with pytest.raises(DataError, match=rf"{name}\.npy holds an array of .* expected numbers or bool of \(height"):
            read_mask(tmp_path / f"{name}.npy")
    cut = tmp_path / "cut.npy"
    np.save(cut, LEVELS)
    cut.write_bytes(cut.read_bytes()[:300])
    with pytest.raises(DataError, match=r"cut\.npy cannot be read as an array \(.+\); it may be truncated"):
        read_mask(cut)


def test_masks_of_several_pages_are_refused_and_previews_are_not(tmp_path):
    path = saved(tmp_path / "a.tif", GREY, save_all=True, append_images=[GREY])
    with pytest.raises(DataError, match=r"a\.tif holds 2 pages of 64x48; expected a single one"):
        read_mask(path)
    preview = saved(tmp_path / "b.tif", GREY, save_all=True, append_images=[GREY.resize((16, 12))])
    np.testing.assert_array_equal(read(preview), DISC)


def test_an_unknown_rule_is_named(tmp_path):
    with pytest.raises(UnknownNameError, match="Unknown mask rule 'half'; known: half-maximum, half-of-file, nonzero"):
        read_mask(saved(tmp_path / "a.png", GREY), "half")


@pytest.mark.slow
def test_real_masks_survive_jpeg(shared):
    """Of `book/data_and_weights.md`: thin cracks, whose area every other rule or their ripples would change."""
    paths = sorted((shared / "data/real/kolektor/commutator/ground_truth").rglob("*.png"))[::4]
    assert paths
    for path in paths:
        truth = np.array(Image.open(path)) > 0
        levels = jpeg(truth * 255, 75)
        np.testing.assert_array_equal(above_half(levels), truth)
        assert (levels > 0).sum() > 1.3 * truth.sum()


def test_the_rule_of_a_data_set(tmp_path, visa_root):
    assert load_dataset("visa", visa_root).mask_rule == "nonzero"
    for folder in ("test/dent", "ground_truth/dent"):
        (tmp_path / "part" / folder).mkdir(parents=True)
    Image.new("L", (64, 48)).save(tmp_path / "part/test/dent/0.png")
    Image.fromarray(smooth((255, 60))[0].astype(np.uint8)).save(tmp_path / "part/ground_truth/dent/0.png")
    areas, digests = {}, set()
    for rule in (None, *MASK_RULES):
        dataset = load_dataset("folder", tmp_path, mask_rule=rule)
        areas[rule] = int(dataset[0].mask.sum())
        digests.add(dataset.digest)
        for kept in (dataset.select(["part"]), dataset.part(dataset.records), dataset.squashed(48)):
            assert kept.mask_rule == dataset.mask_rule
    assert areas[None] == areas["half-maximum"] == smooth((255, 60))[1].sum()
    assert areas["half-of-file"] < 0.6 * areas[None] < areas[None] < areas["nonzero"]
    assert len(digests) == len(MASK_RULES)
    with pytest.raises(UnknownNameError, match="Unknown mask rule 'any'"):
        load_dataset("folder", tmp_path, mask_rule="any")
