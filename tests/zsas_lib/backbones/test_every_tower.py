"""All of open_clip's architectures, without numbers (torch's meta device) and with few blocks: which models run on
them, and the shapes of all that models read."""

import json
from collections import Counter
from copy import deepcopy
from functools import cache
from unittest.mock import patch

import open_clip
import pytest
import timm
import torch
from open_clip.tokenizer import SimpleTokenizer

from zsas_lib import load_model, why_not
from zsas_lib.backbones import backbone as backbones
from zsas_lib.backbones import text_tower
from zsas_lib.backbones.families.hierarchical import NO_TOKENS, NO_VALUES
from zsas_lib.backbones.image_tower import dense_embeddings, local_embeddings, residual_stream
from zsas_lib.backbones.text_tower import LEARNED_WORDS
from zsas_lib.base.errors import OptionError
from zsas_lib.evaluation.complexity import as_it_begins, shapes_only
from zsas_lib.models import MODELS, af_clip
from zsas_lib.models.vcpclip import ONE_WIDTH

pytestmark = pytest.mark.slow

NAMES = open_clip.list_models()
ON_A_BACKBONE = [name for name, record in MODELS.items() if record.place and not record.trivial]
FAMILIES = {"class token": 59, "average-pooled": 22, "attention-pooled": 35, "hierarchical": 18, "ResNet": 10}
GRIDS = {"ViT-SO400M-14-SigLIP-384": 27, "nllb-clip-large-siglip": 27, "ViTamin-XL-384": 16, "convnext_xxlarge_320": 10}
"""Of some that surprise: 384 / 14 is no whole number, and ViTamin-XL-384 is configured for 256 pixels."""
ONE_OF_A_KIND = (
    "ViT-B-32",
    "ViT-H-14-worldwide",
    "ViT-L-14-CLIPA",
    "coca_ViT-B-32",
    "coca_base",
    "ViT-B-16-SigLIP2",
    "ViT-SO400M-14-SigLIP",
    "ViT-SO400M-16-SigLIP-i18n-256",
    "PE-Core-T-16-384",
    "EVA02-B-16",
    "EVA02-E-14",
    "ViTamin-S",
    "MobileCLIP-B",
    "MobileCLIP2-L-14",
    "vit_relpos_medium_patch16_cls_224",
    "convnext_tiny",
    "MobileCLIP2-S0",
    "swin_base_patch4_window7_224",
    "RN50",
)
"""Each has an image tower or a text tower of another kind than those before."""
BLOCKS = 2
FIRST_NUMBERS = ("_no_grad_uniform_", "_no_grad_normal_", "_no_grad_trunc_normal_", "_no_grad_fill_", "_no_grad_zero_")
"""By which torch's functions of `torch.nn.init` fill what they are given."""


def cut(name: str) -> dict:
    """open_clip's configuration with few blocks, and CLIP's text tower in the place of Hugging Face's."""
    model = deepcopy(CONFIGURATIONS[name])
    match model["vision_cfg"].get("layers"):
        case int():
            model["vision_cfg"]["layers"] = BLOCKS
        case [*stages]:
            model["vision_cfg"]["layers"] = [BLOCKS] * len(stages)
    model["text_cfg"]["layers"] = 1
    if "hf_model_name" in model["text_cfg"]:
        model["text_cfg"] = {"context_length": 77, "layers": 1}
    if "multimodal_cfg" in model:
        model["multimodal_cfg"]["layers"] = 1
    return model


def shallow(name: str) -> dict:
    """The arguments with which timm makes its tower of that name with few blocks, in each stage where it has some."""
    if name.startswith(("convnext", "swin")):
        return {"depths": (BLOCKS,) * 4}
    if name.startswith("fastvit"):
        return {"layers": (BLOCKS,) * (5 if name.endswith(("mci3", "mci4")) else 4)}
    return {"depth": BLOCKS}


def normed(values, shape, weight=None, bias=None, eps=1e-5):
    """torch's layer norm asks no more of shapes, and makes a dozen tensors for what has no numbers."""
    for part in (weight, bias):
        if tuple(values.shape[-len(shape) :]) != tuple(shape) or (
            part is not None and tuple(part.shape) != tuple(shape)
        ):
            raise RuntimeError(f"Expected {shape} at the end of {values.shape}, and of weight and bias")
    return like(values, values.shape)


