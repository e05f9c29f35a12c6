import json
import traceback
from pathlib import Path

import open_clip
import pytest
import released
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from zsas_lib.backbones import registry as backbones
from zsas_lib.backbones.registry import load_backbone, register_backbone
from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.models.load import load_model
from zsas_lib.training.checkpoints import load_official_checkpoint

SAID = json.loads((Path(__file__).with_name("released.json")).read_text())
"""What the authors' programs said; released.py tells how they were run."""
SETUPS = {
    "aa-clip": {"activation": "gelu"},
    "adaclip": {"activation": "gelu", "positions": "bicubic_plain"},
    "af-clip": {"activation": "quick_gelu", "positions": "bilinear"},
    "anomalyclip": {"activation": "quick_gelu", "positions": "bilinear"},
    "april-gan": {"activation": "gelu"},
    "vcpclip": {"activation": "gelu"},
    "vcpclip+": {"activation": "gelu"},
}
OPTIONS = {"aa-clip": {"image_score": "pooled"}}
"""Released, its score is of all that are tested: test_scores_of_aa_clip_range_over_what_is_tested."""
FILES = {"af-clip": "af-clip_adaptor"}
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
        "aa-clip": released.aa_clip_checkpoints()[0],
        "adaclip": released.adaclip_checkpoint(),
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
    torch.save(released.aa_clip_checkpoints()[1], folder / "text_adapter.pth")
    released.save_af_clip(folder)
    (folder / "af-clip_adaptor.pt").rename(folder / "af-clip_adaptor.pth")
    (folder / "af-clip_prompt.pt").rename(folder / "af-clip_prompt.pth")
    return folder


@pytest.fixture(scope="module")
def models(files, tower):
    return {
        name: load_official_checkpoint(
            name, files / f"{FILES.get(name, name)}.pth", tower(**setup), **OPTIONS.get(name, {})
        )
        for name, setup in SETUPS.items()
    }


RELATIVE = {"aa-clip": 3e-6, "adaclip": 3e-6}
"""Of float32's rounding beside 5e-6, where numbers are as large as 12: AA-CLIP's maps and AdaCLIP's loss."""


def close(actual, expected, relative=0.0):
    torch.testing.assert_close(torch.as_tensor(actual), torch.tensor(expected), atol=5e-6, rtol=relative)


@pytest.mark.parametrize("name", SETUPS)
def test_maps_scores_and_losses_are_those_of_the_authors_programs(name, models):
    model, said, relative = models[name], SAID[name], RELATIVE.get(name, 0.0)
    features = model.features(released.images(), NAMES)
    maps, scores = model.compare(features, released.SIZE)
    close(maps[:, 8::16, 8::16], said["unsmoothed"], relative)
    close(maps.mean((1, 2)), said["unsmoothed_means"], relative)
    close(scores, said["score"], relative)
    close(model.loss(features, released.masks(), torch.tensor([True, False])), said["loss"], relative)
    prediction = model(released.images(), NAMES)
    close(prediction.anomaly_map[:, 8::16, 8::16], said["map"], relative)
    close(prediction.anomaly_map[:, [0, 0, -1, -1], [0, -1, 0, -1]], said["corners"], relative)
    close(prediction.image_score, said["score"], relative)


def test_scores_of_aa_clip_range_over_what_is_tested(files, tower):
    model = load_official_checkpoint("aa-clip", files / "aa-clip.pth", tower(**SETUPS["aa-clip"]))
    with pytest.raises(ValueError, match="has not been shown those of 'hazelnut'.*remember_tested"):
        model(released.images(), "hazelnut")
    model.remember("hazelnut", released.images())
    close(model(released.images(), "hazelnut").image_score, SAID["aa-clip"]["transductive"])


