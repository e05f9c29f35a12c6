"""Few-shot WinCLIP: against loops over windows and references, its errors, its gradient, and what the store sees of
it."""

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from harmonic import harmonic_by_loops
from layouts import write_mvtec
from PIL import Image
from tiny_clip import tiny_backbone

import zsas_lib as zsas
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.models.load import load_model
from zsas_lib.models.references import draw_normal, image_digest, nearest_distance, remember_normal
from zsas_lib.store.results import describe_model


def pictures(count: int, seed: int = 0, size: tuple[int, int] = (32, 32)) -> torch.Tensor:
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))


REFERENCES, IMAGES = pictures(2, seed=1), pictures(3)


def few_shot(backbone, references=REFERENCES, class_name="pill", **options):
    model = load_model("winclip", backbone, shots=len(references), **options)
    model.remember(class_name, references)
    return model


def last_layer_patches(backbone, image, normed):
    """Patch tokens as open_clip's own forward pass leaves them, seen by a hook on its last block."""
    seen = []
    visual = backbone.clip.visual
    hook = visual.transformer.resblocks[-1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    visual((image[None] - backbone.mean) / backbone.std)
    hook.remove()
    tokens = seen[0][0, 1:]
    return visual.ln_post(tokens) if normed else tokens


def distance(embedding, references):
    return min((1 - float(F.cosine_similarity(embedding, other, dim=0))) / 2 for other in references)


def associated_by_hand(backbone, image, references, scales=(2, 3), patch_memory="normed"):
    """Association maps on the 4 x 4 grid with loops: one window, one reference at a time."""
    maps = []
    for side in scales:
        remembered = torch.cat(
            [backbone.window_embeddings(backbone.embed_patches(other[None]), side)[0] for other in references]
        )
        windows = backbone.window_embeddings(backbone.embed_patches(image[None]), side)[0]
        distances = torch.tensor([distance(window, remembered) for window in windows]).reshape(1, 5 - side, 5 - side)
        maps.append(harmonic_by_loops(distances, 4, side)[0])
    if patch_memory != "none":
        normed = patch_memory == "normed"
        remembered = torch.cat([last_layer_patches(backbone, other, normed) for other in references])
        own = last_layer_patches(backbone, image, normed)
        maps.append(torch.tensor([distance(patch, remembered) for patch in own]).reshape(4, 4))
    return sum(maps) / len(maps)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"patch_memory": "raw"}, {"patch_memory": "none"}, {"scales": (1, 4)}])
def test_map_and_score_equal_a_hand_computation(backbone, options):
    prediction = few_shot(backbone, **options)(IMAGES, "pill")
    zero_options = {name: value for name, value in options.items() if name == "scales"}
    zero_shot = load_model("winclip", backbone, **zero_options)(IMAGES, "pill")
    for number, image in enumerate(IMAGES):
        association = associated_by_hand(backbone, image, REFERENCES, **options)
        enlarged = F.interpolate(association[None, None], (32, 32), mode="bilinear")[0, 0]
        expected = (zero_shot.anomaly_map[number] + enlarged) / 2
        torch.testing.assert_close(prediction.anomaly_map[number], expected, atol=1e-5, rtol=0)
        score = (float(zero_shot.image_score[number]) + float(association.max())) / 2
        assert float(prediction.image_score[number]) == pytest.approx(score, abs=1e-5)


