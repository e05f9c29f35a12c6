import pytest
import torch
import torch.nn.functional as F
from tiny_clip import tiny, tiny_backbone
from trained import trained

from zsas_lib.losses import dice_loss, focal_loss
from zsas_lib.models.load import load_model

DEEP = {**tiny(layers=4), "text_cfg": {**tiny()["text_cfg"], "layers": 4}}


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone(DEEP)


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def sentence_by_hand(model, number):
    """One sentence with all 77 tokens of the context through open_clip's own blocks."""
    clip = model.backbone.clip
    ids = model.backbone.tokenizer([" ".join(["X"] * 12 + [("object.", "damaged object.")[number]])])
    tokens = clip.token_embedding(ids)
    tokens[0, 1:13] = model.contexts[number]
    tokens = tokens + clip.positional_embedding
    for block, layer in enumerate(clip.transformer.resblocks, 1):
        if 2 <= block <= 3:
            tokens[0, 1:5] = model.compound[block - 2]
        tokens = layer(tokens, attn_mask=clip.attn_mask)
    end = (15, 16)[number]
    return F.normalize(clip.ln_final(tokens[0, end]) @ clip.text_projection, dim=-1)


def test_sentences_equal_a_hand_computation_over_the_whole_context(backbone):
    """9 of 12 blocks are 3 of 4: prompts come before blocks 2 and 3, four tokens, in the place of contexts."""
    model = trained("anomalyclip", backbone)
    assert model.compound.shape == (2, 4, 32) and model.contexts.shape == (2, 12, 32)
    with torch.no_grad():
        expected = torch.stack([sentence_by_hand(model, number) for number in (0, 1)])
    torch.testing.assert_close(model.text_features(), expected, atol=1e-5, rtol=0)
    assert (expected[0] - expected[1]).abs().max() > 0.01


def test_sentences_are_encoded_once_until_parameters_change(backbone, images, monkeypatch):
    model = trained("anomalyclip", backbone)
    with torch.inference_mode():
        model(images, "pill")
    kept = model.text_features()
    assert model.text_features() is kept and not kept.is_inference()
    model.contexts.requires_grad_(True)
    assert model.text_features().requires_grad
    with torch.no_grad():
        model.contexts.neg_()
    model.freeze()
    assert (model.text_features() - kept).abs().max() > 1e-3


def test_maps_do_not_depend_on_names(backbone, images):
    model = trained("anomalyclip", backbone)
    assert torch.equal(model(images, "pill").anomaly_map, model(images, ["bottle", "screw"]).anomaly_map)


def test_map_score_and_loss_equal_a_hand_computation(backbone, images):
    model = trained("anomalyclip", backbone, layers=(0.5, 1.0))
    features, text = model.features(images, ["pill"] * 2), model.text_features()
    assert features["patches"].shape == (2, 2, 16, 24)
    maps = []
    for layer in range(2):
        grid = (features["patches"][:, layer] @ text.T / 0.07).softmax(-1).mT.reshape(2, 2, 4, 4)
        maps.append(F.interpolate(grid, (32, 32), mode="bilinear", align_corners=False))
    probabilities, scores = model.compare(features, 32)
    torch.testing.assert_close(probabilities, (maps[0] + maps[1])[:, 1] / 2)
    logits = features["class"] @ text.T / 0.07
    torch.testing.assert_close(scores, logits.softmax(-1)[:, 1])
    masks, labels = torch.zeros(2, 32, 32, dtype=torch.bool), torch.tensor([True, False])
    masks[0, 5:20, 3:9] = True
    local = [
        focal_loss(map_[:, 1], masks) + dice_loss(map_[:, 1], masks) + dice_loss(map_[:, 0], ~masks) for map_ in maps
    ]
    expected = F.cross_entropy(logits, labels.long()) + 4 * (local[0] + local[1]) / 2
    torch.testing.assert_close(model.loss(features, masks, labels), expected)


def test_image_scores(backbone, images):
    def score(name, **options):
        return trained("anomalyclip", backbone, image_score=name, **options)(images, "pill").image_score

    text, of_map, both, highest = score("text"), score("map"), score("text+map"), score("map", top_k=1)
    torch.testing.assert_close(both, text + of_map)
    assert (highest >= of_map).all() and (of_map > 0).all()
    model = trained("anomalyclip", backbone)
    unsmoothed, _ = model.compare(model.features(images, ["pill"] * 2), 32)
    torch.testing.assert_close(highest, unsmoothed.amax((1, 2)))


def test_paths_and_sizes_are_options(backbone, images):
    maps = [
        trained("anomalyclip", backbone, local=local)(images, "pill").anomaly_map
        for local in ("value", "query", "diagonal")
    ]
    assert all((maps[i] - maps[j]).abs().max() > 1e-4 for i, j in ((0, 1), (0, 2), (1, 2)))
    bare = load_model("anomalyclip", backbone, context=5, compound=0)
    assert bare.contexts.shape == (2, 5, 32) and bare.compound.shape == (2, 0, 32)
    assert bare.text_features().shape == (2, 24)
    normed = load_model("anomalyclip", backbone, class_norm=True).features(images, ["pill"] * 2)["class"]
    torch.testing.assert_close(normed, backbone.encode_image(images), atol=1e-5, rtol=0)


def test_parameters_begin_small(backbone):
    model = load_model("anomalyclip", backbone)
    assert model.contexts.std().item() == pytest.approx(0.02, rel=0.1)
    assert model.compound.std().item() == pytest.approx(0.02, rel=0.2)
    assert set(model.learnable()) == {"contexts", "compound"}
