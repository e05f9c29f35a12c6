"""Which numbers may stand beside a printed table, on data sets that are listed and never read."""

from pathlib import Path

import pytest
from tiny_clip import tiny_backbone

from zsas_lib.base.errors import UnknownNameError
from zsas_lib.data import official
from zsas_lib.data.dataset import AnomalyDataset, Record
from zsas_lib.papers.comparable import comparable, family, printed_backbone, printed_family, settings

B16 = {"name": "vit-b-16-plus-240", "image_size": 240, "activation": "gelu"}
L14 = {"name": "vit-l-14-336", "image_size": 518, "activation": "gelu"}
OBJECTS = ["bottle", "capsule", "hazelnut", "metal_nut", "pill", "screw"]


def tower(of=L14, **changed):
    """A tiny backbone that says to be another one."""
    made = tiny_backbone()
    vars(made).update({**of, "is_random": False, **changed})
    return made


def listed(name: str = "mvtec", categories=None, size: int = 518, counts_of: str | None = None) -> AnomalyDataset:
    """Every official test picture of these categories, as a loader would list it."""
    records = [
        Record(Path(f"/data/{part.category}/{part.kind}/{number}.png"), None, part.category, part.kind)
        for part, count in official.counts(counts_of or name).items()
        if part.split == "test" and (categories is None or part.category in categories)
        for number in range(count)
    ]
    return AnomalyDataset(name, Path("/data"), records, size)


@pytest.mark.parametrize("table", [1, 3, 4])
def test_the_whole_of_mvtec_on_v_s_tower_may_stand_beside_v_s_tables(table):
    assert comparable("V", table, listed(), tower(), "vcpclip") == ""


def test_one_category_may_not_stand_beside_a_mean_over_fifteen():
    assert comparable("V", 5, listed(categories=["bottle"]), tower(), "vcpclip+") == "1 of 15 categories"


def test_a_number_of_one_category_needs_that_one_only():
    bottle = listed(categories=["bottle"])
    assert comparable("V", 5, bottle, tower(), "vcpclip+", category="bottle") == ""
    assert comparable("V", 5, bottle, tower(), "vcpclip+", category="tile") == "0 of 1 category"


def test_some_of_the_pictures_are_too_few():
    some = listed().select(per_category=4)
    assert comparable("V", 5, some, tower(), "vcpclip+") == "60 of 1,725 pictures"


def test_as_many_pictures_of_other_kinds_are_no_test_split():
    whole = listed()
    renamed = [Record(record.path, None, record.category, "good") for record in whole.records]
    other = AnomalyDataset("mvtec", whole.root, renamed, 518)
    assert comparable("V", 5, other, tower(), "vcpclip+") == "other pictures than the official test split"


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", ["btad", "mpdd"])
def test_another_data_set_may_not_stand_beside_mvtec_s_numbers(name):
    assert comparable("V", 5, listed(name), tower(), "vcpclip+") == name
    assert comparable("S", 1, listed(name, size=240), tower(B16), "winclip") == name
    assert comparable("V", {"btad": 9, "mpdd": 10}[name], listed(name), tower(), "vcpclip+") == ""


@pytest.mark.parametrize(
    ("name", "counts_of", "note"),
    [
        ("embedded-b", "mvtec", "embedded-b"),
        ("embedded-a", "visa", "embedded-a"),
        ("embedded-c", "btad", "embedded-c"),
        ("embedded-d", "mpdd", "embedded-d"),
        ("folder", "mvtec", "folder"),
    ],
)
def test_a_stand_in_is_not_the_data_set_even_with_its_pictures(name, counts_of, note):
    table = {"mvtec": 5, "visa": 11, "btad": 9, "mpdd": 10}[counts_of]
    assert comparable("V", table, listed(name, counts_of=counts_of), tower(), "vcpclip+") == note


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ({"name": "embedded"}, "embedded"),
        ({"is_random": True}, "vit-l-14-336 with random weights"),
        ({"activation": "quick_gelu"}, "vit-l-14-336 with quick_gelu"),
        ({"image_size": 336}, "336 pixels"),
    ],
)
def test_another_tower_is_named(changed, note):
    assert comparable("V", 5, listed(), tower(**changed), "vcpclip+") == note


def test_pictures_of_another_size_than_the_tower_s_are_named():
    assert comparable("V", 5, listed(size=256), tower(), "vcpclip+") == "256 pixels"


