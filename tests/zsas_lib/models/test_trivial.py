"""The trivial maps against numpy and scipy, and that they need no backbone, no training and no words."""

import inspect

import layouts
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import uniform_filter

import zsas_lib as zsas
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.models import MODELS
from zsas_lib.models.learned import NothingToLearnError
from zsas_lib.robustness.search.worst_case import worst_case
from zsas_lib.store.results import stored
from zsas_lib.training.ready import model_for, trained

SIZES = [(32, 32), (20, 45), (33, 21)]


def images(height: int, width: int, batch: int = 3) -> torch.Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height))


@pytest.fixture
def dataset(tmp_path):
    """Three categories; the masks of "rod" are the right half, those of the others one quarter each."""
    root = layouts.write_mvtec(tmp_path / "mvtec", {"cap": {"good": 1, "dent": 2}, "nut": {"good": 1, "dent": 1}})
    layouts.write_picture(root / "rod/test/dent/000.png", size=(128, 64))
    mask = np.zeros((64, 128), dtype=np.uint8)
    mask[:, 64:] = 255
    (root / "rod/ground_truth/dent").mkdir(parents=True)
    Image.fromarray(mask).save(root / "rod/ground_truth/dent/000_mask.png")
    return zsas.load_dataset("mvtec", root)


def test_they_are_models_of_the_library_that_learn_nothing():
    assert zsas.list_trivial_maps() == ["centre-distance", "local-contrast", "median-colour", "mean-ground-truth"]
    assert set(zsas.list_trivial_maps()) < set(zsas.list_models())
    assert not any(MODELS[name].learns for name in zsas.list_trivial_maps())


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_distance_to_the_centre(height, width):
    found = zsas.load_model("centre-distance")(images(height, width), "cap")
    down, across = np.mgrid[:height, :width]
    v, u = (2 * down - height + 1) / height, (2 * across - width + 1) / width
    np.testing.assert_allclose(
        found.anomaly_map, np.broadcast_to(1 - np.hypot(u, v) / 2**0.5, (3, height, width)), atol=1e-6
    )
    assert len(set(found.image_score.tolist())) == 1


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("reach", [0.08, 0.3])
def test_local_contrast_is_a_standard_deviation_over_windows(height, width, reach):
    seen = images(height, width)
    found = zsas.load_model("local-contrast", reach=reach)(seen, "cap").anomaly_map
    side = 2 * round(reach * min(height, width)) + 1
    for own, picture in zip(found, seen.double().mean(1).numpy()):
        variance = uniform_filter(picture**2, side) - uniform_filter(picture, side) ** 2
        np.testing.assert_allclose(own, np.sqrt(variance), atol=1e-5)


