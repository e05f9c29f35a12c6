import json
import math

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from tiny_clip import tiny, tiny_backbone
from trained import trained

from zsas_lib.base.errors import DataError, UnknownNameError
from zsas_lib.models.learned import UntrainedModelError, assign_learned, highest_mean, two_state_maps, unlike
from zsas_lib.models.load import load_model

NAMES = ["aa-clip", "adaclip", "af-clip", "anomalyclip", "april-gan", "coop", "vcpclip", "vcpclip+"]


@pytest.fixture
def images():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NAMES)
def test_an_untrained_model_says_what_to_do(name, backbone, images, tmp_path):
    model = load_model(name, backbone)
    message = rf"{name.replace('+', '.')} has nothing learned yet.*zsas.fit.*checkpoint=PATH.*load_official_checkpoint"
    with pytest.raises(UntrainedModelError, match=message):
        model(images, "pill")
    with pytest.raises(UntrainedModelError, match="nothing learned yet to write"):
        model.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_what_was_saved_predicts_the_same(name, backbone, images, tmp_path):
    model = trained(name, backbone)
    model.save(tmp_path / "model.safetensors")
    again = load_model(name, backbone, checkpoint=tmp_path / "model.safetensors")
    assert again.trained == {"by": "hand"} and again.history is None
    first, second = (part(images, "pill") for part in (model, again))
    assert torch.equal(first.anomaly_map, second.anomaly_map) and torch.equal(first.image_score, second.image_score)
    assert not any(value.requires_grad for value in again.parameters()) and not again.training
    assert first.anomaly_map.std() > 1e-4


@pytest.mark.slow
def test_files_of_other_models_options_and_backbones_are_refused(backbone, tmp_path):
    file = tmp_path / "model.safetensors"
    trained("vcpclip", backbone).save(file)
    with pytest.raises(DataError, match="model.safetensors was learned with model vcpclip, not anomalyclip"):
        load_model("anomalyclip", backbone, checkpoint=file)
    with pytest.raises(DataError, match=r"was learned with options smoothing=8\.0, not smoothing=4\.0; load"):
        load_model("vcpclip", backbone, smoothing=4.0, checkpoint=file)
    with pytest.raises(DataError, match=r"was learned with another backbone \(other weights, image size"):
        load_model("vcpclip", tiny_backbone(seed=1), checkpoint=file)
    with pytest.raises(DataError, match=r"was learned with another backbone \(other weights, image size"):
        load_model("vcpclip", tiny_backbone(image_size=48), checkpoint=file)


def rewritten(file, change):
    """The file with its record changed, tensors as they are."""
    with safe_open(file, "pt") as old:
        record = json.loads(old.metadata()["zsas.model"])
        tensors = {name: old.get_tensor(name) for name in old.keys()}
    change(record, tensors)
    save_file(tensors, file, {"zsas.model": json.dumps(record)})
    return file


def test_a_file_from_before_an_option_was_there_is_read(backbone, tmp_path):
    file = tmp_path / "model.safetensors"
    trained("vcpclip", backbone).save(file)
    rewritten(file, lambda record, tensors: [record["options"].pop(name) for name in ("class_tokens", "deep_tokens")])
    assert load_model("vcpclip", backbone, checkpoint=file).trained
    with pytest.raises(DataError, match="with options deep_tokens=1, not deep_tokens=2; load"):
        load_model("vcpclip", backbone, deep_tokens=2, checkpoint=file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record, tensors: record.pop("trained"), "holds nothing that model.save wrote"),
        (lambda record, tensors: record.update(history="none"), "holds nothing that model.save wrote"),
        (lambda record, tensors: tensors["log_scales"].fill_(torch.nan), "log_scales has NaN or infinite values"),
        (
            lambda record, tensors: tensors.update(log_scales=torch.ones(2).int()),
            "log_scales is int32, expected",
        ),
    ],
)
def test_a_spoilt_file_is_refused(change, message, backbone, tmp_path):
    file = tmp_path / "model.safetensors"
    trained("vcpclip", backbone).save(file)
    with pytest.raises(DataError, match=message):
        load_model("vcpclip", backbone, checkpoint=rewritten(file, change))


@pytest.mark.parametrize("content", [b"", b"no safetensors", None])
def test_files_that_are_none_of_ours(content, backbone, tmp_path):
    file = tmp_path / "model.safetensors"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(
        DataError, match="model.safetensors holds nothing that model.save wrote.*load_official_checkpoint"
    ):
        load_model("vcpclip", backbone, checkpoint=file)


def test_parameters_of_other_names_and_shapes_are_refused(backbone, tmp_path):
    model = load_model("april-gan", backbone)
    tensors = {name: value.detach().clone() for name, value in model.learnable().items()}
    tensors["projections.0.weight"] = torch.zeros(24, 30)
    tensors["extra"] = tensors.pop("projections.1.bias")
    message = r"lacks projections.1.bias; has extra; projections.0.weight is \(24, 30\), expected \(24, 32\)"
    with pytest.raises(DataError, match=rf"some.pt does not fit april-gan .* on 'tiny': {message}"):
        assign_learned(model, tensors, tmp_path / "some.pt")


