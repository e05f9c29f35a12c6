"""How models are trained where their papers' own settings do not fit: the one place that says it.

A paper's recipe is meant for thousands of pictures and a large backbone, and stands with its model (`Recipe`, options'
defaults). The short one is for a few hundred pictures and a backbone as small as the embedded one: a higher rate that
falls to zero; pictures as they are, so that what the frozen towers say of them is read once; for VCP-CLIP, APRIL-GAN,
AdaCLIP and AA-CLIP a loss at a quarter of their side; for AF-CLIP few pictures a step, a higher rate of its words, and
a loss at a quarter of the patches, the only ones that its attention then asks for and sees, which leaves time for three
epochs; smoothing over a third of a patch; for AdaCLIP the dice loss of whole pictures; for AA-CLIP attention and losses
as the paper has them; and for AnomalyCLIP, on five blocks, a value-value path in the last alone. It is meant for
pictures of the backbone's own size, 144 pixels of the embedded one, so that all models are set against each other on
the same pixels. `python -m benchmarks learned` measures what it reaches.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..backbones.aliases import ALIASES
from ..base.errors import UnknownNameError

PAPER, SHORT = "paper", "short"
RECIPES = (PAPER, SHORT)
OWN_SIZE = ("winclip", "anovl")
"""Models that are set against others with a backbone and pictures of the size that their papers have, while others
take larger ones."""


@dataclass(frozen=True)
class Training:
    """A model's options and the settings of its `fit`, as far as they differ from the paper's."""

    options: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)


_VCP = Training(
    {"smoothing": 14.0},
    {"epochs": 4, "training_batch_size": 8, "rate": 2e-3, "augment": False, "decay": True, "loss_size": 36},
)
SHORT_TRAININGS: Mapping[str, Training] = {
    "aa-clip": Training(
        {"attended": "tokens", "text_loss": "all", "smoothing": 14.0},
        {"epochs": 2, "training_batch_size": 16, "rate": 3e-3, "decay": True, "loss_size": 36},
    ),
    "adaclip": Training(
        {"dice": "pictures", "smoothing": 14.0},
        {"epochs": 2, "training_batch_size": 8, "rate": 2e-3, "decay": True, "loss_size": 36},
    ),
    "af-clip": Training(
        {"thinned": True, "smoothing": 14.0},
        {
            "epochs": 3,
            "training_batch_size": 3,
            "rate": 8e-4,
            "rates": {"context": 8e-3},
            "decay": True,
            "loss_size": 6,
        },
    ),
    "anomalyclip": Training({"local_from": 1.0, "smoothing": 14.0}, {"epochs": 3, "decay": True}),
    "vcpclip": _VCP,
    "vcpclip+": _VCP,
    "april-gan": Training({}, {"epochs": 5, "rate": 2e-3, "decay": True, "loss_size": 36}),
}
"""By model; of one that is not here the paper's recipe is the short one too."""


def training_of(model: str, recipe: str | None, backbone: str) -> Training:
    """How a model is trained on a backbone, both by name: by the ``recipe``, one of `RECIPES`; None takes the short one
    for a backbone so small that it needs no GPU, and the paper's for all others. Raises UnknownNameError.

    >>> dict(zsas.training_of("anomalyclip", None, "embedded").fit)
    {'epochs': 3, 'decay': True}
    >>> zsas.training_of("april-gan", None, "vit-l-14-336")
    Training(options={}, fit={})
    """
    small = backbone in ALIASES and ALIASES[backbone].core_seconds is not None
    if recipe is None:
        recipe = SHORT if small else PAPER
    if recipe not in RECIPES:
        raise UnknownNameError("recipe of a training", recipe, RECIPES)
    return Training() if recipe == PAPER else SHORT_TRAININGS.get(model, Training())
