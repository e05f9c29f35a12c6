"""The landing page's findings, from tables published for them."""

import re
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest
from flats import flat_of

from zsas_book import figures
from zsas_book.pages.states import PageState
from zsas_book.site.findings import FINDINGS, MARK, Finding, finding_in_words, write_findings
from zsas_book.site.judging import TERM

FINDING = Finding(
    "page",
    "page:t[model=a][x]",
    "page:t[model=b][x]",
    "a leads: {one} to {other}, {gap} points.",
    "b leads: {other} to {one}.",
    "level: {one} and {other}.",
)


@pytest.fixture
def publish(tmp_path, monkeypatch):
    def published(one: float, other: float, own: float) -> Path:
        folder = tmp_path / "book" / "_computed" / "page_files"
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv("ZSAS_PAGE_FILES", str(folder))
        table = pd.DataFrame({"model": ["a", "b"], "x": [one, other]})
        figures.publish_table(table, "t", flat_of({("a",): one, ("b",): other}, ["model"], ["x"], own=own))
        return folder.parent

    return published


@pytest.mark.slow
def test_a_finding_is_said_by_its_verdict_with_its_interval(publish):
    said = finding_in_words(FINDING, publish(0.9, 0.8, 0.001))
    assert said.startswith("a leads: 90.0 to 80.0, 10.0 points. (Difference +10.0, 95 % interval +9.6 to +10.4, 100 %")
    assert finding_in_words(FINDING, publish(0.8, 0.9, 0.001)).startswith("b leads: 90.0 to 80.0. (Difference -10.0")
    assert finding_in_words(FINDING, publish(0.81, 0.8, 0.1)).startswith("level: 81.0 and 80.0. (")
    assert finding_in_words(FINDING, publish(0.81, 0.8, 0.1) / "nowhere") == ""


@pytest.mark.slow
def test_findings_take_the_place_of_the_mark(publish, tmp_path, monkeypatch):
    publish(0.9, 0.8, 0.001)
    monkeypatch.setattr("zsas_book.site.findings.FINDINGS", (FINDING, FINDINGS[0]))
    state = Mock(spec=PageState, title="Its title", certificate=True, page=Mock())
    state.page.name = "page"
    landing = tmp_path / "intro.md"
    landing.write_text(f"# Book\n\n{MARK}\n\nMore.\n")
    write_findings(tmp_path, tmp_path, [state])
    lines = landing.read_text().splitlines()
    assert lines[2].startswith("1. a leads: 90.0 to 80.0") and lines[2].endswith("[Its title](_computed/page)")
    assert lines[3:] == ["", "More."]
    landing.write_text("# No mark\n")
    write_findings(tmp_path, tmp_path, [state])
    assert landing.read_text() == "# No mark\n"


def test_there_are_five_and_their_tests_can_be_read():
    assert len(FINDINGS) == 5
    for finding in FINDINGS:
        assert TERM.match(finding.one) and TERM.match(finding.other)
        for words in (finding.higher, finding.lower, finding.within):
            assert set(re.findall(r"{(\w+)}", words)) <= {"one", "other", "gap"}
