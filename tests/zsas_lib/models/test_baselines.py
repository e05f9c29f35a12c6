"""Plain CLIP and CoOp against computations by hand with open_clip's own functions."""

import pytest
import torch
import torch.nn.functional as F
from tiny_clip import tiny, tiny_backbone
from trained import trained

from zsas_lib.base.errors import OptionError, UnknownNameError
from zsas_lib.evaluation.complexity import parameter_counts, shapes_only
from zsas_lib.losses import dice_loss, focal_loss
from zsas_lib.models.load import load_model
from zsas_lib.models.prompts import plain_prompts

NAMES = ["metal_nut", "pill"]


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone(tiny(layers=4))


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def seen(backbone, images):
    """Embeddings of pictures, and of patches behind the last block, by open_clip."""
    visual = backbone.clip.visual
    said = visual.forward_intermediates((images - backbone.mean) / backbone.std, indices=1, output_fmt="NLC")
    patches = visual.ln_post(said["image_intermediates"][-1]) @ visual.proj
    return F.normalize(backbone.clip.encode_image((images - backbone.mean) / backbone.std), dim=-1), F.normalize(
        patches, dim=-1
    )


def test_what_plain_clip_and_clip_ac_are_asked():
    assert plain_prompts("metal_nut").normal == ("a photo of a normal metal nut.",)
    assert plain_prompts("metal_nut").abnormal == ("a photo of an anomalous metal nut.",)
    both = plain_prompts("pcb1", ensemble=True)
    assert len(both.normal) == len(both.abnormal) == 80
    assert both.normal[0] == "a bad photo of a normal printed circuit board."
    assert plain_prompts("pcb1", raw_names=True).normal == ("a photo of a normal pcb1.",)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("prompts", ["plain", "ensemble"])
def test_plain_clips_map_and_score_equal_a_hand_computation(backbone, images, prompts):
    prediction = load_model("clip", backbone, prompts=prompts)(images, NAMES)
    whole, patches = seen(backbone, images)
    for number, name in enumerate(NAMES):
        said = plain_prompts(name, ensemble=prompts == "ensemble")
        rows = [F.normalize(backbone.encode_text(list(own)).mean(0), dim=0) for own in (said.normal, said.abnormal)]
        text = torch.stack(rows)
        plane = (100 * patches[number] @ text.T).softmax(-1)[:, 1].reshape(1, 1, 4, 4)
        expected = F.interpolate(plane, (32, 32), mode="bilinear")[0, 0]
        torch.testing.assert_close(prediction.anomaly_map[number], expected, atol=1e-4, rtol=0)
        score = (100 * whole[number] @ text.T).softmax(0)[1]
        torch.testing.assert_close(prediction.image_score[number], score, atol=1e-4, rtol=0)


def test_values_instead_of_the_last_patches(backbone, images):
    last, value = (load_model("clip", backbone, local=local)(images, "pill") for local in ("last", "value"))
    torch.testing.assert_close(last.image_score, value.image_score)
    assert (last.anomaly_map - value.anomaly_map).abs().max() > 1e-3
    wide = torch.rand(1, 3, 20, 50, generator=torch.Generator().manual_seed(1))
    assert load_model("clip", backbone, smoothing=8.0)(wide, "pill").anomaly_map.shape == (1, 20, 50)


@pytest.mark.slow
def test_coop_learns_twelve_tokens_of_each_state():
    with torch.device("meta"):
        model = load_model("coop", shapes_only("vit-l-14-336"))
    assert parameter_counts(model).learned == 2 * 12 * 768 == 18_432


@pytest.mark.parametrize("agnostic", [False, True])
def test_coops_sentences_equal_a_hand_computation_over_the_whole_context(backbone, agnostic):
    model, clip = trained("coop", backbone, object_agnostic=agnostic), backbone.clip
    said = "object" if agnostic else "metal nut"
    ids = backbone.tokenizer([f"{' '.join(['X'] * 12)} {state} {said}." for state in ("normal", "anomalous")])
    tokens = clip.token_embedding(ids)
    tokens[:, 1:13] = model.contexts
    hidden = tokens + clip.positional_embedding
    for block in clip.transformer.resblocks:
        hidden = block(hidden, attn_mask=clip.attn_mask)
    rows = clip.ln_final(hidden)[torch.arange(2), ids.argmax(-1)] @ clip.text_projection
    torch.testing.assert_close(model.text_features("metal_nut"), F.normalize(rows, dim=-1), atol=1e-5, rtol=0)


def test_coops_map_score_and_losses_equal_a_hand_computation(backbone, images):
    model, fair = trained("coop", backbone), trained("coop", backbone, loss="both")
    masks, labels = torch.zeros(2, 32, 32, dtype=torch.bool), torch.tensor([True, False])
    masks[0, 5:20, 3:9] = True
    features = model.features(images, NAMES)
    maps, scores = model.compare(features, 32)
    whole, patches = seen(backbone, images)
    text = torch.stack([model.text_features(name) for name in NAMES])
    logits = 100 * torch.einsum("be,bse->bs", whole, text)
    planes = (100 * patches @ text.mT).softmax(-1)[..., 1].reshape(2, 1, 4, 4)
    expected = F.interpolate(planes, (32, 32), mode="bilinear")[:, 0]
    torch.testing.assert_close(maps, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(scores, logits.softmax(-1)[:, 1], atol=1e-4, rtol=0)
    of_images = F.cross_entropy(logits, labels.long())
    torch.testing.assert_close(model.loss(features, masks, labels), of_images, rtol=1e-4, atol=0)
    local = focal_loss(expected, masks) + dice_loss(expected, masks) + dice_loss(1 - expected, ~masks)
    torch.testing.assert_close(fair.loss(features, masks, labels), of_images + local, rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("clip", {"prompts": "many"}, "value of CLIP's option prompts 'many'; known: ensemble, plain"),
        ("clip", {"local": "v-v"}, "value of CLIP's option local 'v-v'; known: last, value"),
        ("coop", {"loss": "map"}, "value of CoOp's option loss 'map'; known: both, image"),
    ],
)
def test_unknown_values_are_named(backbone, name, options, message):
    with pytest.raises(UnknownNameError, match=message):
        load_model(name, backbone, **options)


def test_numbers_out_of_range_are_named(backbone):
    with pytest.raises(OptionError, match="CoOp got context=73; expected a whole number in 1..72"):
        load_model("coop", backbone, context=73)
    with pytest.raises(OptionError, match="CLIP got smoothing=-1.0; expected a number of at least 0"):
        load_model("clip", backbone, smoothing=-1.0)
