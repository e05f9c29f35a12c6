"""The embedded data sets, and how good the embedded backbone is on them."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from scipy import ndimage

import zsas_lib as zsas
from zsas_lib.base.sources import source_definitions
from zsas_lib.base.work import LOCK
from zsas_lib.base.writable import UnwritableError
from zsas_lib.data import embedded
from zsas_lib.data.embedded import WEIGHTS, write, write_twins
from zsas_lib.data.embedded.defects import DEFECTS, FADING, possible_defects
from zsas_lib.data.embedded.products import AUXILIARY, EVALUATION, LIKE_BTAD, LIKE_MPDD, TRAINING
from zsas_lib.data.embedded.render import CONTRASTS, Defect, Picture, render
from zsas_lib.data.embedded.shapes import FULL_FRAME
from zsas_lib.training.backbone.scenes import EVEN

SMALL = {"counts": (1, 2, 10), "seed": 3}


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_defect_changes_the_picture_where_its_mask_is_and_not_elsewhere(kind):
    product = next(p for p in EVALUATION if kind in possible_defects(p) and not p.is_texture)
    picture = render(product, 11, 128, Defect(kind, "high", 0.2))
    difference = np.abs(picture.image - picture.sound).mean(-1)
    assert picture.mask.any()
    assert difference[picture.mask].mean() > 10 * difference[~picture.mask].mean()
    assert 0.2 * picture.contrast < difference[picture.mask].mean() < 1.2 * picture.contrast + 0.02, "the camera blurs"


def test_the_same_seed_draws_the_same_pixels_and_another_seed_others():
    first, again, other = (render(EVALUATION[1], seed, 96).image for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("level", CONTRASTS)
def test_a_fading_defect_gets_the_contrast_asked_for(level):
    picture = render(EVALUATION[5], 4, 128, Defect("burn", level, 0.2))
    assert "burn" in FADING
    assert picture.contrast <= CONTRASTS[level] + 1e-6


def test_no_composition_is_in_two_of_the_three_sets():
    names = [{p.name for p in AUXILIARY}, {p.name for p in EVALUATION}, {f"{m} {s}" for m, s in TRAINING}]
    assert len(set.union(*names)) == sum(map(len, names))
    for seen in names[:2]:
        words = {word for name in seen for word in name.split()}
        assert words <= {word for name in names[2] for word in name.split()}


def test_twins_are_of_none_that_the_backbone_avoided_or_met_more_often_than_others():
    twins = LIKE_BTAD + LIKE_MPDD
    names = {product.name for product in twins}
    assert (len(LIKE_BTAD), len(LIKE_MPDD), len(names)) == (3, 6, 9)
    assert names <= {f"{material} {shape}" for material, shape in TRAINING}
    assert not names & {product.name for product in AUXILIARY + EVALUATION}
    assert not any(product.material in EVEN or product.shape in FULL_FRAME for product in twins)


@pytest.mark.parametrize("products", [AUXILIARY, EVALUATION], ids=["embedded-a", "embedded-b"])
def test_a_set_is_varied(products):
    assert len(products) >= 12
    assert len({kind for p in products for kind in possible_defects(p)}) >= 6
    for trait in (
        lambda p: p.rotation_invariant,
        lambda p: p.is_texture,
        lambda p: np.ptp(p.colour) < 0.06,
        lambda p: p.print,
    ):
        assert 1 <= sum(bool(trait(p)) for p in products) < len(products)


def test_a_mask_outlines_what_can_be_seen():
    """At 500 px, gaps of up to 10 px are passed over and the outline runs 2 px outside, within 5 px of any change."""
    sound, mask = np.full((500, 500, 3), 0.5, np.float32), np.zeros((500, 500), bool)
    image = sound.copy()
    mask[100:400, 100:400] = True
    image[200, 200:300] += 0.2  # a line with a gap of 8 px ...
    image[200, 250:258] = 0.5
    image[300, 300] += 0.02  # ... and something too faint
    outline = write.outlined(Picture(image, sound, mask, 0.2, 0.1))
    assert ndimage.label(outline)[1] == 1
    rows, columns = np.nonzero(outline)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (198, 202, 198, 301)
    assert not write.outlined(Picture(sound, sound, mask, 0.0, 0.1)).any()


@pytest.mark.training
def test_embedded_b_is_written_in_mvtecs_layout(tmp_path):
    write.write_embedded_b(tmp_path / "b", products=EVALUATION[:2], size=96, **SMALL)
    test = zsas.load_dataset("embedded-b", tmp_path / "b")
    assert test.categories == ("brushed_hexagon", "wooden_disc")
    assert [len(test.select([c], anomalous=a)) for c in test.categories for a in (False, True)] == [2, 10, 2, 10]
    assert len(zsas.load_dataset("embedded-b", tmp_path / "b", split="train")) == 2
    table = pd.read_csv(tmp_path / "b" / "defects.csv")
    assert set(table.kind) == {kind for p in EVALUATION[:2] for kind in possible_defects(p)} and len(table) == 20
    for row in table.itertuples():
        sample = next(s for s in test if s.path == tmp_path / "b" / row.image)
        assert sample.mask.float().mean() == pytest.approx(row.area, abs=1e-4)


@pytest.mark.training
def test_embedded_a_is_written_in_visas_layout(tmp_path):
    write.write_embedded_a(tmp_path / "a", products=AUXILIARY[:1], width=120, height=96, **SMALL)
    test = zsas.load_dataset("embedded-a", tmp_path / "a")
    assert (len(test.select(anomalous=False)), len(test.select(anomalous=True))) == (2, 10)
    assert test[0].image.shape == (3, 96, 120)
    assert all(sample.mask.any() == sample.is_anomalous for sample in test)


@pytest.mark.training
def test_embedded_c_is_written_in_btads_layout_and_its_kinds_of_defects_beside_it(tmp_path):
    write_twins.write_embedded_c(tmp_path / "c", products=LIKE_BTAD[:1], size=96, counts=(1, 2, 6))
    test = zsas.load_dataset("embedded-c", tmp_path / "c")
    assert [record.defect for record in test.records] == ["ko"] * 6 + ["good"] * 2
    assert all(sample.mask.any() == sample.is_anomalous for sample in test)
    assert len(zsas.load_dataset("embedded-c", tmp_path / "c", split="train")) == 1
    table = pd.read_csv(tmp_path / "c" / "defects.csv")
    damaged = {record.name(test.root) for record in test.records if record.is_anomalous}
    assert set(table.image) == damaged and table.kind.nunique() == 6


@pytest.mark.training
def test_embedded_d_is_written_in_mpdds_layout(tmp_path):
    write_twins.write_embedded_d(tmp_path / "d", products=LIKE_MPDD[3:4], size=96, counts=(1, 2, 6))
    test = zsas.load_dataset("embedded-d", tmp_path / "d")
    assert test.categories == ("hammered_nut",) and (len(test), len(test.select(anomalous=True))) == (8, 6)
    assert len({record.defect for record in test.records}) == 7


def test_the_pictures_of_one_pair_do_not_hang_on_what_is_in_the_other():
    """A product more among the twins draws neither embedded-a nor embedded-b anew."""
    assert {"LIKE_BTAD", "LIKE_MPDD"} <= names_in(write_twins) and not {"AUXILIARY", "TRAINING"} & names_in(write_twins)
    assert not {"LIKE_BTAD", "LIKE_MPDD"} & names_in(write)


def names_in(module) -> set[str]:
    return {definition.partition(":")[2] for definition in source_definitions(module)}


@pytest.mark.training
def test_a_killed_writer_leaves_nothing_that_could_be_taken_for_a_data_set(tmp_path):
    code = (
        "from pathlib import Path\nfrom zsas_lib.data.embedded import write\n"
        f"write.write_embedded_b(Path({str(tmp_path / 'b')!r}), size=128)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("*.png")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(tmp_path.rglob("*.png")), "the writer had begun"
    assert not (tmp_path / "b").exists()


def test_the_weights_file_is_small_and_says_what_made_it():
    assert WEIGHTS.stat().st_size <= 16e6
    with safe_open(WEIGHTS, "pt") as file:
        made_by = {key: json.loads(value) for key, value in file.metadata().items()}
    assert {"steps", "batch", "pictures", "peak", "seed", "torch", "drawing"} <= set(made_by)


@pytest.mark.training
def test_winclip_finds_defects_of_unseen_products_with_the_embedded_backbone():
    tower = zsas.load_backbone("embedded")
    dataset = zsas.load_dataset("embedded-b", categories=["ceramic_ring", "woven_sheet"], image_size=tower.image_size)
    table = zsas.evaluate(zsas.load_model("winclip", tower), dataset, resamples=2)
    assert table.loc["mean", "pixel_auroc"] > 0.85
    assert table.loc["mean", "aupro"] > 0.6


@pytest.mark.slow
def test_what_a_killed_drawing_left_is_removed_and_a_failed_one_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("ZSAS_CACHE", str(tmp_path))
    place = embedded.source_digest(write)[:12]
    left = tmp_path / f".embedded-b-{place}.{'0' * 32}"
    left.mkdir()
    Path(f"{left}{LOCK}").touch()
    monkeypatch.setattr(write, "write_embedded_b", lambda root: (root.mkdir(), (root / "picture").touch()))
    root = embedded.written("embedded-b")
    assert [path.name for path in tmp_path.iterdir()] == [root.name] == [f"embedded-b-{place}"]
    assert [path.name for path in root.iterdir()] == ["picture"]
    monkeypatch.setattr(write, "write_embedded_a", lambda root: (root / "nowhere" / "picture").touch())
    with pytest.raises(FileNotFoundError):
        embedded.written("embedded-a")
    assert [path.name for path in tmp_path.iterdir()] == [root.name]


@pytest.mark.slow
def test_who_needs_a_set_while_it_is_drawn_waits_for_it(tmp_path, monkeypatch):
    drawn = []

    def draw(root):
        drawn.append(root)
        time.sleep(0.3)
        root.mkdir()

    monkeypatch.setenv("ZSAS_CACHE", str(tmp_path))
    monkeypatch.setattr("zsas_lib.data.embedded.write.write_embedded_b", draw)
    with ThreadPoolExecutor(4) as pool:
        roots = list(pool.map(embedded.written, ["embedded-b"] * 4))
    (place,) = drawn
    assert place.parent.name.startswith(f".{roots[0].name}.") and set(roots) == {roots[0]} and roots[0].is_dir()
    assert list(tmp_path.iterdir()) == [roots[0]]


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZSAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(UnwritableError, match=r"embedded pictures cannot be made in .*file is a file.* \$ZSAS_CACHE"):
        zsas.load_dataset("embedded-b")
