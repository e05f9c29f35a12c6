"""Pictures that are there twice."""

import shutil

import pytest
from layouts import smooth_picture, write_picture
from PIL import Image

from zsas_lib.data.copies import converted, repeated
from zsas_lib.data.record import Record


@pytest.fixture
def root(tmp_path):
    for seed, name in enumerate(("a.png", "b.png", "c.bmp")):
        smooth_picture(tmp_path / "good" / name, seed)
    return tmp_path


def listed(root):
    return [Record(path, None, "part", path.parent.name) for path in sorted(root.rglob("*.*"))]


def save_as(original, name, **options):
    with Image.open(original) as picture:
        picture.save(original.with_name(name), **options)


def test_different_pictures_are_no_copies(root):
    smooth_picture(root / "good/a.jpg", seed=7)
    assert repeated(listed(root), root, decode=True) == [] and converted(listed(root)) == []


def test_the_same_file_under_two_names(root):
    shutil.copy(root / "good/b.png", root / "good/x.png")
    assert repeated(listed(root), root) == [
        "good/b.png and good/x.png are the same file, which counts 2 times; keep one."
    ]


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize(("name", "options"), [("b.jpg", {"quality": 75}), ("b.webp", {}), ("b.bmp", {})])
def test_a_converted_copy_beside_its_original(root, name, options, noisy):
    if noisy:
        write_picture(root / "good/b.png", size=(96, 64))
    save_as(root / "good/b.png", name, **options)
    both = sorted([root / "good/b.png", root / "good" / name])
    assert converted(listed(root)) == [tuple(both)]
    (line,) = repeated(listed(root), root)
    assert line.startswith(f"good/{both[0].name} and good/{both[1].name} are the same picture in two formats")


def test_the_same_pixels_under_another_name(root):
    save_as(root / "good/b.png", "other.bmp")
    (line,) = repeated(listed(root), root)
    assert line == "good/b.png and good/other.bmp are the same pixels, which counts 2 times; keep one."
    (root / "good/other.bmp").unlink()
    (root / "good/c.bmp").unlink()
    save_as(root / "good/b.png", "other.png", compress_level=0)
    assert repeated(listed(root), root) == []  # of one format, so only where every picture is read
    assert len(repeated(listed(root), root, decode=True)) == 1


def test_other_kinds_may_have_the_same_picture_and_broken_ones_are_passed_over(root):
    (root / "bad").mkdir()
    shutil.copy(root / "good/b.png", root / "bad/b.png")
    (root / "good/b.jpg").write_bytes(b"no picture")
    records = [*listed(root), Record(root / "good/gone.png", None, "part", "good")]
    assert repeated(records, root, decode=True) == []