def test_the_text_stage_of_aa_clip_attends_over_the_batch_as_its_authors_program(models, files, tower):
    model = load_official_checkpoint("aa-clip", files / "aa-clip.pth", tower(**SETUPS["aa-clip"]))
    model.train()
    features = model.features(released.images(), NAMES)
    model.enter("text")
    close(model.loss(features, released.masks(), torch.tensor([True, False])), SAID["aa-clip"]["text_loss"])


def test_either_file_of_af_clip_will_do_and_the_other_lies_beside_it(models, files, tower, tmp_path):
    backbone = tower(**SETUPS["af-clip"])
    other = load_official_checkpoint("af-clip", files / "af-clip_prompt.pth", backbone)
    assert all(torch.equal(value, models["af-clip"].learnable()[name]) for name, value in other.learnable().items())
    released.save_af_clip(tmp_path, context=4)
    assert load_official_checkpoint("af-clip", tmp_path / "af-clip_adaptor.pt", backbone).options["context"] == 4
    (tmp_path / "af-clip_adaptor.pt").unlink()
    with pytest.raises(DataError, match="af-clip_adaptor.pt cannot be read.*there is no such file"):
        load_official_checkpoint("af-clip", tmp_path / "af-clip_prompt.pt", backbone)
    with pytest.raises(DataError, match="entries are those of af-clip: load it as 'af-clip'"):
        load_official_checkpoint("adaclip", files / "af-clip_adaptor.pth", tower(**SETUPS["adaclip"]))


@pytest.mark.parametrize("image_blocks, text_blocks, relu", [(0, 0, False), (8, 4, False), (1, 2, True)])
def test_aa_clip_with_other_numbers_of_adapters(image_blocks, text_blocks, relu, tower, tmp_path):
    image, text = released.aa_clip_checkpoints(image_blocks, text_blocks, relu)
    torch.save(image, tmp_path / "image_adapter_20.pth")
    plain = load_official_checkpoint("aa-clip", tmp_path / "image_adapter_20.pth", tower(**SETUPS["aa-clip"]))
    assert plain.options["text"] == "plain"
    torch.save(text, tmp_path / "text_adapter.pth")
    model = load_official_checkpoint("aa-clip", tmp_path / "image_adapter_20.pth", tower(**SETUPS["aa-clip"]))
    said = {name: model.options[name] for name in ("image_blocks", "text_blocks", "relu", "text")}
    assert said == {"image_blocks": image_blocks, "text_blocks": text_blocks, "relu": relu, "text": "adapted"}
    assert model.recipe.rates.keys() == {name for name in model.learnable() if name.startswith("text_")}


@pytest.mark.parametrize(
    "name, setup, options",
    [
        ("anomalyclip", {}, {"class_norm": True}),
        ("anomalyclip", {}, {"local": "query"}),
        ("anomalyclip", {}, {"smoothing": 5.0}),
        ("vcpclip", {}, {"fusion": 0.75}),
        ("vcpclip", {}, {"image_score": "map"}),
        ("adaclip", {}, {"words": "kept"}),
        ("aa-clip", {}, {"image_score": "inductive"}),
        ("aa-clip", {}, {"blur": 1.5}),
        ("adaclip", {}, {"clustering": "off"}),
        ("adaclip", {}, {"clustering": "highest"}),
    ],
)
def test_other_choices_say_something_else(name, setup, options, files, tower, models):
    backbone = tower(**SETUPS[name] | setup)
    options = OPTIONS.get(name, {}) | options
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
    assert not says_what_the_authors_program_said(model, name)


def says_what_the_authors_program_said(model, name):
    maps, _ = model.compare(model.features(released.images(), NAMES), released.SIZE)
    return (maps[:, 8::16, 8::16] - torch.tensor(SAID[name]["unsmoothed"])).abs().max() < 1e-3


