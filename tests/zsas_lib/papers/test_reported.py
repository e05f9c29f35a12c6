"""The papers' numbers: every table is there, tidy, and says what the paper prints."""

import pytest

import zsas_lib as zsas
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.papers import COLUMNS
from zsas_lib.papers.printed import corner_errors, printed_value


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


def test_corner_errors_are_by_our_names_smallest_first():
    table = corner_errors("VisA")
    assert table.corner_mse.is_monotonic_increasing and len(table) == 12
    assert "chewinggum" in table.index and table.index[0] == "pipe_fryum"
    mvtec = corner_errors("MVTec-AD")
    assert (
        mvtec.corner_mse["zipper"] == pytest.approx(0.929, abs=5e-4)
        and not mvtec.used["leather"]
        and mvtec.used.sum() == 6
    )


def test_one_printed_number_is_in_percent():
    assert printed_value("V", 5, "pixel_auroc", "MVTec-AD", "WinCLIP") == 81.3
    assert printed_value("K", 2, "pixel_auroc", "MVTec-AD", "WinCLIP") == pytest.approx(72.6)
    setting = "ViT-B/16+;eval=original"
    assert printed_value("S", 1, "pixel_auroc", "MVTec-AD", "WinCLIP", setting) == 80.1
    with pytest.raises(KeyError, match="V Table 5 prints no image_auroc of WinCLIP on VisA"):
        printed_value("V", 5, "image_auroc", "VisA", "WinCLIP")
