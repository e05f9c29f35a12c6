import json
from dataclasses import asdict, replace

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from zsas_lib.backbones.configuration import build, named_configuration
from zsas_lib.backbones.words import WordTokenizer
from zsas_lib.data.embedded.naming import HELD_OUT, MATERIALS, NAMED_SHAPES, NAMES, TRAINED, NamedPictures
from zsas_lib.data.embedded.products import AUXILIARY, EVALUATION
from zsas_lib.training.zoo.__main__ import save
from zsas_lib.training.zoo.captions import WORDS, caption, subjects
from zsas_lib.training.zoo.learn import (
    TOKENIZER,
    FlatMuon,
    Member,
    claimed_names,
    draw_batch,
    fair,
    learn,
    sigmoid_loss,
    softmax_loss,
    step_loss,
)
from zsas_lib.training.zoo.recipes import BATCH, CONTEXT, RECIPES


def noise(count=300):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (count, 64, 64, 3), np.uint8)
    return NamedPictures(pictures, rng.integers(len(TRAINED), size=count))


def small(**changes):
    return replace(RECIPES["narrow"], pictures=300, steps=3, **changes)


def test_held_out_names_are_made_of_words_that_were_learnt():
    assert len(HELD_OUT) >= 96 and not {*HELD_OUT} & {*TRAINED} and {*HELD_OUT, *TRAINED} == {*NAMES}
    named = {product.name for product in AUXILIARY + EVALUATION if product.shape in NAMED_SHAPES}
    assert named <= {*HELD_OUT}
    for place in (0, 1):
        assert {name.split()[place] for name in HELD_OUT} <= {name.split()[place] for name in TRAINED}


def test_members_differ_from_the_reference_in_one_thing():
    reference = asdict(RECIPES["reference"])
    for recipe in RECIPES.values():
        changed = {key for key, value in asdict(recipe).items() if value != reference[key]}
        changed -= {"name", "axis", "value", "baseline", "seeds"}
        expected = {"filtered": {"wrong", "filtered"}, "tuned": {"loss", "steps", "begins"}}
        expected |= {"prompt": expected["tuned"], "tuned-captions": {"steps", "begins"}}
        assert changed == expected.get(recipe.name, changed)
        assert len(changed) <= 1 or recipe.name in expected


def test_captions_are_within_the_vocabulary_and_the_context():
    rng, tokenizer = np.random.default_rng(0), WordTokenizer(WORDS, CONTEXT)
    said = [caption(rng, about, style) for about in subjects("wooden ring") for style in ("photograph", "drawing")]
    assert not (tokenizer(said * 5) == 2).any()
    assert subjects("wooden ring") == ("wooden ring", "wooden part", "ring")


def test_the_softmax_loss_is_clips_where_all_captions_differ():
    logits = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    every = torch.ones(6, 6, dtype=torch.bool)
    found = softmax_loss(logits, torch.arange(6), every)
    assert found.item() == pytest.approx(
        (F.cross_entropy(logits, torch.arange(6)) + F.cross_entropy(logits.T, torch.arange(6))).item() / 2
    )
    alike = logits[:, :1].expand(-1, 2)
    again = softmax_loss(alike, torch.tensor([0, 0, 1, 1, 1, 1]), every[:, :2])  # two captions
    pictures = -logits[:, 0].log_softmax(0)
    expected = (np.log(2) + (pictures[:2].mean() + pictures[2:].mean()).item() / 2) / 2
    assert again.item() == pytest.approx(expected, abs=1e-5)


