"""Learned sentences in WinCLIP's windows, against WinCLIP and plain computations."""

import pytest
import torch
import torch.nn.functional as F
from tiny_clip import tiny, tiny_backbone
from toy import toy_dataset
from trained import trained

import zsas_lib as zsas
from zsas_lib.base.errors import OptionError, UnknownNameError
from zsas_lib.losses import dice_loss, focal_loss
from zsas_lib.models.in_windows import with_sentences_of
from zsas_lib.models.learned import UntrainedModelError
from zsas_lib.training.fit import fit

SENTENCES = {"anomalyclip": {"contexts", "compound"}, "vcpclip+": {"deep_prompts", "class_word", "beta"}}


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone()


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(0))


def in_windows(name, backbone, **options):
    return trained(name, backbone, compared="windows", **options)


@pytest.mark.parametrize("name", SENTENCES)
@pytest.mark.parametrize("scales", [(2, 3), (1,)])
def test_with_winclips_own_sentences_it_is_winclip(name, scales, backbone, images, monkeypatch):
    winclip, model = zsas.load_model("winclip", backbone, scales=scales), in_windows(name, backbone, scales=scales)
    monkeypatch.setattr(model, "sentences", lambda features: winclip.text_features("pill").expand(2, -1, -1))
    expected, found = winclip(images, "pill"), model(images, "pill")
    torch.testing.assert_close(found.anomaly_map, expected.anomaly_map, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.image_score, expected.image_score, atol=1e-6, rtol=0)
    assert found.anomaly_map.shape == (2, 40, 56) and expected.anomaly_map.std() > 1e-5


@pytest.mark.parametrize("name", SENTENCES)
def test_sentences_of_a_model_trained_on_patches_are_taken_as_they_are(name, backbone, images):
    model = trained(name, backbone)
    hybrid = with_sentences_of(model, scales=[2])
    assert {key.partition(".")[0] for key in hybrid.learnable()} <= SENTENCES[name]
    assert all(torch.equal(value, model.learnable()[key]) for key, value in hybrid.learnable().items())
    with torch.no_grad():
        whole = backbone.image.encoded(backbone.embed_patches(images))
        text = hybrid.sentences({"whole": whole})
        windows = backbone.window_embeddings(backbone.embed_patches(images), 2)
        scores = ((windows @ text.mT)[..., 1] - (windows @ text.mT)[..., 0]).div(0.07).sigmoid()
        image = (F.normalize(whole, dim=-1)[:, None] @ text.mT / 0.07).softmax(-1)[:, 0, 1]
        reciprocal = F.conv_transpose2d((1 / scores).reshape(2, 1, 3, 3), torch.ones(1, 1, 2, 2))
        count = F.conv_transpose2d(torch.ones(2, 1, 3, 3), torch.ones(1, 1, 2, 2))
        maps = 2 / (reciprocal / count + 1 / image[:, None, None, None])
        found = hybrid(images, "pill")
    torch.testing.assert_close(found.image_score, image, atol=1e-6, rtol=0)
    expected = F.interpolate(maps, (40, 56), mode="bilinear")[:, 0]
    torch.testing.assert_close(found.anomaly_map, expected, atol=1e-6, rtol=0)
    about = model.text_features() if name == "anomalyclip" else model.text_features(whole)
    torch.testing.assert_close(text, about.expand(2, -1, -1), atol=1e-6, rtol=0)
    assert (text[0] - text[1]).abs().max() > 1e-3 or name == "anomalyclip"  # VCP-CLIP+'s are about the picture


@pytest.mark.slow
def test_a_tower_for_pictures_of_another_size_takes_them_and_another_tower_does_not(backbone, images, tmp_path):
    model = trained("anomalyclip", backbone)
    other = tiny_backbone(image_size=48)
    text = {name: value for name, value in backbone.clip.state_dict().items() if not name.startswith("visual.")}
    other.clip.load_state_dict(text, strict=False)
    larger = with_sentences_of(model, other)
    assert larger(images, "pill").anomaly_map.shape == (2, 40, 56)
    torch.testing.assert_close(larger.text_features(), model.text_features(), atol=1e-5, rtol=0)
    with pytest.raises(OptionError, match="says something else by a sentence.*expected the same text tower"):
        with_sentences_of(model, tiny_backbone(seed=1))
    with pytest.raises(UntrainedModelError):
        with_sentences_of(zsas.load_model("anomalyclip", backbone))
    with pytest.raises(OptionError, match="april-gan has no sentences for windows"):
        with_sentences_of(trained("april-gan", backbone))
    larger.save(tmp_path / "hybrid.safetensors")
    again = zsas.load_model(
        "anomalyclip", larger.backbone, compared="windows", checkpoint=tmp_path / "hybrid.safetensors"
    )
    assert torch.equal(again(images, "pill").anomaly_map, larger(images, "pill").anomaly_map)
    assert again.trained["sentences_of"]["compared"] == "patches"


