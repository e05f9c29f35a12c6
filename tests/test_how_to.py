"""The Python of the how-to pages, run with the data cut and the placeholders filled."""

import re
from pathlib import Path

import pytest
from mini_project import REPOSITORY
from safetensors.torch import save_file

import zsas_lib as zsas
from zsas_lib.backbones import registry
from zsas_lib.backbones.own import own_maker

FORK = (REPOSITORY / "book" / "fork.md").read_text()
OWN_MODULE = "## A module of your own"
EMBEDDED = REPOSITORY / "zsas_lib" / "data" / "embedded"


@pytest.fixture(autouse=True)
def a_few_pictures(monkeypatch, tmp_path):
    whole = zsas.load_dataset

    def a_few(*arguments, **options):
        dataset = whole(*arguments, **options)
        return dataset.select(dataset.categories[:1], per_category=4)

    monkeypatch.setattr(zsas, "load_dataset", a_few)
    monkeypatch.chdir(tmp_path)


def python(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.training
def test_the_python_of_the_page_on_forking_runs(capsys):
    code = "".join(python(FORK.partition(OWN_MODULE)[0]))
    for placeholder, filled in {
        '"ViT-B-16"': f'"{EMBEDDED / "backbone.json"}"',
        '"/path/to/weights.safetensors"': f'"{EMBEDDED / "backbone.safetensors"}"',
        '"my-vit"': '"my-vit-of-the-how-to"',
        "**recipe.fit)": "**{**recipe.fit, 'epochs': 1})",
    }.items():
        assert placeholder in code
        code = code.replace(placeholder, filled)
    named = {}
    exec(compile(code, "fork.md", "exec"), named)
    assert capsys.readouterr().out.count("pixel_auroc") == 3
    options = named["recipe"].options
    reloaded = zsas.load_model("vcpclip+", named["model"].backbone, checkpoint="vcp.safetensors", **options)
    assert zsas.evaluate(reloaded, named["dataset"]).equals(zsas.evaluate(named["vcp"], named["dataset"]))


@pytest.mark.slow
def test_a_module_of_ones_own_as_the_page_shows_it_with_random_weights(monkeypatch, capsys):
    """Its file is written as it stands there, and its weights are read from a file that has drawn ones."""
    monkeypatch.setattr(registry, "_REGISTERED", {})
    tower, use = python(FORK.partition(OWN_MODULE)[2])
    assert len([line for line in tower.splitlines() if line and not line.startswith(("import", "from", '"""'))]) <= 30
    assert "image_size=224" in tower
    Path("my_tower.py").write_text(tower.replace("image_size=224", "image_size=112"))
    save_file(own_maker("my_tower.py:DinoWithText")().state_dict(), "my_dino.safetensors")
    named = {}
    exec(compile(use, "fork.md", "exec"), named)
    assert "pixel_auroc" in capsys.readouterr().out
    backbone = named["model"].backbone
    assert (backbone.family, backbone.grid, backbone.image.prefix, backbone.is_random) == ("class token", 8, 5, False)
    assert zsas.why_not("winclip", backbone) == zsas.why_not("april-gan", backbone) == ""
    assert "learned tokens" in zsas.why_not("vcpclip", backbone)
