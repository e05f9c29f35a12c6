"""The Python of the how-to pages, run with the data cut and the placeholders filled."""

import re

import pytest
from mini_project import REPOSITORY

import zsas_lib as zsas

EMBEDDED = REPOSITORY / "zsas_lib" / "data" / "embedded"


@pytest.mark.training
def test_the_python_of_the_page_on_forking_runs(monkeypatch, tmp_path, capsys):
    whole = zsas.load_dataset

    def a_few(*arguments, **options):
        dataset = whole(*arguments, **options)
        return dataset.select(dataset.categories[:1], per_category=4)

    monkeypatch.setattr(zsas, "load_dataset", a_few)
    monkeypatch.chdir(tmp_path)
    code = "".join(re.findall(r"```python\n(.*?)```", (REPOSITORY / "book" / "fork.md").read_text(), re.DOTALL))
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
