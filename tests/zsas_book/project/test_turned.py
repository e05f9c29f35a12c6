"""Pages that turn pictures do so where paper S does: with products that may be turned."""

import pytest
from mini_project import REPOSITORY

from zsas_book.project.chapters import load_pages
from zsas_lib.data.embedded.catalogue import PRODUCTS

TURNING = {
    "averaging": "worst_categories",
    "best_case": "categories",
    "open_questions": "categories",
    "robust_training": "categories",
    "search_methods": "categories",
    "uniform_sweep": "categories",
    "worst_case": "categories",
    "worst_case_learned": "categories",
}
"""By notebook, the parameter that says with which."""
PAGES = [page for page in load_pages(REPOSITORY, "embedded").values() if page.notebook.stem in TURNING]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_only_products_that_may_be_turned_are(page):
    turned = page.parameters[TURNING[page.notebook.stem]]
    assert turned and [name for name in turned if not PRODUCTS[name].rotation_invariant] == []
