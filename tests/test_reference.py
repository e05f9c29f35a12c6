"""The reference: every public name has an entry and an example that runs, and types read as they are written."""

import doctest
import inspect
import re
from importlib import import_module

import nbformat
import pytest
import torch
import yaml
from docutils import nodes
from mini_project import REPOSITORY
from nbformat.v4 import new_code_cell, new_notebook
from sphinx import addnodes
from sphinx.application import Sphinx

import zsas_lib as zsas
from zsas_book.site.check import pages
from zsas_book.site.reference import entries, linked, public_names, used_names, write_reference
from zsas_book.site.signatures import (
    ABBREVIATIONS,
    columns_as_fields,
    data_docstring,
    options_as_fields,
    written_signature,
)

PUBLIC = public_names(REPOSITORY)
ENTRIES = entries(REPOSITORY)
NAMES = [name for names in ENTRIES.values() for name in names]


def named(name: str) -> object:
    module, _, last = f"zsas_lib.{name}".rpartition(".")
    return getattr(import_module(module), last)


def docstring(name: str) -> str:
    thing = named(name)
    return (inspect.getdoc(thing) or "") if callable(thing) else "\n".join(data_docstring(name, thing))


def examples(name: str) -> doctest.DocTest:
    return doctest.DocTestParser().get_doctest(docstring(name), {"zsas": zsas, "torch": torch}, name, None, 0)


def test_the_public_names_are_those_that_python_finds():
    front = {name for name in zsas.__all__ if not inspect.ismodule(getattr(zsas, name))}
    assert {name for name in PUBLIC if "." not in name} == front
    assert {"evaluate", "RANGES", "Backbone", "metrics.pixel_auroc", "metrics.aupro"} <= set(PUBLIC) <= set(NAMES)


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_has_an_example(name):
    assert examples(name).examples, f"zsas.{name} has no example (>>> ...) in its docstring."


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where examples keep results
    monkeypatch.delenv("ZSAS_RESULTS", raising=False)
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert runner.run(examples(name), out=said.append).failed == 0, "".join(said)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[dict[str, nodes.document], str]:
    """The pages of the reference by room, as Sphinx read and resolved them to write them, and what it warned of."""
    folder = tmp_path_factory.mktemp("reference")
    write_reference(REPOSITORY, folder)
    settings = yaml.safe_load((REPOSITORY / "_config.yml").read_text())["sphinx"]["config"]
    kept = {key: value for key, value in settings.items() if key.startswith(("auto", "default_role", "python_"))}
    with (folder / "warnings").open("w") as warnings:
        app = Sphinx(
            folder,
            None,
            folder / "html",
            folder / "doctrees",
            "html",
            {"extensions": ["zsas_book.site.signatures"], "root_doc": "reference", "html_theme": "basic", **kept},
            status=None,
            warning=warnings,
            keep_going=True,
        )
        trees = {}
        app.connect("doctree-resolved", lambda _, tree, page: trees.update({page.rpartition("/")[2]: tree}))
        app.build()
    return trees, (folder / "warnings").read_text()


@pytest.fixture(scope="module")
def shown(built) -> dict[str, dict[str, nodes.Element]]:
    """The signatures of each room's page, by full name."""
    described = {room: built[0][room].findall(addnodes.desc_signature) for room in ENTRIES}
    return {room: {place: node for node in found for place in node["ids"]} for room, found in described.items()}


@pytest.mark.workflow
def test_sphinx_reads_every_docstring_without_a_warning_and_gives_every_name_an_entry(built, shown):
    _, warnings = built
    assert "".join(line for line in warnings.splitlines(True) if "toctree" not in line) == ""
    for room, names in ENTRIES.items():
        assert {f"zsas_lib.{name}" for name in names} <= set(shown[room])
        for name in names:
            assert docstring(name), f"{name} has no docstring."


