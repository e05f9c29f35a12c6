import json
from pathlib import Path

import pytest
import released
import torch
from safetensors.torch import save_file

from zsas_lib.backbones import registry as backbones
from zsas_lib.backbones.registry import load_backbone, register_backbone
from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.models.load import load_model
from zsas_lib.training.checkpoints import load_official_checkpoint

SAID = json.loads((Path(__file__).with_name("released.json")).read_text())
"""What the authors' programs said; released.py tells how they were run."""
SETUPS = {
    "anomalyclip": {"activation": "quick_gelu", "positions": "bilinear"},
    "april-gan": {"activation": "gelu"},
    "vcpclip": {"activation": "gelu"},
    "vcpclip+": {"activation": "gelu"},
}
SENTENCES = [" ".join(["X"] * 12 + [ending]) for ending in ("object.", "damaged object.")]
NAMES = ["hazelnut", "bottle"]


@pytest.fixture(scope="module")
def clip_state():
    return released.clip_state()


@pytest.fixture(scope="module")
def tower(clip_state, tmp_path_factory):
    """Backbones with the released weights, by set-up."""
    file = tmp_path_factory.mktemp("clip") / "clip.safetensors"
    save_file(clip_state, file)
    made = {}

    def load(**setup):
        key = tuple(sorted(setup.items()))
        if key not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(backbones, "_REGISTERED", {})
                register_backbone("released", architecture=released.ARCHITECTURE, pretrained=file)
                made[key] = load_backbone("released", image_size=released.SIZE, device="cpu", **setup)
        return made[key]

    return load


@pytest.fixture(scope="module")
def contents(clip_state, tower):
    ids = tower(activation="gelu").tokenizer(SENTENCES)
    return {
        "anomalyclip": released.anomalyclip_checkpoint(clip_state["token_embedding.weight"], ids),
        "april-gan": {"trainable_linearlayer": released.linear_layers()},
        "vcpclip": released.vcpclip_checkpoint(),
        "vcpclip+": released.vcpclip_plus_checkpoint(clip_state),
    }


@pytest.fixture(scope="module")
def files(contents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("official")
    for name, content in contents.items():
        torch.save(content, folder / f"{name}.pth")
    return folder


@pytest.fixture(scope="module")
def models(files, tower):
    return {
        name: load_official_checkpoint(name, files / f"{name}.pth", tower(**setup)) for name, setup in SETUPS.items()
    }


def close(actual, expected):
    torch.testing.assert_close(torch.as_tensor(actual), torch.tensor(expected), atol=5e-6, rtol=0)


@pytest.mark.parametrize("name", SETUPS)
def test_maps_scores_and_losses_are_those_of_the_authors_programs(name, models):
    model, said = models[name], SAID[name]
    features = model.features(released.images(), NAMES)
    maps, scores = model.compare(features, released.SIZE)
    close(maps[:, 8::16, 8::16], said["unsmoothed"])
    close(maps.mean((1, 2)), said["unsmoothed_means"])
    close(scores, said["score"])
    close(model.loss(features, released.masks(), torch.tensor([True, False])), said["loss"])
    prediction = model(released.images(), NAMES)
    close(prediction.anomaly_map[:, 8::16, 8::16], said["map"])
    close(prediction.anomaly_map[:, [0, 0, -1, -1], [0, -1, 0, -1]], said["corners"])
    close(prediction.image_score, said["score"])


@pytest.mark.parametrize(
    "name, setup, options",
    [
        ("anomalyclip", {"positions": "bicubic"}, {}),
        ("anomalyclip", {}, {"class_norm": True}),
        ("anomalyclip", {}, {"local": "query"}),
        ("anomalyclip", {}, {"smoothing": 5.0}),
        ("vcpclip", {}, {"fusion": 0.75}),
        ("vcpclip", {}, {"image_score": "map"}),
    ],
)
def test_other_choices_say_something_else(name, setup, options, files, tower, models):
    backbone = tower(**SETUPS[name] | setup)
    other = load_official_checkpoint(name, files / f"{name}.pth", backbone, **options)(released.images(), NAMES)
    own = models[name](released.images(), NAMES)
    assert (
        max((other.anomaly_map - own.anomaly_map).abs().max(), (other.image_score - own.image_score).abs().max()) > 1e-3
    )


@pytest.mark.parametrize("name, activation", [("anomalyclip", "gelu"), ("vcpclip", "quick_gelu")])
def test_another_activation_is_told(name, activation, files, tower):
    backbone = tower(**SETUPS[name] | {"activation": activation})
    wanted = SETUPS[name]["activation"]
    with pytest.warns(UserWarning, match=f"activation '{wanted}', backbone 'released' has '{activation}'"):
        model = load_official_checkpoint(name, files / f"{name}.pth", backbone)
    maps, _ = model.compare(model.features(released.images(), NAMES), released.SIZE)
    assert (maps[:, 8::16, 8::16] - torch.tensor(SAID[name]["unsmoothed"])).abs().max() > 1e-3


def test_what_was_loaded_is_recorded_and_can_be_saved(models, files, tower, tmp_path):
    model = models["vcpclip+"]
    assert (
        model.name == "vcpclip+"
        and model.trained["official_file"] == "vcpclip+.pth"
        and len(model.trained["sha256"]) == 64
    )
    assert model.options["temperature"] == 0.07 and model.options["tokens"] == 3
    assert model.alpha.sigmoid().item() == pytest.approx(0.7) and model.beta.item() == 0.5
    model.save(tmp_path / "own.safetensors")
    again = load_model("vcpclip+", tower(**SETUPS["vcpclip+"]), checkpoint=tmp_path / "own.safetensors")
    assert again.trained == model.trained and torch.equal(again.alpha, model.alpha)
    assert models["vcpclip"].options["fusion"] == 0.8
    assert models["anomalyclip"].options["compound_depth"] == 0.75


def test_compound_prompts_are_rounded_as_the_authors_do(models, contents):
    exact = contents["anomalyclip"]["prompt_learner"]["compound_prompts_text.0"]
    assert torch.equal(models["anomalyclip"].compound[0], exact.half().float())
    assert not torch.equal(models["anomalyclip"].compound[0], exact)


def changed(content, change):
    """A copy of a checkpoint after `change`, parts copied, tensors not."""
    copy = {key: dict(value) if isinstance(value, dict) else value for key, value in content.items()}
    change(copy)
    return copy


def drop(part, key):
    return lambda content: content[part].pop(key)


def put(key, value, part=None):
    return lambda content: (content[part] if part else content).update({key: value})


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
            put("gate", torch.zeros(3), "prompt_learner"),
            "has prompt_learner.gate, which anomalyclip lacks",
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
        ("vcpclip+", "vcpclip", "lacks model.prompt_embeddings"),
        ("april-gan", "vcpclip", "has New_Lan_Embed.*which april-gan lacks"),
    ],
)
def test_a_file_of_another_model(name, other, message, files, tower):
    with pytest.raises(DataError, match=message):
        load_official_checkpoint(name, files / f"{other}.pth", tower(**SETUPS[name]))


class Anything:
    """Something that a pickle could run."""


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
