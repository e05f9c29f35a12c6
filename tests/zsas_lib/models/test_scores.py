"""Which image scores are probabilities as they come."""

import pytest
import torch
from tiny_clip import tiny, tiny_backbone
from trained import trained

import zsas_lib as zsas
from zsas_lib.models.learned import LearnedModel
from zsas_lib.models.load import load_model

THEY_ARE = [
    ("winclip", {}),
    ("clip", {}),
    ("anovl", {"views": "off"}),
    ("coop", {}),
    ("april-gan", {}),
    ("anomalyclip", {}),
    ("anomalyclip", {"compared": "windows"}),
    ("anomalyclip", {"compared": "windows", "image_score": "map"}),
    ("vcpclip", {"compared": "windows"}),
    ("adaclip", {}),
    ("af-clip", {}),
]
THEY_ARE_NOT = [
    ("winclip", {"shots": 1}),
    ("af-clip", {"shots": 1}),
    ("anomalyclip", {"image_score": "map"}),
    ("anomalyclip", {"image_score": "text+map"}),
    ("vcpclip", {}),
    ("vcpclip+", {}),
    ("aa-clip", {}),
    ("local-contrast", {}),
]


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone(tiny(layers=4))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), THEY_ARE)
def test_a_score_that_is_a_softmax_of_two_states_is_a_probability(name, options, backbone):
    model = load_model(name, backbone, **options)
    assert model.scores_are_probabilities
    if isinstance(model, LearnedModel):
        model = trained(name, backbone, **options)
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        scores = model(images, "pill").image_score
    assert scores.min() >= 0 and scores.max() <= 1


@pytest.mark.parametrize(("name", "options"), THEY_ARE_NOT)
def test_distances_sums_and_highest_pixels_are_none(name, options, backbone):
    assert not load_model(name, backbone, **options).scores_are_probabilities


def test_every_model_is_judged():
    judged = {name for name, _ in (*THEY_ARE, *THEY_ARE_NOT)}
    assert judged | set(zsas.list_trivial_maps()) == set(zsas.list_models())
