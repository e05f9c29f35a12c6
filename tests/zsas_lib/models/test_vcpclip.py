import math

import pytest
import torch
import torch.nn.functional as F
from tiny_clip import tiny, tiny_backbone
from trained import trained

from zsas_lib.base.errors import OptionError
from zsas_lib.losses import dice_loss, focal_loss
from zsas_lib.models.load import load_model
from zsas_lib.models.vcpclip import PostVCP

TEXT = {**tiny()["text_cfg"], "layers": 3}
SAME_WIDTH = {**tiny(layers=4), "embed_dim": 32, "text_cfg": TEXT}
"""Image embeddings as wide as text tokens, as in every released model."""


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone(SAME_WIDTH)


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def masks():
    masks = torch.zeros(2, 32, 32, dtype=torch.bool)
    masks[0, 5:20, 3:9] = True
    return masks


def class_word_by_hand(model, whole):
    """The tokens in the class word's place for one picture."""
    word = model.class_word
    if model.options["idp"]:
        mixed = word.mixture.weight[0] @ word.vectors[0] + word.mixture.bias
        mixed = F.layer_norm(mixed, mixed.shape, word.norm.weight, word.norm.bias)
        return (word.linear.weight @ torch.cat([whole, mixed]) + word.linear.bias)[None]
    padded, kernel = F.pad(whole, (1, 1)), word.convolution.weight[:, 0]
    added = [sum(kernel[token, k] * padded[k : k + len(whole)] for k in range(3)) for token in range(2)]
    return word.tokens[0] + torch.stack(added) + word.convolution.bias[:, None]


def sentence_by_hand(model, word, number):
    """One sentence about one picture, 77 tokens long, through open_clip's own blocks."""
    clip, prompts = model.backbone.clip, model.deep_prompts
    ids = model.backbone.tokenizer([("a photo of a good X", "a photo of a damaged X")[number]])[0]
    tokens = clip.token_embedding(ids)
    tokens = (torch.cat([tokens[:6], word, tokens[7:]])[:77] + clip.positional_embedding)[None]
    for block, layer in enumerate(clip.transformer.resblocks):
        prompt = (prompts.prompts[block] @ prompts.linear.weight.T + prompts.linear.bias)[None]
        rest = tokens[:, 1:76] if block == 0 else tokens[:, 2:]
        tokens = layer(torch.cat([tokens[:, :1], prompt, rest], 1), attn_mask=clip.attn_mask)
    end = tokens[0, 7 + len(word)]
    end = F.layer_norm(end, end.shape, prompts.norm.weight, prompts.norm.bias, 1e-6)
    return F.normalize(clip.ln_final(end) @ clip.text_projection, dim=-1)


@pytest.mark.parametrize("name", ["vcpclip", "vcpclip+"])
def test_sentences_equal_a_hand_computation_over_the_whole_context(name, backbone, images):
    model = trained(name, backbone)
    whole = model.features(images, ["pill"] * 2)["whole"]
    with torch.no_grad():
        words = [class_word_by_hand(model, row) for row in whole]
        expected = torch.stack(
            [torch.stack([sentence_by_hand(model, word, number) for number in (0, 1)]) for word in words]
        )
    assert words[0].shape == ((1 if name == "vcpclip+" else 2), 32)
    torch.testing.assert_close(model.text_features(whole), expected, atol=1e-5, rtol=0)
    assert (expected[0] - expected[1]).abs().max() > 1e-3


@pytest.mark.slow
def test_the_map_of_the_vcp_branch_begins_at_a_half():
    """Attention begins uniform, so both sentences become nearly the same mean of values."""
    model = load_model("vcpclip", tiny_backbone(tiny(width=256, head_width=64)))
    assert model.post_vcp.heads == 2
    generator = torch.Generator().manual_seed(0)
    features = {
        "whole": torch.randn(2, 24, generator=generator),
        "patches": torch.randn(2, 4, 16, 256, generator=generator),
    }
    clip, vcp = model.branch_maps(features, 16)
    assert (vcp - 0.5).abs().max() < 0.01 < (clip - 0.5).abs().max()


def test_the_sentences_attend_to_patches_head_by_head():
    attention = PostVCP(24, 1024)
    assert attention.heads == 8 and PostVCP(24, 32).heads == 1
    generator = torch.Generator().manual_seed(0)
    text, patches = (
        F.normalize(torch.randn(1, 2, 24, generator=generator), dim=-1),
        torch.randn(1, 3, 9, 1024, generator=generator),
    )
    said = attention(text, patches)
    for layer in range(3):
        query, key, value = (
            attention.query(text[0]),
            attention.key(patches[0, layer]),
            attention.value(patches[0, layer]),
        )
        parts = [
            (query[:, part] @ key[:, part].T).softmax(-1) @ value[:, part]
            for part in (slice(128 * head, 128 * (head + 1)) for head in range(8))
        ]
        expected = F.normalize(attention.output(torch.cat(parts, -1)), dim=-1)
        torch.testing.assert_close(said[0, layer], expected, atol=1e-5, rtol=0)


