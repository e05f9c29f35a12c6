import pytest
import torch
import torch.nn.functional as F
from harmonic import harmonic_by_loops
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_clip import tiny_backbone

from zsas_lib.base.errors import UnknownNameError
from zsas_lib.models import list_models
from zsas_lib.models.load import load_model
from zsas_lib.models.prompts import winclip_prompts
from zsas_lib.models.winclip import WinCLIP, harmonic_map


@pytest.fixture
def images():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def anomalous(embedding, text, temperature):
    return torch.tensor([embedding @ text[0], embedding @ text[1]]).div(temperature).softmax(0)[1]


def by_hand(
    backbone,
    images,
    names,
    *,
    templates=22,
    text_mean="normalised",
    raw_names=False,
    full_stop=True,
    temperature=0.07,
    scales=(2, 3),
    image_term=True,
):
    """WinCLIP from embeddings, with loops: one image, one window, one softmax at a time."""
    maps, scores = [], []
    for image, name in zip(images, names):
        prompts = winclip_prompts(name, templates=templates, raw_names=raw_names, full_stop=full_stop)
        text = []
        for sentences in (prompts.normal, prompts.abnormal):
            embeddings = backbone.encode_text(list(sentences), normalise=False)
            if text_mean == "normalised":
                embeddings = embeddings / embeddings.norm(dim=-1, keepdim=True)
            text.append(embeddings.mean(0) / embeddings.mean(0).norm())
        image_score = anomalous(backbone.encode_image(image[None])[0], text, temperature)
        reciprocals = [1 / image_score.expand(4, 4)] if image_term else []
        for side in scales:
            windows = backbone.window_embeddings(backbone.embed_patches(image[None]), side)[0]
            window_scores = torch.stack([anomalous(embedding, text, temperature) for embedding in windows])
            window_scores = window_scores.reshape(1, 5 - side, 5 - side)
            reciprocals.append(1 / harmonic_by_loops(window_scores, 4, side)[0])
        maps.append(len(reciprocals) / sum(reciprocals))
        scores.append(image_score)
    return F.interpolate(torch.stack(maps)[:, None], images.shape[-2:], mode="bilinear")[:, 0], torch.stack(scores)


def scrambled(count, start):
    """Numbers in [-0.5, 0.5) that any machine makes alike."""
    number = torch.arange(count) + start
    return ((number * number * 40503 + number * 2654435761) % 65536).double() / 65536 - 0.5


ANOMALIB_SCORES = [0.4317280, 0.4364859]
ANOMALIB_MAPS = [
    [
        [0.4473816, 0.4487523, 0.4432483, 0.4309896],
        [0.4486184, 0.4511758, 0.4477298, 0.4392823],
        [0.4444816, 0.4448017, 0.4446323, 0.4416060],
        [0.4396174, 0.4398511, 0.4410902, 0.4426846],
    ],
    [
        [0.4382178, 0.4359490, 0.4350730, 0.4391154],
        [0.4410492, 0.4391318, 0.4378158, 0.4396387],
        [0.4413922, 0.4402044, 0.4377413, 0.4376508],
        [0.4405025, 0.4382148, 0.4349478, 0.4336056],
    ],
]


@pytest.mark.slow
def test_anomalibs_options_reproduce_anomalib():
    """Numbers of anomalib 2.7.0 on open_clip 2.24.0 (later ones break it) with the same weights, images and class."""
    backbone = tiny_backbone()
    with torch.no_grad():
        for name, parameter in backbone.clip.named_parameters():
            values = scrambled(parameter.numel(), len(name)).reshape(parameter.shape)
            parameter.copy_(1 + values if name.endswith("weight") and ".ln" in f".{name}" else values / 2)
    images = (scrambled(2 * 3 * 32 * 32, 7) + 0.5).reshape(2, 3, 32, 32).float()
    prediction = load_model("winclip", backbone, templates=21, raw_names=True, text_mean="raw")(images, "metal_nut")
    torch.testing.assert_close(prediction.image_score, torch.tensor(ANOMALIB_SCORES), atol=2e-6, rtol=0)
    torch.testing.assert_close(prediction.anomaly_map[:, 4::8, 4::8], torch.tensor(ANOMALIB_MAPS), atol=2e-6, rtol=0)


def test_harmonic_mean_of_the_published_example():
    scores = torch.tensor([[[1, 0.75], [0.5, 0.25]]])
    expected = torch.tensor([[[1, 6 / 7, 0.75], [2 / 3, 0.48, 0.375], [0.5, 1 / 3, 0.25]]])
    torch.testing.assert_close(harmonic_map(scores, 3, 2), expected)


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.data())
def test_harmonic_mean_equals_loops(grid, data):
    side = data.draw(st.integers(1, grid))
    scores = torch.rand(2, grid - side + 1, grid - side + 1) * 0.98 + 0.01
    torch.testing.assert_close(harmonic_map(scores, grid, side), harmonic_by_loops(scores, grid, side))