@pytest.mark.workflow
def test_signatures_read_as_they_are_written(shown):
    text = " ".join(shown["perturbations"]["zsas_lib.rotate"].astext().split())
    assert text.startswith(
        'zsas.rotate(images: Float[Tensor, "batch channel height width"], degrees: Amount, fill: Fill = '
    )
    assert text.endswith('-> Float[Tensor, "batch channel height width"]')
    assert (
        "zsas.metrics.pixel_auroc(maps: Maps, masks: Masks) -> float"
        in shown["metrics"]["zsas_lib.metrics.pixel_auroc"].astext()
    )
    for room in ENTRIES:
        for signature in shown[room].values():
            assert not re.search(r"jaxtyping|collections\.abc|typing\.|~", signature.astext()), signature.astext()


@pytest.mark.workflow
def test_first_sentences_do_not_end_at_an_abbreviation(built):
    said = [entry.astext().strip() for entry in built[0]["reference"].findall(nodes.entry)]
    assert any("eq. (" in sentence for sentence in said)
    assert not [sentence for sentence in said if sentence.endswith(ABBREVIATIONS)]


def links_of(tree: nodes.document) -> set[tuple[str, str]]:
    """What a page links, and where to."""
    links = tree.findall(nodes.reference)
    return {(link.astext(), (link.get("refuri") or link["refid"]).rpartition("/")[2]) for link in links}


@pytest.mark.workflow
def test_names_lead_to_their_entries(built):
    trees, _ = built
    links = links_of(trees["models"])
    assert ("Backbone", "backbones.html#zsas_lib.Backbone") in links
    assert ("Amount", "reference.html#Amount") in links_of(trees["perturbations"])
    assert ("zsas.fit", "training.html#zsas_lib.fit") in links
    assert ("WinCLIP", "zsas_lib.models.winclip.WinCLIP") in links
    assert not [link for link in links if link[0] == "options"]


def test_a_written_signature_is_the_sources():
    def function(self, first: "int | str", *, second: float = 1e-3) -> "list[int]": ...

    assert written_signature(function) == ("(first: int | str, *, second: float=0.001)", "list[int]")
    assert written_signature(zsas.Prediction)[0].startswith("(anomaly_map: Float[Tensor, 'batch height width'], ")
    assert written_signature(zsas.Backbone)[0].startswith("(clip: nn.Module, *, name: str")


def test_an_option_list_is_a_field_list():
    text = "Options, as in the paper:\n    one, two: a few\n        words: more\n    three: 3.\nThe end: here.".split(
        "\n"
    )
    assert options_as_fields(text) == [
        "Options, as in the paper:",
        "",
        "    :``one``, ``two``: a few",
        "        words: more",
        "    :``three``: 3.",
        "",
        "The end: here.",
    ]
    columns = ["What:", "", "one    a few", "       words", "longer 2.", "", "The end.", "", "    a  b"]
    assert columns_as_fields(columns) == [
        "What:",
        "",
        "    :``one``: a few",
        "        words",
        "    :``longer``: 2.",
        *columns[5:],
    ]


def test_code_in_the_books_text_leads_to_the_reference():
    text = "`zsas.fit(model, ...)`, `zsas.nothing`, `fit`\n```python\nx = `zsas.fit`\n```\n`zsas.metrics.aupro`"
    assert linked(text, PUBLIC) == (
        "{py:obj}`zsas.fit(model, ...) <zsas_lib.fit>`, `zsas.nothing`, `fit`\n```python\nx = `zsas.fit`\n```\n"
        "{py:obj}`zsas.metrics.aupro <zsas_lib.metrics.aupro>`"
    )


def test_a_chapters_code_says_which_names_it_uses():
    code = "from zsas_lib.robustness.suitability import picture_table, ANGLE\nzsas.metrics.aupro(zsas.fit)"
    notebook = new_notebook(cells=[new_code_cell(code)])
    assert used_names(notebook, ENTRIES) == ["metrics.aupro", "fit", "robustness.suitability.picture_table"]


@pytest.mark.slow
def test_every_chapter_uses_something_and_every_page_is_in_the_table_of_contents():
    for path in (REPOSITORY / "notebooks").glob("*.ipynb"):
        assert used_names(nbformat.read(path, as_version=4), ENTRIES), path.name
    listed = pages(yaml.safe_load((REPOSITORY / "book" / "_toc.yml").read_text()))
    reference = [page for page in listed if page.startswith("_made/reference")]
    assert reference == ["_made/reference", *(f"_made/reference/{room}" for room in ENTRIES)]
