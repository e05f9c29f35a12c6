"""AA-CLIP's files, as Mwxinnn/AA-CLIP writes them: of the image tower, and beside it of the text tower."""

from typing import cast

from torch import Tensor

from ...backbones.backbone import Backbone
from ...backbones.text_tower import OpenClipText
from ...models.aa_clip import LAYERS
from .entries import Entries

ACTIVATION = "gelu"
"""What the released code runs both towers with. OpenAI trained them with QuickGELU."""
POSITIONS = "bicubic"
"""How the released code stretches the positional embeddings, antialiased."""
OF_TEXT = "text_adapter.pth"


def aa_clip(entries: Entries, backbone: Backbone) -> tuple[dict, dict[str, Tensor]]:
    """The model's options, as far as the files decide them, and what it learned, by our names. Without a file of the
    text's the released code's test takes CLIP's own text tower."""
    width, embed, text = backbone.width, backbone.embed_dim, cast(OpenClipText, backbone.text).width
    relu = "image_adapter.det_proj.fc.0.weight" in entries.tensors
    head = "fc.0.weight" if relu else "fc.weight"
    count = entries.count("image_adapter.layer_adapters.")
    options = {"image_blocks": count, "relu": relu, "image_score": "transductive", "raw_names": True, "text": "plain"}
    tensors = {"detection.weight": entries.take(f"image_adapter.det_proj.{head}", embed, width)}
    for number in range(count):
        place = f"image_adapter.layer_adapters.{number}.fc.0.weight"
        tensors[f"image_adapters.{number}.weight"] = entries.take(place, width, width)
    for number in range(len(LAYERS)):
        tensors[f"projections.{number}.weight"] = entries.take(f"image_adapter.seg_proj.{number}.{head}", embed, width)
    if (beside := entries.path.with_name(OF_TEXT)).is_file() and beside != entries.path:
        entries.add(beside)
        count = entries.count("text_adapter.") - 1
        options |= {"text": "adapted", "text_blocks": max(0, count)}
        for number in range(count):
            place = f"text_adapter.{number}.fc.0.weight"
            tensors[f"text_adapters.{number}.weight"] = entries.take(place, text, text)
        place = f"text_adapter.{max(0, count)}.fc.0.weight"
        tensors["text_projection.weight"] = entries.take(place, embed, text)
    entries.pass_over("image_optimizer.", "text_optimizer.")
    return options, tensors
