"""The benchmark of towers goes on where it was, and a process that ends takes nothing else with it; no timing is
judged here."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_towers import small

from benchmarks import towers
from benchmarks.processes import in_own_process
from benchmarks.table import Measurement, Settings
from zsas_book.site.towers_page import towers_table
from zsas_lib.backbones.families.linear import QuickLinear
from zsas_lib.base.errors import UnknownNameError

SETTINGS = Settings(Path(sys.executable), rounds=2)
NAMES = ["ViT-B-16", "huge", "RN50"]
FOUND = {"image_error": 2e-7, "text_error": 1e-7, "ms": 40.0, "open_clip_ms": 38.0, "ratio": 0.95}
FOUND |= {"pooled_ratio": 0.8, "winclip_ms": 350.0, "winclip_mb": 12.5, "note": ""}


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Which towers were measured, of three that are made up."""
    measured = []

    def facts(name):
        gigabytes = 25.0 if name == "huge" else 0.3
        known = {"name": name, "family": "class token", "parameters_m": 50.0, "weights_gb": gigabytes}
        return known | {"size": "224", "grid": "7 x 7", "runs": "winclip", "why_not": ""}

    def process(function, name, settings):
        measured.append(name)
        if name == "RN50" and len(measured) < 3:
            raise RuntimeError("The process ended with status -9; what it said stands above.")
        return FOUND

    (tmp_path / "benchmarks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("open_clip.list_models", lambda: NAMES)
    monkeypatch.setattr(towers, "facts_of", facts)
    monkeypatch.setattr(towers, "in_own_process", process)
    monkeypatch.setattr(towers, "against_old", lambda *arguments: Measurement("old", 1.0))
    return measured


@pytest.mark.slow
def test_it_goes_on_where_it_was(asked, tmp_path):
    rows = {row.what: row for row in towers.measure(SETTINGS)}
    assert asked == ["ViT-B-16", "RN50"]
    table = towers_table(tmp_path).set_index("name")
    assert list(table.index) == NAMES and table.ratio["ViT-B-16"] == 0.95
    assert table.note["huge"] == "not run: 25.0 GB of weights"
    assert table.note["RN50"] == "not run to its end: The process ended with status -9"
    assert rows["embedding of a picture, ViT-B-16"].ratio == 0.95
    assert rows["picture and its pooled windows, ViT-B-16"].ours == pytest.approx(38 / 0.8)
    assert rows["image embeddings, class token"].ours == 2e-7 and "old" in rows
    assert table.torch["ViT-B-16"] == torch.__version__ and table.rounds["ViT-B-16"] == "2"
    assert "embedding of a picture, RN50" in {row.what for row in towers.measure(SETTINGS)}
    assert asked[2:] == ["RN50"]
    list(towers.measure(SETTINGS))
    assert len(asked) == 3


@pytest.mark.slow
def test_only_those_that_are_named_are_measured_anew(asked):
    list(towers.measure(SETTINGS))
    rows = list(towers.measure(replace(SETTINGS, only=("ViT-B-16",))))
    assert asked[2:] == ["ViT-B-16"] and "old" not in {row.what for row in rows}
    with pytest.raises(UnknownNameError, match="Did you mean 'RN50'"):
        list(towers.measure(replace(SETTINGS, only=("RN5",))))


def test_a_tower_that_memory_has_no_room_for_is_not_begun(asked, monkeypatch):
    monkeypatch.setattr(towers, "available_gb", lambda: 1.0)
    assert towers.measured_row("ViT-B-16", 2.0, SETTINGS)["note"] == (
        "not run: 2.0 GB of weights and 1.0 GB of memory left"
    )
    assert asked == []


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("kind", ["class token", "resnet"])
def test_what_is_found_of_a_small_tower(kind):
    backbone = small(kind)
    assert towers.image_error(backbone) < 1e-5 and towers.text_error(backbone) < 1e-5
    found = towers.times(backbone, SETTINGS)
    assert set(found) <= set(FOUND) and all(value > 0 for value in found.values())
    backbone.image.embedding = lambda last, normed=True: torch.zeros(len(last), 24)
    assert towers.image_error(backbone) == pytest.approx(1)


def test_open_clips_own_products_are_torchs():
    backbone = small("class token")

    def frozen():
        return [name for name, part in backbone.clip.named_modules() if isinstance(part, QuickLinear)]

    before = frozen()
    with towers.torchs_products(backbone):
        assert before and not frozen()
    assert frozen() == before


@pytest.mark.slow
def test_the_text_side_of_hugging_face_takes_no_learned_words():
    facts = towers.facts_of("roberta-ViT-B-32")
    assert facts["runs"] == "winclip april-gan anovl clip" and "one of Hugging Face's" in facts["why_not"]
    assert (facts["family"], facts["size"], facts["grid"]) == ("class token", "224", "7 x 7")


@pytest.mark.slow
def test_a_process_of_its_own_answers_or_is_named():
    assert in_own_process(os.path.join, "a", "b") == os.path.join("a", "b")
    with pytest.raises(RuntimeError, match=r"The process of _exit\(3,\) ended with status 3"):
        in_own_process(os._exit, 3)
