"""Whatever stands in a text is shown letter by letter, by the reader of Markdown that renders the book."""

import html
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from docutils import nodes
from docutils.core import publish_doctree
from hypothesis import given, settings
from hypothesis import strategies as st
from mini_project import REPOSITORY
from myst_parser.docutils_ import Parser

from zsas_book.escape import in_block, in_code, in_html, in_markdown

EXTENSIONS = yaml.safe_load(Path(REPOSITORY, "_config.yml").read_text())["parse"]["myst_enable_extensions"]
SETTINGS = {
    "myst_enable_extensions": [name for name in EXTENSIONS if name != "substitution"],  # Sphinx's own
    "report_level": 5,
    "_disable_config": True,
}
NAMES = [
    "<M8>",
    "<b>x</b>",
    "$x$ and $y$",
    "a*b* _c_ __d__",
    "`code`",
    "[link](target)",
    "![alt](target)",
    "{ref}`x`",
    "{{ x }}",
    "a\\b",
    "\\",
    "&lt;",
    "~~x~~",
    "a|b",
    "a\\|b",
    "# x",
    "- x",
    "+ x",
    "1. x",
    "2) x",
    "> x",
    "% x",
    ": x",
    "(x)=",
    "+++",
    "---",
    "===",
    "```",
    "\\begin{equation}",
    "<!-- x -->",
    "^x^ @x :x:",
]
texts = st.text(st.sampled_from("ab 1.)(*_`$<>[]{}\\&;|~#+-=!:%^\"'"), min_size=1, max_size=12)


def shown(markdown: str) -> nodes.document:
    document = publish_doctree(markdown, parser=Parser(), settings_overrides=SETTINGS)
    for raw in list(document.findall(nodes.raw)):
        assert raw.astext() in ("<span>", "</span>")
        raw.parent.remove(raw)
    return document


def words(text: str) -> str:
    return " ".join(text.split())


def cells(markdown: str) -> list[str]:
    document = shown(f"| a | b |\n|---|---|\n| {markdown} | end |\n")
    return [entry.astext() for entry in document.findall(nodes.entry)][2:]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_text_in_a_paragraph_in_a_table_and_as_code(name):
    document = shown(in_markdown(name))
    assert document.astext() == name and [type(node) for node in document.children] == [nodes.paragraph]
    assert shown(f"Of {in_markdown(name)}, so.").astext() == f"Of {name}, so."
    assert cells(in_markdown(name)) == [name, "end"]
    assert cells(in_code(name, cell=True)) == [name, "end"]
    (code,) = shown(f"Of {in_code(name)}.").findall(nodes.literal)
    assert code.astext() == name
    (block,) = shown("\n".join(["Text", "", *in_block([name, name], "bash"), "", "Text"])).findall(nodes.literal_block)
    assert block.astext() == f"{name}\n{name}"


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(texts)
def test_any_text_is_one_paragraph_of_its_own_letters(text):
    document = shown(in_markdown(text))
    assert words(document.astext()) == words(text)
    assert len(document.children) == bool(text.strip())


def test_lines_become_one():
    assert in_markdown("a\nb\r\n* c") == "a b \\* c"
    assert in_code("a\n``b`") == "``` a ``b` ```"


def test_html_shows_its_letters_and_no_formula():
    class Text(HTMLParser):
        data = ""

        def handle_data(self, data):
            self.data += data

    for name in NAMES:
        reader = Text()
        reader.feed(in_html(name))
        reader.close()
        assert reader.data == name
    assert in_html("<b>$x$") == html.escape("<b>") + "<span>$</span>x<span>$</span>"
