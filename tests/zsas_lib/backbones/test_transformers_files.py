"""Files as transformers writes them give the embeddings that transformers gives."""

import json
from copy import deepcopy
from importlib.util import find_spec

import open_clip
import pytest
import torch
import torch.nn.functional as F
import transformers_models
from hub_server import serving, use
from safetensors.torch import save, save_file
from tiny_clip import TINY
from transformers_models import CONFIGURATIONS, IDS, images, recorded

from zsas_lib.backbones import tokenizers
from zsas_lib.backbones.configuration import named_configuration
from zsas_lib.backbones.registry import load_backbone
from zsas_lib.base.errors import DataError

PREPROCESSOR = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "resample": 2, "do_normalize": True}
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture(params=CONFIGURATIONS)
def kind(request):
    return request.param


def write(folder, kind, parameters=None, **more):
    """A folder as transformers writes it."""
    (folder / "config.json").write_text(json.dumps({**CONFIGURATIONS[kind], **more}))
    save_file(recorded(kind)[0] if parameters is None else parameters, folder / "model.safetensors")
    return f"local-dir:{folder}"


def same_embeddings(backbone, kind) -> None:
    _, of_images, of_texts = recorded(kind)
    with torch.no_grad():
        found = backbone.encode_tokens(backbone.image.start(images()))
        torch.testing.assert_close(found, F.normalize(of_images, dim=-1), **CLOSE)
        texts = backbone.clip.encode_text(torch.tensor(IDS))
    torch.testing.assert_close(F.normalize(texts, dim=-1), F.normalize(of_texts, dim=-1), **CLOSE)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_embeddings_are_those_of_transformers(kind, dtype, tmp_path):
    parameters = recorded(kind)[0]
    name = write(tmp_path, kind, {own: value.to(dtype) for own, value in parameters.items()})
    backbone = load_backbone(name)
    assert backbone.family == {"clip": "class token", "siglip": "attention-pooled"}[kind]
    assert {value.dtype for value in backbone.clip.state_dict().values()} == {torch.float32}
    if dtype != torch.bfloat16:  # which holds fewer digits
        same_embeddings(backbone, kind)


@pytest.mark.slow
def test_from_the_hub_in_shards_with_its_statistics(kind, tmp_path, monkeypatch):
    parameters, names = recorded(kind)[0], sorted(recorded(kind)[0])
    shards = {f"model-0000{part + 1}-of-00002.safetensors": names[part::2] for part in range(2)}
    index = {"weight_map": {name: file for file, own in shards.items() for name in own}}
    files = {file: save({name: parameters[name] for name in own}) for file, own in shards.items()}
    files |= {"config.json": json.dumps(CONFIGURATIONS[kind]).encode()}
    files |= {"model.safetensors.index.json": json.dumps(index).encode()}
    with serving() as (hub, address):
        use(address, str(tmp_path), monkeypatch)
        hub.files = {("me/it", name): content for name, content in files.items()}
        plain = load_backbone("hf-hub:me/it")
        hub.files["me/it", "preprocessor_config.json"] = json.dumps(PREPROCESSOR).encode()
        told = load_backbone("hf-hub:me/it")
    same_embeddings(plain, kind)
    assert plain.interpolation == "bicubic"
    assert plain.mean.flatten().tolist() == pytest.approx(
        {"clip": open_clip.OPENAI_DATASET_MEAN, "siglip": (0.5,) * 3}[kind]
    )
    assert told.mean.flatten().tolist() == pytest.approx(PREPROCESSOR["image_mean"])
    assert told.std.flatten().tolist() == pytest.approx(PREPROCESSOR["image_std"])
    assert told.interpolation == "bilinear"
    # and from the cache, where no server is
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert load_backbone("hf-hub:me/it").digest == told.digest
    assert told.architecture["text_cfg"]["hf_tokenizer_name"] == "me/it"


@pytest.mark.slow
def test_a_file_by_hand_beside_its_configuration(tmp_path):
    """Under an architecture of open_clip's, which the configuration beside the weights must agree with."""
    named = write(tmp_path, "clip")
    by_hand = load_backbone(named, tmp_path / "model.safetensors")
    same_embeddings(by_hand, "clip")
    same_embeddings(load_backbone(named, tmp_path / "model.safetensors", image_size=(32, 32)), "clip")
    with pytest.raises(DataError, match="is of another architecture than .*config.json beside it has embed_dim 12"):
        load_backbone("ViT-B-32", tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))  # of something else: no word on CLIP
    with pytest.raises(DataError, match="model.safetensors does not fit the architecture: "):
        load_backbone("ViT-B-32", tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"model_type": "clip_vision_model"}, "configuration of a clip_vision_model, which has no text tower"),
        ({"model_type": "siglip2"}, "configuration of a siglip2, which is not read here; expected clip or siglip"),
        (
            {"architecture": "vit_small_patch14_dinov2", "num_classes": 0},
            "text_cfg, vision_cfg: it is an image tower without a text",
        ),
        ({**CONFIGURATIONS["siglip"], "vision_config": {"vision_use_head": False}}, "without SigLIP's pooling head"),
        (
            {**CONFIGURATIONS["clip"], "text_config": {"hidden_act": "gelu"}},
            "activations gelu and quick_gelu; expected one",
        ),
        ({**CONFIGURATIONS["clip"], "text_config": {"hidden_act": "relu"}}, "has the activation relu; expected gelu"),
        (
            {"model_type": "clip", "vision_config": {"hidden_size": None}},
            "vision_config has hidden_size None; expected",
        ),
        ({"model_type": "siglip", "text_config": [1]}, r"text_config is \[1\]; expected a table of names and values"),
        ({"model_type": 3}, "configuration of a 3, which is not read here"),
    ],
)
def test_configurations_that_are_refused_in_a_sentence(content, said, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=said):
        load_backbone(f"local-dir:{tmp_path}")


