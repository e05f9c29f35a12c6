"""What paper V prints of VCP-CLIP+ and its rivals."""

import pytest

from zsas_lib.papers.comparable import settings
from zsas_lib.papers.rivals import TABLES, printed_rivals


@pytest.mark.slow
def test_mvtec_and_its_stand_in_have_four_tables():
    for dataset in ("mvtec", "embedded-b"):
        found = printed_rivals(dataset)
        assert (found.family, found.tables, found.where) == ("MVTec-AD", (5, 6), "V Tables 5 and 6")
        assert found.numbers.loc["VCP-CLIP+", ["pixel_auroc", "image_auroc"]].tolist() == [91.6, 89.6]
        assert found.scores.loc["WinCLIP"].to_dict() == {"top 2000": 71.9, "top 1": 71.7}
        assert found.rates.loc["WinCLIP"].to_dict() == {"tpr": 98.1, "tnr": 29.8}


@pytest.mark.parametrize(
    ("dataset", "where", "pixel_auroc"),
    [
        ("visa", "V Table 11", 96.1),
        ("btad", "V Table 9", 93.4),
        ("embedded-c", "V Table 9", 93.4),
        ("mpdd", "V Table 10", 97.1),
        ("embedded-d", "V Table 10", 97.1),
    ],
)
def test_others_have_one_without_the_highest_pixel_or_rates(dataset, where, pixel_auroc):
    found = printed_rivals(dataset)
    assert found.where == where and found.numbers.loc["VCP-CLIP+", "pixel_auroc"] == pixel_auroc
    assert list(found.scores) == ["top 2000"] and found.highest.empty and found.rates.empty


def test_every_table_is_of_its_data_set():
    for family, tables in TABLES.items():
        assert all(set(settings("V", table).dataset) == {family} for table in tables)