@pytest.mark.parametrize(
    "name, positions",
    [("adaclip", "bicubic"), ("anomalyclip", "bicubic"), ("april-gan", "bilinear"), ("vcpclip", "bilinear")],
)
def test_other_positions_are_told(name, positions, files, tower):
    backbone = tower(**SETUPS[name] | {"positions": positions})
    wanted = SETUPS[name].get("positions", "bicubic")
    message = rf"positions '{wanted}', backbone 'released' has '{positions}'; .*positions='{wanted}'\)"
    with pytest.warns(UserWarning, match=message):
        model = load_official_checkpoint(name, files / f"{name}.pth", backbone)
    assert not says_what_the_authors_program_said(model, name)


def test_april_gan_says_the_names_as_its_authors_do_unless_asked_otherwise(files, tower, models):
    assert models["april-gan"].options["raw_names"]
    words = load_official_checkpoint("april-gan", files / "april-gan.pth", tower(activation="gelu"), raw_names=False)
    assert not torch.allclose(words.text_features("metal_nut"), models["april-gan"].text_features("metal_nut"))


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


def anomalyclip_text(clip, saved, ids):
    """AnomalyCLIP's sentences as its authors encode them: all 77 tokens, prompts put over positions 1 and following
    before every block but the first, as far as there are any."""
    parts = [
        torch.cat([saved[f"token_prefix_{end}"], saved[f"ctx_{end}"], saved[f"token_suffix_{end}"]], 2)[0]
        for end in ("pos", "neg")
    ]
    states = torch.cat(parts) + clip.positional_embedding
    for number, block in enumerate(clip.transformer.resblocks):
        prompt = saved.get(f"compound_prompts_text.{number - 1}")
        if prompt is not None:
            states = states.clone()
            states[:, 1 : 1 + len(prompt)] = prompt.half().float()
        states = block(states, attn_mask=clip.attn_mask)
    ends = ids.argmax(-1)
    return F.normalize(clip.ln_final(states)[torch.arange(2), ends] @ clip.text_projection, dim=-1)


@pytest.mark.parametrize(
    "context, depth, compound", [(12, 1, 4), (4, 3, 2), (16, 4, 8), (12, 2, 0), (2, 3, 4), (2, 3, 9), (72, 2, 4)]
)
def test_anomalyclip_with_other_prompt_lengths(context, depth, compound, clip_state, tower, tmp_path):
    backbone = tower(**SETUPS["anomalyclip"])
    ids = backbone.tokenizer([" ".join(["X"] * context + [ending]) for ending in ("object.", "damaged object.")])
    content = released.anomalyclip_checkpoint(clip_state["token_embedding.weight"], ids, context, depth, compound)
    torch.save(content, tmp_path / "theirs.pth")
    model = load_official_checkpoint("anomalyclip", tmp_path / "theirs.pth", backbone)
    expected = anomalyclip_text(backbone.clip, content["prompt_learner"], ids)
    torch.testing.assert_close(model.text_features(), expected, atol=2e-6, rtol=0)
    model.save(tmp_path / "ours.safetensors")
    again = load_model("anomalyclip", backbone, checkpoint=tmp_path / "ours.safetensors", **model.options)
    assert torch.equal(again.text_features(), model.text_features())


def vcpclip_text(clip, saved, whole):
    """VCP-CLIP's two sentences about each image as its authors encode them: all 77 tokens, cut at the tail."""
    linear, norm = ((saved[f"prompt_{name}.weight"], saved[f"prompt_{name}.bias"]) for name in ("proj", "norm"))
    before, count = saved["New_Lan_Embed"], saved["prompt_embeddings"].shape[1]
    rows = []
    for image in whole:
        convolved = F.conv1d(
            image[None, None], before["prompt_linear1.fc.weight"], before["prompt_linear1.fc.bias"], padding=1
        )
        word = before["prompt_query"][0] + convolved[0]
        for state in ("good", "damaged"):
            ids = open_clip.tokenize([f"a photo of a {state} X"])[0]
            end = int(ids.argmax()) + len(word) - 1
            states = clip.token_embedding(ids)
            states = torch.cat([states[:6], word, states[7:]])[:77] + clip.positional_embedding
            deep = [saved["prompt_embeddings"][0], *saved["deep_prompt_embeddings"]]
            for number, block in enumerate(clip.transformer.resblocks):
                prompts = F.linear(deep[number], *linear)
                states = torch.cat([states[:1], prompts, states[1 if number == 0 else 1 + count :]])[:77]
                states = block(states[None], attn_mask=clip.attn_mask)[0]
            states = torch.cat([states[:1], states[1 + count :]])
            states = clip.ln_final(F.layer_norm(states, states.shape[-1:], *norm, eps=1e-6))
            rows.append(F.normalize(states[end] @ clip.text_projection, dim=-1))
    return torch.stack(rows).unflatten(0, (len(whole), 2))


