"""AA-CLIP's parts against plain computations; tests/zsas_lib/training/test_checkpoints.py has its authors' numbers."""

import pytest
import torch
import torch.nn.functional as F
from small_towers import TEXTS, TOKENS, small, with_text
from tiny_clip import tiny, tiny_backbone
from toy import toy_dataset
from trained import trained

from zsas_lib.base.errors import OptionError
from zsas_lib.evaluation.complexity import parameter_counts, shapes_only
from zsas_lib.models.aa_clip import remember_tested
from zsas_lib.models.learned import UntrainedModelError
from zsas_lib.models.load import load_model
from zsas_lib.models.prompts import aa_clip_prompts

NAMES = ["metal_nut", "pill"]


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone(tiny(layers=5) | {"text_cfg": {**tiny()["text_cfg"], "layers": 3}})


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
def test_as_many_parameters_as_the_released_model_has():
    with torch.device("meta"):
        model = load_model("aa-clip", shapes_only("vit-l-14-336", image_size=518))
    sizes = {name: value.numel() for name, value in model.learnable().items()}
    assert sum(size for name, size in sizes.items() if name.startswith("text_")) == 2_359_296
    assert parameter_counts(model).learned == 12_582_912
    assert (model.options["text_blocks"], model.options["image_blocks"]) == (3, 6)
    assert (model.recipe.rate, model.recipe.rates["text_adapters.2.weight"]) == (5e-4, 1e-5)


def test_the_sentences_are_the_published_ones_and_a_description_takes_the_names_place(backbone):
    prompts = aa_clip_prompts("metal_nut")
    assert (len(prompts.normal), len(prompts.abnormal)) == (6, 10)
    assert prompts.normal[-1] == "a photo of the metal nut." and prompts.abnormal[0] == "a damaged metal nut."
    described = trained("aa-clip", backbone, descriptions={"pill": "oval white pill"})
    plain = trained("aa-clip", backbone)
    assert torch.equal(described.text_features(["screw"]), plain.text_features(["screw"]))
    torch.testing.assert_close(described.text_features(["pill"]), plain.text_features(["oval white pill"]))


def test_sentences_equal_a_hand_computation_over_the_whole_context(backbone):
    model = trained("aa-clip", backbone, text_blocks=2, text_weight=0.3)
    clip, states = backbone.clip, []
    prompts = aa_clip_prompts("pill")
    with torch.no_grad():
        for sentences in (prompts.normal, prompts.abnormal):
            ids = backbone.tokenizer(list(sentences))
            hidden = clip.token_embedding(ids) + clip.positional_embedding
            for number, block in enumerate(clip.transformer.resblocks):
                hidden = block(hidden, attn_mask=clip.attn_mask)
                if number < 2:
                    own = F.leaky_relu(hidden @ model.text_adapters[number].weight.T)
                    own = F.normalize(own, dim=-1) * hidden.norm(dim=-1, keepdim=True)
                    hidden = 0.3 * own + 0.7 * hidden
            ends = clip.ln_final(hidden)[torch.arange(len(ids)), ids.argmax(-1)]
            rows = F.normalize(F.leaky_relu(ends @ model.text_projection.weight.T), dim=-1)
            states.append(F.normalize(rows.mean(0), dim=-1))
    torch.testing.assert_close(model.text_features(["pill"])[0], torch.stack(states), atol=1e-5, rtol=0)


def test_an_inductive_score_is_that_of_a_picture_alone(backbone, images):
    model = trained("aa-clip", backbone)
    features = model.features(images, NAMES)
    maps, pooled = model._parts(features, NAMES, 32)
    both = (maps.amax((1, 2)) - 2 + 400) / 800
    assert ((0 <= both) & (both <= 1)).all()
    torch.testing.assert_close(model(images, NAMES).image_score, (both + pooled) / 2)


@pytest.mark.slow
def test_transductive_scores_range_over_what_was_shown(backbone, images, tmp_path):
    model = trained("aa-clip", backbone, image_score="transductive")
    with pytest.raises(ValueError, match="has not been shown those of 'nut'; expected model.remember"):
        model(images, "nut")
    pictures = toy_dataset(tmp_path, {"nut": 4, "ring": 2})
    remember_tested(model, pictures)
    scores = model(torch.stack([pictures[place].image for place in range(7)]), "nut").image_score
    assert scores.min() >= 0 and scores.max() <= 1 and scores.max() > 0.5
    told = model.identity(["nut"])["tested"]
    assert set(told) == {"nut"} and trained("aa-clip", backbone).identity(["nut"]) == {}
    model.remember("nut", images)
    assert model.identity(["nut"])["tested"] != told
    model.freeze()
    with pytest.raises(ValueError, match="has not been shown"):
        model(images, "nut")
    with pytest.raises(UntrainedModelError):
        load_model("aa-clip", backbone).remember("nut", images)
    with pytest.raises(OptionError, match="got AdaCLIP; expected an AA-CLIP"):
        remember_tested(load_model("adaclip", backbone), pictures)


@pytest.mark.parametrize("attended, alone", [("batch", False), ("tokens", True)])
def test_the_released_surgery_looks_at_other_pictures_of_the_batch(backbone, images, attended, alone):
    """Editing one patch of the first picture changes the second picture's tokens, or not; and at its place alone."""
    model = trained("aa-clip", backbone, attended=attended)
    start = backbone.embed_patches(images)
    edited = start.clone()
    edited[0, 5] = edited[0, 5].flip(0)  # a number added to all channels is lost in the norm
    before, after = model._by_values(start), model._by_values(edited)
    others = (before - after)[1, 0].abs().amax(-1)
    own = (before - after)[0, 0].abs().amax(-1)
    assert (others.max() < 1e-6) == alone
    if not alone:
        assert others[4] > 1e-4, "the patch at the same place, behind the class token"
        assert own[4] > 1e-3


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("kind", TOKENS)
def test_it_attends_by_values_on_every_transformer(kind):
    backbone = small(kind)
    images = torch.rand(2, 3, *backbone.size, generator=torch.Generator().manual_seed(0))
    start = backbone.embed_patches(images)
    plain = backbone.image.stream(start)
    for across in ("tokens", "batch"):
        stream = backbone.image.value_stream(start, 2, across)
        torch.testing.assert_close(stream[1], plain[1])
        assert stream[-1].shape == plain[-1].shape and stream[-1].isfinite().all()
    alone = torch.cat([backbone.image.value_stream(own[None], 2, "tokens")[-1] for own in start])
    torch.testing.assert_close(alone, backbone.image.value_stream(start, 2, "tokens")[-1], atol=1e-4, rtol=1e-3)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("text", TEXTS)
def test_every_kind_of_text_tower_takes_the_adapters(text, images):
    model = trained("aa-clip", tiny_backbone(with_text(text)))
    prediction = model(images, NAMES)
    assert prediction.anomaly_map.isfinite().all() and prediction.image_score.isfinite().all()