def branch_maps_by_hand(model, features, temperatures):
    patches, text = features["patches"], model.text_features(features["whole"])
    found = []
    for branch, temperature in enumerate(temperatures):
        for layer, projection in enumerate(model.projections):
            unit = F.normalize(patches[:, layer], dim=-1)
            if branch == 0:
                logits = F.normalize(projection(patches[:, layer]), dim=-1) @ text.mT
            else:
                logits = unit @ model.post_vcp(text, unit[:, None])[:, 0].mT
            planes = (logits / temperature).mT.reshape(2, 2, 4, 4)
            found.append(F.interpolate(planes, (32, 32), mode="bilinear", align_corners=True).softmax(1)[:, 1])
    return torch.stack(found).unflatten(0, (2, 4)).transpose(1, 2)


def test_map_and_score_of_vcpclip_equal_a_hand_computation(backbone, images):
    model = trained("vcpclip", backbone)
    features = model.features(images, ["pill"] * 2)
    temperatures = (-model.log_scales).exp()
    branches = branch_maps_by_hand(model, features, temperatures)
    torch.testing.assert_close(model.branch_maps(features, 32), branches, atol=1e-5, rtol=0)
    maps, scores = model.compare(features, 32)
    means = branches.mean(2)
    torch.testing.assert_close(maps, 0.25 * means[0] + 0.75 * means[1], atol=1e-5, rtol=0)
    kept = round(2000 * 32**2 / 518**2)
    tops = [mean.flatten(1).sort(descending=True).values[:, :kept].mean(1) for mean in means]
    torch.testing.assert_close(scores, tops[0] + tops[1], atol=1e-5, rtol=0)
    assert temperatures[0] != temperatures[1]


def test_branches_are_fused_per_layer_or_after_their_mean_alike(backbone, images):
    model = trained("vcpclip+", backbone)
    features = model.features(images, ["pill"] * 2)
    branches = branch_maps_by_hand(model, features, (0.07, 0.07))
    share = 1 / (1 + math.exp(-model.alpha.item()))
    fused = (share * branches[1] + (1 - share) * branches[0]).mean(1)
    torch.testing.assert_close(model.compare(features, 32)[0], fused, atol=1e-5, rtol=0)


def test_the_image_score_ignores_alpha_unless_it_is_that_of_the_map(backbone, images):
    for image_score, same in (("branches", True), ("map", False)):
        model = trained("vcpclip+", backbone, image_score=image_score)
        features = model.features(images, ["pill"] * 2)
        first_map, first = model.compare(features, 32)
        with torch.no_grad():
            model.alpha.fill_(-3.0)
        second_map, second = model.compare(features, 32)
        assert torch.equal(first, second) == same and not torch.equal(first_map, second_map)


@pytest.mark.parametrize("uniop", [False, True])
@pytest.mark.parametrize("loreb", [False, True])
def test_loss_of_every_combination(uniop, loreb, backbone, images, masks):
    model = trained("vcpclip", backbone, temperature=0.07, uniop=uniop, loreb=loreb)
    features = model.features(images, ["pill"] * 2)
    branches = model.branch_maps(features, 32)
    if uniop:
        share = model.alpha.sigmoid()
        maps = [share * branches[1, :, layer] + (1 - share) * branches[0, :, layer] for layer in range(4)]
    else:
        maps = [branches[branch, :, layer] for branch in range(2) for layer in range(4)]
    focal, dice = sum(focal_loss(map_, masks) for map_ in maps), sum(dice_loss(map_, masks) for map_ in maps)
    expected = focal + dice
    if loreb:
        expected = model.beta.sigmoid() * focal + (1 - model.beta.sigmoid()) * dice
    torch.testing.assert_close(model.loss(features, masks, torch.tensor([True, False])), expected)


def test_beta_can_only_rise_where_the_focal_loss_is_the_smaller(backbone, images, masks):
    """What training lowers falls when beta rises: sigma(beta) is an annealing schedule."""
    model = load_model("vcpclip+", backbone)
    model.beta.requires_grad_(True)
    loss = model.loss(model.features(images, ["pill"] * 2), masks, torch.tensor([True, False]))
    (gradient,) = torch.autograd.grad(loss, model.beta)
    assert gradient < 0


