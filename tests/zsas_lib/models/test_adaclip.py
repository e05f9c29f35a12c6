"""AdaCLIP's parts against plain computations; tests/zsas_lib/training/test_checkpoints.py has its authors' numbers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from small_towers import TEXTS, TOKENS, small, with_text
from tiny_clip import tiny, tiny_backbone
from trained import trained

from zsas_lib.backbones.prompted_sentences import PromptedSentences
from zsas_lib.evaluation.complexity import parameter_counts, shapes_only
from zsas_lib.losses import dice_loss, focal_loss
from zsas_lib.models.adaclip import CLUSTERED_SHARE
from zsas_lib.models.adaclip_clusters import k_means
from zsas_lib.models.load import load_model
from zsas_lib.models.prompts import adaclip_prompts

NAMES = ["metal_nut", "pill"]


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone(tiny(layers=5, width=32) | {"text_cfg": {**tiny()["text_cfg"], "layers": 4}})


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
def test_as_many_parameters_as_the_released_model_has():
    with torch.device("meta"):
        model = load_model("adaclip", shapes_only("vit-l-14-336", image_size=518))
    assert parameter_counts(model).learned == 10_665_472
    sizes = {name: value.numel() for name, value in model.learnable().items()}
    assert (sizes["static_text"], sizes["static_visual"]) == (15_360, 20_480)
    assert sum(size for name, size in sizes.items() if name.startswith("projections")) == 3_148_800
    assert sizes["dynamic_visual.weight"] + sizes["dynamic_visual.bias"] == 3_937_280


def test_the_sentences_are_the_published_ones():
    prompts = adaclip_prompts("metal_nut")
    assert (len(prompts.normal), len(prompts.abnormal)) == (28, 20)
    assert prompts.normal[0] == "a bad photo of a metal nut."
    assert prompts.abnormal[-1] == "a cropped photo of the metal nut with damage."
    assert adaclip_prompts("usb-plug_2", raw_names=True).normal[0] == "a bad photo of a usb plug_2."


def text_by_hand(model, whole, name, keeps):
    """One picture's two states, every sentence 77 tokens long through open_clip's own blocks."""
    clip, options = model.backbone.clip, model.options
    dynamic = (model.dynamic_text.weight @ whole + model.dynamic_text.bias).reshape(options["length"], -1)
    tokens, states = model.static_text + dynamic, []
    prompts = adaclip_prompts(name)
    for sentences in (prompts.normal, prompts.abnormal):
        ids = model.backbone.tokenizer(list(sentences))
        hidden = clip.token_embedding(ids) + clip.positional_embedding
        ends = ids.argmax(-1)
        for number, block in enumerate(clip.transformer.resblocks):
            if 0 < number < options["depth"]:
                ours = tokens[number].expand(len(ids), -1, -1)
                skipped = 1 if keeps and number == 1 else 1 + options["length"]
                hidden = torch.cat([hidden[:, :1], ours, hidden[:, skipped:]], 1)[:, :77]
            hidden = block(hidden, attn_mask=clip.attn_mask)
        ends = ends + options["length"] * keeps
        rows = clip.ln_final(hidden)[torch.arange(len(ids)), ends] @ clip.text_projection
        states.append(F.normalize(F.normalize(rows, dim=-1).mean(0), dim=-1))
    return torch.stack(states)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{}, {"words": "kept"}, {"depth": 2, "length": 3}, {"length": 12, "depth": 3}, {"prompts": "SD", "depth": 1}],
)
def test_sentences_equal_a_hand_computation_over_the_whole_context(options, backbone, images):
    model = trained("adaclip", backbone, **options)
    whole = model.features(images, NAMES)["whole"]
    with torch.no_grad():
        expected = [text_by_hand(model, row, name, options.get("words") == "kept") for row, name in zip(whole, NAMES)]
    torch.testing.assert_close(model.text_features(whole, NAMES), torch.stack(expected), atol=1e-5, rtol=0)
    if model.options["depth"] > 1:
        assert (model.text_features(whole, ["pill"] * 2).diff(dim=0)).abs().max() > 1e-3, "of each picture its own"


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("keeps", [False, True])
def test_words_that_sentences_begin_with_alike_are_read_once(keeps, backbone):
    """Of "metal nut" with and without a flaw, "metal nut" and "with"; and whatever the product is called the sentences
    are read in as many groups."""
    found = []
    for name in ("metal_nut", "dark pill"):
        sentences = PromptedSentences(
            backbone.text, [text for texts in vars(adaclip_prompts(name)).values() for text in texts], keeps
        )
        ids, ends = sentences.words.ids.tolist(), sentences.words.ends.tolist()
        begin = 1 if keeps else 6
        words = {tuple(row[: place + 1]) for row, end in zip(ids, ends) for place in range(begin, end + 1)}
        tree = sentences._tree(6)
        assert len(tree.own) == len(words) < 0.75 * sum(end + 1 - begin for end in ends)
        found.append((tree.whole.mask.shape, tree.ends.mask.shape))
    assert found[0] == found[1]


def test_the_image_tower_sees_its_tokens_behind_the_patches(backbone, images):
    model = trained("adaclip", backbone, length=3, depth=2)
    features = model.features(images, NAMES)
    dynamic = (features["whole"] @ model.dynamic_visual.weight.T + model.dynamic_visual.bias).reshape(2, 1, 3, 32)
    tokens = model.static_visual + dynamic
    hidden, taps = features["start"], []
    for number, block in enumerate(backbone.clip.visual.transformer.resblocks):
        if number < 2:
            hidden = torch.cat([hidden[:, :17], tokens[:, number]], 1)
        hidden = block(hidden)
        taps.append(hidden[:, 1:17])
    patches, whole = model.image_features(features)
    layers = [F.normalize(head(taps[tap - 1]), dim=-1) for head, tap in zip(model.projections, (2, 3, 4, 5))]
    torch.testing.assert_close(patches, torch.stack(layers, 1), atol=1e-5, rtol=0)
    visual = backbone.clip.visual
    expected = F.normalize(model.class_projection(visual.ln_post(hidden[:, 0]) @ visual.proj), dim=-1)
    torch.testing.assert_close(whole, expected, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_the_score_has_a_fifth_of_the_mean_of_clusters(backbone, images):
    model = trained("adaclip", backbone, clusters=2, cluster_seed=3)
    features = model.features(images, NAMES)
    patches, whole = model.image_features(features)
    text = model.text_features(features["whole"], NAMES)
    logits, _ = model.logits(features)
    expected = []
    for number in range(2):
        highest = logits[number].mean(0).softmax(-1)[:, 1].topk(10).indices
        points = torch.cat([layer[highest] for layer in patches[number]], 1)
        labels = KMeans(2, n_init="auto", random_state=3).fit_predict(points.numpy())
        layers = patches[number][:, highest]
        centre = np.mean([layers[:, labels == label].flatten(0, 1).mean(0).numpy() for label in (0, 1)], 0)
        row = CLUSTERED_SHARE * F.normalize(torch.from_numpy(centre), dim=0) + (1 - CLUSTERED_SHARE) * whole[number]
        expected.append((100 * F.normalize(row, dim=0) @ text[number].T).softmax(0)[1])
    torch.testing.assert_close(model.compare(features, 32)[1], torch.stack(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("clusters, count", [(20, 100), (2, 10), (1, 16), (5, 30)])
def test_clusters_are_those_that_scikit_learn_finds(clusters, count):
    for seed in range(4):
        points = torch.randn(1, count, 64, generator=torch.Generator().manual_seed(seed))
        points = F.normalize(points + torch.arange(count)[:, None] % 3, dim=-1)
        expected = KMeans(clusters, n_init="auto", random_state=seed).fit_predict(points[0].numpy())
        assert k_means(points, clusters, seed)[0].tolist() == expected.tolist()


def test_pictures_are_clustered_together_as_one_by_one_and_clusters_that_lose_their_points_are_filled():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(5, 30, 6, generator=generator)
    points[1, 12:] = points[1, :1]
    points[2, :, 1:] = 0
    found = k_means(points, 12, 1)
    for own, labels in zip(points.numpy(), found):
        assert labels.tolist() == KMeans(12, n_init=1, random_state=1).fit_predict(own).tolist()
    assert torch.equal(found[3:4], k_means(points[3:4], 12, 1))


@pytest.mark.slow
def test_a_picture_of_equal_patches_has_fewer_clusters_and_no_warning(backbone):
    model = trained("adaclip", backbone)
    points = torch.ones(1, 16, 8)
    assert k_means(points, 20, 0).unique().numel() == 1
    assert model(torch.full((1, 3, 32, 32), 0.5), "pill").image_score.isfinite().all()


@pytest.mark.parametrize(
    ("options", "count"), [({}, 48), ({"towers": "V"}, 0), ({"prompts": "S"}, 0), ({"prompts": "D", "towers": "L"}, 48)]
)
def test_as_many_sentences_a_picture_as_its_prompts_depend_on_it(backbone, options, count):
    assert load_model("adaclip", backbone, **options).sentences_per_picture == count


@pytest.mark.slow
def test_the_loss_counts_rows_as_released_or_pictures(backbone, images):
    masks = torch.zeros(2, 32, 32, dtype=torch.bool)
    masks[0, 5:20, 3:9] = True
    labels = torch.tensor([True, False])
    losses = {}
    for dice in ("rows", "pictures"):
        model = trained("adaclip", backbone, dice=dice)
        features = model.features(images, NAMES)
        logits, whole = model.logits(features)
        planes = logits.permute(0, 1, 3, 2).reshape(8, 2, 4, 4)
        maps = F.interpolate(planes, (32, 32), mode="bilinear", align_corners=True).softmax(1).unflatten(0, (2, 4))
        expected = focal_loss(whole.softmax(-1)[:, 1], labels)
        for layer in range(4):
            normal, abnormal = maps[:, layer].unbind(1)
            expected = expected + focal_loss(abnormal, masks)
            for map_, mask in ((abnormal, masks), (normal, ~masks)):
                if dice == "rows":
                    shared = (map_ * mask).sum(-1)
                    expected = expected + (1 - (2 * shared + 1) / (map_.sum(-1) + mask.sum(-1) + 1)).mean()
                else:
                    expected = expected + dice_loss(map_, mask)
        losses[dice] = model.loss(features, masks, labels)
        torch.testing.assert_close(losses[dice], expected, rtol=1e-4, atol=0)
    assert abs(losses["rows"] - losses["pictures"]) > 0.01


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("kind", TOKENS)
def test_tokens_that_are_not_there_change_nothing_on_any_transformer(kind):
    """Of towers with rotary positions and learned biases too: a token without weight leaves the others alone."""
    backbone = small(kind)
    images = torch.rand(2, 3, *backbone.size, generator=torch.Generator().manual_seed(0))
    start = backbone.embed_patches(images)
    plain, count = backbone.image.stream(start), start.shape[1]
    unchanged = backbone.image.changed_stream(start, lambda block, tokens: tokens)
    for one, other in zip(plain, unchanged, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    repeated = backbone.image.changed_stream(
        start, lambda block, tokens: torch.cat([tokens[:, :count], tokens[:, :count][:, -1:]], 1)
    )
    assert repeated[-1].shape == plain[-1].shape and (repeated[-1] - plain[-1]).abs().max() > 1e-5


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("text", ["", *TEXTS])
@pytest.mark.parametrize("words", ["overwritten", "kept"])
def test_every_kind_of_text_tower_takes_the_tokens(text, words):
    backbone = tiny_backbone(with_text(text))
    model = trained("adaclip", backbone, words=words, length=3)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    prediction = model(images, NAMES)
    assert prediction.anomaly_map.isfinite().all() and prediction.image_score.isfinite().all()
