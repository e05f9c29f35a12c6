"""What a visitor of the repository meets: licence, citation, picture, and continuous integration that runs what it
says."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from making import make
from mini_project import REPOSITORY
from PIL import Image

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
README = (REPOSITORY / "README.md").read_text()
WORKFLOW = yaml.safe_load((REPOSITORY / ".github/workflows/book.yml").read_text())


def test_licence_and_citation_agree_with_the_package():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (
        (citation["version"], citation["license"])
        == (PROJECT["version"], PROJECT["license"])
        == (PROJECT["version"], "MIT")
    )
    assert PROJECT["license-files"] == ["LICENSE"] and (REPOSITORY / "LICENSE").read_text().startswith("MIT License")
    assert citation["title"] == yaml.safe_load((REPOSITORY / "_config.yml").read_text())["title"]
    assert all("title" in reference and reference["authors"] for reference in citation["references"])


def test_the_picture_is_there_has_words_and_is_light():
    ((words, name),) = re.findall(r"!\[([^\]]*)\]\((\.github/[^)]*)\)", README)
    assert len(words.split()) > 5 and (REPOSITORY / name).stat().st_size <= 300_000
    with Image.open(REPOSITORY / name) as picture:
        assert picture.width > 1000


def test_no_address_is_invented_as_nothing_is_published():
    for name in ("README.md", "CITATION.cff", "CONTRIBUTING.md", ".github/workflows/book.yml"):
        assert not re.search(r"https?://", (REPOSITORY / name).read_text()), name


def test_integration_runs_the_two_commands_on_every_push_and_publishes_what_they_made():
    assert WORKFLOW[True]["push"] is None  # YAML reads the key `on` as true
    steps = WORKFLOW["jobs"]["book"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    assert {"make test", "make book"} <= set(commands) and all(command.startswith("make ") for command in commands)
    for command in commands:
        make(*command.split()[1:], "--dry-run")
    uploads = [step for step in steps if "upload-pages" in step.get("uses", "")]
    assert [step["with"]["path"] for step in uploads] == ["book/_build/html"]
    assert WORKFLOW["jobs"]["publish"]["needs"] == "book" and "pull_request" in WORKFLOW["jobs"]["publish"]["if"]
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_the_badge_is_of_the_workflow_that_is_there():
    badges = re.findall(r"\((\.\./\.\./actions/workflows/[\w.]+)/badge\.svg\)", README)
    assert [Path(badge).name for badge in badges] == [
        name.name for name in (REPOSITORY / ".github/workflows").iterdir()
    ]


@pytest.mark.parametrize("name", ["book/data_and_weights.md"])
def test_each_data_set_and_weight_has_a_licence(name):
    tables = re.findall(
        r"(?m)^\| name .*\n(?:\|.*\n)+|^\| alias .*\n(?:\|.*\n)+|^\| model .*\n(?:\|.*\n)+",
        (REPOSITORY / name).read_text(),
    )
    assert len(tables) == 3
    for table in tables:
        head, _, *rows = [[cell.strip() for cell in row.strip("|\n ").split("|")] for row in table.splitlines()]
        assert all(row[head.index("licence")] for row in rows)
