"""The zoo's networks as recipes: a reference, and others that differ from it in exactly one thing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...backbones.words import WORDS as VOCABULARY
from ...data.embedded.naming import SIZE
from .captions import WORDS

EMBED = 64
CONTEXT = 9
RESNET = {"layers": [1, 1, 1, 1], "width": 6, "head_width": 32}
VIT = {"layers": 4, "width": 64, "head_width": 32, "patch_size": 8}
CONVNEXT = {"timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "linear"}
WORDLESS = {
    "context_length": 2,
    "vocab_size": 1,
    "width": 2,
    "heads": 1,
    "layers": 1,
    "tokenizer_kwargs": {VOCABULARY: []},
}
"""open_clip's ``text_cfg`` in the place of a text tower: the least that it can build, which reads nothing."""
PICTURES = 24_000
STEPS = 1000
BATCH = 128
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Recipe:
    """What one network of the zoo is made by.

    :param axis: what this member varies, in words; :param value: how, and :param baseline: how the reference has it.
    :param vision: the image tower, as open_clip's ``vision_cfg``. :param style: of `shoot.STYLES`, the source of its
        pictures and captions. :param pictures: how many there are. :param wrong: the share of captions of another
        picture; :param filtered: leave out those that the noisy member itself finds unlikely.
    :param loss: "softmax" or "sigmoid" over pairs of pictures and captions, or "labels": cross-entropy over materials
        and shapes, without any text. :param steps: of `BATCH` pictures.
    :param begins: the member that it is fine-tuned from, by captions ("softmax"), by labels ("tuned"), or the words
        before a name only ("prompt"). :param seeds: that it is trained with; the zoo has 20 MB for all.
    """

    name: str
    axis: str
    value: str
    baseline: str
    vision: Mapping[str, Any] = field(default_factory=lambda: RESNET)
    style: str = "photograph"
    pictures: int = PICTURES
    wrong: float = 0.0
    filtered: bool = False
    loss: str = "softmax"
    steps: int = STEPS
    begins: str | None = None
    seeds: tuple[int, ...] = SEEDS

    @property
    def reads(self) -> bool:
        """Whether names are sentences for it; else its text tower is not kept."""
        return self.loss not in ("labels", "tuned")

    @property
    def architecture(self) -> dict[str, Any]:
        """open_clip's configuration."""
        text = {
            "context_length": CONTEXT,
            "vocab_size": len(WORDS) + 4,
            "width": 64,
            "heads": 2,
            "layers": 1,
            "tokenizer_kwargs": {VOCABULARY: list(WORDS)},
        }
        start = {"init_logit_scale": 2.3, "init_logit_bias": -6.0} if self.loss == "sigmoid" else {}
        return {"embed_dim": EMBED, "vision_cfg": {"image_size": SIZE, **self.vision}, "text_cfg": text, **start}


_TUNED = {"steps": STEPS // 4, "begins": "reference"}
RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("reference", "reference", "all as it is", "all as it is"),
        Recipe("vit", "architecture", "ViT, 4 blocks", "ResNet, 4 blocks", vision=VIT),
        Recipe("convnext", "architecture", "ConvNeXt, 9 blocks", "ResNet, 4 blocks", vision=CONVNEXT),
        Recipe("drawings", "source", "drawings", "photographs", style="drawing"),
        Recipe("noisy", "captions", "15 % wrong", "all right", wrong=0.15),
        Recipe("filtered", "captions", "15 % wrong, filtered", "all right", wrong=0.15, filtered=True),
        Recipe("few", "pictures", f"{PICTURES // 10:,}", f"{PICTURES:,}", pictures=PICTURES // 10),
        Recipe("narrow", "size", "width 4", "width 6", vision={**RESNET, "width": 4}),
        Recipe("short", "length of training", "300 steps", "1,000 steps", steps=300),
        Recipe("sigmoid", "loss", "sigmoid", "softmax", loss="sigmoid"),
        Recipe("labels", "loss", "labels without text", "softmax", loss="labels"),
        Recipe("tuned", "fine-tuning", "all, by labels", "none", loss="tuned", **_TUNED),
        Recipe("tuned-captions", "fine-tuning", "all, by captions", "none", **_TUNED),
        Recipe("prompt", "fine-tuning", "the prompt only", "none", loss="prompt", **_TUNED),
    )
}
"""By name, in the order in which they are trained: those that others begin with first."""
