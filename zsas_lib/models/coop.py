"""CoOp as a baseline of zero-shot segmentation: learned tokens before "normal pill" and "anomalous pill".

Zhou et al., "Learning to Prompt for Vision-Language Models" (IJCV 2022), with two states of each class as "AnomalyCLIP"
(Zhou et al., ICLR 2024) compares itself with it; nobody has released that program.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..backbones.families.sizes import Size, pair
from ..backbones.image_tower import class_embedding, residual_stream
from ..backbones.registry import Backbone
from ..backbones.text_tower import LEARNED_WORDS, PLACEHOLDER, OpenClipText
from ..base.errors import UnknownNameError
from ..base.options import number, whole_number
from ..losses import dice_loss, focal_loss
from .enlarged import enlarged
from .kept import Kept
from .learned import Features, LearnedModel, Recipe, names_in, spelled
from .plain_clip import LOCALS, TEMPERATURE, baseline_patches
from .prompts import NAMELESS, PLAIN_STATES, class_phrase

SPREAD = 0.02
"""Standard deviation of the learned tokens at the start."""
WORDS = 5
"""Tokens of a sentence beside its context and a name of one token: start, state, name, ".", end."""
LOSSES = ("image", "both")


class CoOp(LearnedModel):
    """Two sentences about each class, "... normal pill." and "... anomalous pill.", whose first tokens are learned, the
    same for all classes and others for each state. Patches and pictures are compared with them as plain CLIP does it:
    the softmax of cosines / 0.01.

    The papers' tables have a CoOp that learned to tell pictures apart and is then asked for maps, which on photographs
    are worse than none. `loss="both", local="value"` is the fair version of a model that learns sentences only.

    Options, with the papers' baseline as default:
        context: learned tokens of each state.
        object_agnostic: say "object" of every class.
        local: where patches are read, as in `PlainCLIP`.
        loss: "image", cross-entropy of pictures alone, or "both", with the focal loss and both dice losses of maps.
        smoothing: sigma in pixels at 518.
        raw_names: as in `AprilGAN`.

    Raises UnknownNameError or OptionError for an option's value, OptionError for a backbone whose text tower takes no
    learned tokens (`cannot`), and for `local="value"` and a backbone without a value-value path.
    """

    name = "coop"
    recipe = Recipe(rate=1e-3, training_batch_size=8, epochs=15, augment=False)

    def __init__(
        self,
        backbone: Backbone,
        *,
        context: int = 12,
        object_agnostic: bool = False,
        local: str = "last",
        loss: str = "image",
        smoothing: float = 0.0,
        raw_names: bool = False,
    ):
        for option, value, known in (("local", local, LOCALS), ("loss", loss, LOSSES)):
            if value not in known:
                raise UnknownNameError(f"value of CoOp's option {option}", value, known)
        number("CoOp", "smoothing", smoothing, 0)
        self.require_suits(backbone)
        if local == "value":
            backbone.image.require("value path")
        text = cast(OpenClipText, backbone.text)
        whole_number("CoOp", "context", context, 1, text.context_length - WORDS)
        super().__init__(
            backbone,
            {
                "context": context,
                "object_agnostic": object_agnostic,
                "local": local,
                "loss": loss,
                "smoothing": smoothing,
                "raw_names": raw_names,
            },
        )
        self.contexts = nn.Parameter(torch.empty(2, context, text.width))
        self._encoded: Kept[Tensor] = Kept()
        self.initialise(seed=0)

    @property
    def scores_are_probabilities(self) -> bool:
        return True

    @classmethod
    def cannot(cls, backbone: Backbone) -> str:
        return backbone.text.cannot.get(LEARNED_WORDS, "")

    def reset_parameters(self) -> None:
        nn.init.normal_(self.contexts, std=SPREAD)

    def read_options(self) -> dict[str, object]:
        return {"local": self.options["local"]}

    def features(self, images: Float[Tensor, "batch 3 height width"], class_names: Sequence[str]) -> Features:
        stream = residual_stream(self.backbone, self.backbone.embed_patches(images))
        return {
            "class": F.normalize(class_embedding(self.backbone, stream[-1]), dim=-1),
            "patches": baseline_patches(self.backbone, stream, self.options["local"]),
            "class name": spelled(class_names, images.device),
        }

    def text_features(self, class_name: str) -> Float[Tensor, "2 embed"]:
        """Unit vectors of the two sentences about a class, normal and anomalous; kept where nothing is learned."""
        name = NAMELESS if self.options["object_agnostic"] else class_name
        if self.contexts.requires_grad:
            return self._encode_sentences(name)
        return self._encoded.of(name, lambda: self._encode_sentences(name), self.backbone, (self.contexts,))

    def _encode_sentences(self, class_name: str) -> Tensor:
        text = cast(OpenClipText, self.backbone.text)
        phrase, context = class_phrase(class_name, raw=self.options["raw_names"]), self.options["context"]
        words = text.words([f"{PLACEHOLDER} {state} {phrase}." for state in PLAIN_STATES], context)
        before, behind = words.tokens[:, : words.gap], words.tokens[:, words.gap + context :]
        tokens = text.with_positions(torch.cat([before, self.contexts, behind], 1))
        return F.normalize(text.read(text.run_blocks(tokens, words.ids, lambda _, states: states), words.ends), dim=-1)

    def margins(self, features: Features) -> tuple[Float[Tensor, "batch patch"], Float[Tensor, " batch"]]:
        """The logit of "anomalous" less that of "normal", of patches and of pictures."""
        names = names_in(features["class name"])
        found = {name: self.text_features(name) for name in dict.fromkeys(names)}
        text = torch.stack([found[name] for name in names])
        apart = (text[:, 1] - text[:, 0])[:, :, None] / TEMPERATURE
        return (features["patches"] @ apart)[..., 0], (features["class"][:, None] @ apart)[:, 0, 0]

    def _maps(self, margins: Tensor, size: Size) -> Float[Tensor, "batch height width"]:
        planes = margins.sigmoid().unflatten(-1, self.backbone.patches)[:, None]
        return enlarged(planes, pair(size))[:, 0]

    def compare(self, features: Features, size: Size) -> tuple[Tensor, Tensor]:
        patches, whole = self.margins(features)
        return self._maps(patches, size), whole.sigmoid()

    def loss(
        self, features: Features, masks: Bool[Tensor, "batch height width"], is_anomalous: Bool[Tensor, " batch"]
    ) -> Tensor:
        """Cross-entropy of the pictures, and with `loss="both"` focal loss and dice losses of the abnormal and the
        normal map."""
        patches, whole = self.margins(features)
        loss = F.binary_cross_entropy_with_logits(whole, is_anomalous.to(whole))
        if self.options["loss"] == "image":
            return loss
        masks = self.covered(masks)
        maps = self._maps(patches, tuple(masks.shape[1:]))
        return loss + focal_loss(maps, masks) + dice_loss(maps, masks) + dice_loss(1 - maps, ~masks)