@pytest.mark.parametrize("words, deep", [(1, 1), (3, 2), (5, 4), (60, 10)])
def test_vcpclip_with_other_prompt_lengths(words, deep, tower, tmp_path):
    backbone, content = tower(activation="gelu"), released.vcpclip_checkpoint(words, deep)
    torch.save(content, tmp_path / "theirs.pth")
    model = load_official_checkpoint("vcpclip", tmp_path / "theirs.pth", backbone)
    assert (model.options["class_tokens"], model.options["deep_tokens"]) == (words, deep)
    whole = model.features(released.images(), NAMES)["whole"]
    with torch.no_grad():
        expected = vcpclip_text(backbone.clip, content, whole)
        torch.testing.assert_close(model.text_features(whole), expected, atol=5e-6, rtol=0)


def test_the_towers_in_a_file_of_vcpclip_plus_must_be_the_backbones(files, contents, clip_state, tower, tmp_path):
    with pytest.raises(
        DataError, match=r"visual.positional_embedding holds other positions \(bicubic ones, not bilinear"
    ):
        load_official_checkpoint("vcpclip+", files / "vcpclip+.pth", tower(activation="gelu", positions="bilinear"))
    for entry, said in (
        ("visual.transformer.resblocks.7.mlp.c_fc.weight", "weights of the image tower"),
        ("visual.conv1.weight", "weights of the image tower"),
        ("visual.positional_embedding", "positions"),
        ("transformer.resblocks.0.ln_1.bias", "weights of the text tower"),
        ("text_projection", "weights of the text tower"),
    ):
        other = contents["vcpclip+"]["model"][entry] * 1.01
        torch.save(changed(contents["vcpclip+"], put(entry, other, "model")), tmp_path / "other.pth")
        with pytest.raises(DataError, match=f"model.{entry} holds other {said} than the backbone"):
            load_official_checkpoint("vcpclip+", tmp_path / "other.pth", tower(activation="gelu"))
    native = put("visual.positional_embedding", clip_state["visual.positional_embedding"], "model")
    torch.save(changed(contents["vcpclip+"], native), tmp_path / "native.pth")
    with pytest.raises(DataError, match=r"visual.positional_embedding is \(17, 256\), expected \(65, 256\)"):
        load_official_checkpoint("vcpclip+", tmp_path / "native.pth", tower(activation="gelu"))


def test_towers_rounded_to_half_precision_or_run_in_bfloat16_are_the_same(files, contents, tower, tmp_path):
    half = {name: value.half() for name, value in contents["vcpclip+"]["model"].items() if "prompt" not in name}
    torch.save(changed(contents["vcpclip+"], lambda content: content["model"].update(half)), tmp_path / "half.pth")
    assert load_official_checkpoint("vcpclip+", tmp_path / "half.pth", tower(activation="gelu")).trained
    fast = tower(activation="gelu", precision="bfloat16")
    assert load_official_checkpoint("vcpclip+", files / "vcpclip+.pth", fast).trained


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
    with pytest.raises(DataError, match=r"test_checkpoints.Anything, and nothing in a file is run") as caught:
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
