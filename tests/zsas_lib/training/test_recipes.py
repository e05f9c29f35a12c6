"""Which recipe a training has."""

import inspect

import pytest

from zsas_lib.base.errors import UnknownNameError
from zsas_lib.models import MODELS
from zsas_lib.models.load import model_class
from zsas_lib.training.fit import fit
from zsas_lib.training.recipes import SHORT_TRAININGS, Training, training_of


def test_a_small_backbone_has_the_short_recipe():
    assert training_of("vcpclip+", None, "embedded").fit == SHORT_TRAININGS["vcpclip+"].fit
    assert training_of("vcpclip+", None, "vit-l-14-336") == training_of("vcpclip+", "paper", "embedded") == Training()
    assert training_of("vcpclip+", "short", "my-vit") == SHORT_TRAININGS["vcpclip+"]
    assert training_of("winclip", None, "embedded") == Training()


def test_an_unknown_recipe_is_named():
    with pytest.raises(UnknownNameError, match="recipe of a training 'shrt'.*short"):
        training_of("vcpclip", "shrt", "embedded")


@pytest.mark.parametrize("name", SHORT_TRAININGS)
def test_recipes_are_of_models_that_learn_and_hold_what_these_take(name):
    assert MODELS[name].learns
    own = SHORT_TRAININGS[name]
    assert own.fit.keys() <= inspect.signature(fit).parameters.keys()
    assert own.options.keys() <= inspect.signature(model_class(name)).parameters.keys()
