"""What masks say nothing is found once, and known to the processes that follow."""

import os

import numpy as np
import pytest
from layouts import write_mvtec
from PIL import Image

from zsas_lib.data import dataset as dataset_module
from zsas_lib.data import extreme_masks, known_masks
from zsas_lib.data.load import load_dataset

COUNT = 6


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A data set of a few masks, one of them blank, which count as many here; its files are old enough at once."""
    monkeypatch.setenv("ZSAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(known_masks, "MANY", COUNT)
    monkeypatch.setattr(dataset_module, "_CLOCK_GRAIN_NS", -1)
    root = write_mvtec(tmp_path / "set", {"nut": {"good": 1, "dent": COUNT}})
    Image.new("L", (24, 18), 0).save(root / "nut/ground_truth/dent/001_mask.png")
    return root


@pytest.fixture
def looked_at(monkeypatch):
    """The masks that are looked at by what is, from now on, another process."""
    seen, kind = [], extreme_masks._kind

    def looking(record, rule):
        seen.append(record.mask_path.name)
        return kind(record, rule)

    def in_another_process():
        monkeypatch.setattr(extreme_masks, "_kinds", {})
        monkeypatch.setattr(extreme_masks, "_recalled", set())
        monkeypatch.setattr(extreme_masks, "_kind", looking)
        seen.clear()
        return seen

    return in_another_process


def loaded(root, **options):
    with pytest.warns(UserWarning, match=r"1 blank \(nut/ground_truth/dent/001_mask\.png\)"):
        load_dataset("folder", root, **options)


def test_masks_are_looked_at_by_the_first_process_alone(root, looked_at):
    seen = looked_at()
    loaded(root)
    assert len(seen) == COUNT
    seen = looked_at()
    loaded(root)
    assert seen == []
    loaded(root, mask_rule="nonzero")
    assert len(seen) == COUNT, "another rule may find another kind"
    seen = looked_at()
    loaded(root)
    loaded(root, mask_rule="nonzero")
    assert seen == []


def test_a_mask_that_changed_is_looked_at_again(root, looked_at):
    looked_at()
    loaded(root)
    seen = looked_at()
    changed = root / "nut/ground_truth/dent/002_mask.png"
    Image.fromarray(np.full((18, 24), 255, np.uint8)).save(changed)
    with pytest.warns(UserWarning, match=r"1 blank .* and 1 full \(nut/ground_truth/dent/002_mask\.png\)"):
        load_dataset("folder", root)
    assert seen == ["002_mask.png"]


@pytest.mark.parametrize("content", [b"", b"[[1]]", b'{"a": 1}', b"\xff"])
def test_a_damaged_file_is_as_good_as_none(content, root, looked_at):
    looked_at()
    loaded(root)
    (kept,) = (root.parent / "cache" / "masks").glob("*.json")
    kept.write_bytes(content)
    seen = looked_at()
    loaded(root)
    assert len(seen) == COUNT


def test_nothing_is_kept_of_few_masks_or_where_nothing_can_be_written(root, looked_at, monkeypatch):
    monkeypatch.setattr(known_masks, "MANY", COUNT + 1)
    looked_at()
    loaded(root)
    assert not (root.parent / "cache").exists()
    monkeypatch.setattr(known_masks, "MANY", COUNT)
    (root.parent / "cache").touch()
    looked_at()
    loaded(root)
    assert (root.parent / "cache").is_file()


def test_only_the_last_folders_are_kept(root, looked_at, monkeypatch):
    monkeypatch.setattr(known_masks, "KEPT_FOLDERS", 2)
    for number in range(3):
        known_masks.keep(root / str(number), {("rule", ("a", 1, 2, 3)): "full"})
        newest = max((root.parent / "cache" / "masks").iterdir(), key=lambda each: each.stat().st_mtime_ns)
        os.utime(newest, (number, number))
    assert [known_masks.recalled(root / str(number)) != {} for number in range(3)] == [False, True, True]


def test_masks_written_anew_take_the_place_of_what_was_known_of_them(root, looked_at):
    sizes = []
    for _ in range(3):
        looked_at()
        loaded(root)
        (file,) = known_masks._file(root).parent.iterdir()
        sizes.append(len(known_masks.recalled(root)))
        for number, mask in enumerate(sorted((root / "nut/ground_truth/dent").iterdir())):
            os.utime(mask, ns=(10**18, 10**18 + len(sizes) * 10**9 + number))
    assert sizes == [COUNT] * 3 and file == known_masks._file(root)


@pytest.mark.skipif(os.name != "posix", reason="names of files are bytes")
def test_a_folder_whose_name_is_no_text(tmp_path, root):
    other = tmp_path / os.fsdecode(b"s\xe9t")
    os.rename(root, other)
    loaded(other)
    assert len(known_masks.recalled(other)) == COUNT