def test_the_sigmoid_loss_is_that_of_open_clip():
    image, text = F.normalize(torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    scale, bias = torch.tensor(10.0), torch.tensor(-6.0)
    expected = open_clip.loss.SigLipLoss()(image, text, scale, bias)
    logits, every = scale * image @ text.T + bias, torch.ones(5, 5, dtype=torch.bool)
    assert sigmoid_loss(logits, torch.arange(5), every).item() == pytest.approx(expected.item())


def test_what_is_held_out_is_never_held_against_a_picture():
    """Of all pairs of a learnt name and a caption of another one: by the list of held-out names itself."""
    every, held = torch.arange(len(TRAINED)), {*HELD_OUT}
    parts = [name.split() for name in TRAINED]
    crossed = {
        "name": lambda own, other: {f"{other[0]} {own[1]}", f"{own[0]} {other[1]}"},
        "material": lambda own, other: {f"{other[0]} {own[1]}"},
        "shape": lambda own, other: {f"{own[0]} {other[1]}"},
    }
    for kind, combined in crossed.items():
        expected = [[not combined(own, other) & held for other in parts] for own in parts]
        found = fair(every, every, kind)
        assert torch.equal(found, torch.tensor(expected)) and found.diagonal().all() and not found.all()


@pytest.mark.parametrize("loss", [softmax_loss, sigmoid_loss])
def test_what_is_not_fair_changes_no_loss(loss):
    drawn = torch.Generator().manual_seed(0)
    logits, said = torch.randn(4, 3, generator=drawn), torch.tensor([0, 1, 2, 2])
    may = torch.ones(4, 3, dtype=torch.bool)
    may[0, 2] = may[3, 0] = False
    others = torch.where(may, logits, torch.randn(4, 3, generator=drawn))
    assert torch.equal(loss(logits, said, may), loss(others, said, may))
    assert loss(logits, said, may) < loss(logits, said, torch.ones_like(may))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", ["labels", "prompt"])
def test_labels_are_not_held_against_a_picture_either(name):
    recipe = RECIPES[name]
    torch.manual_seed(0)
    member = Member(recipe).eval()
    pictures = noise(BATCH)
    batch = draw_batch(recipe, pictures, torch.from_numpy(pictures.names), np.arange(BATCH), 0, 0)
    one = replace(
        batch,
        pictures=batch.pictures[:1],
        names=batch.names[:1],
        said=[own[:1] for own in batch.said],
        fair=[own[:1] for own in batch.fair],
    )
    material, shape = TRAINED[one.names[0]].split()
    step_loss(recipe, member, one).backward()
    if name == "labels":
        moved = member.materials.grad.abs().sum(1) > 0
        expected = [f"{other} {shape}" in TRAINED for other in MATERIALS]
        assert moved.tolist() == expected and not all(expected)
        moved = member.shapes.grad.abs().sum(1) > 0
        assert moved.tolist() == [f"{material} {other}" in TRAINED for other in NAMED_SHAPES]
    else:
        assert member.prompt.grad.abs().sum() > 0
        words = member.clip.token_embedding.weight.grad.abs().sum(1) > 0
        moved = words[TOKENIZER(list(MATERIALS))[:, 1]]
        assert moved.tolist() == [f"{other} {shape}" in TRAINED for other in MATERIALS]


def test_kernels_are_stepped_as_the_matrices_of_their_rows():
    torch.manual_seed(0)
    kernel, gradient = torch.randn(6, 4, 3, 3), torch.randn(6, 4, 3, 3)
    weight = nn.Parameter(kernel.clone().contiguous(memory_format=torch.channels_last))
    matrix = nn.Parameter(kernel.permute(0, 2, 3, 1).flatten(1).clone())
    own = FlatMuon([weight], 0.1)
    other = torch.optim.Muon([matrix], lr=0.1, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    for _ in range(2):
        weight.grad = gradient.contiguous(memory_format=torch.channels_last)
        matrix.grad = gradient.permute(0, 2, 3, 1).flatten(1)
        own.step(), other.step()
    assert torch.allclose(weight.permute(0, 2, 3, 1).flatten(1), matrix, atol=1e-6)
    assert (weight - kernel).abs().max() > 1e-3


def test_the_share_of_wrong_captions_is_asked_for():
    pictures = noise(3000)
    right = claimed_names(replace(RECIPES["reference"], pictures=3000), pictures, 0)
    wrong = claimed_names(replace(RECIPES["noisy"], pictures=3000), pictures, 0)
    assert torch.equal(right, torch.from_numpy(pictures.names))
    assert (wrong != right).float().mean().item() == pytest.approx(0.15, abs=0.02)


@pytest.mark.slow
def test_a_stopped_training_ends_as_one_that_was_not(tmp_path):
    pictures, quiet = noise(), {"say": lambda line: None}
    whole = learn(small(), pictures, 0, tmp_path / "one", **quiet)
    learn(small(), pictures, 0, tmp_path / "two", stop=2, **quiet)
    again = learn(small(), pictures, 0, tmp_path / "two", **quiet)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert whole.core_seconds > 0


@pytest.mark.slow
def test_a_prompt_learns_nothing_else(tmp_path):
    begin = learn(small(), noise(), 0, tmp_path, say=lambda line: None)
    recipe = replace(RECIPES["prompt"], vision=RECIPES["narrow"].vision, pictures=300, steps=2)
    tuned = learn(recipe, noise(), 0, tmp_path, begin=begin, say=lambda line: None)
    changed = {name for name, value in tuned.state_dict().items() if not torch.equal(value, begin.state_dict()[name])}
    assert changed == {"prompt", "materials", "shapes"}  # the last two begin as the text tower has them
    assert tuned.named(recipe).norm(dim=-1).tolist() == pytest.approx([1.0] * len(NAMES), abs=1e-5)


@pytest.mark.parametrize("name", ["labels", "narrow"])
def test_of_a_member_that_reads_no_sentences_no_text_tower_is_kept(tmp_path, name):
    recipe, member = RECIPES[name], Member(RECIPES[name])
    save(recipe, 0, member, tmp_path)
    written = load_file(tmp_path / f"{name}-0.safetensors")
    own = {key: tensor.half() for key, tensor in member.clip.state_dict().items()}
    image = {key for key in written if key.startswith("visual.") or key == "logit_scale"}
    assert all(torch.equal(written[key], own[key]) for key in image) and len(image) > 20
    text = sum(written[key].numel() for key in written if key not in image)
    assert text < 1000 if name == "labels" else text > 50_000
    with safe_open(tmp_path / f"{name}-0.safetensors", "pt") as opened:
        architecture = json.loads(opened.metadata()["card"])["architecture"]
    built = build(name, named_configuration(architecture)).load_state_dict(written, strict=False)
    assert not built.unexpected_keys and all("num_batches" in key or key == "attn_mask" for key in built.missing_keys)
