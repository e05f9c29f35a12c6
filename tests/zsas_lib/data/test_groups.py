"""Groups of categories and types of defects, as published and as given."""

import pytest

from zsas_lib.base.errors import DataError
from zsas_lib.data import official
from zsas_lib.data.embedded.catalogue import SETS
from zsas_lib.data.groups import TYPES, category_groups, type_mapping


def test_mvtec_has_the_papers_groups():
    groups = category_groups("mvtec", ["tile", "bottle", "cable", "my_own"])
    assert groups == {"tile": "texture", "bottle": "rigid", "cable": "flexible", "my_own": "other"}


def test_embedded_products_are_textures_or_objects():
    assert category_groups("embedded-b", ["woven_sheet", "ceramic_ring"]) == {
        "woven_sheet": "texture",
        "ceramic_ring": "object",
    }


def test_a_grouping_of_ones_own(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("category,group\nlamp,lit\n")
    assert category_groups("folder", ["lamp"], path) == {"lamp": "lit"}
    with pytest.raises(DataError, match="has no group for torch, fire; add a row"):
        category_groups("folder", ["lamp", "torch", "fire"], path)
    path.write_text("category,group\nNA,none\nnan,None\n")
    assert category_groups("folder", ["nan", "NA"], path) == {"nan": "None", "NA": "none"}
    path.write_bytes("category,group\nLämpchen,lit\n".encode("utf-8-sig"))
    assert category_groups("folder", ["Lämpchen"], path) == {"Lämpchen": "lit"}
    for content in ("category,group\nLämpchen,lit\n".encode("latin-1"), b"", b'category,group\n"lamp,lit\n'):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"groups\.csv is no CSV in UTF-8: "):
            category_groups("folder", ["lamp"], path)
    path.write_text("category\nlamp\n")
    with pytest.raises(DataError, match="lacks the columns group"):
        category_groups("folder", ["lamp"], path)


@pytest.mark.parametrize(("dataset", "products"), SETS.items())
def test_every_embedded_product_is_grouped_as_it_is_drawn(dataset, products):
    drawn = {product.name.replace(" ", "_"): "texture" if product.is_texture else "object" for product in products}
    assert category_groups(dataset, list(drawn)) == drawn


def test_every_defect_of_mvtec_has_one_type_and_every_type_a_defect():
    published = {
        (part.category, part.kind) for part in official.counts("mvtec") if part.split == "test" and part.kind != "good"
    }
    mapping = type_mapping("mvtec")
    assert len(mapping) == 73 and set(zip(mapping.category, mapping.defect)) == published
    assert set(mapping.type) == set(TYPES)


@pytest.mark.parametrize("dataset", ["embedded-b", "embedded-d"])
def test_every_kind_of_the_embedded_data_has_a_type(dataset):
    from zsas_lib.data.embedded.defects import DEFECTS

    mapping = type_mapping(dataset)
    assert sorted(mapping.defect) == sorted(kind.replace(" ", "_") for kind in DEFECTS) and set(mapping.category) == {
        ""
    }


def test_a_mapping_of_ones_own(tmp_path):
    path = tmp_path / "types.csv"
    path.write_text("category,defect,type\nlamp,glow,appearance_change\n")
    assert type_mapping("folder", path).iloc[0].to_dict() == {
        "category": "lamp",
        "defect": "glow",
        "type": "appearance_change",
    }
    path.write_text("category,defect,type\nlamp,glow,glowing\n")
    with pytest.raises(DataError, match="has the types glowing; expected some of missing_component"):
        type_mapping("folder", path)
    path.write_text("category,defect\nlamp,glow\n")
    with pytest.raises(DataError, match="lacks the columns type"):
        type_mapping("folder", path)
    with pytest.raises(DataError, match="No defect of data set 'visa' has a type"):
        type_mapping("visa")