def test_the_association_maps_are_those_of_the_prediction(backbone):
    model = few_shot(backbone)
    maps = model.association_maps(IMAGES, "pill")
    assert list(maps) == [2, 3, "patches"] and {tuple(values.shape) for values in maps.values()} == {(3, 4, 4)}
    mean = sum(maps.values()) / 3
    zero_shot = load_model("winclip", backbone)(IMAGES, "pill")
    torch.testing.assert_close(2 * model(IMAGES, "pill").image_score - zero_shot.image_score, mean.amax((1, 2)))
    assert mean.std() > 1e-4


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_the_weight_of_references_goes_from_words_alone_to_references_alone(backbone, weight):
    zero_shot, model = load_model("winclip", backbone)(IMAGES, "pill"), few_shot(backbone, reference_weight=weight)
    association = sum(model.association_maps(IMAGES, "pill").values()) / 3
    alone = F.interpolate(association[:, None], (32, 32), mode="bilinear")[:, 0]
    found = model(IMAGES, "pill")
    torch.testing.assert_close(found.anomaly_map, (1 - weight) * zero_shot.anomaly_map + weight * alone)
    scores = (1 - weight) * zero_shot.image_score + weight * association.amax((1, 2))
    torch.testing.assert_close(found.image_score, scores)


def test_what_was_remembered_has_no_distance_and_half_the_zero_shot_map(backbone):
    model = few_shot(backbone)
    for values in model.association_maps(REFERENCES, "pill").values():
        assert values.min() >= 0 and values.max() < 1e-6
    zero_shot = load_model("winclip", backbone)(REFERENCES, "pill")
    torch.testing.assert_close(model(REFERENCES, "pill").anomaly_map, zero_shot.anomaly_map / 2, atol=1e-6, rtol=0)
    torch.testing.assert_close(model(REFERENCES, "pill").image_score, zero_shot.image_score / 2, atol=1e-6, rtol=0)


def test_distances_are_half_of_one_minus_the_cosine():
    embeddings = F.normalize(torch.tensor([[[1.0, 0], [0, 1], [-1, 0]]]), dim=-1)
    memory = torch.tensor([[1.0, 0.0]])
    assert nearest_distance(embeddings, [memory]).tolist() == [[0.0, 0.5, 1.0]]
    assert nearest_distance(embeddings, [torch.cat([memory, -memory])]).tolist() == [[0.0, 0.5, 0.0]]


def test_more_references_never_lie_further(backbone):
    one, two = few_shot(backbone, REFERENCES[:1]), few_shot(backbone, REFERENCES)
    first, both = (model.association_maps(IMAGES, "pill") for model in (one, two))
    assert all((both[part] <= first[part] + 1e-6).all() for part in both)
    assert any((both[part] < first[part] - 1e-4).any() for part in both)


@pytest.mark.slow
def test_their_order_does_not_matter_and_the_last_told_count(backbone):
    model = few_shot(backbone)
    first = model(IMAGES, "pill").anomaly_map
    model.remember("pill", REFERENCES.flip(0))
    torch.testing.assert_close(model(IMAGES, "pill").anomaly_map, first, atol=1e-6, rtol=0)
    model.remember("pill", pictures(2, seed=9))
    assert not torch.allclose(model(IMAGES, "pill").anomaly_map, first, atol=1e-5)


@pytest.mark.slow
def test_each_image_is_compared_with_its_own_class(backbone):
    model = few_shot(backbone)
    model.remember("screw", pictures(2, seed=9))
    mixed = model(IMAGES, ["pill", "screw", "pill"])
    for name, places in (("pill", [0, 2]), ("screw", [1])):
        alone = model(IMAGES[places], name)
        torch.testing.assert_close(mixed.anomaly_map[places], alone.anomaly_map, atol=1e-6, rtol=0)
        torch.testing.assert_close(mixed.image_score[places], alone.image_score, atol=1e-6, rtol=0)


def test_other_numbers_of_images_are_refused(backbone):
    with pytest.raises(ValueError, match="shots=4 got 2 normal reference images of 'pill'.*shots=2, or give 4 images"):
        load_model("winclip", backbone, shots=4).remember("pill", REFERENCES)
    with pytest.raises(ValueError, match="shots=0 got 2 normal reference images.*load the model with shots=2"):
        load_model("winclip", backbone).remember("pill", REFERENCES)


