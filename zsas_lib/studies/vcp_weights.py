"""Why VCP-CLIP's learned weights and temperatures move: the two terms of its loss, and as far as Adam can go."""

import numpy as np
import pandas as pd
import torch

from ..data.dataset import AnomalyDataset
from ..models.learned import LearnedModel, UntrainedModelError
from ..models.vcpclip import FIRST_BALANCE, FIRST_TEMPERATURE, VCPCLIP


@torch.no_grad()
def loss_sums(model: VCPCLIP, pictures: AnomalyDataset, count: int = 16) -> dict[str, float]:
    """The sums "focal" and "dice" (`VCPCLIP.loss_sums`) of the model as it is, trained or not, over the first ``count``
    pictures."""
    batch = next(pictures.batches(count))
    device = model.backbone.device
    features = model.features(batch.images.to(device), batch.categories)
    return dict(zip(("focal", "dice"), (float(term) for term in model.loss_sums(features, batch.masks.to(device)))))


def sums_before_and_after(model: VCPCLIP, pictures: AnomalyDataset, seed: int) -> pd.DataFrame:
    """`loss_sums` of a trained model in the row "after training", and in "before training" those with which a training
    from ``seed`` begins. The model is left as it begins, untrained."""
    after = loss_sums(model, pictures)
    model.initialise(seed)
    return pd.DataFrame({"before training": loss_sums(model, pictures), "after training": after}).T


def weight_limit(model: LearnedModel, name: str) -> pd.Series:
    """As high as Adam can raise the weight sigmoid(``name``), alpha or beta, by the step; see `adam_reach`."""
    reach = adam_reach(model, name)
    return reach.map(lambda moved: 1 / (1 + np.exp(-FIRST_BALANCE - moved)))


def temperature_limit(model: LearnedModel) -> pd.Series:
    """As low as Adam can bring a learned temperature, by the step; see `adam_reach`."""
    return adam_reach(model, "log_scales").map(lambda moved: FIRST_TEMPERATURE * np.exp(-moved))


def adam_reach(model: LearnedModel, name: str) -> pd.Series:
    """How far Adam moves a parameter of constant gradient, after every step of the model's training, by the step from 1
    on: the sum of its rates so far. Other gradients move it hardly further.

    Raises UntrainedModelError for a model without a history of a training.
    """
    if model.history is None or model.trained is None:
        raise UntrainedModelError(f"{model.name} has no training whose steps could be counted; train it with zsas.fit.")
    steps = np.arange(len(model.history))
    share = 0.5 + 0.5 * np.cos(np.pi * steps / len(steps)) if model.trained["decay"] else np.ones(len(steps))
    rate = model.trained["rates"].get(name, model.trained["rate"])
    return pd.Series(rate * np.cumsum(share), index=pd.Index(steps + 1, name="step"), name=name)
