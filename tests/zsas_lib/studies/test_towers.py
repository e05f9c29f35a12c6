"""One head on several towers: what is read, at which sizes, and what is left out."""

import pytest
import torch
from small_towers import fitted, register
from tiny_clip import tiny_backbone

import zsas_lib as zsas
from zsas_lib import load_backbone, load_model
from zsas_lib.base.errors import OptionError
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.studies.towers import RANDOM, at_grid, cut, entry_table, read_towers, training_free

MEASURING = {"resamples": 4, "seed": 1}


@pytest.fixture(scope="module")
def pictures():
    names = ["ceramic_ring", "woven_sheet"]
    return zsas.load_dataset("embedded-b", categories=names, image_size=48).select(per_category=2)


@pytest.fixture(autouse=True)
def own_store(monkeypatch, tmp_path):
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path))


@pytest.mark.slow
def test_every_kind_of_windows_on_every_variant_at_every_grid(pictures):
    entries, absent = read_towers(["embedded"], pictures, grids=[4, 5], cuts=[0.5, 1.0], repeats=1, **MEASURING)
    assert absent == {} and len(entries) == 2 * 3 * 2
    assert {(e.variant, e.windows) for e in entries} == {
        (variant, windows) for variant in ("", "3 of 5 blocks", RANDOM) for windows in ("encoded", "pooled")
    }
    first = entries[0]
    assert (first.label, first.family, first.grid, first.pixels) == ("embedded", "class token", 4, (48, 48))
    assert entries[-1].label == f"embedded, {RANDOM}" and entries[-1].pixels == (60, 60)
    model = load_model("winclip", load_backbone("embedded", image_size=48), windows="encoded")
    assert first.table.equals(evaluate(model, pictures, **MEASURING))
    table = entry_table(entries, ["aupro"])
    assert table.loc[0, "aupro"] == 100 * first.table.loc["mean", "aupro"] and table.loc[0, "pixels"] == "48"
    costs = table.groupby(["tower", "grid", "windows"]).GFLOP.first().unstack()
    assert (costs["encoded"] > costs["pooled"]).all() and (table.ms > 0).all() and (table.MB > 0).all()
    visual = load_backbone("embedded", image_size=48).clip.visual
    assert first.parameters == sum(value.numel() for value in visual.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "windows", "side"), [("siglip", ["encoded", "pooled"], 48), ("convnext", ["pooled"], 96)]
)
def test_a_tower_does_what_its_family_can(kind, windows, side, pictures):
    with fitted(kind), register(kind):
        entries, absent = read_towers(
            ["tiny"], pictures, grids=[3], weights="random", cuts=[0.3], repeats=1, **MEASURING
        )
    whole = [entry for entry in entries if entry.variant == RANDOM]
    assert [entry.windows for entry in whole] == windows and whole[0].pixels == (side, side) and absent == {}
    cut_too = [entry.variant for entry in entries if entry.variant != RANDOM]
    assert cut_too == (["1 of 3 blocks"] * 2 if kind == "siglip" else [])


@pytest.mark.slow
def test_a_tower_that_is_not_at_hand_is_named(pictures, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    names = ["hf-hub:nobody/has-this", "embedded"]
    entries, absent = read_towers(names, pictures, grids=[3], floor=False, repeats=1, **MEASURING)
    assert {entry.tower for entry in entries} == {"embedded"}
    assert list(absent) == names[:1] and "Cannot fetch" in absent[names[0]]
    with pytest.raises(OptionError, match="None of the towers is at hand"):
        entry_table([], ["aupro"])


def test_only_models_that_learn_nothing(pictures):
    assert "winclip" in training_free() and not {"vcpclip", "centre-distance"} & {*training_free()}
    with pytest.raises(ValueError, match="vcpclip: expected models that learn nothing: winclip"):
        read_towers(["embedded"], pictures, grids=[4], models=["vcpclip"])


@pytest.mark.slow
@torch.no_grad()
def test_a_tower_that_is_cut_ends_behind_its_last_block_left():
    tower = at_grid("embedded", 4)
    short = cut(tower, 2)
    images = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    start = tower.embed_patches(images)
    state, visual = tower.image.stream(start)[2], tower.clip.visual
    expected = torch.nn.functional.normalize(visual.ln_post(state[:, 0]) @ visual.proj, dim=-1)
    torch.testing.assert_close(short.encode_image(images), expected)
    assert short.depth == 2 and short.digest != tower.digest and tower.depth == len(tower.image.stream(start)) - 1
    stages = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 32}
    resnet = tiny_backbone({**zsas.load_backbone("embedded").architecture, "embed_dim": 24, "vision_cfg": stages})
    with pytest.raises(OptionError, match="has stages of different widths; it is not cut"):
        cut(resnet, 1)