def test_a_class_without_references_says_how_to_give_them(backbone):
    remedy = r"remembers no normal images of 'screw'; expected model.remember\('screw', images\).*Remembered: pill"
    with pytest.raises(ValueError, match=remedy):
        few_shot(backbone)(IMAGES, ["pill", "screw", "pill"])


@pytest.mark.slow
def test_gradient_agrees_with_finite_differences():
    model = few_shot(tiny_backbone().double(), REFERENCES.double(), image_term=False)
    image, direction = (pictures(1, seed).double() for seed in (3, 4))
    weight = pictures(1, 5)[:, 0].double()

    def loss(image):
        prediction = model(image, "pill")
        return (prediction.anomaly_map * weight).sum() + prediction.image_score.sum()

    image.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(image), image)
    step = 1e-6
    with torch.no_grad():
        difference = (loss(image + step * direction) - loss(image - step * direction)) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), difference, rtol=1e-5, atol=1e-8)
    assert difference.abs() > 1e-4


@pytest.mark.slow
def test_gradient_flows_through_every_association_map_unless_the_windows_are_left_out(backbone):
    for part in (2, 3, "patches"):
        image = IMAGES.clone().requires_grad_()
        few_shot(backbone).association_maps(image, "pill")[part].sum().backward()
        assert image.grad.abs().max() > 0
    image = IMAGES.clone().requires_grad_()
    left_out = few_shot(backbone, window_gradient=False)
    assert not any(values.requires_grad for values in left_out.association_maps(image, "pill").values())
    assert left_out(image, "pill").anomaly_map.requires_grad


def test_remembered_in_inference_mode_serves_a_later_gradient(backbone):
    model = load_model("winclip", backbone, shots=2)
    with torch.inference_mode():
        model.remember("pill", REFERENCES)
    image = IMAGES.clone().requires_grad_()
    model(image, "pill").anomaly_map.sum().backward()
    assert image.grad.abs().max() > 0


def test_references_move_with_the_model_and_are_no_weights():
    model = few_shot(tiny_backbone())
    assert not any(name.startswith("references") for name in model.state_dict())
    assert {rows.dtype for rows in model.double().references.of("pill").values()} == {torch.float64}
    meta = model.to("meta").references.of("pill")
    assert {rows.device.type for rows in meta.values()} == {"meta"}


@pytest.mark.slow
def test_long_images_are_compared_with_all_tiles_of_long_references(backbone):
    references, images = pictures(2, seed=1, size=(32, 48)), pictures(1, size=(32, 48))
    tiled = few_shot(backbone, references, non_square="tile")
    assert len(tiled.references.of("pill")[2]) == 2 * 2 * 9
    tiles = [references[..., start : start + 32] for start in (0, 16)]
    squares = few_shot(backbone, torch.cat(tiles))
    left, right = (squares(images[..., start : start + 32], "pill") for start in (0, 16))
    prediction = tiled(images, "pill")
    torch.testing.assert_close(prediction.image_score, (left.image_score + right.image_score) / 2, atol=1e-6, rtol=0)
    torch.testing.assert_close(prediction.anomaly_map[..., :16], left.anomaly_map[..., :16], atol=1e-6, rtol=0)
    middle = (left.anomaly_map[..., 16:] + right.anomaly_map[..., :16]) / 2
    torch.testing.assert_close(prediction.anomaly_map[..., 16:32], middle, atol=1e-6, rtol=0)


@pytest.fixture
def root(tmp_path):
    return write_mvtec(tmp_path / "mvtec", {"bottle": {"good": 2, "crack": 2}, "grid": {"good": 2, "bent": 2}}, train=5)


def train(root, size=32, **options):
    return zsas.load_dataset("mvtec", root, split="train", image_size=size, **options)


