"""AF-CLIP's two files, as Faustinaqq/AF-CLIP writes them: NAME_adaptor.pt, a whole module, and NAME_prompt.pt."""

from typing import cast

from torch import Tensor

from ...backbones.backbone import Backbone
from ...backbones.text_tower import OpenClipText
from ...models.af_clip import HEAD_CHANNELS, HEADS
from .entries import ALONE, Entries

ACTIVATION = "quick_gelu"
"""What the released code runs both towers with, and OpenAI trained them with."""
POSITIONS = "bilinear"
"""How the released code stretches the positional embeddings."""
ENDINGS = ("_adaptor", "_prompt")


def af_clip(entries: Entries, backbone: Backbone) -> tuple[dict, dict[str, Tensor]]:
    """The model's options, as far as the files decide them, and what it learned, by our names. Either file will do, if
    the other lies beside it."""
    width, text, inner = backbone.width, cast(OpenClipText, backbone.text).width, HEADS * HEAD_CHANNELS
    stem = entries.path.stem
    for own, other in (ENDINGS, ENDINGS[::-1]):
        if stem.endswith(own):
            entries.add(entries.path.with_name(f"{stem.removesuffix(own)}{other}{entries.path.suffix}"))
    context = entries.take(ALONE, 1, None, text)
    tensors = {"context": context}
    for ours, theirs, shape in (
        ("norm.weight", "norm.weight", (width,)),
        ("norm.bias", "norm.bias", (width,)),
        *((f"{part}.weight", f"attn.to_{part[0]}.weight", (inner, width)) for part in ("query", "key", "value")),
        ("output.weight", "attn.to_out.0.weight", (width, inner)),
        ("output.bias", "attn.to_out.0.bias", (width,)),
    ):
        tensors[f"adapter.{ours}"] = entries.take(f"attention.{theirs}", *shape)
    return {"context": context.shape[1]}, tensors
