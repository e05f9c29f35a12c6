"""APRIL-GAN's file, as ByChelsea/VAND-APRIL-GAN writes it: its linear layers, which VCP-CLIP's files hold too."""

from torch import Tensor

from ...backbones.backbone import Backbone
from ...models.april_gan import LAYERS
from .entries import Entries

ACTIVATION = "gelu"
"""What the released code runs both towers with. OpenAI trained them with QuickGELU."""
POSITIONS = "bicubic"
"""How the released code stretches the positional embeddings, antialiased."""


def april_gan(entries: Entries, backbone: Backbone) -> tuple[dict, dict[str, Tensor]]:
    """The model's options, as far as the file decides them, and what it learned, by our names."""
    return {"raw_names": True}, projections(entries, backbone)


def projections(entries: Entries, backbone: Backbone) -> dict[str, Tensor]:
    """The linear layers that take patches of each tapped block to the sentences."""
    tensors = {}
    for number in range(len(LAYERS)):
        for part, shape in (("weight", (backbone.embed_dim, backbone.width)), ("bias", (backbone.embed_dim,))):
            tensors[f"projections.{number}.{part}"] = entries.take(f"trainable_linearlayer.fc.{number}.{part}", *shape)
    return tensors
