"""What the embedded backbone's third stage learns from and how: pictures from anywhere, and no places."""

import json

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from safetensors import safe_open

from zsas_lib.base.digests import file_digest
from zsas_lib.base.errors import OptionError
from zsas_lib.data.embedded import train_backbone, train_batches, train_losses
from zsas_lib.data.embedded.products import TRAINING
from zsas_lib.data.embedded.train_pictures import TrainingPictures
from zsas_lib.data.embedded.train_scenes import FURTHER, draw_scene
from zsas_lib.data.embedded.train_structures import STRUCTURES
from zsas_lib.data.embedded.train_student import PERIOD, Student

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 96, "layers": 1, "width": 16, "head_width": 16, "patch_size": 12},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda function: function.__name__)
def test_a_structure_lies_over_both_pictures_of_a_pair_alike(structure):
    """What two pictures differ by is only covered or scaled by it, never made."""
    part = np.zeros((64, 64), np.float32)
    part[16:48, 16:48] = 1
    sound = np.full((64, 64, 3), 0.5, np.float32)
    damaged = sound.copy()
    damaged[30:34, 20:40] = 0.2
    changed = 0
    for seed in range(6):
        veil = structure(default_rng(seed), 64, part)
        assert veil.gain.min() > 0 and 0 <= veil.cover.min() and veil.cover.max() <= 1
        first, second = veil.over(sound), veil.over(damaged)
        assert np.isfinite(first).all()
        assert np.array_equal(first != second, (damaged != sound) & (veil.cover < 1)[..., None])
        changed += not np.allclose(first, sound)
    assert changed >= 4


@pytest.mark.slow
def test_a_scene_differs_where_its_mask_is_and_the_same_seed_draws_it_again():
    inside, outside = [], []
    for seed in range(12):
        pair, mask, name = draw_scene(default_rng(seed), 96)
        assert pair.shape == (2, 96, 96, 3) and 0 <= pair.min() and pair.max() <= 1
        assert tuple(name.split(" ", 1)) in TRAINING
        difference = np.abs(pair[1] - pair[0]).mean(-1)
        inside.append(difference[mask].mean() if mask.any() else 0)
        outside.append(difference[~mask].mean())
    assert np.mean(inside) > 10 * np.mean(outside)
    assert np.array_equal(draw_scene(default_rng(11), 96)[0], pair)


@pytest.mark.slow
def test_scenes_are_off_centre_and_cut_by_the_frame():
    """The part's middle, as the mean place of all masks sees it, is anywhere; benches have it in the middle."""
    masks = np.stack([draw_scene(default_rng(seed), 64)[1] for seed in range(40)])
    rows, columns = np.nonzero(masks.any(0))
    assert min(rows.min(), columns.min()) < 8 and max(rows.max(), columns.max()) > 55
    assert len(FURTHER) == 4


def test_a_stretching_camera_never_looks_beyond_the_picture():
    """Its crops of a picture that is black within a bright frame show the frame once, never its mirror image: a
    picture whose left half is 0 and whose right half is 1 has at most one edge in each row and column."""
    half = np.zeros((1, 2, 96, 96, 3), np.uint8)
    half[:, :, :, 48:] = 255
    pictures = TrainingPictures(half, np.zeros((1, 96, 96), bool), ["disc"])
    camera = train_batches.Camera(zoom=(0.5, 1.0), stretch=0.6)
    pairs = torch.from_numpy(pictures.pairs).permute(0, 1, 4, 2, 3) / 255
    shapes = set()
    for seed in range(8):
        crop, _ = train_batches._crop(default_rng(seed), pairs, torch.zeros(1, 1, 96, 96), 48, camera)
        bright = crop[0, 0, 0] > 0.5
        assert (bright[:, 1:] != bright[:, :-1]).sum(1).max() <= 1 and (bright[1:] != bright[:-1]).sum(0).max() <= 1
        shapes.add(float(bright.float().mean().round(decimals=2)))
    assert len(shapes) > 3


