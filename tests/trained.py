"""What a model has learned, and one with learned parts that predicts without having been trained."""

import torch

from zsas_lib.models.learned import LearnedModel
from zsas_lib.models.load import load_model


def learned(model):
    """A copy of all that a model learns, in one row."""
    return torch.cat([value.flatten() for value in model.learnable().values()])


def trained(name, backbone, **options):
    """A model that predicts: of one that learns its first parameters, changed so that no two of its sentences are
    alike."""
    model = load_model(name, backbone, **options)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in model.learnable().values():
            value.add_(0.3 * torch.randn(value.shape, generator=generator).to(value.device))
    if isinstance(model, LearnedModel):
        model.freeze()
        model.trained = {"by": "hand"}
    return model
