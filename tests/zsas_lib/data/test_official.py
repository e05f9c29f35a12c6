"""The published numbers of pictures."""

from zsas_lib.data import official


def test_official_pictures_are_counted():
    assert official.pictures("mvtec", "test") == 1725
    assert official.pictures("visa", "test") == 2162
    assert official.pictures("mvtec", "test", ["bottle"]) == 83
    assert official.pictures("mvtec", "test", []) == 0
    assert official.pictures("embedded-b", "test") is None


def test_categories_are_those_of_the_table_in_its_order():
    assert official.categories("mvtec")[:2] == ("bottle", "cable") and len(official.categories("mvtec")) == 15
    assert official.categories("folder") == () and official.counts("folder") == {}