@pytest.mark.parametrize("share, count", [(0.0, 4), (0.2, 4), (0.3, 0)])
def test_a_window_is_damaged_by_any_pixel_or_by_a_share(share, count, backbone, images):
    """A patch is a quarter of each of the four windows of 2 x 2 over it."""
    model, masks = in_windows("anomalyclip", backbone, scales=[2], damaged_share=share), torch.zeros(2, 32, 32).bool()
    masks[1, 8:16, 8:16] = True
    ((scores, damaged),) = model.scored_windows(model.features(images, ["pill"] * 2), masks)
    assert scores.shape == damaged.shape == (2, 3, 3) and damaged[1, :2, :2].sum() == damaged.sum() == count
    if not share:
        masks[0, 0, 0] = True  # one pixel, in one window
        assert model.scored_windows(model.features(images, ["pill"] * 2), masks)[0][1][0].nonzero().tolist() == [[0, 0]]


@pytest.mark.parametrize("name", SENTENCES)
def test_the_loss_is_the_models_own_with_windows_for_pixels(name, backbone, images):
    model, masks = in_windows(name, backbone), torch.zeros(2, 32, 32).bool()
    masks[1, 8:20, 8:16] = True
    features = model.features(images, ["pill"] * 2)
    found = model.scored_windows(features, masks)
    assert [scores.shape[1] for scores, _ in found] == [3, 2]
    if name == "anomalyclip":
        local = [focal_loss(p, y) + dice_loss(p, y) + dice_loss(1 - p, ~y) for p, y in found]
        image = model(F.interpolate(images, (32, 32), mode="bicubic", antialias=True).clamp(0, 1), "pill").image_score
        whole = -(torch.stack([1 - image[0], image[1]]).log()).mean()
        expected = whole + 4 * sum(local) / 2
    else:
        share = model.beta.sigmoid()
        expected = sum(share * focal_loss(p, y) + (1 - share) * dice_loss(p, y) for p, y in found)
    torch.testing.assert_close(model.loss(features, masks, torch.tensor([False, True])), expected, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_training_on_windows_reads_them_once_and_moves_the_sentences(backbone, tmp_path, monkeypatch):
    pictures, read = toy_dataset(tmp_path, {"nut": 3}, normal=3), []
    encode = type(backbone.image).encoded_with_windows
    monkeypatch.setattr(
        type(backbone.image), "encoded_with_windows", lambda *asked: read.append(len(asked[1])) or encode(*asked)
    )
    losses, own = {}, tiny_backbone()
    for name in SENTENCES:
        model = zsas.load_model(name, own, compared="windows")
        log = fit(model, pictures, epochs=8, training_batch_size=3, rate=0.02, augment=False)
        losses[name] = log.groupby("epoch").loss.mean()
        assert losses[name].iloc[-1] < losses[name].iloc[0]
        assert set(log) >= {"focal_share"} if name == "vcpclip+" else set(log) == {"epoch", "step", "loss"}
    assert sum(read) == 6  # of both models: what windows are does not hang on whose sentences they are asked by


@pytest.mark.slow
def test_options_that_cannot_be_are_refused(backbone):
    with pytest.raises(UnknownNameError, match="AnomalyCLIP's option compared"):
        zsas.load_model("anomalyclip", backbone, compared="window")
    for scales in ((), (5,), (2, 2), (0,)):
        with pytest.raises(OptionError, match="expected different window sides in 1..4"):
            zsas.load_model("vcpclip+", backbone, compared="windows", scales=scales)
    with pytest.raises(OptionError, match="damaged_share=1.5; expected a share of a window in 0..1"):
        zsas.load_model("vcpclip", backbone, compared="windows", damaged_share=1.5)
    small = tiny_backbone(tiny(patch_size=32))
    assert zsas.load_model("vcpclip", small).options["scales"] == [2, 3]  # no windows are asked for