def test_local_contrast_of_one_colour_is_the_least_and_has_a_gradient():
    seen = torch.full((1, 3, 16, 16), 0.7, requires_grad=True)
    found = zsas.load_model("local-contrast")(seen, "cap").anomaly_map
    found.sum().backward()
    assert torch.allclose(found, torch.tensor(1e-4)) and seen.grad.isfinite().all()


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("of", ["colour", "brightness"])
def test_distance_from_the_median(height, width, of):
    seen = images(height, width)
    found = zsas.load_model("median-colour", of=of)(seen, "cap")
    pixels = seen.double().numpy() if of == "colour" else seen.double().mean(1, keepdim=True).numpy()
    lower = np.sort(pixels.reshape(3, pixels.shape[1], -1))[..., (height * width - 1) // 2, None, None]
    expected = np.abs(pixels - lower).mean(1)
    np.testing.assert_allclose(found.anomaly_map, expected, atol=1e-6)
    np.testing.assert_allclose(found.image_score, expected.max((1, 2)), atol=1e-6)


def test_mean_ground_truth_is_that_of_the_other_categories_alike(dataset):
    model = zsas.load_model("mean-ground-truth")
    model.remember_masks(dataset)
    seen = images(64, 64)
    found = model(seen, ["cap", "nut", "rod"]).anomaly_map
    quarter, half = np.zeros((64, 64)), np.zeros((64, 64))
    quarter[:32, :32], half[:, 32:] = 1, 1
    for own, expected in zip(found, [(quarter + half) / 2, (quarter + half) / 2, quarter]):
        np.testing.assert_allclose(own, expected, atol=1e-6)  # cap's two pictures count as nut's one
    assert torch.equal(model(seen, "a stranger").anomaly_map, model(seen, "another").anomaly_map)
    np.testing.assert_allclose(model(seen[:1], "a stranger").anomaly_map[0], (2 * quarter + half) / 3, atol=1e-6)


def test_mean_ground_truth_has_the_size_of_the_images_and_knows_a_name_with_spaces(tmp_path):
    kinds = {"steel_cap": {"good": 1, "dent": 1}, "nut": {"good": 1, "dent": 1}}
    model = zsas.load_model("mean-ground-truth")
    model.remember_masks(zsas.load_dataset("mvtec", layouts.write_mvtec(tmp_path / "mvtec", kinds)))
    assert model(images(20, 45), "steel cap").anomaly_map.shape == (3, 20, 45)
    assert set(model.identity(["steel cap"])["steel cap"]) == {"nut"}


def test_what_it_remembers_tells_it_from_others(dataset):
    model = zsas.load_model("mean-ground-truth")
    model.remember_masks(dataset)
    whole = model.identity(["cap"])
    assert set(whole["cap"]) == {"nut", "rod"}
    model.remember_masks(dataset.select(["cap", "rod"]))
    assert whole["cap"]["rod"] == model.identity(["cap"])["cap"]["rod"] and set(model.identity(["cap"])["cap"]) == {
        "rod"
    }
    model.remember_masks(dataset.select(["cap", "nut"]).select(per_category=1))
    assert model.identity(["nut"])["nut"]["cap"] not in (whole["cap"]["nut"], whole["cap"]["rod"])


def test_masks_tell_what_it_remembers_and_pictures_do_not(tmp_path):
    kinds = {"cap": {"good": 1, "dent": 1}, "nut": {"good": 1, "dent": 1}}
    root = layouts.write_mvtec(tmp_path / "mvtec", kinds)
    model = zsas.load_model("mean-ground-truth")

    def remembered():
        model.remember_masks(zsas.load_dataset("mvtec", root))
        return model.identity(["cap"])

    found = [remembered()]
    for path in (*root.glob("nut/test/dent/*.png"), *root.glob("nut/ground_truth/dent/*.png")):
        Image.open(path).rotate(180).point(lambda level: level // 2).save(path)
        found.append(remembered())
    assert len(found) == 3 and found[0] == found[1] != found[2]


def test_without_masks_of_others_it_says_what_to_do(dataset):
    model = zsas.load_model("mean-ground-truth")
    with pytest.raises(ValueError, match=r"remembers no masks; expected model.remember_masks\(dataset\)"):
        model(images(8, 8), "cap")
    with pytest.raises(ValueError, match="at least two categories, so that each has others, got those of cap in"):
        model.remember_masks(dataset.select(["cap"]))
    with pytest.raises(ValueError, match="got those of none in"):
        model.remember_masks(dataset.select(["cap", "nut"], anomalous=False))


def test_a_model_for_a_data_set_is_told_its_masks(dataset):
    model = model_for("mean-ground-truth", None, "mvtec", root=dataset.root)
    assert set(model.identity(["rod"])["rod"]) == {"cap", "nut"}


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("local-contrast", {"reach": 0.0}, ValueError, "reach=0.0; expected a part of the shorter side"),
        ("local-contrast", {"reach": 0.6}, ValueError, "reach=0.6"),
        ("median-colour", {"of": "hue"}, UnknownNameError, "hue"),
        ("centre-distance", {"power": 2}, UnknownNameError, "power"),
        ("centre-distance", {"checkpoint": "file"}, ValueError, "learns nothing, so it has no checkpoint"),
    ],
)
def test_wrong_options_are_refused(name, options, error, message):
    with pytest.raises(error, match=message):
        zsas.load_model(name, **options)


def ready(name: str, dataset):
    return model_for(name, None, "mvtec", root=dataset.root)