def numbers(watched):
    return {name: value.item() for name, value in watched.items()}


def test_names_switches_and_what_is_watched(backbone):
    plus, plain = load_model("vcpclip+", backbone), load_model("vcpclip", backbone)
    assert plus.name == "vcpclip+" and plain.name == "vcpclip"
    assert load_model("vcpclip+", backbone, idp=False).name == "vcpclip"
    assert numbers(plus.watched()) == pytest.approx(
        {"vcp_share": 1 / (1 + math.exp(-0.5)), "focal_share": 1 / (1 + math.exp(-0.5))}
    )
    assert numbers(plain.watched()) == pytest.approx({"clip_temperature": 0.07, "vcp_temperature": 0.07})
    learned = plus.learnable().keys() | plain.learnable().keys()
    assert set(plus.recipe.rates) <= learned


@pytest.mark.slow
def test_parameters_begin_as_the_released_code_draws_them():
    width = {**TEXT, "width": 512, "heads": 4}
    backbone = tiny_backbone({**tiny(), "text_cfg": width})
    model = load_model("vcpclip", backbone)
    prompts, linear, word = model.deep_prompts.prompts, model.deep_prompts.linear, model.class_word
    assert (
        prompts.shape == (3, 1, 512)
        and prompts.abs().max() <= 1
        and prompts.std().item() == pytest.approx(3**-0.5, rel=0.05)
    )
    assert linear.weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)
    assert linear.bias.abs().max() <= 512**-0.5
    assert word.tokens.shape == (1, 2, 512) and word.tokens.abs().max() <= 2
    direct = load_model("vcpclip+", backbone, tokens=5).class_word
    assert direct.vectors.shape == (1, 5, 512) and direct.vectors.std().item() == pytest.approx(1, rel=0.05)


@pytest.mark.slow
def test_dropout_is_for_training_only(backbone, images, masks):
    model = trained("vcpclip", backbone)
    features = model.features(images, ["pill"] * 2)

    def loss():
        return model.loss(features, masks, torch.tensor([True, False]))

    assert loss() == loss()
    model.train()
    torch.manual_seed(0)
    assert loss() != loss()
    model.freeze()
    assert loss() == loss()


def test_dropout_takes_others_from_each_sentence(backbone):
    prompts = trained("vcpclip", backbone).deep_prompts.train()
    torch.manual_seed(0)
    put = prompts.put_before(1, torch.zeros(6, 8, backbone.text.width))[:, 1 : 1 + prompts.prompts.shape[1]]
    assert all((put[0] != other).any() for other in put[1:])
    kept = prompts.eval().put_before(1, torch.zeros(6, 8, backbone.text.width))
    assert (kept == kept[:1]).all()


def test_a_bounded_temperature_begins_like_a_learned_one_and_stays_between_its_bounds(backbone, images, masks):
    bounded, learned = (load_model("vcpclip", backbone, temperature=how) for how in ("bounded", "learned"))
    assert bounded.name == "vcpclip" and bounded.learnable().keys() == learned.learnable().keys()
    assert numbers(bounded.watched()) == pytest.approx({"clip_temperature": 0.07, "vcp_temperature": 0.07})
    features = bounded.features(images, ["pill"] * 2)
    torch.testing.assert_close(bounded.compare(features, 32)[0], learned.compare(features, 32)[0])
    with torch.no_grad():
        bounded.log_scales.copy_(math.log(1 / 0.07) + torch.tensor([-2.0, 2.0]))  # flatter, and sharper
    expected = [0.01 + 0.12 / (1 + math.exp(-2)), 0.01 + 0.12 / (1 + math.exp(2))]
    assert bounded.temperatures().tolist() == pytest.approx(expected, rel=1e-5)
    by_hand = branch_maps_by_hand(bounded, features, expected)
    torch.testing.assert_close(bounded.branch_maps(features, 32), by_hand, atol=1e-5, rtol=0)
    with torch.no_grad():
        bounded.log_scales.copy_(torch.tensor([-1e4, 1e4]))
    assert bounded.temperatures().tolist() == pytest.approx([0.13, 0.01], rel=1e-5)
    for wrong in ((0.1, 0.2), (0.01, 0.05), (0.01,), (0.07, 0.1)):
        with pytest.raises(OptionError, match="expected two, with 0.07, where both temperatures begin, between them"):
            load_model("vcpclip", backbone, temperature="bounded", temperature_bounds=wrong)
    with pytest.raises(OptionError, match="'learned', 'bounded' or a number"):
        load_model("vcpclip", backbone, temperature="free")
