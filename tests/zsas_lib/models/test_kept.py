"""What models keep is what their weights of now make: weights that are changed in place or loaded are noticed."""

import copy

import pytest
import torch
from tiny_clip import tiny_backbone

import zsas_lib as zsas
from zsas_lib.base.versions import version_of
from zsas_lib.models import MODELS
from zsas_lib.models.learned import LearnedModel

LEARN = [name for name, record in MODELS.items() if record.place and record.learns]
LOOK = [name for name, record in MODELS.items() if record.place and not record.trivial]
IMAGES = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))


def made(name, backbone, seed=0):
    model = zsas.load_model(name, backbone)
    if isinstance(model, LearnedModel):
        model.initialise(seed)
        model.trained = {}
    return model


def maps(model):
    with torch.no_grad():
        return model(IMAGES, "bolt").anomaly_map


@pytest.mark.slow
@pytest.mark.parametrize("name", LOOK)
def test_weights_of_a_backbone_that_are_changed_in_place_are_noticed(name):
    backbone = tiny_backbone()
    model, before = made(name, backbone), backbone.digest
    first = maps(model)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weights in backbone.clip.parameters():
            weights.add_(0.05 * torch.randn(weights.shape, generator=generator))
    fresh = made(name, copy.deepcopy(backbone))
    fresh.load_state_dict(model.state_dict())
    found = maps(model)
    assert torch.equal(found, maps(fresh)) and not torch.equal(found, first)
    assert backbone.digest == fresh.backbone.digest != before


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARN)
def test_what_a_model_learned_may_be_loaded_after_it_was_asked(name):
    backbone = tiny_backbone()
    one, other = made(name, backbone), made(name, backbone, seed=7)
    expected, before = maps(one), maps(other)
    other.load_state_dict(one.state_dict())
    found = maps(other)
    assert torch.equal(found, expected) and not torch.equal(before, expected)


def test_weights_put_in_the_place_of_others_make_another_digest():
    backbone = tiny_backbone()
    before = backbone.digest
    assert backbone.digest is before, "nothing is read again"
    backbone.clip.visual.proj = torch.nn.Parameter(2 * backbone.clip.visual.proj.detach(), requires_grad=False)
    assert backbone.digest != before


def test_a_version_stays_until_something_is_written():
    one, other = torch.zeros(3), torch.zeros(2)
    before = version_of([one, other])
    one.sum(), one.view(3)
    assert version_of([one, other]) == before
    other[0] = 1
    assert version_of([one, other]) != before != version_of([one])
    with torch.inference_mode():
        assert version_of([torch.zeros(2)])[0][1] == 0