def test_harmonic_mean_at_zero_is_zero_with_a_finite_gradient():
    scores = torch.tensor([[[0.0, 0.5], [0.5, 0.5]]], requires_grad=True)
    harmonic = harmonic_map(scores, 3, 2)
    harmonic.sum().backward()
    assert (harmonic[0, :2, :2] < 1e-10).all() and torch.isclose(harmonic[0, 2, 2], torch.tensor(0.5))
    assert scores.grad.isfinite().all()


def test_harmonic_mean_of_other_windows():
    with pytest.raises(ValueError, match="Expected 3x3 windows of side 2 on a grid of 4, got"):
        harmonic_map(torch.rand(1, 2, 2), 4, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"templates": 21, "text_mean": "raw", "raw_names": True},
        {"temperature": 0.01},
        {"image_term": False},
        {"scales": (2,), "full_stop": False},
        {"scales": (1, 4)},
    ],
)
def test_map_and_score_equal_a_hand_computation(backbone, images, options):
    names = ["metal_nut", "pcb1", "metal_nut"]
    prediction = load_model("winclip", backbone, **options)(images, names)
    anomaly_map, image_score = by_hand(backbone, images, names, **options)
    torch.testing.assert_close(prediction.anomaly_map, anomaly_map, atol=1e-5, rtol=0)
    torch.testing.assert_close(prediction.image_score, image_score, atol=1e-5, rtol=0)


def damaged(count: int, place: tuple[slice, slice]):
    masks = torch.zeros(count, 32, 32, dtype=torch.bool)
    masks[:, *place] = True
    return masks


@torch.no_grad()
@pytest.mark.parametrize("scales", [(2, 3), (3,)])
def test_a_cheap_look_is_the_map_of_a_few_windows(backbone, images, scales):
    """Where all windows that cover a patch are read it has their harmonic mean, elsewhere that of those read."""
    model, side = WinCLIP(backbone, scales=scales), min(scales)
    masks = damaged(3, (slice(0, 32), slice(0, 8)))
    found = model.rough_map(images, "bottle", masks)
    scores = model.window_scores(images, "bottle")[side]
    last = backbone.patches[0] - side
    read = torch.zeros_like(scores, dtype=torch.bool)
    tiles = torch.tensor(sorted({*range(0, last + 1, side), last}))
    read[:, tiles[:, None], tiles] = True
    left = scores.new_zeros(scores.shape[1:]).index_fill(1, torch.tensor(0), 1.0)  # those that the damage fills
    extra = found.new_zeros(len(images), dtype=torch.long)
    for image in range(len(images)):
        for row in range(found.shape[1]):
            for column in range(found.shape[2]):
                over = [
                    (i, j)
                    for i in range(max(0, row - side + 1), min(row, last) + 1)
                    for j in range(max(0, column - side + 1), min(column, last) + 1)
                ]
                own = [1 / float(scores[image, i, j]) for i, j in over if read[image, i, j]]
                tiled = len(own) / sum(own) if own else float("nan")
                if not torch.isclose(found[image, row, column], torch.tensor(tiled), atol=1e-5, equal_nan=True):
                    assert any(left[i, j] for i, j in over), "another window is read only where the damage is"
                    extra[image] += 1
    assert (extra > 0).all() or side == 3


@torch.no_grad()
def test_a_cheap_look_of_all_windows_is_the_map_of_that_scale(backbone, images, monkeypatch):
    monkeypatch.setattr("zsas_lib.models.winclip.LOOKS_AT_DAMAGE", 1.0)
    model = WinCLIP(backbone, scales=(2,), image_term=False)
    found = model.rough_map(images, "bottle", damaged(3, (slice(0, 8), slice(0, 8))))
    expected = harmonic_map(model.window_scores(images, "bottle")[2], backbone.patches, 2)
    assert torch.allclose(found, expected, atol=1e-5)


@torch.no_grad()
def test_a_few_shot_look_weighs_references_as_the_map_does(backbone, images, monkeypatch):
    monkeypatch.setattr("zsas_lib.models.winclip.LOOKS_AT_DAMAGE", 1.0)
    looks = {}
    for weight in (0.0, 0.5, 1.0):
        model = WinCLIP(backbone, shots=1, reference_weight=weight)
        model.remember("bottle", images[:1])
        looks[weight] = model.rough_map(images[1:], "bottle", damaged(2, (slice(0, 8), slice(0, 8))))
    words = WinCLIP(backbone).rough_map(images[1:], "bottle", damaged(2, (slice(0, 8), slice(0, 8))))
    assert torch.allclose(looks[0.0], words, atol=1e-5) and not torch.allclose(looks[0.5], words, atol=1e-3)
    known = model.association_maps(images[1:], "bottle")[2]
    assert torch.allclose(looks[1.0], known, atol=1e-5)


