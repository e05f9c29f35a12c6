"""The papers' numbers: every table is there, tidy, and says what the paper prints."""

import pytest

import zsas_lib as zsas
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.papers import COLUMNS


def test_a_cell_of_paper_s_table_1_is_as_printed():
    table = zsas.reported("S", "1")
    cell = table[
        (table.dataset == "VisA")
        & (table.metric == "AUPRO")
        & table.setting.str.contains("ViT-B/16")
        & table.setting.str.contains("eval=original")
    ]
    assert cell.value.tolist() == [55.4]
    assert cell.unit.tolist() == ["percent"]


@pytest.mark.parametrize("paper, numbers", [("S", range(1, 4)), ("K", range(1, 7)), ("V", range(1, 12))])
def test_every_table_has_the_same_columns(paper, numbers):
    for number in numbers:
        assert tuple(zsas.reported(paper, number).columns) == COLUMNS


def test_paper_k_prints_a_mean_over_all_fifteen_categories():
    table = zsas.reported("K", 1)
    assert table.category.nunique() in (15, 16)


def test_an_unknown_paper_and_an_unknown_table_name_the_known_ones():
    with pytest.raises(UnknownNameError, match="known: K, S, V, anomalyclip"):
        zsas.reported("Z", 1)
    with pytest.raises(UnknownNameError, match="table of paper S '9'; known: 1, 2, 3"):
        zsas.reported("S", 9)
