from pathlib import Path

import pytest

from zsas_book.project.parameters import Parameter
from zsas_book.project.paths import seen_from

ROOT = Path("/home/ann/my book")
DECLARED = (
    Parameter("data_root", "str", False, None, kind="folder"),
    Parameter("weights", "str", False, None, kind="file"),
    Parameter("backbone", "str", False, "embedded", kind="backbone"),
    Parameter("category", "str", False, "ring", kind="category"),
)


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({"data_root": "sets"}, {"data_root": "notebooks/sets"}),
        ({"data_root": "../sets"}, {"data_root": "sets"}),
        ({"data_root": "../../sets/x/../y"}, {"data_root": "../sets/x/../y"}),
        ({"data_root": "/data/sets"}, {"data_root": "/data/sets"}),
        ({"data_root": "None"}, {"data_root": "None"}),
        ({"data_root": None}, {"data_root": None}),
        ({"weights": "my.pt"}, {"weights": "notebooks/my.pt"}),
        ({"weights": "random"}, {"weights": "random"}),
        ({"weights": "hf-hub:ann/vit"}, {"weights": "hf-hub:ann/vit"}),
        ({"backbone": "local-dir:vit"}, {"backbone": "local-dir:notebooks/vit"}),
        ({"backbone": "ViT-B-32:openai"}, {"backbone": "ViT-B-32:openai"}),
        ({"category": "sets"}, {"category": "sets"}),
        ({"not_declared": "sets"}, {"not_declared": "sets"}),
    ],
)
def test_paths_are_led_from_the_shells_folder_to_the_projects(given, seen):
    assert seen_from(ROOT / "notebooks", ROOT, DECLARED, given) == seen
    assert seen_from(ROOT, ROOT, DECLARED, given) == given


def test_a_home_and_a_file_behind_an_architecture_are_paths_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert seen_from(tmp_path, ROOT, DECLARED, {"weights": "~/my.pt"}) == {"weights": f"{tmp_path}/my.pt"}
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "my.pt").touch()
    given = {"backbone": "ViT-B-32:my.pt"}
    assert seen_from(tmp_path / "here", tmp_path, DECLARED, given) == {"backbone": "ViT-B-32:here/my.pt"}
