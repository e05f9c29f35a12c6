"""The formulas of costs: what they come to, that nothing in them is run, and that every chapter has one."""

import pytest
from mini_project import REPOSITORY

from zsas_book.jobs.costs import passes
from zsas_book.jobs.estimates import MINUTES_UNKNOWN, estimated, minutes
from zsas_book.jobs.plan import make_plan, report
from zsas_book.project.chapters import ChaptersError, Page, load_pages

VALUES = {
    "steps": 200,
    "search": "adam",
    "seeds": [0, 1, 2],
    "values": [-30.0, 30.0],
    "models": ["winclip", "anomalyclip", "vcpclip+"],
    "none": None,
    "rate": 0.5,
}


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("7", 7),
        (7, 7),
        ("pictures * (8 * (steps * (1 + adam) + 1) + 8)", 10 * (8 * 401 + 8)),
        ("seeds * (pictures + training)", 3 * (10 + 50)),
        ("pictures * swept", 10 * 3),
        ("pictures * 7 // 4 - 1", 16),
        ("min(4 * pictures, 25) + none", 25),
        ("2 * models_that_learn + models_at_once", 5),
    ],
)
def test_what_formulas_come_to(formula, expected):
    assert passes({"winclip": formula}, VALUES, 10, 50) == {"winclip": expected}


def test_a_trivial_map_takes_no_pass():
    with_trivial = {"models": [*VALUES["models"], "local-contrast"]}
    assert passes({"winclip": "models_at_once"}, with_trivial, 10, 50) == {"winclip": 1}
    both = {"winclip": "pictures", "learned": "training"}
    assert passes(both, {"model": "median-colour"}, 10, 50) == {"winclip": 0, "learned": 0}
    assert passes(both, {"model": "winclip"}, 10, 50) == {"winclip": 10, "learned": 50}


def test_only_models_that_are_asked_are_trained_once():
    asked = {"models": ["winclip", "vcpclip+", "adaclip"], "once": ["adaclip", "af-clip"], "seeds": [0, 1, 2]}
    formula = {"learned": "(seeds * models_that_learn - (seeds - 1) * once) * (pictures + training)"}
    assert passes(formula, asked, 10, 50) == {"learned": (3 + 1) * 60}
    assert passes({"learned": "once"}, {"once": 7}, 10, 50) == {"learned": 7}, "a parameter of another kind"


def test_an_even_grid_has_thirteen_values_and_zero_counts_once():
    assert passes({"winclip": "swept"}, {"values": None}, 1, 0) == {"winclip": 13}
    assert passes({"winclip": "swept"}, {"values": [0.0, 5.0]}, 1, 0) == {"winclip": 2}


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("step * 2", "'step' is no number that is known; there are adam, "),
        ("rate * 2", "'rate' is no number"),
        ("__import__('os')", "expected whole numbers, names"),
        ("pictures.real", "expected whole numbers, names"),
        ("2 ** 99", "expected whole numbers, names"),
        ("1.5 * pictures", "expected whole numbers, names"),
        ("True", "expected whole numbers, names"),
        ("pictures *", "cannot be read"),
        ("pictures // none", "cannot be read"),
        ("min(pictures)", "expected whole numbers, names"),
    ],
)
def test_anything_else_is_refused(formula, message):
    with pytest.raises(ChaptersError) as raised:
        passes({"winclip": formula}, VALUES, 10, 50)
    assert message in str(raised.value) and formula in str(raised.value)


@pytest.mark.slow
def test_every_page_of_the_book_says_what_it_costs():
    for profile in ("embedded", "paper", "smoke"):
        for page in load_pages(REPOSITORY, profile).values():
            assert page.costs is not None, page.name
            assert estimated(page, REPOSITORY).passes >= 0


def test_pictures_are_counted_with_as_many_normal_ones_as_the_page_takes():
    notebook = load_pages(REPOSITORY, "smoke")["worst_case"].notebook
    given = {"categories": ["ceramic_ring", "rubber_gear"], "pictures_per_category": 15}
    for normal, pictures in ((None, 30), (2, 20), (50, 30)):
        page = Page("mine", notebook, parameters=given | {"normal_per_category": normal})
        assert estimated(page, REPOSITORY).pictures == pictures


@pytest.mark.slow
def test_what_is_not_said_is_unknown_and_not_guessed(monkeypatch, tmp_path):
    page = Page("mine", load_pages(REPOSITORY, "smoke")["few_shot"].notebook, parameters={"pictures_per_category": 3})
    cost = estimated(page, REPOSITORY)
    assert (cost.pictures, cost.passes, cost.hours, cost.gpu) == (36, None, None, False)
    assert minutes(page, REPOSITORY) == MINUTES_UNKNOWN
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr("zsas_book.jobs.plan.load_pages", lambda root, profile: {"mine": page})
    lines = report(make_plan(REPOSITORY, "smoke"), "smoke", REPOSITORY)
    assert lines[0].split()[:9] == ["page", "mine", "36", "pictures", "unknown", "passes", "unknown", "core", "hours"]
    assert "unknown hours of 1 jobs, whose chapters have no costs in chapters.yaml" in lines[1]
