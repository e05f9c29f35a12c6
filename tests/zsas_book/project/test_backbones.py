"""Backbones that parameters name are known before anything runs, or are registered by the notebook itself."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from zsas_book.pages.compute import check_parameters
from zsas_book.project.backbones import registered_in, unknown_backbones
from zsas_book.project.chapters import Page
from zsas_book.project.parameters import Parameter, ParameterError
from zsas_book.project.together import require_together

BACKBONE = Parameter("backbone", "str", False, "embedded", kind="backbone")
TOWERS = Parameter("towers", "str", True, None, kind="backbone")
WEIGHTS = Parameter("weights", "str", False, None, kind="file")
DECLARED = (BACKBONE, TOWERS, WEIGHTS)
CELL = 'backbone: str = "embedded"  # its name (a backbone)'
MINE = 'import zsas_lib as zsas\nzsas.register_backbone("mine", architecture="ViT-B-32", pretrained="a.pt")'


def told(root, registered=(), **values):
    defaults = {parameter.name: parameter.default for parameter in DECLARED}
    return list(unknown_backbones(DECLARED, defaults | values, root, registered))


def notebook(*cells):
    parameters = new_code_cell(CELL, metadata={"tags": ["parameters"]})
    made = new_notebook(cells=[new_markdown_cell("# T"), parameters, *map(new_code_cell, cells)])
    made.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return made


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backbone": "embeded"}, "Parameter 'backbone': Unknown backbone 'embeded'; .*Did you mean 'embedded'"),
        ({"backbone": ""}, "Parameter 'backbone': Unknown backbone ''"),
        ({"backbone": "ViT-B-33:openai"}, "Unknown open_clip architecture 'ViT-B-33'.*Did you mean 'ViT-B-32'"),
        ({"backbone": "ViT-B-32:opnai"}, "Unknown pretrained tag of ViT-B-32 'opnai'.*Did you mean 'openai'"),
        ({"towers": ["embedded", "zoo:vitt:0"]}, "Parameter 'towers': Unknown member of the zoo 'vitt:0'"),
        ({"backbone": "zoo:vit:first"}, "Unknown seed of the zoo 'first'; known: 0, 1, 2"),
    ],
)
def test_a_misspelt_backbone_is_one_sentence(values, message, tmp_path):
    with pytest.raises(ParameterError, match=message):
        require_together(DECLARED, {parameter.name: parameter.default for parameter in DECLARED} | values, tmp_path)
    assert len(told(tmp_path, **values)) == 1


def test_what_can_be_a_backbone_is_silent(tmp_path):
    (tmp_path / "my.pt").touch()
    for name in ("embedded", "vit-l-14", "ViT-B-32:openai", "hf-hub:me/mine", "local-dir:here", "zoo:vit", "zoo:vit:2"):
        assert told(tmp_path, backbone=name, towers=[name]) == []
    assert told(tmp_path, backbone="ViT-B-32:my.pt") == []  # a file, relative to the project's folder
    assert told(tmp_path, backbone="ViT-B-32:opnai", weights="random") == []  # the tag is not asked for
    assert told(tmp_path, ["mine"], backbone="mine") == [] == told(tmp_path, None, backbone="any")


def test_names_that_a_notebook_registers_are_found_or_cannot_be_told(tmp_path):
    assert registered_in(notebook("import numpy as np", "%matplotlib inline"), tmp_path) == set()
    assert registered_in(notebook(MINE, 'register_backbone(name="other", architecture="x")'), tmp_path) == {
        "mine",
        "other",
    }
    assert registered_in(notebook("zsas.register_backbone(name, architecture=net)"), tmp_path) is None
    assert registered_in(notebook("%time zsas.register_backbone('a', architecture=net)"), tmp_path) is None
    (tmp_path / "my_towers.py").touch()
    assert registered_in(notebook("from my_towers import Tower"), tmp_path) is None
    assert registered_in(notebook("import zsas_lib, zsas_book.figures"), tmp_path) == set()


def test_a_page_takes_what_its_notebook_registers_and_refuses_what_nothing_does(tmp_path):
    nbformat.write(notebook(MINE), tmp_path / "own.ipynb")
    page = Page("own", (tmp_path / "own.ipynb").relative_to(tmp_path))
    check_parameters(page, tmp_path, {"backbone": "mine"})
    with pytest.raises(ParameterError, match="Unknown backbone 'yours'"):
        check_parameters(page, tmp_path, {"backbone": "yours"})
