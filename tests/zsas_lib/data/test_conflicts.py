import numpy as np
import pytest

from zsas_lib.data.embedded.conflicts import GREY, PLAIN, TOLD, TOLD_MATERIALS, TOLD_SHAPES, Cues, colours_of
from zsas_lib.data.embedded.naming import NAMED_SHAPES, SIZE


@pytest.fixture(scope="module")
def cues():
    return Cues("cork", "star", 0, 3)


def test_names_are_one_to_one_and_plain_grey_is_none_of_them():
    assert len({*TOLD_MATERIALS}) == len({*TOLD_SHAPES}) == len(TOLD) == 10
    assert PLAIN not in TOLD_MATERIALS and {*TOLD_SHAPES} <= {*NAMED_SHAPES}
    assert colours_of("cork") == colours_of("cork") != colours_of("rusty")


def test_full_strength_is_the_picture_as_it_is_taken(cues):
    assert np.array_equal(cues(1, 1), cues.taken().shoot(SIZE).image)
    assert cues.taken().product.name == "cork star" and cues.taken().product.colour == colours_of("cork")[0]


def test_a_cue_that_is_gone_leaves_the_control_of_the_other(cues):
    shape, material = cues.taken(has_material=False), cues.taken(has_shape=False)
    assert np.array_equal(cues(0, 1), shape.shoot(SIZE).image) and shape.product.colour == GREY
    assert np.array_equal(cues(1, 0), material.shoot(SIZE).image) and material.product.name == "cork sheet"
    assert shape.pose == material.pose == cues.setting.pose and shape.light == material.light
    nothing = cues(0, 0)
    assert nothing.std() < 0.5 * cues(0, 1).std(), "a plain sheet has neither"


@pytest.mark.slow
def test_strengths_mix_pictures(cues):
    assert cues(0.3, 1) == pytest.approx(0.3 * cues(1, 1) + 0.7 * cues(0, 1), abs=1e-6)
    assert cues(1, 0.3) == pytest.approx(0.3 * cues(1, 1) + 0.7 * cues(1, 0), abs=1e-6)
    assert cues(0, 0.3) == pytest.approx(0.3 * cues(0, 1) + 0.7 * cues(0, 0), abs=1e-6)


def test_colours_of_a_material_are_the_same_in_all_pictures_and_seeds_differ():
    one, other = Cues("woven", "ring", 0, 1), Cues("woven", "comb", 5, 2)
    assert one.taken().product.colour == other.taken().product.colour
    assert not np.array_equal(one(1, 1), Cues("woven", "ring", 0, 2)(1, 1))