def test_busy_windows_are_those_that_vary():
    """On a grid of 4x4 patches one patch is a chessboard: windows of 2x2 that hold it are drawn, half of it and half 0
    has the deviation of sqrt(1/8 - 1/64), and no other one is."""
    pairs = torch.zeros(1, 2, 3, 48, 48)
    pairs[..., :12, :12] = (torch.arange(12)[:, None] + torch.arange(12)) % 2
    variety = train_losses.window_variety(pairs[:, 0], 12, 2)
    assert variety[0, 0].item() == pytest.approx((1 / 8 - 1 / 64) ** 0.5, abs=1e-6)
    assert variety[0, 1:].max().item() == pytest.approx(0, abs=1e-6)
    nowhere = torch.zeros(1, 48, 48, dtype=torch.bool)
    batch = train_batches.TrainingBatch(pairs, nowhere, nowhere, torch.zeros(1, 3, 48, 48), ["disc"])
    _, damaged, elsewhere = train_losses.draw_windows(batch, default_rng(0), 12, 2, 6, busy=True)
    assert elsewhere.shape == (1, 12) and not damaged.any()
    assert (elsewhere[0, 6:] == 0).all() and (elsewhere[0, :6] > 0).any()


def test_positions_repeat_in_the_third_stage():
    torch.manual_seed(0)
    student = Student(TINY)
    before = student.clip.visual.positional_embedding[1:].detach().unflatten(0, (8, 8)).clone()
    first = student.clip.visual.positional_embedding[0].detach().clone()
    student.start_periods()
    after = student.clip.visual.positional_embedding[1:].detach().unflatten(0, (8, 8))
    assert torch.equal(after[2:6, 2:6], before[2:6, 2:6]) and torch.equal(after[:4, :4], after[4:, 4:])
    with torch.no_grad():
        student.clip.visual.positional_embedding[1] += 4.0
    student.tie_periods()
    assert torch.allclose(after[PERIOD, PERIOD], before[4, 4] + 1.0, atol=1e-6), "a quarter of the four that are tied"
    assert torch.equal(student.clip.visual.positional_embedding[0], first), "the class token keeps its own"


def test_a_blend_is_a_share_of_each_weight():
    student, earlier = Student(TINY), Student(TINY)
    own, other = (one.clip.visual.conv1.weight.detach().clone() for one in (student, earlier))
    train_backbone.blend(student, earlier, 0.75)
    assert torch.allclose(student.clip.visual.conv1.weight, 0.75 * own + 0.25 * other, atol=1e-7)


@pytest.mark.training
def test_the_third_stage_follows_the_first_two_or_starts_from_their_file(tmp_path, monkeypatch):
    """Stopped and gone on with it gives the same weights, and so does what `--begin` starts from; the file says so."""
    monkeypatch.setenv("ZSAS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "backbone.json").write_text(json.dumps(TINY))
    monkeypatch.setattr(train_backbone, "HERE", tmp_path)
    settings = dict(steps=2, batch=4, pictures=6, peak=1e-3, seed=1, third_steps=2, third_peak=1e-3, third_share=0.5)
    train_backbone.main(**settings, folder=tmp_path / "all", begin=None, output=tmp_path / "all.safetensors")
    begin = tmp_path / "all" / "second.safetensors"
    half = tmp_path / "half" / f"{file_digest(begin)[:12]}-2-0.001"
    half.mkdir(parents=True)
    common = dict(steps=2, batch=4, pictures=6, seed=1, peak=1e-3, save_every=1, begin=begin)
    train_backbone.train(half, **common, stop=1)
    train_backbone.main(**settings, folder=tmp_path / "half", begin=begin, output=tmp_path / "begun.safetensors")
    with (
        safe_open(tmp_path / "all.safetensors", "pt") as one,
        safe_open(tmp_path / "begun.safetensors", "pt") as other,
        safe_open(begin, "pt") as earlier,
    ):
        assert one.metadata() == other.metadata() and json.loads(one.metadata()["third steps"]) == 2
        assert all(torch.equal(one.get_tensor(name), other.get_tensor(name)) for name in one.keys())
        positions = one.get_tensor("visual.positional_embedding")[1:].unflatten(0, (8, 8))
        assert torch.equal(positions[:2, :2], positions[6:, 6:]) and not torch.equal(positions[0, 0], positions[1, 1])
        assert not torch.equal(one.get_tensor("visual.conv1.weight"), earlier.get_tensor("visual.conv1.weight"))


def test_where_the_third_stage_begins_is_of_no_use_without_it(tmp_path):
    with pytest.raises(OptionError, match="expected --third-steps with it"):
        train_backbone.main(1, 1, 1, 1.0, 0, 0, 1.0, 1.0, tmp_path / "checkpoints", tmp_path / "a", tmp_path / "b")
    assert list(tmp_path.iterdir()) == []