@pytest.mark.parametrize("name", zsas.list_trivial_maps())
def test_asked_to_train_it_says_that_it_learns_nothing(name, dataset, tmp_path):
    for train in (zsas.fit, lambda *what: trained(*what, store=tmp_path)):
        with pytest.raises(NothingToLearnError, match=f"{name} learns nothing"):
            train(ready(name, dataset), dataset)


@pytest.mark.parametrize("name", zsas.list_trivial_maps())
def test_pictures_are_treated_one_by_one_with_gradients_that_are_finite(name, dataset):
    model, seen = ready(name, dataset), images(24, 36, batch=4).requires_grad_()
    found = model(seen, "cap")
    single = torch.cat([model(image[None], "cap").anomaly_map for image in seen])
    torch.testing.assert_close(found.anomaly_map, single)
    torch.testing.assert_close(found.image_score, found.anomaly_map.amax((1, 2)))
    found.anomaly_map.square().sum().backward()
    assert seen.grad.isfinite().all()
    assert bool(seen.grad.any()) == (name in ("local-contrast", "median-colour"))
    assert model(seen.double(), "cap").anomaly_map.dtype == torch.float64
    with pytest.raises(ValueError, match="Got 3 class names for 4 images"):
        model(seen, ["cap"] * 3)


@pytest.mark.parametrize("name", zsas.list_trivial_maps())
def test_a_picture_that_is_not_finite_is_no_map(name, dataset):
    seen = images(12, 12)
    seen[1, 0, 3, 3] = torch.nan
    assert ready(name, dataset)(seen, "cap").anomaly_map.isfinite().flatten(1).all(1).tolist() == [True, False, True]


@pytest.mark.slow
@pytest.mark.parametrize("name", zsas.list_trivial_maps())
def test_it_is_evaluated_and_stored_whatever_backbone_there_is(name, dataset, backbone, tmp_path, monkeypatch):
    pictures = zsas.load_dataset("mvtec", dataset.root, categories=["cap", "nut"], image_size=16)
    model = ready(name, dataset)
    table = stored(evaluate, model, pictures, resamples=5, store=tmp_path)
    assert 0 <= table.loc["mean", "pixel_auroc"] <= 1
    assert [made["configuration"]["model"]["backbone"] for made in table.attrs["made"]] == [None, None]
    other = model_for(name, backbone, "mvtec", root=dataset.root)
    monkeypatch.setattr(type(other), "maps", lambda *_: pytest.fail("computed again"))
    assert other.backbone is None and inspect.signature(type(other).__init__).parameters.keys() - {"self"} == set(
        other.options
    )
    again = stored(evaluate, other, pictures, resamples=5, store=tmp_path)
    assert again.equals(table)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", ["centre-distance", "median-colour"])
def test_it_has_a_worst_case(name):
    seen, masks = images(24, 24, batch=1), torch.zeros(1, 24, 24, dtype=torch.bool)
    masks[:, 8:14, 8:14] = True
    found = worst_case(
        zsas.load_model(name), seen, masks, "cap", ("rotation", "hue"), search="adam", steps=2, restarts=1
    )
    assert found.loss.isfinite().all() and found.anomaly_map.shape == (1, 24, 24)


def test_other_models_need_a_backbone():
    with pytest.raises(
        TypeError, match=r'Model \'winclip\' needs a backbone: load_model\(\'winclip\', load_backbone\("embedded"\)\)'
    ):
        zsas.load_model("winclip")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "pixel_auroc", "aupro"),
    [
        ("centre-distance", {}, 0.944, 0.717),
        ("local-contrast", {}, 0.962, 0.759),
        ("median-colour", {"of": "brightness"}, 0.945, 0.834),
        ("median-colour", {}, 0.984, 0.949),
    ],
)
def test_what_they_score_on_photographs(shared, name, options, pixel_auroc, aupro):
    pictures = zsas.load_dataset("folder", shared / "data/hazelnut_toy", image_size=144)
    table = evaluate(zsas.load_model(name, **options), pictures, resamples=2)
    assert table.loc["mean", ["pixel_auroc", "aupro"]].tolist() == pytest.approx([pixel_auroc, aupro], abs=6e-4)
