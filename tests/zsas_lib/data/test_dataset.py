"""Reading, resizing, batching and digesting pictures, whatever the layout."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import SIZE, write_mask, write_mvtec, write_picture
from PIL import Image
from toy import toy_dataset

from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.data import dataset as dataset_module
from zsas_lib.data.cache import cache_folder
from zsas_lib.data.dataset import AnomalyDataset, read_once
from zsas_lib.data.load import load_dataset
from zsas_lib.data.record import Record


def saved(path: Path, picture: Image.Image, **options) -> Path:
    picture.save(path, **options)
    return path


def test_truncated_picture_is_named(mvtec_root):
    path = mvtec_root / "bottle/test/good/001.png"
    path.write_bytes(path.read_bytes()[:400])
    dataset = load_dataset("mvtec", mvtec_root)
    index = [record.path for record in dataset.records].index(path)
    with pytest.raises(DataError, match=rf"{path} cannot be read as a picture \(.+\); it may be truncated\."):
        dataset[index]


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


@pytest.mark.usefixtures("unchecked_types")
def test_bad_options(mvtec_root):
    for size in ((96, 144), "144", 3.5, True):
        with pytest.raises(
            ValueError, match="image_size must be one whole number of pixels, or None .* the longer side"
        ):
            load_dataset("mvtec", mvtec_root, image_size=size)
    with pytest.raises(ValueError, match="image_size must be at least 1 pixel, .* got 0"):
        load_dataset("mvtec", mvtec_root, image_size=0)
    with pytest.raises(UnknownNameError, match=r"Unknown aspect 'keeps'; known: keep, squash\. Did you mean 'keep'\?"):
        load_dataset("mvtec", mvtec_root, aspect="keeps")


@pytest.mark.usefixtures("unchecked_types")
def test_numpys_whole_number_is_a_size(mvtec_root):
    found, expected = (load_dataset("mvtec", mvtec_root, image_size=size) for size in (np.int64(12), 12))
    assert found.digest == expected.digest and torch.equal(found[0].image, expected[0].image)


def test_select(mvtec_root):
    dataset = load_dataset("mvtec", mvtec_root, image_size=12)
    assert dataset.categories == ("bottle", "grid")
    grid = dataset.select(categories=["grid"])
    assert grid.categories == ("grid",) and len(grid) == 3 and grid.image_size == 12
    assert {record.defect for record in dataset.select(anomalous=False).records} == {"good"}
    assert len(dataset.select(anomalous=True)) == 5
    assert len(grid.select(anomalous=True)) == 2
    assert dataset.select().records == dataset.records
    assert dataset.select("grid").records == grid.records
    with pytest.raises(UnknownNameError, match="Unknown category 'grit'.*Did you mean 'grid'"):
        dataset.select(categories=["grit"])
    with pytest.raises(DataError, match="has no normal pictures of bottle, grid"):
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


def test_inside_read_once_a_picture_is_read_once_up_to_a_limit(tmp_path, monkeypatch):
    pictures, read = toy_dataset(tmp_path / "toy", {"nut": 2}, normal=1), []
    own = dataset_module._read
    monkeypatch.setattr(dataset_module, "_read", lambda *asked: read.append(asked[0].path) or own(*asked))
    with read_once():
        first = [pictures[index] for index in range(3)]
        with read_once():  # the inner one goes on with what the outer one keeps
            again = [sample for sample in (pictures[index] for index in range(3))]
        assert len(read) == 3 and all(one is other for one, other in zip(first, again))
        assert pictures.squashed(16)[0].image.shape[-1] == 16 and len(read) == 4
    assert torch.equal(pictures[0].image, first[0].image) and len(read) == 5
    monkeypatch.setattr(dataset_module, "KEPT_BYTES", 1)
    with read_once():
        for _ in range(2):
            list(pictures.batches(3))
    assert len(read) == 5 + 3 + 2  # one is kept
