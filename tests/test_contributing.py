"""CONTRIBUTING.md is true: its model, data set and chapter are added, by its own steps, to a copy of the project."""

import re
import shutil
import textwrap
from pathlib import Path

import layouts
import pytest
import yaml
from mini_project import REPOSITORY, run_in

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text()
PICTURES = {"mug": {"good": 2, "chip": 2}}


def section(title: str) -> str:
    return re.search(rf"(?ms)^## {title}\n(.*?)(?=^## |\Z)", TEXT)[1]


def block(title: str, language: str) -> str:
    """The first block of code of a section."""
    return textwrap.dedent(re.search(rf"(?ms)^   (`{{3,}}){language}\n(.*?)^   \1$", section(title))[2])


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("contributed")
    shutil.copytree(REPOSITORY / "zsas_lib", root / "zsas_lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "zsas_book", root / "zsas_book", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    return root


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("title", ["A model", "A data set", "A chapter"])
def test_what_is_added_takes_at_most_five_steps(title):
    steps = re.findall(r"(?m)^(\d)\. ", section(title))
    assert steps == [str(number) for number in range(1, len(steps) + 1)] and len(steps) <= 5


def test_every_file_that_is_named_exists():
    named = set(re.findall(r"`((?:zsas_lib|book|tests|notebooks)/[\w./]+\.(?:py|md|csv|yml))`", TEXT)) - {
        "notebooks/NAME.md"
    }
    named = {name for name in named if "NAME" not in name}
    assert named and {name for name in named if not (REPOSITORY / name).is_file()} == set()


def test_the_model_and_the_data_set_are_evaluated(project):
    entry = re.search(r'`("plain-patches": \(.*?\))`', section("A model"))[1]
    (project / "zsas_lib" / "models" / "plain_patches.py").write_text(block("A model", "python"))
    edit(project / "zsas_lib" / "models" / "__init__.py", "MODELS = {\n", f"MODELS = {{\n    {entry},\n")
    (project / "zsas_lib" / "data" / "cups.py").write_text(block("A data set", "python"))
    data = project / "zsas_lib" / "data" / "__init__.py"
    edit(data, "from . import btad, ", "from . import btad, cups, ")
    edit(
        data,
        '= {\n    "mvtec": mvtec,\n',
        f'= {{\n    {re.search(r"`(.cups.: cups)`", section("A data set"))[1]},\n    "mvtec": mvtec,\n',
    )
    layouts.write_mvtec(project / "cups", PICTURES)
    script = """
        import zsas_lib as zsas
        assert "plain-patches" in zsas.list_models() and zsas.__file__.startswith("%s")
        model = zsas.load_model("plain-patches", zsas.load_backbone("embedded"), temperature=0.1)
        images = zsas.load_dataset("cups", "cups", image_size=144)
        seen = images[0].image[None].requires_grad_()
        model(seen, "mug").anomaly_map.sum().backward()
        assert seen.grad.abs().sum() > 0
        table = zsas.evaluate(model, images)
        assert list(table.index) == ["mug", "mean"] and table.loc["mug", "pixel_auroc"] > 0
        stored = zsas.stored(zsas.evaluate, model, images)
        assert stored.loc["mug", "pixel_auroc"] == table.loc["mug", "pixel_auroc"]
    """
    ran = run_in(project, "-c", textwrap.dedent(script) % project)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.kernel
def test_the_chapter_runs(project):
    entry = re.search(r"`(NAME: \{notebook.*?\}\})`", section("A chapter"))[1].replace("NAME", "how_many")
    pages = {"profiles": {"embedded": {}, "smoke": {"notice": "A try."}}, "pages": yaml.safe_load(entry)}
    (project / "chapters.yaml").write_text(yaml.safe_dump(pages))
    (project / "notebooks").mkdir()
    (project / "notebooks" / "how_many.md").write_text(block("A chapter", "markdown"))
    paired = run_in(project, "-m", "jupytext", "--to", "ipynb", "--update", "notebooks/how_many.md")
    assert paired.returncode == 0, paired.stderr
    ran = run_in(project, "-m", "zsas_book.cli", "run", "how_many", "--profile", "smoke")
    assert ran.returncode == 0, ran.stderr
    assert re.search(r'"text": \[?\s*"\d+\\n"', (project / "book" / "_computed" / "how_many.ipynb").read_text())