@pytest.mark.parametrize(
    ("content", "names", "width", "quick"),
    [
        ({"model_type": "clip"}, "ViT-B-32", 512, True),
        (
            {
                "model_type": "clip",
                "projection_dim": 768,
                "text_config_dict": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
                "vision_config_dict": {
                    "hidden_size": 1024,
                    "intermediate_size": 4096,
                    "num_hidden_layers": 24,
                    "num_attention_heads": 16,
                    "patch_size": 14,
                },
            },
            "ViT-L-14",
            768,
            True,
        ),
        ({"model_type": "siglip"}, "ViT-B-16-SigLIP", 768, False),
    ],
)
def test_what_transformers_leaves_out_is_known(content, names, width, quick, tmp_path):
    """Its defaults are the first models of each kind: the architecture is open_clip's, the activation aside."""
    (tmp_path / "config.json").write_text(json.dumps(content))
    found = named_configuration(f"local-dir:{tmp_path}").model
    expected = open_clip.get_model_config(names)
    assert found["embed_dim"] == expected["embed_dim"] and found["quick_gelu"] is quick
    assert found["text_cfg"]["width"] == width
    for part in ("vision_cfg", "text_cfg"):
        keys = expected[part].keys() & found[part].keys() - {"hf_tokenizer_name"}
        assert {key: found[part][key] for key in keys} == {key: expected[part][key] for key in keys}
    assert found["text_cfg"].get("hf_tokenizer_name", "") == ("" if quick else str(tmp_path))


def test_parameters_of_neither_keep_their_names(tmp_path):
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY}))
    save_file({"text_model.encoder.layer.0.attention.self.query.weight": torch.ones(3)}, tmp_path / "model.safetensors")
    with pytest.raises(DataError, match="names of transformers, for neither its CLIP nor its SigLIP"):
        load_backbone(f"local-dir:{tmp_path}")


@pytest.mark.slow_after(1)
def test_a_query_without_its_key_is_said_to_be_missing(kind, tmp_path):
    parameters = recorded(kind)[0]
    del parameters["vision_model.encoder.layers.1.self_attn.k_proj.bias"]
    with pytest.raises(DataError, match=r"1 missing: visual\..*; 2 not in the architecture: .*1.self_attn"):
        load_backbone(write(tmp_path, kind, parameters))


def test_clips_own_words_need_no_tokenizer_of_hugging_face(tmp_path):
    content = deepcopy(CONFIGURATIONS["clip"])
    content["text_config"] |= {"vocab_size": 49408, "eos_token_id": 49407}
    (tmp_path / "config.json").write_text(json.dumps(content))
    model = named_configuration(f"local-dir:{tmp_path}").model
    assert "hf_tokenizer_name" not in model["text_cfg"] and "pool_type" not in model["text_cfg"]


with_transformers = pytest.mark.skipif(
    find_spec("transformers") is None, reason="transformers is not installed: zsas-lib[hf]"
)


@with_transformers
def test_a_repository_with_its_tokenizer_is_read_and_once_fetched_needs_no_server(tmp_path, monkeypatch):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = Tokenizer(WordLevel({"<pad>": 0, "<unk>": 1, "a": 2, "photo": 3, "pill": 4}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "unk_token": "<unk>"}
    folder = tmp_path / "folder"
    folder.mkdir()
    name = write(folder, "siglip")
    words.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    local = load_backbone(name)
    assert local.tokenizer(["A photo, of a PILL."]).tolist() == [[2, 3, 1, 2, 4, 0, 0, 0, 0, 0]]
    with serving() as (hub, address):
        use(address, str(tmp_path / "cache"), monkeypatch)
        hub.files = {("me/words", path.name): path.read_bytes() for path in folder.iterdir()}
        expected = load_backbone("hf-hub:me/words").encode_text(["a pill"])
    torch.testing.assert_close(local.encode_text(["a pill"]), expected)
    tokenizers._tokenizer.cache_clear()
    torch.testing.assert_close(load_backbone("hf-hub:me/words").encode_text(["a pill"]), expected)  # nobody answers
    tokenizers._tokenizer.cache_clear()
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(DataError, match="cannot read its tokenizer from the files of .*folder that are here"):
        load_backbone(name).encode_text(["a pill"])


@with_transformers
def test_what_is_recorded_is_what_transformers_gives(kind):
    again = json.loads(json.dumps(transformers_models.record(kind)))
    record = json.loads(transformers_models.RECORD.read_text())[kind]
    assert again["shapes"] == record["shapes"]
    for part in ("images", "texts"):
        torch.testing.assert_close(torch.tensor(again[part]), torch.tensor(record[part]), **CLOSE)