def projected(rows, weight, bias=None):
    """torch's linear asks no more of shapes and kinds of numbers, and takes three steps to what has none."""
    parts = [weight] if bias is None else [weight, bias]
    if (
        rows.shape[-1:] != weight.shape[1:]
        or (bias is not None and bias.shape != weight.shape[:1])
        or any((part.dtype, part.device) != (rows.dtype, rows.device) for part in parts)
    ):
        raise RuntimeError(f"Expected {weight.shape[1:]} at the end of {rows.shape}, got {[p.shape for p in parts]}")
    return like(rows, (*rows.shape[:-1], *weight.shape[:-1]))


def attended(query, key, value, attn_mask=None, *_, **__):
    """torch's attention asks that each query meets keys as wide, and a value for each key."""
    batch = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    seen = (*batch, query.shape[-2], key.shape[-2])
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(f"Expected queries that fit keys that fit values, got {query.shape, key.shape, value.shape}")
    if attn_mask is not None and torch.broadcast_shapes(attn_mask.shape, seen) != seen:
        raise RuntimeError(f"Expected a mask of {seen}, got {attn_mask.shape}")
    return like(query, (*seen[:-1], value.shape[-1]))


def standardised(values, mean, variance, *weights, **__):
    """torch's batch norm asks for a number for each channel."""
    for part in (mean, variance, *weights[:2]):
        if part is not None and part.shape != values.shape[1:2]:
            raise RuntimeError(f"Expected a number for each channel of {values.shape}, got {part.shape}")
    return like(values, values.shape)


def unchanged(values, *_, **__):
    """torch's GELU and its rows of length 1 ask nothing."""
    return like(values, values.shape)


def like(values, shape):
    return torch.empty(shape, dtype=values.dtype, device=values.device)


WITHOUT_NUMBERS = {
    "layer_norm": normed,
    "linear": projected,
    "scaled_dot_product_attention": attended,
    "batch_norm": standardised,
    "gelu": unchanged,
    "normalize": unchanged,
}
"""Functions of torch which on its meta device take many steps, and what they ask of shapes."""


def as_it_is(tensor, *_, **__):
    """What has no numbers needs no first ones."""
    return tensor


CONFIGURATIONS = {name: open_clip.get_model_config(name) for name in NAMES}


@pytest.fixture(scope="module", autouse=True)
def few_blocks():
    make = timm.create_model

    def made(name, *positional, **own):
        return make(name, *positional, **own, **shallow(name))

    simple = cache(SimpleTokenizer)  # its words take a fifth of a second to read

    @cache  # towers are asked about the same sentences
    def read(sentences, length):
        return simple()(list(sentences), length)

    def tokenizer(name, text):
        length = text.get("context_length", 77)
        end = text["eos_id"] if text.get("pool_type") == "eos" else 49407

        def ids(sentences):
            found = read(tuple(sentences), length)
            return found.masked_fill(found == 49407, end)

        return ids

    with (
        patch("timm.create_model", made),
        patch.multiple("torch.nn.functional", **WITHOUT_NUMBERS),
        patch.multiple("torch.nn.init", **dict.fromkeys(FIRST_NUMBERS, as_it_is)),
        patch("timm.layers.weight_init._trunc_normal_", as_it_is),
        patch("open_clip.get_model_config", cut),
        patch.object(text_tower, "tokenizer_of", tokenizer),
        patch.object(backbones, "SENTENCES_AT_ONCE", 1024),  # what has no numbers takes as long for one as for many
    ):
        yield


SEEN: dict = {}


def alike(name: str) -> str:
    """The first name with the same shapes: activations, tokenizers and what only training reads make no difference."""
    model = cut(name)
    for part in ("quick_gelu", "init_logit_bias"):
        model.pop(part, None)
    for part in ("hf_tokenizer_name", "tokenizer_kwargs", "act_kwargs", "norm_kwargs"):
        model["text_cfg"].pop(part, None)
    return SEEN.setdefault(json.dumps(model, sort_keys=True), name)


FIRST = {name: alike(name) for name in NAMES}
BACKBONES: dict = {}