def test_a_draw_depends_on_seed_and_category_alone_and_grows_by_more(root):
    both, grid = train(root), train(root, categories=["grid"])
    paths = [record.path for record in draw_normal(both, "grid", 4, seed=3).records]
    assert len(set(paths)) == 4
    assert paths == [record.path for record in draw_normal(grid, "grid", 4, seed=3).records]
    assert paths[:2] == [record.path for record in draw_normal(grid, "grid", 2, seed=3).records]
    draws = {
        (name, *(record.path.name for record in draw_normal(both, name, 2, seed=seed).records))
        for name in ("grid", "bottle")
        for seed in range(6)
    }
    assert len(draws) > 6


def test_too_few_normal_pictures_are_refused(root):
    with pytest.raises(
        ValueError, match="at least 6 normal pictures of 'grid' in data set 'mvtec', found 5.*Lower shots to 5"
    ):
        draw_normal(train(root), "grid", 6)
    with pytest.raises(UnknownNameError, match="Unknown category 'gird'"):
        draw_normal(train(root), "gird", 1)


@pytest.mark.slow
def test_remember_normal_remembers_the_pictures_it_returns(backbone, root):
    model = load_model("winclip", backbone, shots=2)
    drawn = remember_normal(model, train(root), seed=1)
    assert drawn.categories == ("bottle", "grid") and len(drawn) == 4
    assert not any(record.is_anomalous for record in drawn.records)
    for category in drawn.categories:
        part = drawn.select([category])
        images = torch.stack([part[place].image for place in range(2)])
        assert max(float(values.max()) for values in model.association_maps(images, category).values()) < 1e-6
    assert (
        zsas.evaluate(model, zsas.load_dataset("mvtec", root, image_size=32), resamples=4).loc["mean", "pixel_auroc"]
        > 0
    )


def test_remember_normal_draws_no_damaged_picture(backbone, root):
    test = zsas.load_dataset("mvtec", root, image_size=32)
    drawn = remember_normal(load_model("winclip", backbone, shots=2), test)
    assert {record.defect for record in drawn.records} == {"good"}


def test_remember_normal_refuses_a_zero_shot_model_and_mixed_sizes(backbone, root):
    with pytest.raises(ValueError, match="Model 'winclip' .*remembers no pictures; load it with shots=1 or more"):
        remember_normal(load_model("winclip", backbone), train(root))
    Image.fromarray(np.zeros((40, 20, 3), np.uint8)).save(root / "grid/train/good/000.png")
    with pytest.raises(ValueError, match=r"reference pictures of 'grid' have 2 sizes.*image_size"):
        remember_normal(load_model("winclip", backbone, shots=5), train(root, size=None))


@pytest.mark.slow
def test_the_store_tells_references_apart_class_by_class(backbone, root, tmp_path):
    test = zsas.load_dataset("mvtec", root, image_size=32)
    model = load_model("winclip", backbone, shots=1)
    remember_normal(model, train(root), seed=0)
    drawn = draw_normal(train(root), "grid", 1, seed=0)
    assert describe_model(model, ["grid"])["references"] == {"grid": image_digest(drawn[0].image[None])}
    assert describe_model(load_model("winclip", backbone), ["grid"])["references"] == {}
    first = zsas.stored(zsas.evaluate, model, test, store=tmp_path, resamples=4)
    grid = train(root, categories=["grid"])
    other = next(
        seed
        for seed in range(1, 20)
        if draw_normal(grid, "grid", 1, seed).digest != draw_normal(grid, "grid", 1, 0).digest
    )
    remember_normal(model, grid, seed=other)
    second = zsas.stored(zsas.evaluate, model, test, store=tmp_path, resamples=4)
    files = [
        {entry["configuration"]["dataset"]["category"]: entry["file"] for entry in table.attrs["made"]}
        for table in (first, second)
    ]
    assert files[0]["bottle"] == files[1]["bottle"] and files[0]["grid"] != files[1]["grid"]
    remember_normal(model, grid, seed=0)
    third = zsas.stored(zsas.evaluate, model, test, store=tmp_path, resamples=4)
    pd.testing.assert_frame_equal(first, third)
    assert len(list(tmp_path.glob("evaluate/*.parquet"))) == 3