@pytest.mark.parametrize("options", [{"windows": "pooled"}, {"non_square": "tile"}])
def test_where_there_is_no_cheap_look_it_says_so(backbone, options):
    assert not WinCLIP(backbone, **options).looks_cheaply and WinCLIP(backbone).looks_cheaply


@pytest.mark.slow
def test_every_option_changes_the_map(backbone, images):
    options = [
        {},
        {"temperature": 0.01},
        {"scales": (2,)},
        {"image_term": False},
        {"templates": 21},
        {"full_stop": False},
        {"raw_names": True},
        {"text_mean": "raw"},
    ]
    maps = [load_model("winclip", backbone, **option)(images, "pcb1").anomaly_map for option in options]
    for i, first in enumerate(maps):
        assert all(not torch.equal(first, second) for second in maps[i + 1 :])


def test_the_steps_are_those_of_the_map(backbone, images):
    model = load_model("winclip", backbone)
    prediction = model(images, "pill")
    windows = model.window_scores(images, "pill")
    assert {side: tuple(scores.shape) for side, scores in windows.items()} == {2: (3, 3, 3), 3: (3, 2, 2)}
    assert torch.equal(model.image_scores(images, "pill"), prediction.image_score)
    reciprocals = sum(1 / harmonic_map(scores, 4, side) for side, scores in windows.items())
    patches = 3 / (reciprocals + 1 / prediction.image_score[:, None, None])
    enlarged = F.interpolate(patches[:, None], (32, 32), mode="bilinear")[:, 0]
    torch.testing.assert_close(prediction.anomaly_map, enlarged)


def test_maps_are_not_constant(backbone, images):
    assert load_model("winclip", backbone)(images, "pill").anomaly_map.std(dim=(1, 2)).min() > 1e-4


def test_a_batch_equals_its_images_one_by_one(backbone, images):
    model = load_model("winclip", backbone)
    names = ["pill", "screw", "pill"]
    batch = model(images, names)
    singles = [model(image[None], name) for image, name in zip(images, names, strict=True)]
    torch.testing.assert_close(
        batch.anomaly_map, torch.cat([single.anomaly_map for single in singles]), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(
        batch.image_score, torch.cat([single.image_score for single in singles]), atol=1e-6, rtol=0
    )


def test_one_name_serves_all_and_other_counts_are_refused(backbone, images):
    model = load_model("winclip", backbone)
    torch.testing.assert_close(model(images, "pill").anomaly_map, model(images, ["pill"] * 3).anomaly_map)
    with pytest.raises(ValueError, match="2 class names for 3 images"):
        model(images, ["pill", "screw"])


def test_each_class_is_encoded_once(backbone, images, monkeypatch):
    model = load_model("winclip", backbone)
    model(images, ["pill", "screw", "pill"])
    monkeypatch.setattr(backbone, "encode_text", lambda *arguments, **options: pytest.fail("encoded again"))
    model(images, ["screw", "screw", "pill"])
    assert model.text_features("pill").shape == (2, 24)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("image_term, scales", [(True, (2, 3)), (False, (3,)), (True, (4,))])
def test_gradient_agrees_with_finite_differences(image_term, scales):
    model = WinCLIP(tiny_backbone().double(), image_term=image_term, scales=scales)
    generator = torch.Generator().manual_seed(0)
    image, direction, weight = (torch.rand(1, 3, 32, 32, generator=generator, dtype=torch.float64) for _ in range(3))

    def loss(image):
        return (model(image, "pill").anomaly_map * weight[:, 0]).sum()

    image.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(image), image)
    step = 1e-5
    with torch.no_grad():
        difference = (loss(image + step * direction) - loss(image - step * direction)) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), difference, rtol=1e-6, atol=1e-8)
    assert difference.abs() > 1e-4


def test_gradient_reaches_the_image_through_the_windows_too(backbone, images):
    def gradient(**options):
        image = images.clone().requires_grad_()
        anomaly_map = load_model("winclip", backbone, **options)(image, "pill").anomaly_map
        return torch.autograd.grad(anomaly_map[:, 0, 0].sum(), image)[0]

    windows_only = gradient(image_term=False, scales=(2,))
    assert windows_only[..., :8, :8].abs().max() > 0 and windows_only[..., 24:, 24:].abs().max() == 0
    assert gradient(image_term=True, scales=(2,))[..., 24:, 24:].abs().max() > 0


