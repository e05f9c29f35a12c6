"""What the embedded backbone learns from and how: pictures from anywhere, cameras, windows, and no places."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.random import default_rng
from safetensors import safe_open
from torch import Generator
from torchvision.transforms.v2.functional import gaussian_blur

from zsas_lib.base.digests import file_digest
from zsas_lib.base.errors import OptionError
from zsas_lib.data.embedded.catalogue import backbone_record
from zsas_lib.data.embedded.products import TRAINING
from zsas_lib.training.backbone import __main__ as command
from zsas_lib.training.backbone import batches, captions, learn, losses
from zsas_lib.training.backbone.pictures import NAMES, PICTURE_SIZE, TrainingPictures
from zsas_lib.training.backbone.scenes import FURTHER, draw_scene
from zsas_lib.training.backbone.structures import STRUCTURES
from zsas_lib.training.backbone.student import PERIOD, Student, window_patches

CPU = torch.device("cpu")
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
    assert len(FURTHER) == 5


def test_a_stretching_camera_never_looks_beyond_the_picture():
    """Its crops of a picture that is black within a bright frame show the frame once, never its mirror image: a
    picture whose left half is 0 and whose right half is 1 has at most one edge in each row and column."""
    pairs = torch.zeros(1, 2, 3, 96, 96)
    pairs[..., 48:] = 1
    camera = batches.Camera(zoom=(0.5, 1.0), stretch=0.6)
    shapes = set()
    for seed in range(8):
        dice = batches.Dice(Generator().manual_seed(seed), 1)
        crop, _ = batches.crop(dice, pairs, torch.zeros(1, 1, 96, 96), 48, camera)
        bright = crop[0, 0, 0] > 0.5
        assert (bright[:, 1:] != bright[:, :-1]).sum(1).max() <= 1 and (bright[1:] != bright[:-1]).sum(0).max() <= 1
        shapes.add(float(bright.float().mean().round(decimals=2)))
    assert len(shapes) > 3


def test_a_camera_that_sees_beyond_the_picture_does_not_stretch_it_further():
    """At zoom 1.1 an eleventh of the width is mirrored at the edges, whatever the stretch."""
    pairs = torch.linspace(0, 1, 96).expand(1, 2, 3, 96, 96).contiguous()
    plain, stretched = (
        batches.crop(
            batches.Dice(Generator().manual_seed(3), 1),
            pairs,
            torch.zeros(1, 1, 96, 96),
            48,
            batches.Camera(zoom=(1.1, 1.1), stretch=stretch),
        )[0]
        for stretch in (0.0, 0.6)
    )
    assert torch.allclose(plain, stretched, atol=1e-6)


def test_pairs_are_blurred_as_torchvision_blurs_each():
    pairs = torch.rand(3, 2, 3, 20, 24, generator=Generator().manual_seed(0))
    deviations = torch.tensor([0.3, 0.7, 1.1])
    blurred = batches._blurred(pairs, deviations)
    for pair, deviation, found in zip(pairs, deviations, blurred):
        assert torch.allclose(found, gaussian_blur(pair, [5, 5], [float(deviation)]), atol=1e-6)


def drawn_pair(rng):
    """Grey of any tone; the damaged one has a bright square."""
    pair = np.full((2, PICTURE_SIZE, PICTURE_SIZE, 3), rng.uniform(0.2, 0.5), np.float32)
    pair[1, 40:90, 60:110] += 0.4
    mask = np.zeros((PICTURE_SIZE, PICTURE_SIZE), bool)
    mask[40:90, 60:110] = True
    return pair, mask, NAMES[rng.integers(len(NAMES))]


def failing_pair(rng):
    raise RuntimeError("no such material")


@pytest.mark.slow
def test_pictures_are_there_as_their_own_generators_draw_them():
    pictures = TrainingPictures([drawn_pair, drawn_pair], 20, 7, CPU)
    pictures.wait_for(1, 20)
    pictures.wait_for(0, 20)
    for kind in (0, 1):
        for i in (0, 15, 16, 19):
            pair, mask, name = drawn_pair(default_rng([7, i]))
            assert np.array_equal(pictures.pairs[kind, i].numpy(), np.round(pair * 255).astype(np.uint8))
            assert np.array_equal(pictures.masks[kind, i].numpy(), mask) and NAMES[pictures.names[kind, i]] == name


@pytest.mark.slow
def test_what_comes_in_the_way_of_drawing_is_raised_where_pictures_are_waited_for():
    pictures = TrainingPictures([drawn_pair, failing_pair], 20, 0, CPU)
    with pytest.raises(RuntimeError, match="no such material"):
        pictures.wait_for(1, 20)


@pytest.mark.slow
def test_a_batch_is_of_the_pairs_that_it_may_draw_from_and_tells_what_can_be_seen():
    pictures = TrainingPictures([drawn_pair], 32, 0, CPU)
    draw = [batches.draw_batch(pictures, 0, 8, Generator().manual_seed(1), 8, 96, batches.BENCH) for _ in range(2)]
    assert all(torch.equal(one, other) for one, other in zip(vars(draw[0]).values(), vars(draw[1]).values()))
    batch = draw[0]
    assert batch.pairs.shape == (8, 2, 3, 96, 96) and 0 <= batch.pairs.min() and batch.pairs.max() <= 1
    assert set(batch.names.tolist()) == set(pictures.names[0, :8].tolist())
    assert (batch.seen <= batch.masks).all() and batch.seen.any()
    difference = batch.difference.abs().mean(1)
    assert difference[batch.seen].min() > batches.VISIBLE and difference[~batch.masks].mean() < 0.02


def test_sayings_are_the_sentences_of_a_name_cut_where_the_longest_ends():
    names = ["brushed disc", "wooden bar"]
    words = captions.sayings(default_rng(0), names, 5)
    assert words.shape[:3] == (2, 5, 3) and words[..., -1].max() == words.max(), "the longest ends with its end"
    rng, tokenizer = default_rng(0), captions._tokenizer()
    for i, name in enumerate(names):
        for way in range(5):
            spoken = captions.say_name(rng, name)
            told = [
                captions.sentence(rng, spoken, 0),
                captions.sentence(rng, spoken, 1),
                captions.sentence(rng, name, 0),
            ]
            whole = tokenizer(told)
            assert (
                torch.equal(whole[:, : words.shape[-1]].int(), words[i, way]) and not whole[:, words.shape[-1] :].any()
            )


def test_a_window_counts_the_marked_pixels_in_its_own_patches():
    masks = torch.zeros(1, 48, 48, dtype=torch.bool)
    masks[0, 12:14, 30:33] = True
    counts = losses.window_counts(masks, 12, 2).reshape(3, 3)
    expected = torch.tensor([[0, 6, 6], [0, 6, 6], [0, 0, 0]])
    assert torch.equal(counts, expected.float())
    assert window_patches(4, 2)[4].tolist() == [5, 6, 9, 10]


def test_busy_windows_are_those_that_vary():
    """On a grid of 4x4 patches one patch is a chessboard: windows of 2x2 that hold it are drawn, half of it and half 0
    has the deviation of sqrt(1/8 - 1/64), and no other one is."""
    pairs = torch.zeros(1, 2, 3, 48, 48)
    pairs[..., :12, :12] = (torch.arange(12)[:, None] + torch.arange(12)) % 2
    variety = losses.window_variety(pairs[:, 0], 12, 2)
    assert variety[0, 0].item() == pytest.approx((1 / 8 - 1 / 64) ** 0.5, abs=1e-6)
    assert variety[0, 1:].max().item() == pytest.approx(0, abs=1e-6)
    nowhere = torch.zeros(1, 48, 48, dtype=torch.bool)
    batch = batches.TrainingBatch(pairs, nowhere, nowhere, torch.zeros(1, 3, 48, 48), torch.zeros(1, dtype=torch.long))
    _, damaged, elsewhere = losses.draw_windows(batch, Generator().manual_seed(0), 12, 2, 6, busy=True)
    assert elsewhere.shape == (1, 12) and not damaged.any()
    assert (elsewhere[0, 6:] == 0).all() and (elsewhere[0, :6] > 0).any()


def test_positions_repeat_in_the_third_stage():
    torch.manual_seed(0)
    student = Student(TINY)
    before = student.clip.visual.positional_embedding[1:].detach().unflatten(0, (8, 8)).clone()
    first = student.clip.visual.positional_embedding[0].detach().clone()
    student.start_periods()
    after = student.clip.visual.positional_embedding[1:].detach().unflatten(0, (8, 8))
    assert torch.equal(after[3:5, 3:5], before[3:5, 3:5]) and torch.equal(after[:2, :2], after[6:, 6:])
    with torch.no_grad():
        student.clip.visual.positional_embedding[1] += 16.0
    student.tie_periods()
    assert torch.allclose(after[PERIOD, PERIOD], before[4, 4] + 1.0, atol=1e-6), "a sixteenth of the sixteen tied"
    assert torch.equal(student.clip.visual.positional_embedding[0], first), "the class token keeps its own"


def test_positions_of_a_part_of_a_larger_picture_are_interpolated_ones():
    torch.manual_seed(0)
    student = Student(TINY)
    own = student.clip.visual.positional_embedding.detach()
    planes = own[1:].unflatten(0, (8, 8)).permute(2, 0, 1)[None]
    large = F.interpolate(planes, (13, 13), mode="bicubic", antialias=True, align_corners=False)[0]
    expected = torch.cat([own[:1], large[:, 2:10, 5:13].flatten(1).mT])
    assert torch.allclose(student.positions(student.stretched(13, 2, 5)), expected, atol=1e-6)
    assert torch.equal(student.positions(None), own)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setenv("ZSAS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "backbone.json").write_text(json.dumps(TINY))
    monkeypatch.setattr(learn, "ARCHITECTURE", tmp_path / "backbone.json")
    monkeypatch.setattr(learn, "WAYS", 2)
    monkeypatch.setattr(learn, "FIRST_PICTURES", 4)


@pytest.mark.training
def test_training_that_was_stopped_ends_as_if_it_had_not_been(tiny, tmp_path):
    settings = dict(steps=4, batch=4, pictures=6, seed=1, peak=1e-3, save_every=1)
    for folder in ("whole", "stopped"):
        (tmp_path / folder).mkdir()
    whole = learn.train(tmp_path / "whole", **settings)
    learn.train(tmp_path / "stopped", **settings, stop=2)
    stopped = learn.train(tmp_path / "stopped", **settings)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, stopped.state_dict()[name]), name


@pytest.mark.training
def test_the_third_stage_follows_the_first_two_or_starts_from_their_file(tiny, tmp_path):
    """Stopped and gone on with it gives the same weights, and so does what `--begin` starts from; the file says so. It
    leaves the text tower as it was, and begins from what it made, too."""
    settings = dict(steps=2, batch=4, pictures=6, peak=1e-3, seed=1, third_steps=2, third_batch=4, third_peak=1e-3)
    settings["device"] = "cpu"
    command.main(**settings, folder=tmp_path / "all", begin=None, output=tmp_path / "all.safetensors")
    begin = tmp_path / "all" / "second.safetensors"
    half = tmp_path / "half" / f"{file_digest(begin)[:12]}-2-4-6-0.001-1"
    half.mkdir(parents=True)
    learn.train(half, steps=2, batch=4, pictures=6, seed=1, peak=1e-3, save_every=1, begin=begin, stop=1)
    command.main(**settings, folder=tmp_path / "half", begin=begin, output=tmp_path / "begun.safetensors")
    with (
        safe_open(tmp_path / "all.safetensors", "pt") as one,
        safe_open(tmp_path / "begun.safetensors", "pt") as other,
        safe_open(begin, "pt") as earlier,
    ):
        assert one.metadata() == other.metadata()
        assert all(torch.equal(one.get_tensor(name), other.get_tensor(name)) for name in one.keys())
        positions = one.get_tensor("visual.positional_embedding")[1:].unflatten(0, (8, 8))
        assert torch.equal(positions[:2, :2], positions[6:, 6:]) and not torch.equal(positions[0, 0], positions[1, 1])
        for name in one.keys():
            same = torch.equal(one.get_tensor(name), earlier.get_tensor(name))
            assert same or name.startswith("visual."), name
        assert not torch.equal(one.get_tensor("visual.conv1.weight"), earlier.get_tensor("visual.conv1.weight"))
    record = backbone_record(tmp_path / "all.safetensors")
    assert record["steps"] == 2 and "steps 2, batch 4, pictures 6, peak 0.001, seed 1" in str(record["third stage"])
    again = command.third_record(tmp_path / "all.safetensors", {"steps": 7})
    assert again == record | {"third stage": f"{record['third stage']}; then steps 7"}


def test_where_the_third_stage_begins_is_of_no_use_without_it(tmp_path):
    with pytest.raises(OptionError, match="expected --third-steps with it"):
        command.main(1, 1, 1, 1.0, 0, 0, 1, 1.0, "cpu", tmp_path / "checkpoints", tmp_path / "a", tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_where_the_weights_shall_go_is_judged_before_the_training(tmp_path):
    with pytest.raises(OptionError, match="is a folder; expected the name of a file"):
        command.main(1, 1, 1, 1.0, 0, 0, 1, 1.0, "cpu", tmp_path / "checkpoints", None, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gpu
def test_recorded_gradients_are_those_that_are_computed_anew():
    torch.manual_seed(0)
    student, device = Student(TINY).cuda(), torch.device("cuda")
    pictures = TrainingPictures([drawn_pair], 16, 0, device)
    gradients, stage = learn.Gradients(student), {"explained": True, "mild": True, "third": True}
    texts = F.normalize(torch.randn(8, 3, 16, device=device), dim=-1)
    for seed in (0, 1):  # the first records
        generator = Generator(device).manual_seed(seed)
        batch = batches.draw_batch(pictures, 0, 16, generator, 8, 96, batches.BENCH)
        windows = {side: losses.draw_windows(batch, generator, 12, side, 3, True) for side in (2, 3)}
        parts = gradients(batch, texts, windows, torch.eye(64), **stage)
        recorded = [p.grad.clone() for p in student.parameters() if p.grad is not None]
        found = {name: value.clone() for name, value in parts.items()}
        student.zero_grad(set_to_none=True)
        loss, anew = losses.step_loss(student, batch, texts, windows, moved=torch.eye(64, device=device), **stage)
        loss.backward()
        assert all(torch.allclose(found[name], anew[name], atol=1e-4) for name in anew)
        fresh = [p.grad for p in student.parameters() if p.grad is not None]
        assert all(torch.allclose(a, b, atol=1e-3, rtol=1e-2) for a, b in zip(recorded, fresh))
        for parameter, kept in zip([p for p in student.parameters() if p.grad is not None], recorded):
            parameter.grad = kept