def test_what_learns_nothing_has_no_checkpoint(backbone, tmp_path):
    with pytest.raises(ValueError, match="'winclip' learns nothing, so it has no checkpoint"):
        load_model("winclip", backbone, checkpoint=tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", NAMES)
def test_parameters_begin_as_the_seed_says(name, backbone):
    model = load_model(name, backbone)
    before = torch.random.get_rng_state()
    first = {key: value.clone() for key, value in model.learnable().items()}
    model.initialise(seed=1)
    other = {key: value.clone() for key, value in model.learnable().items()}
    model.initialise(seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(value, first[key]) for key, value in model.learnable().items())
    norms = {f"{part}.norm.{kind}" for part in ("deep_prompts", "class_word") for kind in ("weight", "bias")}
    norms |= {f"adapter.norm.{kind}" for kind in ("weight", "bias")}
    constant = {"log_scales", "alpha", "beta"} | norms
    assert {key for key in first if torch.equal(first[key], other[key])} == constant & first.keys()
    assert not any(key.startswith("backbone") for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_of_a_map_with_respect_to_the_pictures(name, backbone, images):
    model = trained(name, backbone)
    generator = torch.Generator().manual_seed(2)
    direction, weight = (
        torch.rand(images.shape, generator=generator) - 0.5,
        torch.rand(3, 32, 32, generator=generator) - 0.5,
    )
    images = images.clone().requires_grad_()

    def loss(pictures):
        return (model(pictures, "pill").anomaly_map * weight).double().sum()

    (gradient,) = torch.autograd.grad(loss(images), images)
    step = 3e-3
    with torch.no_grad():
        difference = (loss(images + step * direction) - loss(images - step * direction)) / (2 * step)
    assert gradient.abs().amax((1, 2, 3)).min() > 0
    torch.testing.assert_close((gradient * direction).double().sum(), difference, rtol=0.03, atol=1e-4)
    assert difference.abs() > 1e-3


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_maps_are_close_and_float32(name, backbone, images):
    """A thousandth of a cosine is 0.2 in AA-CLIP's map, which is no probability but the sum of four differences of 50
    times a cosine; up to 0.04 for each of both states in AF-CLIP's, the softmax of twelve cosines' sum / 0.07; and
    0.025 for each in CoOp's, the softmax of cosines / 0.01."""
    tolerance = {"aa-clip": 0.2, "af-clip": 0.1, "coop": 0.1}.get(name, 0.05)
    exact, fast = (trained(name, tower)(images, "pill") for tower in (backbone, tiny_backbone(precision="bfloat16")))
    assert fast.anomaly_map.dtype == fast.image_score.dtype == torch.float32
    torch.testing.assert_close(fast.anomaly_map, exact.anomaly_map, atol=tolerance, rtol=0)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", NAMES)
def test_a_batch_equals_its_pictures_one_by_one(name, backbone, images):
    model = trained(name, backbone)
    names = ["pill", "screw", "pill"]
    batch, singles = model(images, names), [model(image[None], name) for image, name in zip(images, names)]
    torch.testing.assert_close(
        batch.anomaly_map, torch.cat([single.anomaly_map for single in singles]), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(
        batch.image_score, torch.cat([single.image_score for single in singles]), atol=1e-5, rtol=0
    )


def test_maps_have_the_pictures_size_and_names_are_counted(backbone):
    model = trained("vcpclip", backbone)
    wide = torch.rand(2, 3, 40, 70, generator=torch.Generator().manual_seed(0))
    prediction = model(wide, ["pill", "screw"])
    assert prediction.anomaly_map.shape == (2, 40, 70)
    square = F.interpolate(wide, (32, 32), mode="bicubic", antialias=True).clamp(0, 1)
    torch.testing.assert_close(prediction.image_score, model(square, "pill").image_score, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="3 class names for 2 images"):
        model(wide, ["pill"] * 3)


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("aa-clip", {"image_score": "max"}, "option image_score 'max'; known: inductive, map, pooled, transductive"),
        ("aa-clip", {"attended": "all"}, "AA-CLIP's option attended 'all'; known: batch, tokens"),
        ("aa-clip", {"image_blocks": 3}, r"image_blocks=3; expected a whole number in 0..2"),
        ("aa-clip", {"text_weight": 1.5}, r"text_weight=1.5; expected a share in 0..1"),
        ("af-clip", {"context": 73}, r"context=73; expected a whole number in 1..72"),
        ("af-clip", {"align": -1.0}, "align=-1.0; expected a number of at least 0"),
        ("adaclip", {"words": "lost"}, "AdaCLIP's option words 'lost'; known: kept, overwritten"),
        ("adaclip", {"clustering": "dbscan"}, "AdaCLIP's option clustering 'dbscan'; known: highest, k-means, off"),
        ("adaclip", {"length": 0}, "length=0; expected a whole number in 1..76"),
        ("adaclip", {"clusters": 0}, "clusters=0; expected a whole number of at least 1"),
        ("anomalyclip", {"local": "v-v"}, "AnomalyCLIP's option local 'v-v'; known: diagonal, query, value"),
        ("anomalyclip", {"image_score": "max"}, "option image_score 'max'; known: map, text, text.map"),
        ("anomalyclip", {"layers": ()}, r"local_from=0.25, layers=\(\); expected shares of the depth in 0..1"),
        ("anomalyclip", {"local_from": 0.8, "layers": (0.5, 1.0)}, r"layers where the local path has begun"),
        ("anomalyclip", {"local_from": 0.0}, r"local_from=0.0"),
        ("anomalyclip", {"layers": (0.1, 1.0)}, r"layers=\(0.1, 1.0\)"),
        ("anomalyclip", {"compound": 77}, r"compound=77; expected a whole number in 0..76"),
        ("anomalyclip", {"context": 73}, r"context=73; expected a whole number in 1..72"),
        ("anomalyclip", {"compound_depth": math.nan}, "compound_depth=nan; expected a share of the depth above 0"),
        ("anomalyclip", {"smoothing": -1.0}, "smoothing=-1.0; expected a number of at least 0"),
        ("anomalyclip", {"top_k": 0}, "top_k=0; expected a whole number of at least 1"),
        ("april-gan", {"smoothing": math.inf}, "smoothing=inf; expected a number of at least 0"),
        ("vcpclip", {"temperature": "fixed"}, "temperature='fixed'; expected 'learned', 'bounded' or a number above 0"),
        ("vcpclip", {"temperature": math.nan}, "temperature=nan; expected"),
        ("vcpclip", {"class_tokens": 70}, r"class_tokens=70; expected a whole number in 1..69"),
        ("vcpclip", {"class_tokens": 69, "deep_tokens": 2}, r"deep_tokens=2; expected a whole number in 1..1"),
        ("vcpclip", {"temperature": 0.0}, "temperature=0.0; expected"),
        ("vcpclip", {"image_score": "sum"}, "VCP-CLIP's option image_score 'sum'; known: branches, map"),
        ("vcpclip+", {"tokens": 0}, "tokens=0; expected a whole number of at least 1"),
        ("vcpclip", {"fusion": 1.5}, r"fusion=1.5; expected a share in 0..1"),
    ],
)
def test_wrong_options(name, options, message, backbone):
    with pytest.raises(ValueError, match=message):
        load_model(name, backbone, **options)
    with pytest.raises(UnknownNameError, match=f"option of model '{name.replace('+', '.')}' 'smooting'.*'smoothing'"):
        load_model(name, backbone, smooting=1.0)


@pytest.mark.slow
def test_highest_pixels_are_as_large_a_share_of_every_size():
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 518, 518, generator=generator)
    torch.testing.assert_close(highest_mean(maps, 2000), maps.flatten(1).sort(descending=True).values[:, :2000].mean(1))
    small = torch.rand(2, 112, 112, generator=generator)
    torch.testing.assert_close(highest_mean(small, 2000), small.flatten(1).sort(descending=True).values[:, :93].mean(1))
    assert torch.equal(highest_mean(small, 1), small.amax((1, 2)))


