"""How models are trained where their papers' own settings do not fit: the one place that says it.

A paper's recipe is meant for thousands of pictures and a large backbone, and stands with its model (`Recipe`, options'
defaults). The short one is for a few hundred pictures and a backbone as small as the embedded one: a higher rate that
falls to zero; for VCP-CLIP parts of pictures, and for it, AdaCLIP and AA-CLIP a loss at a quarter of their side; for
AF-CLIP few pictures a step, a higher rate of its words, and a loss at a quarter of the patches, the only ones that its
attention then asks for and sees, which leaves time for three epochs; smoothing over half a patch; for AdaCLIP the dice
loss of whole pictures; for AA-CLIP attention and losses as the paper has them; and for AnomalyCLIP, on five blocks, a
value-value path in the last alone. It is meant for pictures larger than the backbone's own, as the papers' are (518
pixels for a backbone of 336): `SHORT_SIZE` for the embedded one.
`python -m benchmarks learned` measures what it reaches.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..backbones.aliases import ALIASES
from ..base.errors import UnknownNameError

PAPER, SHORT = "paper", "short"
RECIPES = (PAPER, SHORT)
SHORT_SIZE = 240
"""In pixels, the side of pictures for the short recipe and the embedded backbone, whose own is 144."""
OWN_SIZE = ("winclip", "anovl")
"""Models that are set against others with pictures of the backbone's own size, as their papers have them, and not of
the recipe's."""


@dataclass(frozen=True)
class Training:
    """A model's options and the settings of its `fit`, as far as they differ from the paper's, and the side in pixels
    of the pictures that it is meant for, None for the backbone's own."""

    options: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    image_size: int | None = None


_VCP = Training(
    {"smoothing": 14.0},
    {"epochs": 4, "training_batch_size": 8, "rate": 2e-3, "zoom": 0.5, "decay": True, "loss_size": 60},
)
SHORT_TRAININGS: Mapping[str, Training] = {
    "aa-clip": Training(
        {"attended": "tokens", "text_loss": "all", "smoothing": 14.0},
        {"epochs": 3, "training_batch_size": 8, "rate": 2e-3, "decay": True, "loss_size": 60},
    ),
    "adaclip": Training(
        {"dice": "pictures", "smoothing": 14.0},
        {"epochs": 2, "training_batch_size": 8, "rate": 2e-3, "decay": True, "loss_size": 60},
    ),
    "af-clip": Training(
        {"thinned": True, "smoothing": 14.0},
        {
            "epochs": 3,
            "training_batch_size": 3,
            "rate": 8e-4,
            "rates": {"context": 8e-3},
            "decay": True,
            "loss_size": 10,
        },
    ),
    "anomalyclip": Training({"local_from": 1.0, "smoothing": 14.0}, {"epochs": 6, "decay": True}),
    "vcpclip": _VCP,
    "vcpclip+": _VCP,
    "april-gan": Training({}, {"epochs": 10, "decay": True}),
}
"""By model; of one that is not here the paper's recipe is the short one too."""


def training_of(model: str, recipe: str | None, backbone: str) -> Training:
    """How a model is trained on a backbone, both by name: by the ``recipe``, one of `RECIPES`; None takes the short one
    for a backbone so small that it needs no GPU, and the paper's for all others. Only that backbone is given an
    ``image_size``. Raises UnknownNameError.

    >>> dict(zsas.training_of("april-gan", None, "embedded").fit)
    {'epochs': 10, 'decay': True}
    >>> zsas.training_of("april-gan", None, "vit-l-14-336")
    Training(options={}, fit={}, image_size=None)
    """
    small = backbone in ALIASES and ALIASES[backbone].core_seconds is not None
    if recipe is None:
        recipe = SHORT if small else PAPER
    if recipe not in RECIPES:
        raise UnknownNameError("recipe of a training", recipe, RECIPES)
    if recipe == PAPER or model not in SHORT_TRAININGS:
        return Training()
    return replace(SHORT_TRAININGS[model], image_size=SHORT_SIZE if small else None)
