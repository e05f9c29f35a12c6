import colorsys

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve1d

from zsas_lib.training import augmentation
from zsas_lib.training.augmentation import augmented, zoomed


def squares(count, side=48, top=14, size=16):
    """White squares in the middle of black pictures, and where they are."""
    masks = torch.zeros(count, side, side, dtype=torch.bool)
    masks[:, top : top + size, top + 2 : top + 2 + size] = True
    return masks[:, None].float().repeat(1, 3, 1, 1), masks


def drawn(images, masks, seed):
    torch.manual_seed(seed)
    return augmented(images, masks)


def test_shapes_and_ranges_stay_and_inputs_are_left_alone():
    images = torch.rand(24, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    masks = images[:, 0] > 0.8
    kept_images, kept_masks = images.clone(), masks.clone()
    changed_images, changed_masks = drawn(images, masks, 1)
    assert (
        changed_images.shape == images.shape
        and changed_images.dtype == torch.float32
        and changed_masks.dtype == torch.bool
    )
    assert changed_images.min() >= 0 and changed_images.max() <= 1
    assert torch.equal(images, kept_images) and torch.equal(masks, kept_masks)


def test_the_seed_decides():
    images, masks = squares(6)
    first, again, other = (drawn(images, masks, seed) for seed in (3, 3, 4))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.slow
def test_masks_follow_their_pictures_and_keep_their_area():
    """Brightness and contrast leave white above 0.6 and black below 0.2."""
    images, masks = squares(120)
    changed_images, changed_masks = drawn(images, masks, 0)
    seen = changed_images.mean(1) > 0.4
    overlap = (seen & changed_masks).sum((1, 2)) / (seen | changed_masks).sum((1, 2))
    assert overlap.min() > 0.75 and overlap.mean() > 0.93
    assert (changed_masks != masks).any((1, 2)).float().mean() > 0.5
    areas = changed_masks.sum((1, 2)) / masks.sum((1, 2))
    assert areas.mean() == pytest.approx(1, abs=0.02) and areas.min() > 0.85 and areas.max() < 1.15


def test_turning_mirrors_edges():
    plain = torch.full((3, 32, 32), 0.6)
    turned, mask = augmentation._turned(plain, torch.ones(32, 32, dtype=torch.bool), 27.0)
    torch.testing.assert_close(turned, plain)
    assert mask.all()


def test_turning_by_a_quarter_is_a_quarter_turn():
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    turned, mask = augmentation._turned(image, image[0] > 0.5, 90.0)
    turns = next(k for k in (1, 3) if torch.allclose(turned, image.rot90(k, (1, 2)), atol=1e-4))
    assert torch.equal(mask, (image[0] > 0.5).rot90(turns, (0, 1)))


def test_a_share_of_pictures_stays_and_noise_is_small(monkeypatch):
    images, masks = squares(64)
    monkeypatch.setattr(augmentation, "CHANCE", 0.0)
    assert torch.equal(augmented(images, masks)[0], images)
    grey = torch.full((1, 3, 64, 64), 0.5)
    answers = iter([False, False, False, True, False])
    monkeypatch.setattr(augmentation, "_happens", lambda: next(answers))
    noise = drawn(grey, masks[:1, :1, :1].expand(1, 64, 64), 0)[0] - grey
    assert 3 / 255 < noise.std() < 7.2 / 255 and noise.mean().abs() < 1 / 255


def test_turns_contrast_and_brightness_are_drawn_from_their_whole_ranges(monkeypatch):
    turned = []
    monkeypatch.setattr(augmentation, "_turned", lambda image, mask, angle: (turned.append(angle), (image, mask))[1])
    pair = torch.tensor([0.4, 0.6]).expand(3, 2, 2)
    found = []
    torch.manual_seed(0)
    for _ in range(400):
        answers = iter([True, False, True, False, False])  # turned, and changed in contrast and brightness
        monkeypatch.setattr(augmentation, "_happens", lambda: next(answers))
        dark, light = augmentation._one(pair, torch.zeros(2, 2, dtype=torch.bool))[0][0, 0].tolist()
        contrast = (light - dark) / 0.2 - 1
        found.append((contrast, dark - 0.4 * (1 + contrast)))
    for drawn_, most in zip((turned, *zip(*found)), (30, 0.2, 0.2)):
        assert most * 0.95 < max(drawn_) <= most + 1e-5 and -most - 1e-5 <= min(drawn_) < -0.95 * most


def test_colours_change_as_albumentations_changes_them():
    """Factors of 0.8 to 1.2, up to 72 degrees of hue either way; grey stays grey."""
    torch.manual_seed(0)
    grey = torch.full((3, 8, 8), 0.5)
    for found in (augmentation._recoloured(grey) for _ in range(40)):
        assert (found - found.mean()).abs().max() < 1e-6 and 0.39 < found.mean() < 0.61
    red = torch.tensor([0.6, 0.2, 0.2])[:, None, None].expand(3, 8, 8)
    hues = [colorsys.rgb_to_hsv(*augmentation._recoloured(red)[:, 0, 0].tolist())[0] for _ in range(400)]
    degrees = [360 * (hue - (hue > 0.5)) for hue in hues]
    assert 66 < max(degrees) <= 72 + 1e-3 and -72 - 1e-3 <= min(degrees) < -66


def test_one_of_a_box_a_gaussian_and_colours_happens_equally_often(monkeypatch):
    done = []
    for name in ("_boxed", "_blurred", "_recoloured"):
        monkeypatch.setattr(augmentation, name, lambda image, name=name: (done.append(name), image)[1])
    monkeypatch.setattr(augmentation, "CHANCE", 1.0)
    images, masks = squares(1)
    drawn(images.expand(600, -1, -1, -1), masks.expand(600, -1, -1), 0)
    assert all(170 < done.count(name) < 230 for name in ("_boxed", "_blurred", "_recoloured"))


def test_blurs_have_opencvs_kernels_and_mirror_at_the_border():
    image = torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(0))

    def smoothed(kernel):
        return torch.from_numpy(
            convolve1d(convolve1d(image.numpy(), kernel, 1, mode="mirror"), kernel, 2, mode="mirror")
        )

    torch.testing.assert_close(augmentation._boxed(image), smoothed(np.ones(3) / 3))
    kernels = []
    for side, sigma in ((3, 0.8), (5, 1.1), (7, 1.4)):
        kernel = np.exp(-((np.arange(side) - side // 2) ** 2) / (2 * sigma**2))
        kernels.append(kernel / kernel.sum())
    torch.manual_seed(0)
    found = [augmentation._blurred(image) for _ in range(30)]
    apart = np.array([[float((own - smoothed(kernel)).abs().max()) for kernel in kernels] for own in found])
    assert set(apart.argmin(1)) == {0, 1, 2} and apart.min(1).max() < 1e-6


@pytest.mark.slow
def test_zooming_enlarges_a_part_with_its_mask_and_mostly_one_that_shows_damage():
    images, masks = squares(200, side=60, top=8, size=6)
    torch.manual_seed(0)
    cut, cut_masks = zoomed(images, masks, 1.0)
    assert cut.shape == images.shape and cut_masks.dtype == torch.bool and 0 <= cut.min() and cut.max() <= 1
    assert ((cut[:, 0] > 0.5) == cut_masks).float().mean() > 0.98
    shown = cut_masks.any(2).any(1)
    assert 0.7 < shown.float().mean() < 0.95
    enlarged = cut_masks[shown].sum((1, 2)).float() / 36
    assert 1 / 0.8**2 * 0.8 < enlarged.median() < 1 / 0.3**2


def test_without_damage_the_square_lies_anywhere():
    """Of pictures whose colours are the row and the column of each pixel."""
    place = torch.arange(50) / 50
    image = torch.stack([place[:, None].expand(50, 50), place.expand(50, 50), torch.zeros(50, 50)])
    torch.manual_seed(0)
    cut, _ = zoomed(image.expand(400, -1, -1, -1), torch.zeros(400, 50, 50, dtype=torch.bool), 1.0)
    middles, sides = cut[:, :2].mean((2, 3)), cut[:, 0, -1, 0] - cut[:, 0, 0, 0]
    assert sides.min() == pytest.approx(0.3, abs=0.03) and sides.max() == pytest.approx(0.8, abs=0.03)
    for axis in (0, 1):
        assert middles[:, axis].min() < 0.25 and middles[:, axis].max() > 0.75
        assert middles[:, axis].mean() == pytest.approx(0.49, abs=0.03)
    assert torch.corrcoef(middles.T)[0, 1].abs() < 0.15, "rows and columns are drawn apart"


def test_zooming_happens_as_often_as_asked():
    images, masks = squares(200)
    torch.manual_seed(1)
    assert torch.equal(zoomed(images, masks, 0.0)[0], images)
    changed = (zoomed(images, masks, 0.3)[0] != images).flatten(1).any(1).float().mean()
    assert 0.2 < changed < 0.4
