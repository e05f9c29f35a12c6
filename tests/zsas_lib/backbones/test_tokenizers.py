"""Tokenizers of Hugging Face: said to be missing before anything starts, and taken with the model's own settings."""

import sys
from copy import deepcopy
from types import ModuleType

import open_clip
import pytest
import torch
from small_towers import small
from tiny_clip import TINY, tiny_backbone

from zsas_lib import load_model
from zsas_lib.backbones import hub, tokenizers
from zsas_lib.base.errors import DataError, OptionError

TINY_SIGLIP = {
    **deepcopy(TINY),
    "text_cfg": {
        **TINY["text_cfg"],
        "context_length": 16,
        "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
        "tokenizer_kwargs": {"clean": "canonicalize"},
    },
}


@pytest.fixture(autouse=True)
def nothing_kept():
    tokenizers._tokenizer.cache_clear()
    yield
    tokenizers._tokenizer.cache_clear()


def missing(monkeypatch, value):
    monkeypatch.setattr(tokenizers, "find_spec", lambda name: value)


def test_the_image_tower_needs_no_tokenizer(monkeypatch):
    missing(monkeypatch, None)
    assert tiny_backbone(TINY_SIGLIP).encode_image(torch.rand(1, 3, 32, 32)).shape == (1, 24)


@pytest.mark.parametrize("model", ["winclip", "april-gan", "anomalyclip", "vcpclip"])
def test_a_missing_package_is_said_when_a_model_is_loaded(model, monkeypatch):
    missing(monkeypatch, None)
    backbone = tiny_backbone(TINY_SIGLIP)
    expected = (
        "Backbone 'tiny' has the tokenizer timm/ViT-B-16-SigLIP of Hugging Face, which needs .*transformers.*: pip "
        "install transformers sentencepiece"
    )
    with pytest.raises(OptionError, match=expected):
        load_model(model, backbone)
    with pytest.raises(OptionError, match=expected):
        backbone.encode_text(["a pill"])


def test_files_that_cannot_be_had_are_said_at_once(monkeypatch, tmp_path):
    missing(monkeypatch, True)
    monkeypatch.setattr(hub.huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub.huggingface_hub, "try_to_load_from_cache", lambda repository, name, revision=None: None)
    with pytest.raises(DataError, match="Cannot fetch tokenizer_config.json of hf-hub:timm/ViT-B-16-SigLIP"):
        load_model("winclip", tiny_backbone(TINY_SIGLIP))


def test_the_tokenizer_gets_the_models_own_settings(monkeypatch, tmp_path):
    """A double for transformers, which is given a folder of files."""
    told = {}

    class AutoTokenizer:
        @staticmethod
        def from_pretrained(name, **arguments):
            told["from"] = name
            return lambda texts, **how: told.update(texts=texts, how=how) or ModuleType("ids")

    transformers = ModuleType("transformers")
    transformers.AutoTokenizer = AutoTokenizer
    monkeypatch.setitem(sys.modules, "transformers", transformers)
    missing(monkeypatch, True)
    model = deepcopy(TINY_SIGLIP)
    model["text_cfg"]["hf_tokenizer_name"] = str(tmp_path)
    tokenizer = tiny_backbone(model).tokenizer
    assert isinstance(tokenizer, open_clip.tokenizer.HFTokenizer) and told["from"] == str(tmp_path)
    assert tokenizer.context_length == 16
    with pytest.raises(AttributeError):
        tokenizer(["A Photo, of a PILL."])
    assert told["texts"] == ["a photo of a pill"]
    assert told["how"]["max_length"] == 16 and told["how"]["padding"] == "max_length"


def test_files_of_which_some_are_missing_are_said_in_a_sentence(monkeypatch, tmp_path):
    """A double for transformers, which raises nearly anything then."""

    class AutoTokenizer:
        @staticmethod
        def from_pretrained(name, **arguments):
            assert arguments["local_files_only"]
            raise OSError("no file spiece.model\nYou may try ...")

    transformers = ModuleType("transformers")
    transformers.AutoTokenizer = AutoTokenizer
    monkeypatch.setitem(sys.modules, "transformers", transformers)
    missing(monkeypatch, True)
    monkeypatch.setattr(hub.huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    cached = lambda repository, name, revision=None: str(tmp_path) if name == "tokenizer_config.json" else None
    monkeypatch.setattr(hub.huggingface_hub, "try_to_load_from_cache", cached)
    expected = (
        "Backbone 'tiny': transformers cannot read its tokenizer from the files of timm/ViT-B-16-SigLIP that are here "
        r"\(no file spiece.model\). Fetch all of them where there is a network, or install what they need: pip install"
    )
    with pytest.raises(DataError, match=expected):
        load_model("winclip", tiny_backbone(TINY_SIGLIP))


def test_a_text_tower_of_hugging_face_is_refused_without_the_package(monkeypatch):
    missing(monkeypatch, None)
    model = {**deepcopy(TINY), "text_cfg": {"hf_model_name": "roberta-base", "hf_tokenizer_name": "roberta-base"}}
    with pytest.raises(OptionError, match="'tiny' has the text tower roberta-base of Hugging Face, which needs"):
        tiny_backbone(model)


@pytest.mark.slow
def test_pictures_are_read_as_the_architectures_weights_want_it():
    """Without weights of its own too, and for an architecture of one's own with the same tower of timm's."""
    from zsas_lib.backbones.configuration import usual_preprocessing

    def usual(name):
        return usual_preprocessing(name, open_clip.get_model_config(name))

    half, imagenet = (0.5, 0.5, 0.5), (0.485, 0.456, 0.406)
    assert usual("ViT-B-16-SigLIP2") == {"mean": half, "std": half, "interpolation": "bicubic"}
    assert usual("PE-Core-L-14-336") == {"mean": half, "std": half, "interpolation": "bilinear"}
    assert usual("ViT-L-14-CLIPA")["mean"] == imagenet and usual("ViT-L-14-CLIPA")["interpolation"] == "bilinear"
    assert usual("MobileCLIP-S1")["mean"] == (0, 0, 0) and usual("MobileCLIP-S1")["std"] == (1, 1, 1)
    assert usual("ViT-L-14")["mean"] == open_clip.OPENAI_DATASET_MEAN
    assert usual("swin_base_patch4_window7_224") == {} == usual_preprocessing(TINY, TINY)
    backbone = small("pe-core")
    assert backbone.interpolation == "bilinear" and backbone.mean.flatten().tolist() == list(half)
    assert small("siglip").mean.flatten().tolist() == list(half)
    images = torch.rand(1, 3, 80, 100, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.interpolate(images, (64, 64), mode="bilinear", antialias=True)
    torch.testing.assert_close(backbone.encode_image(images), backbone.encode_image(expected))


def test_a_sentence_that_was_read_before_is_not_read_again(monkeypatch):
    sentences = ["a photo of a Flawless   bolt &amp; nut", "x " * 100, ""]
    expected = open_clip.tokenize(sentences, context_length=16)
    tokenizer = tokenizers.tokenizer_of("tiny", {"context_length": 16})
    first = tokenizer(sentences)
    first_again = tokenizer(sentences[:1])
    assert torch.equal(first, expected) and torch.equal(first_again, expected[:1])
    monkeypatch.setattr(tokenizers._tokenizer_of_open_clip, "encode", None)
    assert torch.equal(tokenizer(sentences[::-1]), expected.flip(0))
    assert torch.equal(tokenizers.tokenizer_of("other", {"context_length": 20})(sentences)[:, :9], expected[:, :9])
    with pytest.raises(TypeError):
        tokenizer(["a sentence that nobody has read"])
