import pytest
import torch
import torch.nn.functional as F
from tiny_clip import tiny, tiny_backbone
from trained import trained

from zsas_lib.losses import dice_loss, focal_loss
from zsas_lib.models.prompts import april_gan_prompts

NAMES = ["metal_nut", "pill"]


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone(tiny(layers=4))


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_the_ensemble_is_the_published_one():
    prompts = april_gan_prompts("metal_nut")
    assert (len(prompts.normal), len(prompts.abnormal)) == (245, 175)
    assert len(set(prompts.normal)) == 245 and len(set(prompts.abnormal)) == 175
    assert prompts.normal[0] == "a bad photo of a metal nut."
    assert {"there is the flawless metal nut in the scene.", "a photo of my metal nut without damage."} <= set(
        prompts.normal
    )
    assert {"this is one broken metal nut in the scene.", "a black and white photo of the metal nut with flaw."} <= set(
        prompts.abnormal
    )


@pytest.mark.slow
def test_raw_names_are_said_as_the_released_code_says_them(backbone, images):
    assert april_gan_prompts("metal_nut", raw_names=True).normal[0] == "a bad photo of a metal_nut."
    assert april_gan_prompts("pcb1", raw_names=True).abnormal[-1] == "this is one pcb1 with damage in the scene."
    words, raw = (trained("april-gan", backbone, raw_names=raw) for raw in (False, True))
    expected = text_by_hand(backbone, "metal_nut", raw_names=True)
    torch.testing.assert_close(raw.text_features("metal_nut"), expected, atol=1e-5, rtol=0)
    apart = (words(images, NAMES).anomaly_map - raw(images, NAMES).anomaly_map).abs().amax((1, 2))
    assert apart[0] > 1e-4 and apart[1] == 0, "a pill is a pill either way"


def text_by_hand(backbone, name, **options):
    prompts = april_gan_prompts(name, **options)
    rows = []
    for sentences in (prompts.normal, prompts.abnormal):
        mean = torch.stack(
            [F.normalize(row, dim=0) for row in backbone.encode_text(list(sentences), normalise=False)]
        ).mean(0)
        rows.append(mean / mean.norm())
    return torch.stack(rows)


@pytest.mark.slow
def test_map_score_and_loss_equal_a_hand_computation(backbone, images):
    model = trained("april-gan", backbone)
    features = model.features(images, NAMES)
    said = backbone.clip.visual.forward_intermediates(
        (images - backbone.mean) / backbone.std, indices=4, output_fmt="NLC"
    )
    masks = torch.zeros(2, 32, 32, dtype=torch.bool)
    masks[0, 5:20, 3:9] = True
    maps, scores = [], []
    for number, name in enumerate(NAMES):
        text = text_by_hand(backbone, name)
        layers = []
        for projection, patches in zip(model.projections, said["image_intermediates"]):
            logits = 100 * F.normalize(projection(patches[number]), dim=-1) @ text.T
            planes = F.interpolate(logits.T.reshape(1, 2, 4, 4), (32, 32), mode="bilinear", align_corners=True)
            layers.append(planes.softmax(1)[0, 1])
        maps.append(torch.stack(layers))
        scores.append((100 * backbone.encode_image(images)[number] @ text.T).softmax(0)[1])
    maps = torch.stack(maps)
    found, found_scores = model.compare(features, 32)
    torch.testing.assert_close(found, maps.mean(1), atol=1e-4, rtol=0)
    torch.testing.assert_close(found_scores, torch.stack(scores), atol=1e-4, rtol=0)
    expected = sum(focal_loss(maps[:, layer], masks) + dice_loss(maps[:, layer], masks) for layer in range(4))
    torch.testing.assert_close(model.loss(features, masks, torch.tensor([True, False])), expected, rtol=1e-4, atol=0)


def test_a_map_depends_on_the_class_and_each_class_is_encoded_once(backbone, images, monkeypatch):
    model = trained("april-gan", backbone)
    first = model(images, NAMES)
    assert (first.anomaly_map - model(images, "pill").anomaly_map).abs().max() > 1e-3
    monkeypatch.setattr(backbone, "encode_text", lambda *arguments, **options: pytest.fail("encoded again"))
    assert torch.equal(model(images, NAMES).anomaly_map, first.anomaly_map)
