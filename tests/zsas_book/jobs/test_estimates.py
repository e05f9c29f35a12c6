import pytest
from mini_project import REPOSITORY

from zsas_book.jobs.estimates import _pictures, _training, estimated
from zsas_book.project.chapters import load_pages
from zsas_lib.backbones.aliases import ALIASES
from zsas_lib.data.load import load_dataset


def test_towers_are_asked_about_so_many_pictures_of_each_category_of_all_data_sets():
    asked = {"towers": ["ViT-B-32:openai"], "datasets": ["mvtec", "visa"], "per_name": 20}
    assert _pictures(asked) == 20 * (15 + 12)
    assert _pictures(asked | {"datasets": ["mvtec"], "strangers": "visa", "per_name": 3}) == 3 * 27
    assert _pictures({"datasets": ["mvtec"], "towers": None, "dataset": "mvtec"}) == 1725, "no tower is asked"


def test_embedded_pictures_are_counted_and_trainings_as_long_as_the_recipe():
    for name in ("embedded-b", "embedded-d"):
        assert _pictures({"dataset": name}) == len(load_dataset(name))
    some = {"dataset": "embedded-b", "categories": ["ceramic_ring", "rubber_gear"]}
    assert _pictures(some) == 60 and _pictures(some | {"pictures_per_category": 8}) == 16
    assert _pictures({"dataset": "folder", "categories": ["nut"]}) == 100, "of which nothing is known"
    trained = {"dataset": "embedded-b", "models": ["winclip", "anomalyclip", "vcpclip+"], "recipe": "short"}
    assert _training(trained) == 360 * 4 and _training(trained | {"epochs": 2}) == 360 * 2
    assert _training(trained | {"recipe": "paper"}) == 360 * 12


def test_a_step_of_training_of_a_small_backbone_costs_less_than_a_picture_that_is_looked_at():
    record, page = ALIASES["embedded"], load_pages(REPOSITORY, "embedded")["vcp_comparison"]
    found = estimated(page, REPOSITORY)
    looked_at = 3 * 360 * 8  # of eight models, three seeds
    seconds = looked_at * record.core_seconds + (found.passes - looked_at) * record.training_seconds
    assert not found.gpu and found.passes > 3 * looked_at and 3600 * found.hours == pytest.approx(seconds)
    assert record.training_seconds < record.core_seconds / 5
