"""Learned sentences in WinCLIP's windows: paper K's hybrid.

K (5.3) proposes to put AnomalyCLIP's learned sentences into WinCLIP's sliding windows, and says no more of it. Here
that is an option of models that learn sentences, ``compared="windows"``: what the text side says is compared with the
embeddings of WinCLIP's windows in the place of the model's own patches, and map and image score are WinCLIP's. Nothing
but the text side is learned, from windows in the place of patches by the model's own loss; or it is taken from a model
that was trained on patches (`with_sentences_of`).
"""

from collections.abc import Sequence
from typing import Any, cast

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ..backbones.backbone import Backbone
from ..backbones.families.sizes import Size, pair
from ..backbones.families.tower import WINDOWS
from ..base.errors import OptionError, UnknownNameError
from ..base.options import number, several
from .kinds import require_kinds
from .learned import Features, LearnedModel, assign_values
from .prediction import AnomalyModel, Prediction, names_of_images
from .winclip import Embedded, asked_in_windows, in_rows, state_score, weighed, window_sides

COMPARED = ("patches", "windows")
SCALES = (2, 3)
TEMPERATURE = 0.07
"""That of WinCLIP, AnomalyCLIP and VCP-CLIP+."""
ALIKE = 1e-4
"""As far as the embeddings of a sentence by one text tower may lie apart at two sizes of pictures."""


def window_options(
    owner: str, backbone: Backbone, compared: str, scales: Sequence[int], damaged_share: float
) -> dict[str, Any]:
    """The options of a model whose sentences can be compared with windows. Raises UnknownNameError or OptionError."""
    if compared not in COMPARED:
        raise UnknownNameError(f"value of {owner}'s option compared", compared, COMPARED)
    if compared == "windows":
        sides = window_sides(owner, scales, min(backbone.patches))
    else:
        sides = several(owner, "scales", scales, int, "window sides in patches")
    number(owner, "damaged_share", damaged_share, 0, 1, expected="a share of a window")
    if compared == "windows" and all(mode in backbone.image.cannot for mode in WINDOWS):
        backbone.image.require(WINDOWS[0])
    return {"compared": compared, "scales": sides, "damaged_share": damaged_share}


class SentenceModel(LearnedModel):
    """A model whose learned sentences can be compared with windows. A subclass says in `sentences` what they are about
    each picture, and asks `in_windows` before it reads patches; its options hold those of `window_options`."""

    @property
    def in_windows(self) -> bool:
        return self.options["compared"] == "windows"

    @property
    def scores_are_probabilities(self) -> bool:
        return self.in_windows

    @property
    def glances(self) -> bool:
        return not self.in_windows and "some patches" not in self.backbone.image.cannot

    def sentences(self, features: Features) -> Float[Tensor, "batch 2 embed"]:
        """Unit vectors of the sentences about each picture, normal and abnormal."""
        raise NotImplementedError

    @property
    def reads(self) -> str:
        return "windows" if self.in_windows else super().reads

    def forward(self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]) -> Prediction:
        if not self.in_windows:
            return super().forward(images, class_names)
        self.require_trained()
        features = self.said(images, names_of_images(class_names, len(images)))
        return weighed(self.of_windows(features), None, 0.0, images.shape[-2:], self.backbone.covered)

    def window_features(self, images: Float[Tensor, "batch 3 height width"]) -> Features:
        """The embedding of each whole picture, not of unit length, and by side those of its windows, unit vectors:
        encoded one by one, as WinCLIP does, or pooled by a tower that cannot."""
        tower, start, scales = self.backbone.image, self.backbone.embed_patches(images), self.options["scales"]
        read = tower.encoded_with_windows if WINDOWS[0] not in tower.cannot else tower.pooled
        whole, windows = read(start, scales)
        return {"whole": whole} | {str(side): F.normalize(own, dim=-1) for side, own in zip(scales, windows)}

    def of_windows(self, features: Features) -> Prediction:
        """WinCLIP's map, on the grid of patches, and image score, with the learned sentences."""
        sides = self.options["scales"]
        parts: dict[int | str, Tensor] = {side: features[str(side)] for side in sides}
        embedded = Embedded(F.normalize(features["whole"], dim=-1), parts)
        return asked_in_windows(
            embedded, self.sentences(features), self.backbone.patches, sides, temperature=TEMPERATURE
        )

    def compare_windows(self, features: Features, size: Size) -> tuple[Tensor, Tensor]:
        """What `compare` is of windows."""
        found = weighed(self.of_windows(features), None, 0.0, pair(size))
        return found.anomaly_map, found.image_score

    def scored_windows(
        self,
        features: Features,
        masks: Bool[Tensor, "batch height width"],
        sentences: Float[Tensor, "batch 2 embed"] | None = None,
    ) -> list[tuple[Float[Tensor, "batch rows columns"], Bool[Tensor, "batch rows columns"]]]:
        """For each side every window's probability of "abnormal" and whether it is damaged, which takes the place of
        map and mask in a loss. ``masks`` are of what the patches cover, ``sentences`` those of `sentences`.

        A window is damaged by any of its pixels, or where ``damaged_share`` is above 0 by at least that share of them.
        WinCLIP's harmonic mean calls a patch damaged only where all windows over it are, and damage by any pixel is the
        label that fits: all windows over a damaged patch have some, and most patches beside it lie in one without."""
        least, grid = self.options["damaged_share"], self.backbone.patches
        sentences = self.sentences(features) if sentences is None else sentences
        shares, found = F.adaptive_avg_pool2d(masks[:, None].float(), grid), []
        for side in self.options["scales"]:
            damage = F.avg_pool2d(shares, side, stride=1)[:, 0]
            scores = state_score(features[str(side)], sentences, TEMPERATURE)
            found.append((in_rows(scores, grid, side), damage >= least if least else damage > 0))
        return found


def with_sentences_of(model: LearnedModel, backbone: Backbone | None = None, **options: object) -> LearnedModel:
    """A model that was trained on patches, with its sentences as they are in WinCLIP's windows on ``backbone``, which
    may be the same tower at another size of pictures; None for the model's own. It predicts without a training.

    ``options`` are those of windows, such as ``scales``. Raises UntrainedModelError for a model without a training,
    OptionError for one that has no such sentences, and for a backbone whose text tower says something else.

    >>> backbone = zsas.load_backbone("embedded")
    >>> auxiliary = zsas.load_dataset("embedded-a", categories="ceramic_disc").select(per_category=4)
    >>> model = zsas.ready_model("anomalyclip", backbone, auxiliary, fit={"epochs": 1})
    >>> zsas.with_sentences_of(model).options["compared"]
    'windows'
    """
    require_kinds((model, AnomalyModel), *([] if backbone is None else [(backbone, Backbone)]))
    if not isinstance(model, SentenceModel):
        raise OptionError(f"{model.name} has no sentences for windows; expected anomalyclip, vcpclip or vcpclip+.")
    model.require_trained()
    backbone = backbone or model.backbone
    apart = (backbone.encode_text("damaged object") - model.backbone.encode_text("damaged object")).abs().max()
    if apart > ALIKE:
        raise OptionError(
            f"Backbone {backbone.name!r} says something else by a sentence than {model.backbone.name!r}, whose "
            "sentences these are; expected the same text tower."
        )
    hybrid = type(model)(backbone, **{**model.options, **options, "compared": "windows"})  # pyright: ignore[reportCallIssue]
    learned = model.learnable()
    assign_values(hybrid, {name: learned[name] for name in hybrid.learnable()})
    hybrid.trained = {**cast(dict, model.trained), "sentences_of": model.options}
    return hybrid