def made(name):
    if FIRST[name] not in BACKBONES:
        BACKBONES[FIRST[name]] = shapes_only(FIRST[name])
    return BACKBONES[FIRST[name]]


@torch.no_grad()
@pytest.mark.parametrize("name", dict.fromkeys(FIRST.values()))
def test_shapes_of_all_that_models_read(name):
    backbone = made(name)
    image, (rows, columns), embed = backbone.image, backbone.patches, backbone.embed_dim
    assert embed == CONFIGURATIONS[name]["embed_dim"]
    assert backbone.grid == GRIDS.get(name, backbone.image_size // backbone.patch_size)
    assert backbone.image_size == CONFIGURATIONS[name]["vision_cfg"]["image_size"]
    start = backbone.embed_patches(torch.zeros(1, 3, *backbone.size, device="meta"))
    stream = residual_stream(backbone, start)
    for state, grid, width in zip(stream[1:], image.grids[1:], image.widths[1:]):
        assert state.shape == (1, image.prefix + grid[0] * grid[1], width)
    assert image.embedding(stream[-1]).shape == (1, embed)
    assert dense_embeddings(backbone, stream[-1]).shape == (1, rows * columns, embed)
    assert backbone.pooled_window_embeddings(stream[-2:], 3).shape == (1, (rows - 2) * (columns - 2), embed)
    if "encoded" not in image.cannot:
        assert backbone.window_embeddings(start, 2).shape == (1, (rows - 1) * (columns - 1), embed)
    if "value path" not in image.cannot:
        assert local_embeddings(backbone, stream, BLOCKS, BLOCKS).shape == (1, rows * columns, embed)
    assert backbone.encode_text(["a pill"]).shape == (1, embed)


def test_families():
    assert len(NAMES) == 144
    assert Counter(made(name).family for name in NAMES) == FAMILIES


def stages(name: str) -> bool:
    return made(name).family in ("hierarchical", "ResNet")


@pytest.mark.parametrize("name", NAMES)
def test_every_model_runs_or_says_why(name):
    """The table: WinCLIP and APRIL-GAN run on all; the others on all transformers."""
    width, values, tokens = (ONE_WIDTH, NO_VALUES, NO_TOKENS) if stages(name) else ("", "", "")
    expected = {
        "winclip": "",
        "april-gan": "",
        "clip": "",
        "coop": "",
        "vcpclip": width,
        "vcpclip+": width,
        "anomalyclip": values,
    }
    expected |= {"adaclip": tokens, "aa-clip": tokens, "anovl": values}
    expected |= {"af-clip": af_clip.ONE_WIDTH if stages(name) else ""}
    assert {model: why_not(model, made(name)) for model in ON_A_BACKBONE} == expected


@torch.no_grad()
@pytest.mark.parametrize("name", ONE_OF_A_KIND)
def test_what_runs_runs_to_its_end_and_what_does_not_is_refused_before_it_starts(name):
    backbone = made(name)
    image = torch.zeros(1, 3, *backbone.size, device="meta")
    for model in ON_A_BACKBONE:
        if why := why_not(model, backbone):
            with pytest.raises(
                OptionError, match=f"cannot run on backbone '{backbone.name}' .{backbone.family}.: {why}"
            ):
                load_model(model, backbone)
            continue
        options = (
            {"context": 4} if model in ("anomalyclip", "af-clip", "coop") and backbone.text.context_length < 17 else {}
        )
        options |= {"steps": 1} if model == "anovl" else {}
        with torch.device("meta"):
            loaded = load_model(model, backbone, **options)
        with as_it_begins(loaded):
            prediction = loaded(image, "pill")
        assert prediction.anomaly_map.shape == (1, *backbone.size) and prediction.image_score.shape == (1,)


def test_learned_words_need_a_text_tower_of_open_clips_own():
    """Hugging Face's read sentences: what needs nothing else runs."""
    backbone = made("ViT-B-32")
    with patch.dict(vars(backbone.text), {"cannot": {LEARNED_WORDS: "it reads sentences only."}}):
        assert {name for name in ON_A_BACKBONE if why_not(name, backbone)} == {
            *("vcpclip", "vcpclip+", "anomalyclip", "adaclip", "aa-clip", "af-clip", "coop")
        }