def test_text_cached_in_inference_mode_serves_a_later_gradient(backbone, images):
    model = load_model("winclip", backbone)
    with torch.inference_mode():
        model(images, "pill")
    image = images.clone().requires_grad_()
    model(image, "pill").anomaly_map.sum().backward()
    assert image.grad.abs().max() > 0


def test_maps_have_the_size_of_the_input(backbone):
    wide = torch.rand(2, 3, 50, 90)
    prediction = load_model("winclip", backbone)(wide, "pill")
    assert prediction.anomaly_map.shape == (2, 50, 90)
    square = F.interpolate(wide, (32, 32), mode="bicubic", antialias=True).clamp(0, 1)
    torch.testing.assert_close(
        prediction.image_score, load_model("winclip", backbone)(square, "pill").image_score, atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("transpose", [False, True])
def test_tiles_are_squares_whose_maps_are_averaged(backbone, transpose):
    long = torch.rand(2, 3, 40, 100, generator=torch.Generator().manual_seed(0))
    model, squash = load_model("winclip", backbone, non_square="tile"), load_model("winclip", backbone)
    turned = (lambda x: x.mT) if transpose else (lambda x: x)
    prediction = model(turned(long), "pill")
    total, cover, scores = torch.zeros(2, 40, 100), torch.zeros(100), []
    for left in (0, 32, 60):
        tile = squash(turned(long[..., left : left + 40]).contiguous(), "pill")
        total[..., left : left + 40] += turned(tile.anomaly_map)
        cover[left : left + 40] += 1
        scores.append(tile.image_score)
    torch.testing.assert_close(turned(prediction.anomaly_map), total / cover, atol=1e-6, rtol=0)
    torch.testing.assert_close(prediction.image_score, sum(scores) / 3, atol=1e-6, rtol=0)
    assert not torch.allclose(prediction.anomaly_map, squash(turned(long), "pill").anomaly_map, atol=1e-5)


def test_a_square_image_is_one_tile(backbone, images):
    tiled = load_model("winclip", backbone, non_square="tile")(images, "pill")
    assert torch.equal(tiled.anomaly_map, load_model("winclip", backbone)(images, "pill").anomaly_map)


@pytest.mark.slow
def test_bfloat16_maps_are_close_and_float32(images):
    precisions = ("float32", "bfloat16")
    exact, fast = (
        load_model("winclip", tiny_backbone(precision=precision))(images, "pill") for precision in precisions
    )
    assert fast.anomaly_map.dtype == torch.float32
    torch.testing.assert_close(fast.anomaly_map, exact.anomaly_map, atol=5e-3, rtol=0)


def test_options_are_recorded(backbone):
    model = load_model("winclip", backbone, scales=(2,), text_mean="raw")
    assert model.name == "winclip" and model.backbone is backbone
    assert model.options == {
        "temperature": 0.07,
        "scales": [2],
        "image_term": True,
        "templates": 22,
        "full_stop": True,
        "raw_names": False,
        "text_mean": "raw",
        "non_square": "squash",
        "windows": "encoded",
        "window_gradient": True,
        "shots": 0,
        "patch_memory": "normed",
        "reference_weight": 0.5,
    }


@pytest.mark.parametrize(
    "options, message",
    [
        ({"temprature": 1.0}, "Unknown option of model 'winclip' 'temprature'.*Did you mean 'temperature'"),
        ({"text_mean": "normalized"}, "text_mean 'normalized'; known: normalised, raw"),
        ({"non_square": "crop"}, "non_square 'crop'; known: squash, tile"),
        ({"templates": 20}, "templates 20; known: 21, 22"),
        ({"shots": -1}, "shots=-1; expected 0"),
        ({"reference_weight": 1.5}, "reference_weight=1.5; expected a weight in"),
        ({"patch_memory": "norm"}, "patch_memory 'norm'; known: none, normed, raw.*Did you mean 'normed'"),
        ({"temperature": 0.0}, "temperature=0.0; expected a positive number"),
        ({"scales": (2, 5)}, r"scales=\(2, 5\); expected different window sides in 1..4"),
        ({"scales": ()}, "scales"),
        ({"scales": (2, 2)}, "scales"),
    ],
)
def test_wrong_options(backbone, options, message):
    with pytest.raises(ValueError, match=message):
        load_model("winclip", backbone, **options)


def test_unknown_model(backbone):
    assert "winclip" in list_models()
    with pytest.raises(UnknownNameError, match="Unknown model 'wincip'.*Did you mean 'winclip'"):
        load_model("wincip", backbone)
