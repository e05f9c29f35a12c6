"""What is said of files that are not what a model's authors release."""

import traceback

import pytest
import torch
from official_files import SETUPS, changed, drop, put

from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.models.load import load_model
from zsas_lib.training.checkpoints import load_official_checkpoint


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    "name, change, message",
    [
        ("anomalyclip", drop("prompt_learner", "ctx_neg"), "lacks prompt_learner.ctx_neg"),
        (
            "anomalyclip",
            put("ctx_pos", torch.zeros(1, 1, 12, 768), "prompt_learner"),
            r"ctx_pos is \(1, 1, 12, 768\), expected \(1, 1, any, 128\).*"
            "backbone's: the released ones are for vit-l-14-336",
        ),
        (
            "anomalyclip",
            put("ctx_pos", torch.zeros(1, 1, 10, 128), "prompt_learner"),
            "10 normal and 12 abnormal contexts",
        ),
        (
            "anomalyclip",
            put("compound_prompts_text.1", torch.zeros(3, 128), "prompt_learner"),
            "compound prompts of different lengths",
        ),
        (
            "anomalyclip",
            lambda content: [
                put(f"compound_prompts_text.{i}", torch.zeros(4, 128), "prompt_learner")(content) for i in (2, 3)
            ],
            "4 compound prompts, expected fewer than the text tower's 4 blocks",
        ),
        (
            "anomalyclip",
            put("token_prefix_pos", torch.zeros(1, 1, 1, 128), "prompt_learner"),
            "other word embeddings than the backbone",
        ),
        (
            "anomalyclip",
            put("token_prefix_pos", torch.full((1, 1, 1, 128), torch.nan), "prompt_learner"),
            "token_prefix_pos has NaN or infinite values",
        ),
        ("vcpclip", put("prompt_norm.bias", torch.full((128,), torch.inf)), "prompt_norm.bias has NaN or infinite"),
        (
            "vcpclip",
            put("prompt_norm.bias", torch.zeros(128, dtype=torch.int64)),
            "prompt_norm.bias is int64, expected",
        ),
        ("vcpclip+", put("alpha", torch.tensor(torch.nan)), "alpha has NaN or infinite values"),
        (
            "anomalyclip",
            put("gate", torch.zeros(3), "prompt_learner"),
            "has prompt_learner.gate, which anomalyclip lacks",
        ),
        (
            "adaclip",
            put("clip_model.visual_prompter.static_prompts.1", torch.zeros(4, 256)),
            "has learned tokens of different lengths or depths",
        ),
        ("vcpclip", drop("Zero_try", "k_proj_pre_1.bias"), "lacks Zero_try.k_proj_pre_1.bias"),
        (
            "vcpclip",
            put("deep_prompt_embeddings", torch.zeros(11, 1, 128)),
            r"deep_prompt_embeddings is \(11, 1, 128\), expected \(3, 1, 128\)",
        ),
        ("vcpclip", put("prompt_temp", torch.zeros(1), "New_Lan_Embed"), r"prompt_temp is \(1,\), expected \(\)"),
        ("vcpclip+", lambda content: content.pop("alpha"), "lacks alpha"),
        ("vcpclip+", put("prompt_norm.bias", torch.ones(128)), "prompt_norm.bias differs from model.prompt_norm.bias"),
        ("vcpclip+", put("prompt_temp", torch.tensor(3.0), "New_Lan_Embed"), "has two temperatures"),
        (
            "vcpclip+",
            put("token_embedding.weight", torch.ones(49409, 128), "model"),
            "model.token_embedding.weight holds other word",
        ),
    ],
)
def test_a_file_that_does_not_fit_names_the_entry(name, change, message, contents, tower, tmp_path):
    torch.save(changed(contents[name], change), tmp_path / "wrong.pth")
    with pytest.raises(DataError, match=rf"wrong.pth is no checkpoint of {name.replace('+', '.')}.*{message}"):
        load_official_checkpoint(name, tmp_path / "wrong.pth", tower(**SETUPS[name]))


@pytest.mark.parametrize(
    "name, other, message",
    [
        ("anomalyclip", "vcpclip", "lacks prompt_learner.ctx_pos.*It may be another model's"),
        ("vcpclip", "anomalyclip", "lacks trainable_linearlayer.fc.0.weight.*and [0-9]+ more"),
        ("vcpclip", "april-gan", "lacks Zero_try"),
        ("vcpclip+", "vcpclip", "lacks model.prompt_embeddings.*entries are those of vcpclip:"),
        ("april-gan", "vcpclip", "has New_Lan_Embed.*which april-gan lacks.*entries are those of vcpclip:"),
        ("vcpclip", "adaclip", "entries are those of adaclip: load it as 'adaclip'"),
        ("adaclip", "aa-clip", "entries are those of aa-clip: load it as 'aa-clip'"),
        ("aa-clip", "adaclip", "lacks image_adapter.det_proj.fc.weight.*entries are those of adaclip"),
        ("adaclip", "vcpclip", "Its entries are those of vcpclip: load it as 'vcpclip'"),
    ],
)
def test_a_file_of_another_model(name, other, message, files, tower):
    with pytest.raises(DataError, match=message):
        load_official_checkpoint(name, files / f"{other}.pth", tower(**SETUPS[name]))


class Anything:
    """Something that a pickle could run."""


def test_a_foreign_class_is_named_and_nothing_is_advised_against_safety(files, tower, tmp_path):
    torch.save({"args": Anything()}, tmp_path / "some.pth")
    with pytest.raises(DataError, match=r"test_checkpoint_errors.Anything, and nothing in a file is run") as caught:
        load_official_checkpoint("vcpclip", tmp_path / "some.pth", tower(activation="gelu"))
    told = "".join(traceback.format_exception(caught.value))
    assert "\x1b" not in told and "weights_only" not in told


@pytest.mark.parametrize("content", [b"no checkpoint", b"", None, Anything()])
def test_what_is_no_checkpoint(content, tower, tmp_path):
    path = tmp_path / "some.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(
        DataError, match="some.pth cannot be read as a checkpoint of vcpclip .*; expected what its authors' code saves"
    ):
        load_official_checkpoint("vcpclip", path, tower(activation="gelu"))


def test_a_list_is_no_checkpoint(tower, tmp_path):
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    with pytest.raises(
        DataError, match="list.pth is no checkpoint of april-gan.*lacks trainable_linearlayer.fc.0.weight"
    ):
        load_official_checkpoint("april-gan", tmp_path / "list.pth", tower(activation="gelu"))


def test_models_without_official_files_and_options_that_are_none(files, tower):
    with pytest.raises(UnknownNameError, match="model with official checkpoints 'vcp-clip'.*Did you mean 'vcpclip'"):
        load_official_checkpoint("vcp-clip", files / "vcpclip.pth", tower(activation="gelu"))
    with pytest.raises(UnknownNameError, match="option of model 'vcpclip' 'fuse'"):
        load_official_checkpoint("vcpclip", files / "vcpclip.pth", tower(activation="gelu"), fuse=1)


def test_what_the_library_saved_is_no_file_of_the_authors(tower, tmp_path):
    backbone = tower(**SETUPS["april-gan"])
    model = load_model("april-gan", backbone)
    model.trained = {"by": "hand"}
    model.save(tmp_path / "mine.safetensors")
    message = r"`model.save` or `zsas train` wrote it, of april-gan; it is loaded with zsas.load_model\('april-gan'"
    with pytest.raises(DataError, match=message):
        load_official_checkpoint("april-gan", tmp_path / "mine.safetensors", backbone)
