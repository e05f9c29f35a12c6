"""What stands at the top of a page is true of its data and its backbone."""

from pathlib import Path

import nbformat
import pytest
from mini_project import REPOSITORY
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from zsas_book.pages.finish import finish
from zsas_book.project.chapters import Page, find_page
from zsas_book.project.notebooks import read_notebook
from zsas_book.project.own_data import has_own_data
from zsas_book.project.parameters import parameters_cell, read_parameters, resolve
from zsas_book.provenance import RECORD_TYPE

FACTS = {"commit": "0" * 12, "library": {"digest": "sha256:" + 64 * "0", "files": {}}, "device": "cpu", "versions": {}}
FACTS |= {"subjects": {}, "computed": "2026-11-29 10:00 UTC", "duration": "1 s"}
SWEEP = read_notebook(REPOSITORY / "notebooks" / "which_method.ipynb")
DECLARED = read_parameters(SWEEP)


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ({}, False),
        ({"dataset": "embedded-a"}, False),
        ({"dataset": "mvtec"}, True),
        ({"backbone": "zoo:vit:0", "winclip_backbone": "embedded"}, False),
        ({"winclip_backbone": "vit-b-16-plus-240"}, True),
        ({"backbone": "ViT-B-32:openai"}, True),
        ({"winclip_backbone": None, "models": ["winclip"], "resamples": 10}, False),
    ],
)
def test_data_and_backbones_that_do_not_come_with_the_library_are_ones_own(given, own):
    assert has_own_data(DECLARED, resolve(DECLARED, given), given) is own


def test_what_the_book_itself_gives_is_not_ones_own():
    assert not has_own_data(DECLARED, resolve(DECLARED, {"dataset": "mvtec"}), ["resamples"])


def top(page: Page, given: dict) -> str:
    made = new_notebook(
        cells=[new_markdown_cell("# Title\n\nText."), parameters_cell(SWEEP), new_code_cell("record()")]
    )
    made.metadata.papermill = {"duration": 1.0, "exception": None, "version": "2"}
    made.cells[-1].outputs = [new_output("display_data", data={RECORD_TYPE: {}})]
    done = finish(
        nbformat.from_dict(made), FACTS, page, DECLARED, resolve(DECLARED, given), overrides=given, name="a", files=[]
    )
    return done.cells[0].source


@pytest.mark.slow
def test_the_notice_of_embedded_pictures_stands_on_no_page_of_other_ones():
    page = find_page("which_method", "embedded", REPOSITORY)
    assert "come from procedural pictures" in page.notice and "procedural" not in page.own_data_notice
    for given in ({}, {"resamples": 10}, {"dataset": "embedded-a"}):
        assert page.notice in top(page, given)
    for given in ({"dataset": "visa"}, {"backbone": "ViT-B-32:openai"}):
        assert page.own_data_notice in top(page, given) and page.notice not in top(page, given)
    smoke = find_page("which_method", "smoke", REPOSITORY)
    assert "Its numbers mean nothing" in top(smoke, {"dataset": "visa"})


def test_a_fork_has_a_backbone_of_its_own():
    fork = Page(
        "mine", Path("mine.ipynb"), "embedded", notice="Procedural.", own_data_notice="Its own.", fork_of="which_method"
    )
    assert "Its own." in top(fork, {"backbone": "ViT-B-32:openai"}) and "Procedural." in top(fork, {})
