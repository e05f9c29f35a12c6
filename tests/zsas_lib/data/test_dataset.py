"""Reading, resizing, batching and digesting pictures, whatever the layout."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import SIZE, write_mask, write_mvtec, write_picture
from PIL import Image, ImageDraw

from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.data import dataset as dataset_module
from zsas_lib.data.cache import cache_folder
from zsas_lib.data.dataset import AnomalyDataset, read_image, read_mask
from zsas_lib.data.load import load_dataset
from zsas_lib.data.record import Record


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
    mask = read_mask(saved(tmp_path / f"m.{ending}", Image.fromarray(levels)))
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


def test_palettes_are_looked_up(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([0, 0, 255, 0, 0, 0])
    picture.putdata([0, 1])
    path = saved(tmp_path / "a.png", picture)
    assert read_image(path)[:, 0].T.tolist() == [[0, 0, 1], [0, 0, 0]]
    assert read_mask(path).tolist() == [[True, False]]


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_any_non_zero_value_of_a_mask_is_anomalous(tmp_path, mode):
    picture = Image.new(mode, (3, 1))
    picture.putpixel((0, 0), {"1": 1, "L": 1, "RGB": (0, 0, 1)}[mode])
    picture.putpixel((1, 0), {"1": 1, "L": 255, "RGB": (255, 255, 255)}[mode])
    assert read_mask(saved(tmp_path / "a.png", picture)).tolist() == [[True, True, False]]


def test_jpeg_mask_is_free_of_ripples(tmp_path):
    drawn = Image.new("L", (128, 128))
    ImageDraw.Draw(drawn).ellipse((30, 40, 90, 80), fill=255)
    path = saved(tmp_path / "a.jpg", drawn, quality=75)
    assert (np.asarray(Image.open(path)) > 0).sum() > 1.05 * (np.asarray(drawn) > 0).sum()
    np.testing.assert_array_equal(read_mask(path).numpy(), np.asarray(drawn) > 0)
    assert not read_mask(saved(tmp_path / "b.jpg", Image.new("L", (16, 16)))).any()


def test_orientation_tags_turn_pictures_and_masks(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side: turn by 90 degrees clockwise to view
    stored = Image.new("RGB", (16, 8))
    stored.paste((255, 255, 255), (0, 0, 8, 8))
    upright = read_image(saved(tmp_path / "a.jpg", stored, exif=exif, quality=100))
    assert upright.shape == (3, 16, 8) and upright[:, :8].min() > 0.9 and upright[:, 8:].max() < 0.1
    mask = read_mask(saved(tmp_path / "m.png", stored, exif=exif))
    assert mask.shape == (16, 8) and mask[:8].all() and not mask[8:].any()


def test_truncated_picture_is_named(mvtec_root):
    path = mvtec_root / "bottle/test/good/001.png"
    path.write_bytes(path.read_bytes()[:400])
    dataset = load_dataset("mvtec", mvtec_root)
    index = [record.path for record in dataset.records].index(path)
    with pytest.raises(DataError, match=rf"{path} cannot be read as a picture \(.+\); it may be truncated\."):
        dataset[index]


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
    with pytest.raises(DataError, match=rf"{path} cannot be read as a picture"):
        read_mask(path)


def test_size_mismatch_names_both_files_and_sizes(tmp_path):
    picture = write_picture(tmp_path / "test/dent/7.jpg", size=(512, 522))
    mask = write_mask(tmp_path / "ground_truth/dent/7.png", size=(512, 512))
    with pytest.raises(DataError, match=rf"{picture} is 512x522 but its mask {mask} is 512x512"):
        load_dataset("folder", tmp_path, image_size=64)[0]


def test_samples(mvtec_root):
    dataset = load_dataset("mvtec", mvtec_root)
    assert len(dataset) == 8 and len(list(dataset)) == 8
    for record, sample in zip(dataset.records, dataset, strict=True):
        assert (sample.path, sample.category, sample.defect) == (record.path, record.category, record.defect)
        assert sample.image.shape == (3, SIZE[1], SIZE[0]) and sample.mask.shape == (SIZE[1], SIZE[0])
        assert sample.mask.dtype == torch.bool and sample.mask.any() == sample.is_anomalous


def test_squash_and_keep(tmp_path):
    write_picture(tmp_path / "test/dent/0.png", size=(40, 20))
    write_mask(tmp_path / "ground_truth/dent/0.png", size=(40, 20))
    squashed = load_dataset("folder", tmp_path, image_size=10)[0]
    assert squashed.image.shape == (3, 10, 10) and squashed.mask.shape == (10, 10)
    kept = load_dataset("folder", tmp_path, image_size=10, aspect="keep")[0]
    assert kept.image.shape == (3, 10, 20) and kept.mask.shape == (10, 20)
    for mask in (squashed.mask, kept.mask):
        height, width = mask.shape
        assert mask[: height // 2, : width // 2].all() and mask.float().mean() == 0.25


def test_resizing_is_antialiased_bicubic_and_stays_in_range(tmp_path):
    stripes = np.zeros((64, 64), dtype=np.uint8)
    stripes[:, 32:] = 255
    path = saved(tmp_path / "a.png", Image.fromarray(stripes))
    dataset = AnomalyDataset("folder", tmp_path, [Record(path, None, "part", "good")], image_size=24)
    image = dataset[0].image
    expected = np.asarray(Image.fromarray(stripes.astype(np.float32)).resize((24, 24), Image.Resampling.BICUBIC)) / 255
    assert expected.min() < 0 and expected.max() > 1  # Pillow's float bicubic, an independent one, overshoots
    np.testing.assert_allclose(image[0].numpy(), expected.clip(0, 1), atol=1e-5)
    assert image.min() == 0 and image.max() == 1


def test_bad_options(mvtec_root):
    with pytest.raises(ValueError, match="image_size must be at least 1 pixel, .* got 0"):
        load_dataset("mvtec", mvtec_root, image_size=0)
    with pytest.raises(UnknownNameError, match=r"Unknown aspect 'keeps'; known: keep, squash\. Did you mean 'keep'\?"):
        load_dataset("mvtec", mvtec_root, aspect="keeps")


def test_select(mvtec_root):
    dataset = load_dataset("mvtec", mvtec_root, image_size=12)
    assert dataset.categories == ("bottle", "grid")
    grid = dataset.select(categories=["grid"])
    assert grid.categories == ("grid",) and len(grid) == 3 and grid.image_size == 12
    assert {record.defect for record in dataset.select(anomalous=False).records} == {"good"}
    assert len(dataset.select(anomalous=True)) == 5
    assert len(grid.select(anomalous=True)) == 2
    assert dataset.select().records == dataset.records
    with pytest.raises(UnknownNameError, match="Unknown category 'grit'.*Did you mean 'grid'"):
        dataset.select(categories=["grit"])
    with pytest.raises(DataError, match="no pictures left"):
        dataset.select(anomalous=True).select(anomalous=False)

    with pytest.raises(
        DataError, match="No category of data set 'mvtec' was selected; name at least one of bottle, grid"
    ):
        dataset.select(categories=[])


@pytest.mark.parametrize(
    "normal, anomalous, count, expected",
    [
        (6, 6, 4, [1, 4, 7, 10]),
        (6, 6, 1, [9]),
        (4, 10, 5, [1, 3, 5, 9, 12]),
        (2, 10, 8, [0, 1, 2, 4, 6, 7, 9, 11]),
        (6, 2, 6, [0, 2, 3, 5, 6, 7]),
        (0, 5, 2, [1, 3]),
        (3, 2, 9, [0, 1, 2, 3, 4]),
    ],
)
def test_a_few_pictures_of_each_category(tmp_path, normal, anomalous, count, expected):
    """Half of them anomalous, each half spaced evenly; categories need not lie together."""
    records = [
        Record(tmp_path / f"{category}{index}.png", None, category, "good" if index < normal else "dent")
        for index in range(normal + anomalous)
        for category in ("cup", "lid")
    ]
    dataset = AnomalyDataset("toy", tmp_path, records, image_size=8)
    part = dataset.select(per_category=count)
    assert [record.path.stem for record in part.records] == [
        f"{c}{index}" for index in expected for c in ("cup", "lid")
    ]
    assert dataset.select(["lid"], per_category=count).records == tuple(r for r in part.records if r.category == "lid")
    assert part.image_size == 8


@pytest.mark.parametrize("count", [0, -3])
def test_fewer_than_one_picture_of_a_category_is_refused(mvtec_root, count):
    with pytest.raises(ValueError, match=f"per_category must be at least 1 picture, or None for all; got {count}"):
        load_dataset("mvtec", mvtec_root).select(per_category=count)


def test_batches_part_where_category_or_size_changes(tmp_path):
    write_mvtec(tmp_path, {"a": {"good": 5}, "b": {"good": 2}, "c": {"good": 3, "dent": 1}})
    write_picture(tmp_path / "c/test/good/001.png", size=(30, 30))
    batches = list(load_dataset("folder", tmp_path).batches(2))
    assert [(batch.categories[0], len(batch.paths), batch.images.shape[-1]) for batch in batches] == [
        ("a", 2, 24),
        ("a", 2, 24),
        ("a", 1, 24),
        ("b", 2, 24),
        ("c", 2, 24),
        ("c", 1, 30),
        ("c", 1, 24),
    ]
    dataset = load_dataset("folder", tmp_path, image_size=8)
    batches = list(dataset.batches(100))
    assert [batch.images.shape for batch in batches] == [(5, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8)]
    assert [path for batch in batches for path in batch.paths] == [record.path for record in dataset.records]
    torch.testing.assert_close(torch.cat([batch.images for batch in batches]), torch.stack([s.image for s in dataset]))
    assert batches[2].is_anomalous.tolist() == [defect != "good" for defect in batches[2].defects]
    assert batches[2].masks.flatten(1).any(dim=1).equal(batches[2].is_anomalous)
    with pytest.raises(ValueError, match="batch_size must be at least 1; got 0"):
        next(dataset.batches(0))


def test_digest_says_what_is_read(mvtec_root, tmp_path):
    def load(root=mvtec_root, **options):
        return load_dataset("mvtec", root, **options)

    reference = load().digest
    assert reference == load().digest and len(reference) == 64
    variants = [load(image_size=8), load(split="train"), load(categories="grid"), load().select(anomalous=True)]
    variants += [load(image_size=8, aspect="keep"), load_dataset("folder", mvtec_root)]
    assert len({reference, *(variant.digest for variant in variants)}) == 7
    elsewhere = mvtec_root.rename(tmp_path / "elsewhere")
    assert load(elsewhere).digest == reference
    (elsewhere / "grid/test/good/000.png").rename(elsewhere / "grid/test/good/001.png")
    assert load(elsewhere).digest != reference


@pytest.mark.parametrize("relative", ["bottle/test/good/000.png", "bottle/ground_truth/broken_large/000_mask.png"])
@pytest.mark.parametrize("grain", [-1, dataset_module._CLOCK_GRAIN_NS])
def test_digest_is_never_stale(mvtec_root, relative, grain, monkeypatch):
    monkeypatch.setattr(dataset_module, "_CLOCK_GRAIN_NS", grain)
    dataset = load_dataset("mvtec", mvtec_root)
    path = mvtec_root / relative
    before, content, times = dataset.digest, path.read_bytes(), path.stat()
    if grain < 0:
        time.sleep(0.05)  # every digest is kept, so the file system's clock must have ticked
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    changed = dataset.digest
    assert changed != before and load_dataset("mvtec", mvtec_root).digest == changed
    path.write_bytes(content + b"0")
    assert dataset.digest not in (before, changed)
    if grain > 0:
        path.write_bytes(content)
        assert dataset.digest == before


def test_old_files_are_hashed_once(mvtec_root, monkeypatch):
    dataset = load_dataset("mvtec", mvtec_root)
    monkeypatch.setattr(dataset_module, "_CLOCK_GRAIN_NS", -1)
    before = dataset.digest
    monkeypatch.setattr(dataset_module.hashlib, "file_digest", lambda *arguments: pytest.fail("hashed again"))
    assert dataset.digest == before


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("ZSAS_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache" and not cache_folder().exists()
    monkeypatch.setenv("ZSAS_CACHE", "~/zsas")
    assert cache_folder() == Path.home() / "zsas"
    monkeypatch.delenv("ZSAS_CACHE")
    assert cache_folder().name == "zsas_lib" and cache_folder().is_absolute()


def test_reading_is_lazy(mvtec_root):
    for path in (mvtec_root / "grid/test/bent").iterdir():
        path.write_bytes(b"")
    assert load_dataset("mvtec", mvtec_root)[0].category == "bottle"
