"""What is said of options and pictures that no model can take, by each model of the library with a backbone."""

import inspect

import numpy as np
import pytest
import torch
from tiny_clip import tiny, tiny_backbone
from trained import trained

from zsas_lib.base.errors import OptionError
from zsas_lib.models import MODELS
from zsas_lib.models.load import load_model, model_class

NAMES = [name for name, record in MODELS.items() if record.place and not record.trivial]
PICTURES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone(tiny(layers=4))


@pytest.fixture(scope="module")
def models(backbone):
    return {name: trained(name, backbone) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_switch_is_true_or_false_and_no_word_of_them(unchecked_types, name, backbone):
    """ "no" would count as true."""
    parameters = inspect.signature(model_class(name)).parameters.values()
    for option in [parameter.name for parameter in parameters if isinstance(parameter.default, bool)]:
        for value in ("no", 1, None):
            with pytest.raises(OptionError, match=f"got {option}={value!r}; expected True or False"):
                load_model(name, backbone, **{option: value})


@pytest.mark.parametrize(
    "name, option, value, expected",
    [
        ("anovl", "textures", "wood", "a list of class names"),
        ("anovl", "textures", 5, "a list of class names"),
        ("anomalyclip", "layers", 1.0, "a list of shares of the depth"),
        ("anomalyclip", "local_from", "0.25", r"a share of the depth above 0 and at most 1"),
        ("anomalyclip", "scales", 2, "a list of window sides in patches"),
        ("vcpclip", "scales", "2", "a list of window sides in patches"),
        ("winclip", "scales", 2, "a list of window sides in patches"),
        ("winclip", "scales", [2.5], "a list of window sides in patches"),
        ("winclip", "scales", [True, 2], "different window sides in 1..4"),
        ("winclip", "temperature", "0.07", "a positive number"),
        ("winclip", "temperature", None, "a positive number"),
        ("winclip", "temperature", True, "a positive number"),
        ("winclip", "shots", 1.5, "0 .zero-shot. or a number of normal reference images"),
        ("winclip", "reference_weight", "half", "a weight in 0..1"),
        ("vcpclip", "temperature_bounds", None, "a list of two temperatures"),
        ("aa-clip", "descriptions", "pill", "what is said, by class name"),
        ("aa-clip", "descriptions", {"pill": 3}, "what is said, by class name"),
    ],
)
def test_options_of_another_kind(unchecked_types, name, option, value, expected, backbone):
    with pytest.raises(OptionError, match=f"got {option}=.*; expected {expected}"):
        load_model(name, backbone, **{option: value})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("names", [None, 3, [1, 2], ["pill", None]])
def test_class_names_are_texts(unchecked_types, name, names, models):
    with pytest.raises(ValueError, match="Got class names .*; expected a text, or a list of texts, one per image"):
        models[name](PICTURES, names)
    found = models[name](PICTURES, np.array(["pill", "pill"]))
    assert torch.equal(found.image_score, models[name](PICTURES, "pill").image_score)


@pytest.mark.parametrize("name", NAMES)
def test_pictures_that_are_none(unchecked_types, name, models):
    holed = PICTURES.clone()
    holed[1, 0, 3, 4] = torch.nan
    for pictures, message in (
        (holed, "got NaN among them"),
        (PICTURES[:0], r"one at least.* got torch.float32 \(0, 3, 32, 32\)"),
        (PICTURES[:, :, :0], "of a pixel at least"),
        (PICTURES.numpy(), "as a torch.Tensor"),
    ):
        with pytest.raises(ValueError, match=message):
            models[name](pictures, "pill")
    for size in ((1, 1), (7, 50)):
        found = models[name](PICTURES[:, :, : size[0], : size[1]].repeat(1, 1, 1, 2)[..., : size[1]], "pill")
        assert found.anomaly_map.shape == (2, *found.anomaly_map.shape[1:]) and found.anomaly_map.isfinite().all()
