import json
from pathlib import Path

import open_clip
import pytest
import released
import torch
import torch.nn.functional as F
from official_files import OPTIONS, SETUPS, changed, put

from zsas_lib.base.errors import DataError
from zsas_lib.models.load import load_model
from zsas_lib.training.checkpoints import load_official_checkpoint

SAID = json.loads((Path(__file__).with_name("released.json")).read_text())
"""What the authors' programs said; released.py tells how they were run."""
NAMES = ["hazelnut", "bottle"]


RELATIVE = {"aa-clip": 3e-6, "adaclip": 3e-6}
"""Of float32's rounding beside 5e-6, where numbers are as large as 12: AA-CLIP's maps and AdaCLIP's loss."""


def close(actual, expected, relative=0.0):
    torch.testing.assert_close(torch.as_tensor(actual), torch.tensor(expected), atol=5e-6, rtol=relative)


@pytest.mark.slow
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


@pytest.mark.slow
def test_scores_of_aa_clip_range_over_what_is_tested(files, tower):
    model = load_official_checkpoint("aa-clip", files / "aa-clip.pth", tower(**SETUPS["aa-clip"]))
    with pytest.raises(ValueError, match="has not been shown those of 'hazelnut'.*remember_tested"):
        model(released.images(), "hazelnut")
    model.remember("hazelnut", released.images())
    close(model(released.images(), "hazelnut").image_score, SAID["aa-clip"]["transductive"])


@pytest.mark.slow
def test_the_text_stage_of_aa_clip_attends_over_the_batch_as_its_authors_program(models, files, tower):
    model = load_official_checkpoint("aa-clip", files / "aa-clip.pth", tower(**SETUPS["aa-clip"]))
    model.train()
    features = model.features(released.images(), NAMES)
    model.enter("text")
    close(model.loss(features, released.masks(), torch.tensor([True, False])), SAID["aa-clip"]["text_loss"])


@pytest.mark.slow
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


@pytest.mark.slow_after(1)
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


@pytest.mark.slow
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


@pytest.mark.slow_after(1)
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_april_gan_says_the_names_as_its_authors_do_unless_asked_otherwise(files, tower, models):
    assert models["april-gan"].options["raw_names"]
    words = load_official_checkpoint("april-gan", files / "april-gan.pth", tower(activation="gelu"), raw_names=False)
    assert not torch.allclose(words.text_features("metal_nut"), models["april-gan"].text_features("metal_nut"))


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow_after(1)
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_towers_rounded_to_half_precision_or_run_in_bfloat16_are_the_same(files, contents, tower, tmp_path):
    half = {name: value.half() for name, value in contents["vcpclip+"]["model"].items() if "prompt" not in name}
    torch.save(changed(contents["vcpclip+"], lambda content: content["model"].update(half)), tmp_path / "half.pth")
    assert load_official_checkpoint("vcpclip+", tmp_path / "half.pth", tower(activation="gelu")).trained
    fast = tower(activation="gelu", precision="bfloat16")
    assert load_official_checkpoint("vcpclip+", files / "vcpclip+.pth", fast).trained
