"""What the embedded data sets hold, in words."""

import pytest
from toy import toy_dataset

from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.data.embedded.catalogue import PRODUCTS, SETS, backbone_record, categories, described, drawn_defects
from zsas_lib.data.load import load_dataset


@pytest.mark.slow
def test_the_categories_of_a_set_are_those_that_are_drawn():
    for name in ("embedded-b", "embedded-c", "embedded-d"):
        assert tuple(categories(name)) == load_dataset(name).categories
    assert sorted(category for name in SETS for category in categories(name)) == sorted(PRODUCTS)
    with pytest.raises(UnknownNameError, match="Unknown embedded data set 'mvtec'"):
        categories("mvtec")


def test_categories_are_described_by_their_products():
    pictures = load_dataset("embedded-b", categories=["ceramic_ring", "woven_sheet"]).select(per_category=5)
    table = described(pictures)
    assert table.index.tolist() == ["ceramic_ring", "woven_sheet"]
    assert table.kind.tolist() == ["object", "texture"] and set(table["sound / damaged"]) == {"2 / 3"}
    for category, row in table.iterrows():
        assert (row["rotation-invariant"] == "yes") == PRODUCTS[category].rotation_invariant
        assert row["ground"] == PRODUCTS[category].ground
    assert table.saturation["ceramic_ring"] == "coloured"


def test_another_category_has_no_product(tmp_path):
    with pytest.raises(UnknownNameError, match="embedded category"):
        described(toy_dataset(tmp_path, {"bottle": 1}))


@pytest.mark.slow
def test_drawn_defects_are_those_of_the_categories():
    pictures = load_dataset("embedded-b", categories=["ceramic_ring"])
    table = drawn_defects(pictures)
    damaged = {record.name(pictures.root) for record in pictures.records if record.is_anomalous}
    assert set(table.image) == damaged and set(table.category) == {"ceramic_ring"}


def test_other_data_sets_have_no_drawn_defects(tmp_path):
    with pytest.raises(DataError, match="only embedded data sets have one, not 'toy'"):
        drawn_defects(toy_dataset(tmp_path, {"bottle": 1}))


def test_the_weights_say_what_made_them():
    assert backbone_record()["seed"] == 0