def test_an_embedded_page_is_told_by_its_data_and_its_backbone():
    pictures = listed("embedded-b", categories=["bottle"], size=144, counts_of="mvtec")
    small = tower(name="embedded", image_size=144)
    assert comparable("V", 5, pictures, small, "vcpclip+") == "embedded-b, embedded"


@pytest.mark.slow
def test_paper_s_means_are_over_the_objects_that_it_turns():
    assert comparable("S", 1, listed(categories=OBJECTS, size=240), tower(B16), "winclip") == ""
    assert comparable("S", 1, listed(size=240), tower(B16), "winclip") == "15 categories, not 6"
    visa = listed("visa", size=240)
    ten = [name for name in visa.categories if name not in ("candle", "capsules")]
    assert comparable("S", 1, visa.select(ten), tower(B16), "winclip") == ""
    assert comparable("S", 3, visa) == ""


def test_a_model_that_the_table_has_not_is_named():
    assert comparable("S", 1, listed(categories=OBJECTS, size=240), tower(B16), "anomalyclip") == "anomalyclip"


@pytest.mark.slow
def test_a_number_of_another_backbone_of_the_same_table_is_not_this_one():
    pictures, own = listed(categories=OBJECTS, size=240), tower(B16)
    assert comparable("S", 1, pictures, own, "winclip", printed_on="ViT-B/16+") == ""
    assert comparable("S", 1, pictures, own, "winclip", printed_on="ViT-L/14") == "vit-b-16-plus-240"


@pytest.mark.slow
def test_each_model_of_a_table_has_its_own_tower():
    assert comparable("V", 5, listed(size=240), tower(B16), "winclip") == ""
    assert comparable("V", 5, listed(), tower(), "winclip") == "vit-l-14-336"
    assert comparable("K", 4, listed(), tower(activation="quick_gelu"), "anomalyclip") == ""


@pytest.mark.slow
def test_what_was_learned_from_counts_and_how():
    whole, visa = listed(), listed("visa")
    assert comparable("V", 5, whole, tower(), "vcpclip+", auxiliary=visa, training={"seed": 3, "decay": False}) == ""
    few = visa.select(per_category=2)
    assert comparable("V", 5, whole, tower(), "vcpclip+", auxiliary=few) == "learned from 24 of 2,162 pictures"
    assert comparable("V", 5, whole, tower(), "vcpclip+", auxiliary=whole) == "learned from mvtec"
    trained = {"epochs": 1, "rate": None, "decay": False, "seed": 0}
    assert comparable("V", 5, whole, tower(), "vcpclip+", auxiliary=visa, training=trained) == "trained with epochs 1"


def test_families_are_named_as_printed_and_unknown_data_have_none():
    names = ("mvtec", "embedded-b", "visa", "embedded-a", "btad", "embedded-c", "mpdd", "embedded-d", "folder")
    known = [name for name in ("MVTec-AD", "VisA", "BTAD", "MPDD") for _ in range(2)]
    assert [family(name) for name in names] == [*known, None]
    assert printed_family("S", 1, "embedded-a") == "VisA"
    assert printed_family("S", 1, "btad") == "MVTec-AD"


def test_backbones_are_called_as_printed():
    assert printed_backbone("S", 1, "fare2-vit-l-14") == "ViT-L/14-FARE ²"
    assert printed_backbone("S", 1, "embedded") == "ViT-B/16+"


def test_an_unknown_table_names_the_known_ones():
    with pytest.raises(UnknownNameError, match="known: .*V 11"):
        settings("V", 12)


def test_counts_from_shapes_need_the_tower_and_its_size_alone():
    assert comparable("V", 2, None, tower(is_random=True, activation="quick_gelu"), "vcpclip") == ""
    assert comparable("V", 2, None, tower(image_size=336), "vcpclip") == "vit-l-14-336 at 336 pixels"
    assert comparable("V", 2, None, tower(B16), "vcpclip") == "vit-b-16-plus-240 at 240 pixels"


def test_neither_pictures_nor_a_tower_is_nothing_to_compare():
    with pytest.raises(ValueError, match="Expected pictures, a backbone or both to compare; got neither"):
        comparable("V", 2, None)


@pytest.mark.slow
def test_what_a_model_that_learns_nothing_would_have_learned_from_does_not_matter():
    winclip = comparable("V", 5, listed(size=240), tower(B16), "winclip", auxiliary=listed(), training={"epochs": 3})
    assert winclip == ""
    learned = comparable("V", 5, listed(), tower(), "vcpclip+", auxiliary=listed(), training={"epochs": 3})
    assert learned == "learned from mvtec"
