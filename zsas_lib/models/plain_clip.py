"""CLIP as it is, the baseline of the papers' tables: every patch against a normal and an anomalous sentence.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (ICML 2021), as "AnomalyCLIP"
(Zhou et al., ICLR 2024) compares itself with it, there called CLIP and, with many templates, CLIP-AC.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..backbones.backbone import Backbone
from ..backbones.image_tower import class_embedding, dense_embeddings, local_embeddings, residual_stream
from ..base.errors import UnknownNameError
from ..base.options import number
from .enlarged import enlarged
from .learned import of_whole_images
from .prediction import AnomalyModel, Prediction, names_of_images
from .prompts import mean_embeddings, plain_prompts

TEMPERATURE = 0.01
PROMPTS = ("plain", "ensemble")
LOCALS = ("last", "value")
"""Where patches are read: behind the last block, or from the value-value path of the last block."""


def baseline_patches(backbone: Backbone, stream: Sequence[Tensor], local: str) -> Float[Tensor, "batch patch embed"]:
    """Unit vectors of all patches by one of `LOCALS`, from all that stands between the blocks."""
    if local == "value":
        return local_embeddings(backbone, stream, backbone.depth, backbone.depth)
    return dense_embeddings(backbone, stream[-1])


class PlainCLIP(AnomalyModel):
    """The softmax of cosines / 0.01 to "a photo of a normal pill." and "a photo of an anomalous pill.": of every patch
    behind the last block for the map, which is enlarged, and of the picture for its score. Nothing is learned.

    The papers' tables have its maps far below chance on photographs: patches behind the last block of OpenAI's ViTs
    point away from what is said of them.

    Options:
        prompts: "plain", or "ensemble", OpenAI's 80 templates for ImageNet (CLIP-AC).
        local: "last", patches behind the last block; "value" those of its value-value path, which mends their sign.
        smoothing: sigma in pixels at 518; the baseline has none.
        raw_names: as in `AprilGAN`.

    Raises UnknownNameError or OptionError for an option's value, OptionError for `local="value"` and a backbone without
    a value-value path.
    """

    name = "clip"
    backbone: Backbone

    def __init__(
        self,
        backbone: Backbone,
        *,
        prompts: str = "plain",
        local: str = "last",
        smoothing: float = 0.0,
        raw_names: bool = False,
    ):
        for option, value, known in (("prompts", prompts, PROMPTS), ("local", local, LOCALS)):
            if value not in known:
                raise UnknownNameError(f"value of CLIP's option {option}", value, known)
        number("CLIP", "smoothing", smoothing, 0)
        if local == "value":
            backbone.image.require("value path")
        options = {"prompts": prompts, "local": local, "smoothing": smoothing, "raw_names": raw_names}
        super().__init__(backbone, options)

    @property
    def scores_are_probabilities(self) -> bool:
        return True

    def text_features(self, class_name: str) -> Float[Tensor, "2 embed"]:
        """The unit vectors of the two states of a class. Encoded once per class name and kept."""
        ensemble = self.options["prompts"] == "ensemble"
        return mean_embeddings(
            self.backbone, plain_prompts(class_name, ensemble=ensemble, raw_names=self.options["raw_names"])
        )

    def forward(self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]) -> Prediction:
        """Maps at the images' size and image scores, for one class name or one per image. Images are RGB in [0, 1], of
        any size, squashed to the backbone's. Raises ValueError if the number of names is not that of the images."""
        names, backbone = names_of_images(class_names, len(images)), self.backbone
        stream = residual_stream(backbone, backbone.embed_patches(images))
        text = torch.stack([self.text_features(name) for name in names])
        patches = baseline_patches(backbone, stream, self.options["local"])
        whole = F.normalize(class_embedding(backbone, stream[-1]), dim=-1)
        planes = _abnormal(patches, text).unflatten(-1, backbone.patches)[:, None]
        maps = enlarged(planes, backbone.image.seen)[:, 0]
        maps = of_whole_images(maps, backbone, self.options["smoothing"], images.shape[-2:])
        return Prediction(maps, _abnormal(whole[:, None], text)[:, 0])


def _abnormal(rows: Float[Tensor, "batch row embed"], text: Float[Tensor, "batch 2 embed"]) -> Tensor:
    """The probability of "abnormal" of each row."""
    cosines = rows @ text.mT
    return ((cosines[..., 1] - cosines[..., 0]) / TEMPERATURE).sigmoid()
