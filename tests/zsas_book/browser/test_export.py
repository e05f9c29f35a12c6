"""What is written for a page, and what is refused."""

import base64
import errno
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_clip import TINY, tiny, tiny_backbone

import zsas_lib as zsas
from zsas_book.browser.export import export_page, known_names, page_scripts
from zsas_book.browser.form import FORMS, form, page_alone
from zsas_book.browser.tensors import image_part, least_bytes, require_exportable, text_part
from zsas_lib.backbones.registry import shapes_only
from zsas_lib.base.errors import OptionError
from zsas_lib.models.winclip import WinCLIP

TYPES = {"float16": np.float16, "float32": np.float32, "int8": np.int8}


def read(part, name: str) -> np.ndarray:
    place = part.places[name]
    kind, count = TYPES[place["type"]], int(np.prod(place["shape"]))
    content = base64.b64decode(part.base64)[place["at"] :]
    return np.frombuffer(content, kind, count).reshape(place["shape"])


def called(script: str) -> dict:
    return json.loads(re.fullmatch(r"self\.zsasPart\(\"\w+\", (.*)\);\n", script, re.DOTALL)[1])


@pytest.fixture(scope="module")
def embedded():
    return zsas.load_backbone("embedded")


@pytest.fixture(scope="module")
def small():
    return tiny_backbone()


def test_weights_are_exact_in_half_precision_where_they_are(embedded):
    part, visual = image_part(embedded), embedded.clip.visual
    assert {place["type"] for place in part.places.values()} == {"float16"}
    for name, tensor in (("image.projection.matrix", visual.proj.T), ("image.places", visual.positional_embedding)):
        assert torch.equal(torch.from_numpy(read(part, name).astype(np.float32)), tensor)


def test_weights_that_half_precision_cannot_hold_stay_as_they_are(small):
    part = image_part(small)
    assert part.places["image.places"]["type"] == "float32"
    assert torch.equal(torch.from_numpy(read(part, "image.places").copy()), small.clip.visual.positional_embedding)


@pytest.mark.slow
def test_words_are_near_in_eight_bits(embedded):
    part, table = text_part(embedded), embedded.text.vocabulary
    rows = read(part, "text.words").astype(np.float32) * read(part, "text.words.scale").astype(np.float32)[:, None]
    scale = table.abs().amax(1, keepdim=True) / 127
    assert ((torch.from_numpy(rows) - table).abs() <= 0.6 * scale + 1e-7).all()


@pytest.mark.slow
def test_names_are_the_models_own(small):
    scripts = page_scripts(small, ["metal_nut", "pcb1"], [])
    names = called(scripts["about.js"])["names"]
    wanted = WinCLIP(small).text_features("pcb1")
    found = np.stack([np.frombuffer(base64.b64decode(row), "<f4") for row in names["pcb1"]])
    assert list(names) == ["metal_nut", "pcb1"]
    assert np.array_equal(found, wanted.numpy())


def test_known_names_are_those_of_the_benchmarks_once_each():
    names = known_names()
    assert {"bottle", "metal_nut", "candle"} <= set(names)
    assert len([name for name in names if name.startswith("macaroni")]) == 1


def test_sizes_are_those_of_the_files(small, tmp_path):
    folder = tmp_path / "page"
    sizes = export_page(small, folder, names=["bottle"])
    assert sizes == {path.name: path.stat().st_size for path in folder.iterdir()}
    assert set(sizes) == {"page.js", "engine.js", "about.js", "image.js", "words.js"}


def test_folder_that_is_not_empty_is_left_alone(small, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not an empty folder"):
        export_page(small, tmp_path, names=["bottle"])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("there", [False, True])
def test_what_cannot_be_written_whole_is_not_written(small, tmp_path, monkeypatch, there):
    folder, write = tmp_path / "page", Path.write_text

    def full(self, *arguments, **options):
        if self.name == "words.js":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, *arguments, **options)

    if there:
        folder.mkdir()
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        export_page(small, folder, names=["bottle"], title="A page")
    assert [str(path) for path in tmp_path.rglob("*")] == [str(folder)] * there
    monkeypatch.undo()
    assert "index.html" not in export_page(small, folder, names=["bottle"], title="A page")
    assert "A page" in (folder / "index.html").read_text()


def test_a_page_is_judged_by_its_shapes():
    shapes = shapes_only("embedded")
    assert shapes.clip.visual.proj.is_meta
    require_exportable(shapes)
    assert least_bytes(shapes) == least_bytes(zsas.load_backbone("embedded"))


def test_what_is_said_beforehand_of_its_size_is_no_more_than_it_takes(small):
    parts = (image_part(small), text_part(small))
    assert 0.5 * sum(len(part.base64) for part in parts) < least_bytes(small) <= sum(len(part.base64) for part in parts)


def test_too_large_a_tower_is_refused_before_anything_is_written(small, tmp_path):
    with pytest.raises(OptionError, match=r"would take (at least )?\d+ MB, more than the 0.1 that a page may load"):
        export_page(small, tmp_path / "page", names=["bottle"], largest=100_000)
    assert not (tmp_path / "page").exists()


@pytest.mark.slow
def test_the_embedded_model_is_light(embedded):
    scripts = page_scripts(embedded, known_names(), [])
    sizes = {name: len(text.encode()) for name, text in scripts.items()}
    assert sum(sizes.values()) < 16e6
    assert sum(size for name, size in sizes.items() if name != "words.js") < 3e6


@pytest.mark.parametrize(
    ("architecture", "why"),
    [
        (tiny(pool_type="avg"), "of the family 'average-pooled'"),
        (tiny(no_ln_pre=True), "no norm before its blocks"),
        (tiny(ls_init_value=0.1), "LayerScale"),
        (tiny(block_type="custom", qk_norm=True), "attention of another kind"),
        (tiny(width=36, head_width=12), "a width of 36 is no multiple of 8"),
        ({**TINY, "text_cfg": {**TINY["text_cfg"], "no_causal_mask": True}}, "not a causal one"),
    ],
)
def test_towers_that_a_page_cannot_run_are_refused_in_one_sentence(architecture, why):
    with pytest.raises(OptionError, match=rf"Backbone 'tiny' cannot run in a page: .*{re.escape(why)}"):
        require_exportable(tiny_backbone(architecture))


def test_nothing_is_loaded_before_the_button():
    for kind in FORMS:
        text = form("model/", {"page.js": 1, "words.js": 10**6}, kind)
        assert "<script src" not in text and "http" not in text
        assert len(text) < 30_000
        assert "(0.0 MB)" in text
    assert 'data-scripts=""' in page_alone({"page.js": 1}, "Mine & others")
    assert "Mine &amp; others" in page_alone({"page.js": 1}, "Mine & others")
