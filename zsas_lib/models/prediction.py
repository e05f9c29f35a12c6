"""What every model is asked and answers."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..backbones.backbone import Backbone
from ..base.errors import OptionError
from ..base.options import plain, switch


@dataclass(frozen=True)
class Prediction:
    """What a model says of a batch of images; larger means more anomalous.

    `anomaly_map` has the input images' size; `image_score` is one number per image. The range is the model's own.

    >>> prediction = zsas.Prediction(torch.zeros(2, 8, 8), torch.zeros(2))
    >>> prediction.anomaly_map.shape
    torch.Size([2, 8, 8])
    """

    anomaly_map: Float[Tensor, "batch height width"]
    image_score: Float[Tensor, " batch"]


class AnomalyModel(nn.Module):
    """What every model is: called with images `(batch, 3, height, width)` in [0, 1] and one class name or one per
    image, it gives a `Prediction`.

    A subclass has a `name`, and says in `cannot` what it needs of a backbone. `options` holds all of its options, as
    JSON can. `backbone` is None for a model that looks through none, such as those of `trivial`.

    Raises OptionError for a backbone that it cannot run on, and for an option whose default is True or False and that
    is given another kind of value.
    """

    name: str
    backbone: Backbone | None

    def __init__(self, backbone: Backbone | None, options: Mapping[str, object]):
        super().__init__()
        if backbone is not None:
            self.require_suits(backbone)
        self.backbone = backbone
        self.options: dict[str, Any] = {name: plain(value) for name, value in options.items()}
        for parameter in inspect.signature(type(self)).parameters.values():
            if isinstance(parameter.default, bool) and parameter.name in self.options:
                switch(type(self).__name__, parameter.name, self.options[parameter.name])

    @property
    def device(self) -> torch.device:
        """Where images are to lie that it is called with: its backbone's device."""
        if self.backbone is None:
            raise NotImplementedError(
                f"{type(self).__name__} has no backbone, so it must say itself where it computes."
            )
        return self.backbone.device

    @property
    def classes(self) -> list[type]:
        """The classes whose sources decide what it predicts: its own, and its backbone's and towers'."""
        backbone = self.backbone
        return [type(self)] if backbone is None else [type(self), type(backbone), *backbone.tower_classes]

    @classmethod
    def cannot(cls, backbone: Backbone) -> str:
        """Why this model cannot run on a backbone, in a sentence; "" where it can. Needs no weights."""
        return ""

    @classmethod
    def require_suits(cls, backbone: Backbone) -> None:
        """Raises OptionError for a backbone that this model cannot run on, TypeError for what is none."""
        if not isinstance(backbone, Backbone):
            raise TypeError(f"{cls.__name__} needs a backbone of zsas.load_backbone, got {backbone!r}.")
        if why := cls.cannot(backbone):
            raise OptionError(f"{cls.__name__} cannot run on backbone {backbone.name!r} ({backbone.family}): {why}")

    def learnable(self) -> dict[str, nn.Parameter]:
        """The parameters beside the backbone, by name."""
        return {name: value for name, value in self.named_parameters() if not name.startswith("backbone.")}

    def identity(self, class_names: Sequence[str]) -> Mapping[str, object]:
        """What decides the predictions for these classes beside options, backbone and weights, as JSON can hold it."""
        return {}

    @property
    def hangs_on_order(self) -> bool:
        """Whether a map depends on the pictures that were judged before."""
        return False

    def begin_anew(self) -> None:
        """Forget what earlier pictures left behind, where `hangs_on_order`: as in a new process."""

    @property
    def sentences_per_picture(self) -> int:
        """How many sentences the text tower reads anew for every picture: none, where they are of a class."""
        return 0

    @property
    def scores_are_probabilities(self) -> bool:
        """Whether an image score is the softmax of a sound and a damaged state: a probability as it comes."""
        return False

    @property
    def looks_cheaply(self) -> bool:
        """Whether there is a `rough_map`."""
        return False

    def rough_map(
        self,
        images: Float[Tensor, "batch 3 height width"],
        class_names: str | Sequence[str],
        masks: Bool[Tensor, "batch height width"],
    ) -> Float[Tensor, "batch rows columns"]:
        """A map for a small share of a pass, on a grid of the model's own; nan where it did not look. Its numbers are
        those of the map only roughly. ``masks`` say where the damage is in these images, so that it looks there too: a
        search asks where the damage is ranked worst, and has the masks (`robustness.search.two_fidelity`)."""
        raise NotImplementedError(f"{self.name} has no cheap look; looks_cheaply says so.")

    def remember(self, class_name: str, images: Float[Tensor, "reference 3 height width"]) -> None:
        """Take these normal images of a class as what its images are compared with; for models with the option
        ``shots``."""
        raise NotImplementedError


def names_of_images(class_names: str | Sequence[str], count: int) -> list[str]:
    """One class name per image, from one for all or one each. Raises ValueError for another number of names, and for
    what are no names."""
    given = class_names if isinstance(class_names, Iterable) else [class_names]
    names = [given] * count if isinstance(given, str) else list(given)
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"Got class names {class_names!r}; expected a text, or a list of texts, one per image.")
    if len(names) != count:
        raise ValueError(f"Got {len(names)} class names for {count} images; expected one, or one per image.")
    return names
