"""Every architecture of open_clip's that fits 20 GB: are our embeddings open_clip's own, and what do they cost beside
its forward pass? Random weights, one architecture at a time.

The largest relative error (L2) of a family's image embeddings, as its towers give them and at the end of the stream,
and of sentence embeddings. Where Hugging Face's tokenizer or text tower cannot be had, CLIP's ids with the right end,
or CLIP's text tower, stand in. Of one name of each kind the time of a picture's embedding, and of that with WinCLIP's
windows pooled, is compared with open_clip's forward pass of the picture.
"""

import gc
from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy
from unittest.mock import patch

import open_clip
import torch
from open_clip.tokenizer import SimpleTokenizer

from zsas_lib.backbones import text_tower
from zsas_lib.backbones.backbone import Backbone
from zsas_lib.backbones.image_tower import class_embedding, residual_stream
from zsas_lib.backbones.registry import load_backbone
from zsas_lib.evaluation.complexity import shapes_only

from .table import Measurement, Settings, compared, seconds_of

LARGEST_GB = 20
TIMED = (
    "ViT-B-16",
    "EVA02-B-16",
    "ViT-B-16-SigLIP",
    "PE-Core-B-16",
    "ViTamin-B",
    "convnext_base",
    "MobileCLIP2-S2",
    "RN50",
)
QUICK = ("ViT-S-32", "vit_medium_patch16_gap_256")
SENTENCES = ["a photo of a damaged metal nut", "a flawless pill"]
SIDES = (2, 3)


def measure(settings: Settings) -> Iterator[Measurement]:
    errors: dict[str, dict[str, float]] = {"image": defaultdict(float), "text": defaultdict(float)}
    names: dict[str, list[str]] = defaultdict(list)
    with (
        patch.object(text_tower, "tokenizer_of", _tokenizer),
        patch("open_clip.get_model_config", _without_hugging_face),
    ):
        for name in QUICK if settings.quick else open_clip.list_models():
            if gigabytes(name) > LARGEST_GB:
                continue
            backbone = load_backbone(name, "random", device=settings.device)
            names[backbone.family].append(name)
            for kind, found in zip(errors, (image_error(backbone), text_error(backbone))):
                errors[kind][backbone.family] = max(errors[kind][backbone.family], found)
            if name in (QUICK if settings.quick else TIMED):
                yield from timed(name, backbone, settings)
            del backbone
            gc.collect()
    for kind, largest in errors.items():
        for family, error in largest.items():
            yield Measurement(f"{kind} embeddings, {family}", error, "rel. error", note=f"{len(names[family])} names")


def gigabytes(name: str) -> float:
    """Of the weights in float32."""
    return sum(value.numel() for value in shapes_only(name).clip.parameters()) * 4 / 1e9


@torch.no_grad()
def image_error(backbone: Backbone) -> float:
    images = torch.rand(2, 3, *backbone.size, generator=torch.Generator().manual_seed(0)).to(backbone.device)
    expected = forward(backbone, images)
    start = backbone.embed_patches(images)
    found = backbone.image.encoded(start), class_embedding(backbone, residual_stream(backbone, start, last=1)[-1])
    return max(_relative(own, expected) for own in found)


@torch.no_grad()
def text_error(backbone: Backbone) -> float:
    ids = backbone.tokenizer(SENTENCES).to(backbone.device)
    arguments = {"normalize": False} if type(backbone.clip).__name__ == "CoCa" else {}
    expected = backbone.clip.encode_text(ids, **arguments)
    return _relative(backbone.encode_text(SENTENCES, normalise=False), expected)


def timed(name: str, backbone: Backbone, settings: Settings) -> Iterator[Measurement]:
    images = torch.rand(1, 3, *backbone.size, generator=torch.Generator().manual_seed(0)).to(backbone.device)

    def ours():
        return backbone.encode_image(images)

    def pooled():
        return backbone.pooled_embeddings(backbone.embed_patches(images), SIDES)

    for what, own in (("embedding of a picture", ours), ("picture and its pooled windows", pooled)):
        with torch.no_grad():
            yield compared(
                f"{what}, {name}",
                lambda: seconds_of(own, settings.device),
                lambda: seconds_of(lambda: forward(backbone, images), settings.device),
                f"open_clip {open_clip.__version__}",
                settings.rounds,
                unit="ms",
                scale=1000,
            )


def forward(backbone: Backbone, images: torch.Tensor) -> torch.Tensor:
    """open_clip's own embedding of pictures, not of unit length."""
    found = backbone.clip.visual((images - backbone.mean) / backbone.std)
    return found[0] if isinstance(found, tuple) else found


def _relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def _tokenizer(name: str, text: dict) -> object:
    """Ids of CLIP's tokenizer, in the vocabulary of this tower and with its end token."""
    ids = SimpleTokenizer(context_length=text.get("context_length", 77))
    end = text["eos_id"] if text.get("pool_type") == "eos" else 49407

    def tokens(sentences: list[str]) -> torch.Tensor:
        found = ids(sentences)
        words = found.clamp(max=text.get("vocab_size", 49408) - 1)
        return torch.where(found == 49407, min(end, text.get("vocab_size", 49408) - 1), words)

    return tokens


CONFIGURATION = open_clip.get_model_config


def _without_hugging_face(name: str) -> dict:
    model = deepcopy(CONFIGURATION(name))
    if "hf_model_name" in model["text_cfg"]:
        model["text_cfg"] = {"context_length": 77}
    return model