def test_logits_are_enlarged_before_the_softmax():
    logits = torch.randn(2, 3, 25, 2, generator=torch.Generator().manual_seed(0)) * 4
    planes = logits.permute(0, 1, 3, 2).reshape(6, 2, 5, 5)
    expected = (
        F.interpolate(planes, (23, 23), mode="bilinear", align_corners=True).softmax(1)[:, 1].reshape(2, 3, 23, 23)
    )
    maps = two_state_maps(logits, 23)
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(maps[0, 0, 0, 0], logits[0, 0, 0].softmax(0)[1])
    swapped = F.interpolate(planes.softmax(1)[:, 1:], (23, 23), mode="bilinear", align_corners=True).reshape(
        2, 3, 23, 23
    )
    assert (swapped - expected).abs().max() > 0.1


def test_a_deeper_tower_is_tapped_at_quarters():
    model = load_model("vcpclip", tiny_backbone(tiny(layers=4)))
    assert model._layers == [1, 2, 3, 4]


def test_what_a_file_says_otherwise_is_named_and_no_more():
    own = {"backbone": "1f2e", "options": {"scales": [2, 3], "beta": 1.0}, "data": ["embedded-a", "77"], "hard": [1]}
    assert unlike(own, own) == ""
    assert unlike(own | {"options": {"scales": [2], "beta": 1.0}}, own) == "options scales=[2], not scales=[2, 3]"
    assert unlike(own | {"options": own["options"] | {"old": 3}}, own) == "options old=3, not old=None"
    assert "1f2e" not in unlike(own | {"backbone": "99"}, own)
    assert unlike(own | {"data": ["embedded-a", "78"]}, own) == "other data (embedded-a with other pictures)"
    assert unlike(own | {"data": ["visa", "78"]}, own) == "other data (visa, not embedded-a)"
    assert unlike(own | {"hard": list(range(50))}, own) == "hard [0, 1, 2, 3, 4, 5, ...], not [1]"
    assert unlike({"model": "vcpclip"}, {"model": "coop", "seed": 1}) == "model vcpclip, not coop"
