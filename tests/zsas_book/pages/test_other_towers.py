"""Chapters on towers of other families than the book's own: a SigLIP 2 and a ConvNeXt configuration, with random
weights, from folders of the kind that the Hugging Face hub has."""

import json

import nbformat
import pandas as pd
import pytest
from mini_project import REPOSITORY, start_warm

from zsas_book.pages.compute import compute_page
from zsas_book.project.chapters import load_pages

pytestmark = pytest.mark.kernel

SIGLIP2 = {
    "embed_dim": 64,
    "custom_text": True,
    "init_logit_bias": -10,
    "vision_cfg": {
        "image_size": 48,
        "timm_model_name": "vit_base_patch16_siglip_224",
        "timm_model_arguments": {"img_size": 48, "patch_size": 16, "embed_dim": 64, "depth": 2, "num_heads": 2},
        "timm_pool": "map",
        "timm_proj": "none",
    },
    "text_cfg": {
        "context_length": 64,
        "width": 64,
        "heads": 2,
        "layers": 1,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    },
}
"""open_clip's ViT-B-16-SigLIP2 for smaller pictures, with smaller towers and CLIP's tokenizer."""
CONVNEXT = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 96, "timm_model_name": "convnext_atto", "timm_pool": "", "timm_proj": "linear"},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}
STATISTICS = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """What names each as a backbone."""
    names = {}
    for name, model in {"siglip2": SIGLIP2, "convnext": CONVNEXT}.items():
        folder = tmp_path_factory.mktemp(name)
        (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": STATISTICS}))
        names[name] = f"local-dir:{folder}"
    return names


@pytest.fixture(autouse=True)
def warm(monkeypatch):
    """Kernels start by the server of these tests."""
    start_warm(monkeypatch)


@pytest.fixture
def computed(tmp_path, monkeypatch):
    """A page of the smoke profile with other parameters, and the folder of what it published."""
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "results"))

    def run(name, **overrides):
        page = load_pages(REPOSITORY, "smoke")[name]
        output = compute_page(page, tmp_path / f"{name}.ipynb", root=REPOSITORY, overrides=overrides)
        return str(nbformat.read(output, as_version=4).cells), tmp_path / f"{name}_files"

    return run


def test_one_head_on_both(folders, computed):
    towers = ["local-dir:nowhere", *folders.values()]
    text, files = computed("many_towers", towers=towers, weights="random", grids=[3], cuts=[], image_size=48)
    table = pd.read_csv(files / "towers.csv")
    assert list(zip(table.family, table.windows, table.pixels)) == [
        ("attention-pooled", "encoded", 48),
        ("attention-pooled", "pooled", 48),
        ("hierarchical", "pooled", 96),
    ]
    assert table.tower.str.endswith("random weights").all() and table.aupro.between(0, 100).all()
    assert "local-dir:nowhere is not at hand: No folder nowhere" in text


@pytest.mark.parametrize(
    ("page", "name", "size"), [("winclip_windows", "convnext", 96), ("uniform_sweep", "siglip2", 48)]
)
def test_a_chapter_on_another_family(page, name, size, folders, computed):
    text, _ = computed(page, backbone=folders[name], weights="random", image_size=size)
    assert "**Verdict.**" in text and folders[name].rpartition("/")[2] in text


def test_points_and_depth_of_prints_are_asked_of_both_and_one_that_cannot_be_had_is_left_out(folders, computed):
    asked = {"towers": ["local-dir:nowhere", *folders.values()], "weights": "random", "datasets": ["embedded-d"]}
    text, files = computed("views", **asked, per_name=2, photographs=1)
    assert "Left out: local-dir:nowhere (" in text and "2 networks." in text
    matches, losses = (pd.read_csv(files / f"{name}.csv") for name in ("matches_table", "losses_table"))
    assert {*matches.tower} == {*losses.member} == {*folders.values()} and matches.recall.between(0, 100).all()
    table = pd.read_csv(files / "architectures.csv")
    assert {*table.member} == {folders["convnext"]}, "set against the transformer"


def test_an_answerer_on_each_of_both(folders, computed):
    asked = {"towers": ["local-dir:nowhere", *folders.values()], "weights": "random", "datasets": ["embedded-b"]}
    text, files = computed("answering", **asked, per_name=2, corruptions=[])
    assert "Left out: local-dir:nowhere (" in text and "2 networks." in text
    assert {*pd.read_csv(files / "answers_table.csv").member} == {*folders.values()}
