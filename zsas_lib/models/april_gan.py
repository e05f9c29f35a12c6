"""APRIL-GAN: one linear layer per tapped block between frozen patches and a frozen prompt ensemble.

Chen et al., "A Zero-/Few-Shot Anomaly Classification and Segmentation Method for CVPR 2023 VAND Workshop Challenge
Tracks 1&2" (arXiv 2305.17382), its zero-shot track, as released (ByChelsea/VAND-APRIL-GAN).
"""

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..backbones.families.sizes import Size
from ..backbones.image_tower import class_embedding, layer_at, patches_of, residual_stream
from ..backbones.registry import Backbone
from ..base.options import number
from ..losses import dice_loss, focal_loss
from .learned import Features, LearnedModel, Recipe, two_state_maps
from .prompts import april_gan_prompts, mean_embeddings

LAYERS = (0.25, 0.5, 0.75, 1.0)
TEMPERATURE = 0.01


class AprilGAN(LearnedModel):
    """Linear heads on patch tokens: logits norm(W_l V_l + b_l) T^T / 0.01 per tapped layer, enlarged, softmax.

    Of a tower of stages, whose maps differ in width and grid, each tapped stage has a layer of its own width and a map
    that is enlarged from its own grid, as the released code has it for ResNets.

    T are the mean unit embeddings of 245 normal and 175 abnormal sentences about the class. The map is the mean over
    the layers (the released code's sum, divided by 4), in [0, 1]; the image score is CLIP's own of the whole image.

    Not taken over: on MVTec AD the released code trains 3 epochs in place of 15 and makes a fifth of the pictures
    mosaics of four.

    Options:
        smoothing: sigma in pixels at 518; the paper has none.
        raw_names: say a class's name as the data set writes it ("metal_nut", "pcb1"), as the released code does, and
            not in words (see `class_phrase`).

    Raises OptionError for an option's value.
    """

    name = "april-gan"
    recipe = Recipe(rate=1e-3, training_batch_size=8, epochs=15, augment=False)

    def __init__(self, backbone: Backbone, *, smoothing: float = 0.0, raw_names: bool = False):
        number("APRIL-GAN", "smoothing", smoothing, 0)
        super().__init__(backbone, {"smoothing": smoothing, "raw_names": raw_names})
        self._layers = [layer_at(backbone.depth, share) for share in LAYERS]
        widths = [backbone.image.widths[layer] for layer in self._layers]
        self.projections = nn.ModuleList(nn.Linear(width, backbone.embed_dim) for width in widths)
        self.initialise(seed=0)

    @property
    def scores_are_probabilities(self) -> bool:
        return True

    def reset_parameters(self) -> None:
        for layer in self.projections:
            cast(nn.Linear, layer).reset_parameters()

    def text_features(self, class_name: str) -> Float[Tensor, "2 embed"]:
        """The unit vectors of the two states of a class. Encoded once per class name and kept."""
        return mean_embeddings(self.backbone, april_gan_prompts(class_name, raw_names=self.options["raw_names"]))

    def features(self, images: Float[Tensor, "batch 3 height width"], class_names: Sequence[str]) -> Features:
        stream = residual_stream(self.backbone, self.backbone.embed_patches(images))
        return {
            "class": F.normalize(class_embedding(self.backbone, stream[-1]), dim=-1),
            "text": torch.stack([self.text_features(name) for name in class_names]),
            **{f"patches {layer}": patches_of(self.backbone, stream[layer]) for layer in self._layers},
        }

    def probabilities(self, features: Features, size: Size) -> Float[Tensor, "batch layer height width"]:
        """The probability of "abnormal" of every pixel, per tapped layer."""
        grids, text = [self.backbone.image.grids[layer] for layer in self._layers], features["text"][:, None].mT
        projected = [own(features[f"patches {layer}"]) for layer, own in zip(self._layers, self.projections)]
        planes = [torch.stack(projected, 1)] if len(set(grids)) == 1 else [own[:, None] for own in projected]
        maps = [
            two_state_maps(F.normalize(own, dim=-1) @ text / TEMPERATURE, size, grid)
            for own, grid in zip(planes, grids)
        ]
        return torch.cat(maps, 1)

    def compare(self, features: Features, size: Size) -> tuple[Tensor, Tensor]:
        logits = torch.einsum("be,bse->bs", features["class"], features["text"]) / TEMPERATURE
        return self.probabilities(features, size).mean(1), logits.softmax(-1)[:, 1]

    def loss(
        self, features: Features, masks: Bool[Tensor, "batch height width"], is_anomalous: Bool[Tensor, " batch"]
    ) -> Tensor:
        """Focal plus dice loss, summed over the layers."""
        masks = self.covered(masks)
        maps = self.probabilities(features, tuple(masks.shape[1:])).unbind(1)
        return reduce(add, (focal_loss(map_, masks) + dice_loss(map_, masks) for map_ in maps))
