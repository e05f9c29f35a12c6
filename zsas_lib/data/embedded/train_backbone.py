"""Training of the embedded backbone: a small CLIP in open_clip's own architecture (``backbone.json``).

    python -m zsas_lib.data.embedded.train_backbone

A batch holds pairs of one shot with and without its defect, so that nothing but the defect tells them apart. The text
tower learns to put normal and abnormal sentences apart along one direction. Windows of 2x2 and 3x3 patches, encoded
from their own patches and the class token alone as WinCLIP does, and whole pictures are compared with the normal and
the abnormal sentence about their product, by their class token and by every patch. Whole pictures are
compared with the names in the batch. The random numbers of a step depend on the seed and the step only, so a run that
is stopped goes on from its last checkpoint as if it had not been.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
import typer
from jaxtyping import Bool, Float, Int
from numpy.random import Generator, default_rng
from safetensors.torch import save_file
from torch import Tensor
from torchvision.io import decode_jpeg, encode_jpeg
from torchvision.transforms.v2.functional import gaussian_blur

from ...digests import source_digest
from ..cache import cache_folder
from . import captions, train_pictures
from .train_pictures import TrainingPictures, training_pictures

HERE = Path(__file__).parent
TEMPERATURE = 0.07
WINDOWS = {2: 6, 3: 4}
"""Window side in patches -> windows drawn on the damage, and as many elsewhere, per pair and step."""
SMALLEST_DAMAGE = {1: 8, 2: 17, 3: 26}
"""Damaged pixels from which a window counts as abnormal; side 1 is a patch."""
SMALLEST_PICTURE_DAMAGE = 16
VISIBLE = 0.05
"""Difference to the sound twin (0 to 1) from which a pixel of the mask counts as damaged."""
STATE_GAP = 1.2
"""How far apart normal and abnormal sentences stand along the direction that all products share; at most 2."""
WEIGHTS = {"text": 1.0, "windows": 1.0, "window patches": 0.5, "picture": 1.0, "picture patches": 1.0, "name": 0.3}


@dataclass(frozen=True)
class TrainingBatch:
    """``pairs`` are the same shots, sound (0) and damaged (1); ``seen`` is the part of ``masks`` that can be seen."""

    pairs: Float[Tensor, "pair 2 3 height width"]
    masks: Bool[Tensor, "pair height width"]
    seen: Bool[Tensor, "pair height width"]
    names: list[str]


def draw_batch(pictures: TrainingPictures, rng: Generator, size: int, side: int) -> TrainingBatch:
    """``size`` pairs, cropped to ``side`` pixels and seen by one camera each."""
    picks = rng.choice(len(pictures.names), size, replace=False)
    pairs = torch.from_numpy(np.stack([pictures.pairs[i] for i in picks])).permute(0, 1, 4, 2, 3) / 255
    defects = torch.from_numpy(np.stack([pictures.masks[i] for i in picks])).float()[:, None]
    pairs, defects = _crop(rng, pairs, defects, side)
    pairs = _expose(rng, pairs)
    seen = (pairs[:, 1] - pairs[:, 0]).abs().mean(1) > VISIBLE
    masks = defects[:, 0] > 0.4
    return TrainingBatch(_record(rng, pairs), masks, masks & seen, [pictures.names[i] for i in picks])


def _crop(rng, pairs, defects, side):
    """Zoom, shift, mirror and quarter-turn; a third of the zooms are centred on the defect."""
    size = len(pairs)
    zoom = np.exp(rng.uniform(np.log(0.6), np.log(1.1), size)).astype(np.float32)
    turn, mirror = rng.integers(4, size=size) * np.pi / 2 + rng.normal(0, 0.05, size), rng.choice([-1, 1], size)
    room = np.maximum(1 - zoom, 0)[:, None]
    shift = rng.uniform(-1, 1, (size, 2)) * room
    weight = defects[:, 0] / defects[:, 0].sum((1, 2), keepdim=True).clamp_min(1e-6)
    axis = torch.linspace(-1, 1, defects.shape[-1])
    centre = torch.stack([(weight.sum(1) * axis).sum(1), (weight.sum(2) * axis).sum(1)], 1).numpy()
    aimed = (rng.random(size) < 0.33)[:, None]
    shift = np.where(aimed, np.clip(centre + rng.normal(0, 0.25, (size, 2)) * zoom[:, None], -room, room), shift)
    cos, sin = np.cos(turn) * zoom, np.sin(turn) * zoom
    theta = np.stack([np.stack([cos * mirror, -sin, shift[:, 0]], 1), np.stack([sin * mirror, cos, shift[:, 1]], 1)], 1)
    grid = F.affine_grid(torch.from_numpy(theta).float(), [size, 3, side, side], align_corners=False)
    cropped = F.grid_sample(pairs.flatten(1, 2), grid, padding_mode="reflection", align_corners=False)
    return cropped.unflatten(1, (2, 3)), F.grid_sample(defects, grid, padding_mode="zeros", align_corners=False)


def _expose(rng, pairs):
    """Colours, exposure and sharpness of any camera, the same for both of a pair."""
    size = len(pairs)

    def uniform(low, high):
        return torch.from_numpy(rng.uniform(low, high, (size, 1, 1, 1, 1)).astype(np.float32))

    for i in np.flatnonzero(rng.random(size) < 0.3):
        pairs[i] = pairs[i][:, torch.from_numpy(rng.permutation(3))]
    grey = pairs.mean(2, keepdim=True)
    pairs = (grey + (pairs - grey) * uniform(0.0, 1.5)).clamp(1e-4, 1)
    pairs = pairs ** uniform(math.log(0.6), math.log(1.6)).exp()
    tint = torch.from_numpy(np.exp(rng.normal(0, 0.08, (size, 1, 3, 1, 1))).astype(np.float32))
    pairs = (pairs * tint * uniform(0.75, 1.25) + uniform(-0.08, 0.08)).clamp(0, 1)
    for i in np.flatnonzero(rng.random(size) < 0.3):
        pairs[i] = gaussian_blur(pairs[i], [5, 5], [float(rng.uniform(0.3, 1.1))])
    return pairs


def _record(rng, pairs):
    """Sensor noise and JPEG, each picture its own."""
    size = len(pairs)
    level = torch.from_numpy((0.06 * rng.random((size, 1, 1, 1, 1)) ** 3).astype(np.float32))
    pairs = (pairs + level * torch.from_numpy(rng.standard_normal(tuple(pairs.shape), dtype=np.float32))).clamp(0, 1)
    for i in np.flatnonzero(rng.random(size) < 0.25):
        quality = int(rng.integers(35, 95))
        for twin in (0, 1):
            pairs[i, twin] = decode_jpeg(encode_jpeg((pairs[i, twin] * 255).round().byte(), quality)).float() / 255
    return pairs


def window_counts(masks: Bool[Tensor, "batch height width"], patch: int, side: int) -> Float[Tensor, "batch window"]:
    """Marked pixels in every window of ``side`` patches, row by row."""
    per_patch = F.avg_pool2d(masks[:, None].float(), patch) * patch**2
    return (F.avg_pool2d(per_patch, side, 1) * side**2).flatten(1)


def draw_windows(batch: TrainingBatch, rng: Generator, patch: int, side: int, count: int):
    """Indices (pair, count) of windows on the damage, whether each of them is damaged enough, and of any windows."""
    damage = window_counts(batch.seen, patch, side)
    abnormal = (damage >= SMALLEST_DAMAGE[side]).float()
    chances = torch.from_numpy(rng.random((len(damage), count))).float()
    share = abnormal.cumsum(1) / abnormal.sum(1, keepdim=True).clamp_min(1)
    index = torch.searchsorted(share, chances * 0.9999).clamp_max(damage.shape[1] - 1)
    elsewhere = torch.from_numpy(rng.integers(damage.shape[1], size=(len(damage), count)))
    return index, abnormal.gather(1, index).bool(), elsewhere


def window_patches(grid: int, side: int) -> Int[Tensor, "window patch"]:
    """Patch indices (row by row, from 0) of every window of ``side`` patches on a ``grid`` x ``grid`` grid."""
    corner = torch.arange(grid - side + 1)
    inside = torch.arange(side)
    top_left = (corner[:, None] * grid + corner).flatten()
    return top_left[:, None] + (inside[:, None] * grid + inside).flatten()


def _linear(layer: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(layer, weight.bfloat16(), bias.bfloat16())


def _block(block: torch.nn.Module, x: Float[Tensor, "sequence token channel"]) -> Float[Tensor, "sequence token channel"]:
    """open_clip's residual attention block with its own weights, in bfloat16 between float32 norms and sums."""
    attention, mlp = block.attn, block.mlp
    heads = _linear(block.ln_1(x).bfloat16(), attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = heads.unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
    chances = (query * query.shape[-1] ** -0.5 @ key.mT).softmax(-1)
    mixed = (chances @ value).transpose(1, 2).flatten(2)
    x = x + _linear(mixed, attention.out_proj.weight, attention.out_proj.bias).float()
    hidden = mlp.gelu(_linear(block.ln_2(x).bfloat16(), mlp.c_fc.weight, mlp.c_fc.bias))
    return x + _linear(hidden, mlp.c_proj.weight, mlp.c_proj.bias).float()


class Student(torch.nn.Module):
    """open_clip's CLIP with the two encodings that training needs: sampled windows, and sentences cut at their end."""

    def __init__(self, architecture: dict):
        super().__init__()
        self.clip = open_clip.CLIP(**architecture)
        self.patch = architecture["vision_cfg"]["patch_size"]
        self.side = architecture["vision_cfg"]["image_size"]
        self.grid = self.side // self.patch

    def embed_patches(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch token channel"]:
        visual = self.clip.visual
        mean = images.new_tensor(open_clip.OPENAI_DATASET_MEAN)[:, None, None]
        std = images.new_tensor(open_clip.OPENAI_DATASET_STD)[:, None, None]
        patches = visual.conv1((images - mean) / std).flatten(2).mT
        first = visual.class_embedding.expand(len(images), 1, -1)
        return visual.ln_pre(torch.cat([first, patches], 1) + visual.positional_embedding)

    def encode(self, tokens: Float[Tensor, "sequence token channel"]) -> Float[Tensor, "sequence embedding embed"]:
        """Unit embeddings: of the class token (CLIP's), of the patches, and of the patches one block earlier, where
        the class token reads them."""
        visual = self.clip.visual
        for block in visual.transformer.resblocks:
            before, tokens = tokens, _block(block, tokens)
        return F.normalize(visual.ln_post(torch.cat([tokens, before[:, 1:]], 1)) @ visual.proj, dim=-1)

    def encode_windows(self, tokens, index, side):
        patches = 1 + window_patches(self.grid, side)[index].flatten(1)
        chosen = tokens.gather(1, patches[..., None].expand(-1, -1, tokens.shape[-1]))
        chosen = chosen.unflatten(1, (index.shape[1], side**2)).flatten(0, 1)
        first = tokens[:, :1].repeat_interleave(index.shape[1], 0)
        return self.encode(torch.cat([first, chosen], 1)).unflatten(0, index.shape)

    def encode_text(self, words: Int[Tensor, "text token"]) -> Float[Tensor, "text embed"]:
        end = words.argmax(-1)
        words = words[:, : int(end.max()) + 1]
        length = words.shape[1]
        x = self.clip.token_embedding(words) + self.clip.positional_embedding[:length]
        x = self.clip.transformer(x, attn_mask=self.clip.attn_mask[:length, :length])
        x = self.clip.ln_final(x)[torch.arange(len(x)), end]
        return F.normalize(x @ self.clip.text_projection, dim=-1)


def state_loss(logits: Float[Tensor, "..."], damaged: Bool[Tensor, "..."], sound: Bool[Tensor, "..."]) -> tuple[Tensor, Tensor]:
    """Mean logistic loss over the damaged plus that over the sound ones, and the balanced accuracy; others are left out."""
    damaged, sound = damaged / damaged.sum().clamp_min(1), sound / sound.sum().clamp_min(1)
    loss = (F.softplus(-logits) * damaged).sum() + (F.softplus(logits) * sound).sum()
    return loss, ((logits > 0) * damaged).sum() / 2 + ((logits < 0) * sound).sum() / 2


def step_loss(student: Student, batch: TrainingBatch, rng: Generator, tokenizer) -> tuple[Tensor, dict]:
    """The weighted sum of the contrasts of one batch, and its parts."""
    size = len(batch.names)
    spoken = [captions.say_name(rng, name) for name in batch.names]
    sentences = [captions.sentence(rng, name, state) for state in (0, 1) for name in spoken]
    states = student.encode_text(tokenizer(sentences)).unflatten(0, (2, size))
    apart = states[1] - states[0]
    direction = F.normalize(apart.mean(0), dim=0)
    losses, right = {"text": F.relu(STATE_GAP - apart @ direction).mean()}, {}
    tokens = student.embed_patches(batch.pairs.flatten(0, 1)).unflatten(0, (size, 2))
    patch_damage = window_counts(batch.seen, student.patch, 1)
    damaged_patches = patch_damage >= SMALLEST_DAMAGE[1]
    sound_patches = window_counts(batch.masks, student.patch, 1) == 0

    def compare(key, embeddings, damaged, sound):
        """Embeddings (pair, ..., embed) against their pair's sentences."""
        logits = torch.einsum("p...e,pe->p...", embeddings, apart) / TEMPERATURE
        losses[key], right[key] = state_loss(logits, damaged, sound)

    for side, count in WINDOWS.items():
        index, known, elsewhere = draw_windows(batch, rng, student.patch, side, count)
        everywhere = torch.cat([index, elsewhere], 1)
        damaged = student.encode_windows(tokens[:, 1], index, side)
        sound = student.encode_windows(tokens[:, 0], everywhere, side)
        both = torch.cat([damaged, sound], 1)
        no = torch.zeros_like(known)
        compare(f"{side}x{side}", both[:, :, 0], torch.cat([known, no, no], 1), torch.cat([no, ~no, ~no], 1))
        inside = window_patches(student.grid, side)[index].flatten(1)
        bad = damaged_patches.gather(1, inside).unflatten(1, (count, -1)).repeat(1, 1, 2)
        good = sound_patches.gather(1, inside).unflatten(1, (count, -1)).repeat(1, 1, 2)
        no = torch.zeros_like(bad)
        compare(f"patches of {side}x{side}", both[:, :, 1:], torch.cat([bad, no, no], 1), torch.cat([good, ~no, ~no], 1))
    whole = student.encode(tokens.flatten(0, 1)).unflatten(0, (size, 2))
    known = batch.seen.sum((1, 2)) >= SMALLEST_PICTURE_DAMAGE
    no = torch.zeros_like(known)
    compare("picture", whole[:, :, 0], torch.stack([no, known], 1), torch.stack([~no, no], 1))
    damaged_patches, sound_patches = damaged_patches.repeat(1, 2), sound_patches.repeat(1, 2)
    no = torch.zeros_like(damaged_patches)
    compare("patches", whole[:, :, 1:], torch.stack([no, damaged_patches], 1), torch.stack([~no, sound_patches], 1))
    names = student.encode_text(tokenizer([captions.sentence(rng, name, 0) for name in batch.names]))
    same = torch.tensor([[a == b for b in batch.names] for a in batch.names])
    logits = whole[:, 0, 0] @ names.T / TEMPERATURE
    losses["name"] = -(logits.masked_fill(~same, -math.inf).logsumexp(1) - logits.logsumexp(1)).mean()
    total = sum(weight_of(key) * value for key, value in losses.items())
    return total, {**losses, **{f"{key} right": value for key, value in right.items()}}


def weight_of(key: str) -> float:
    if key.startswith("patches of"):
        return WEIGHTS["window patches"]
    return WEIGHTS["windows"] if "x" in key and key[0].isdigit() else WEIGHTS[{"patches": "picture patches"}.get(key, key)]


def ahead(draw: Callable[[int], TrainingBatch], steps: range) -> Iterator[tuple[int, TrainingBatch]]:
    """(step, draw(step)) in order; the next batch is drawn while the current one is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for step in steps:
            waiting, ready = pool.submit(draw, step), waiting
            if ready:
                yield step - 1, ready.result()
        if waiting:
            yield steps[-1], waiting.result()


def make_optimisers(student: Student, peak: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the transformers, whose even steps leave the plateau that all contrasts begin on;
    AdamW for embeddings, projections, gains and biases."""
    inside = [p for name, p in student.named_parameters() if "resblocks" in name and p.ndim == 2]
    others = [p for name, p in student.named_parameters() if not ("resblocks" in name and p.ndim == 2)]
    return [
        torch.optim.Muon(inside, lr=2 * peak, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=peak, weight_decay=0.01, betas=(0.9, 0.98), fused=True),
    ]


def pace(step: int, steps: int) -> float:
    """Share of the peak learning rate: a short warm-up, then half a cosine down to a thousandth."""
    return min(1, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * min(1, step / steps))) + 1e-3


def train(folder: Path, steps: int, batch: int, pictures: int, seed: int, peak: float, save_every: int = 100, stop: int | None = None) -> Student:
    """Trains for ``steps`` steps, from ``folder/checkpoint.pt`` if there is one, with a log line every 50 steps.

    ``stop`` ends after that step; a later call goes on from there, on the same schedule.
    """
    torch.manual_seed(seed)
    student = Student(json.loads((HERE / "backbone.json").read_text()))
    optimisers = make_optimisers(student, peak)
    schedules = [torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: pace(step, steps)) for optimiser in optimisers]
    checkpoint, start = folder / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        student.load_state_dict(state["student"])
        for part, kept in zip(optimisers + schedules, state["optimisers"] + state["schedules"]):
            part.load_state_dict(kept)
        start = state["step"]
    shots = training_pictures(cache_folder() / f"embedded-training-{pictures}-{seed}", pictures, seed)
    tokenizer = open_clip.SimpleTokenizer()
    running, clock = {}, time.monotonic()
    drawn = ahead(lambda step: draw_batch(shots, default_rng([seed, step, 0]), batch, student.side), range(start, stop or steps))
    for step, pairs in drawn:
        loss, parts = step_loss(student, pairs, default_rng([seed, step, 1]), tokenizer)
        student.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        for part in optimisers + schedules:
            part.step()
        for key, value in parts.items():
            running[key] = running.get(key, 0) + value.item() / 50
        if (step + 1) % 50 == 0:
            line = "  ".join(f"{key} {value:.3f}" for key, value in running.items())
            print(f"step {step + 1}/{steps}  {50 * batch / (time.monotonic() - clock):.0f} pairs/s  {line}", flush=True)
            running, clock = {}, time.monotonic()
        if (step + 1) % save_every == 0 or step + 1 == steps:
            torch.save({"student": student.state_dict(), "optimisers": [o.state_dict() for o in optimisers],
                        "schedules": [s.state_dict() for s in schedules], "step": step + 1}, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
    return student


def save_weights(student: Student, path: Path, made_by: dict) -> None:
    """Half-precision weights, with what made them in the file's metadata."""
    tensors = {name: tensor.half().contiguous() for name, tensor in student.clip.state_dict().items() if name != "attn_mask"}
    save_file(tensors, path, metadata={key: json.dumps(value) for key, value in made_by.items()})


def main(
    steps: Annotated[int, typer.Option(help="Optimiser steps.")] = 3200,
    batch: Annotated[int, typer.Option(help="Pairs a step.")] = 16,
    pictures: Annotated[int, typer.Option(help="Pairs of training pictures to draw.")] = 12000,
    peak: Annotated[float, typer.Option(help="Highest learning rate.")] = 5e-4,
    seed: Annotated[int, typer.Option(help="Of pictures, weights and steps.")] = 0,
    folder: Annotated[Path | None, typer.Option(help="Checkpoints; the cache folder by default.")] = None,
    output: Annotated[Path, typer.Option(help="The weights file.")] = HERE / "backbone.safetensors",
) -> None:
    """Train the embedded backbone and write its weights file."""
    made_by = dict(steps=steps, batch=batch, pictures=pictures, peak=peak, seed=seed, torch=torch.__version__)
    folder = folder or cache_folder() / f"embedded-backbone-{'-'.join(str(v) for v in made_by.values())}"
    folder.mkdir(parents=True, exist_ok=True)
    student = train(folder, steps, batch, pictures, seed, peak)
    save_weights(student, output, made_by | {"drawing": source_digest(train_pictures)[:12]})


if __name__ == "__main__":
    typer.run(main)
