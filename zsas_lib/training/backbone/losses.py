"""What the embedded backbone is trained for: the contrasts of one batch."""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from .batches import TrainingBatch
from .student import COARSER, Student, window_patches

TEMPERATURE = 0.07
CLIP_TEMPERATURE = 0.01
"""At which CLIPs learn whole pictures; asked at WinCLIP's 0.07, their scores of whole pictures are mild."""
WINDOWS = {2: 6, 3: 4}
"""Window side in patches -> windows drawn on the damage, and as many elsewhere, per pair and step."""
SMALLEST_DAMAGE = {1: 8, 2: 17, 3: 26}
"""Damaged pixels from which a window counts as abnormal; side 1 is a patch."""
SMALLEST_PICTURE_DAMAGE = 16
STATE_GAP = 1.2
"""How far apart normal and abnormal sentences stand along the direction that all products share; at most 2."""
WEIGHTS = {
    "text": 1.0,
    "window": 1.0,
    "window patches": 0.5,
    "picture": 1.0,
    "mild picture": 0.3,
    "picture patches": 1.0,
    "name": 0.3,
    "explained": 0.5,
}
THIRD_WEIGHTS = WEIGHTS | {"mild picture": 0.5, "twin pictures": 1.0}
"""Those of the third stage."""
Windows = tuple[Int[Tensor, "pair count"], Bool[Tensor, "pair count"], Int[Tensor, "pair others"]]
"""Numbers of windows on the damage, whether each is damaged enough, and numbers of any others."""
DIFFERENCE_SCALE = 0.1
"""Unit in which damage is explained: a change of a colour by this much is 1."""


def step_loss(
    student: Student,
    batch: TrainingBatch,
    texts: Float[Tensor, "pair 3 embed"],
    windows: Mapping[int, Windows],
    *,
    explained: bool,
    mild: bool,
    third: bool = False,
    moved: Float[Tensor, "patch patch"] | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of the contrasts of one batch; each of them and its balanced accuracy, for the log.

    Of a pair (p), d is the damaged twin and s the sound one. ``texts`` are unit embeddings of its product called sound,
    damaged, and by its name; ``windows`` are those drawn, by side. ``explained`` says whether patches must also tell
    what damage did to their colours, ``mild`` whether whole pictures learn at CLIP's temperature, ``third`` whether
    this is the third stage, in which whole pictures are compared with their twins too; ``moved`` are positions as
    larger pictures have them.
    """
    size, weights = len(batch.names), THIRD_WEIGHTS if third else WEIGHTS
    normal, abnormal, names = texts.unbind(1)
    apart = abnormal - normal
    parts = {"text": F.relu(STATE_GAP - apart @ F.normalize(apart.mean(0), dim=0)).mean()}
    total = weights["text"] * parts["text"]

    def contrast(kind, where, d, s, damaged, sound, temperature=TEMPERATURE):
        """Embeddings (p, ..., embed) of both twins against their product's sentences."""
        nonlocal total
        d, s = (torch.einsum("p...e,pe->p...", twin, apart) / temperature for twin in (d, s))
        loss, parts[f"{where} right"] = state_loss(d, s, damaged, sound)
        parts[where] = loss
        total = total + weights[kind] * loss

    def explain(where, d, s, damaged, difference):
        nonlocal total
        if explained:
            off = F.smooth_l1_loss(d, difference, reduction="none").mean(-1)
            parts[where] = (off * damaged).sum() / damaged.sum().clamp_min(1) + F.smooth_l1_loss(s, torch.zeros_like(s))
            total = total + weights["explained"] * parts[where]

    tokens = student.embed_patches(batch.pairs.flatten(0, 1), moved).unflatten(0, (size, 2))
    damaged_patches = window_counts(batch.seen, student.patch, 1) >= SMALLEST_DAMAGE[1]
    sound_patches = window_counts(batch.masks, student.patch, 1) == 0
    differences = F.avg_pool2d(batch.difference, COARSER) / DIFFERENCE_SCALE
    differences = F.unfold(differences, student.patch // COARSER, stride=student.patch // COARSER).mT
    for side, (index, damaged, elsewhere) in windows.items():
        (d, said_of_d), (s, said_of_s) = student.encode_windows(
            [(tokens[:, 1], index), (tokens[:, 0], torch.cat([index, elsewhere], 1))], side
        )
        contrast("window", f"{side}x{side}", d[:, :, 0], s[:, :, 0], damaged, torch.zeros_like(damaged))
        inside = window_patches(student.grid, side, index.device)[index].flatten(1)
        bad, good = (
            known.gather(1, inside).unflatten(1, (index.shape[1], -1)) for known in (damaged_patches, sound_patches)
        )
        contrast(
            "window patches",
            f"patches of {side}x{side}",
            d[:, :, 1:],
            s[:, :, 1:],
            bad.repeat(1, 1, 2),
            good.repeat(1, 1, 2),
        )
        difference = differences.gather(1, inside[..., None].expand(-1, -1, differences.shape[-1]))
        explain(f"explained {side}x{side}", said_of_d.flatten(1, 2), said_of_s, bad.flatten(1), difference)

    whole, said = (encoded.unflatten(0, (size, 2)) for encoded in student.encode(tokens.flatten(0, 1)))
    s, d = whole.unbind(1)
    damaged = batch.seen.sum((1, 2)) >= SMALLEST_PICTURE_DAMAGE
    kind, temperature = ("mild picture", CLIP_TEMPERATURE) if mild else ("picture", TEMPERATURE)
    contrast(kind, "picture", d[:, 0], s[:, 0], damaged, torch.zeros_like(damaged), temperature)
    contrast("picture patches", "patches", d[:, 1:], s[:, 1:], damaged_patches.repeat(1, 2), sound_patches.repeat(1, 2))
    if third:
        gap = torch.einsum("pe,pe->p", d[:, 0] - s[:, 0], apart) / CLIP_TEMPERATURE
        parts["twins right"] = ((gap > 0) * damaged).sum() / damaged.sum().clamp_min(1)
        parts["twins"] = (F.softplus(-gap) * damaged).sum() / damaged.sum().clamp_min(1)
        total = total + weights["twin pictures"] * parts["twins"]
    explain("explained", said[:, 1], said[:, 0], damaged_patches, differences)

    parts["name"] = name_loss(s[:, 0] @ names.T / TEMPERATURE, batch.names)
    return total + weights["name"] * parts["name"], parts


def state_loss(
    d: Float[Tensor, "*embedding"],
    s: Float[Tensor, "*other"],
    damaged: Bool[Tensor, "*embedding"],
    sound: Bool[Tensor, "*embedding"],
) -> tuple[Tensor, Tensor]:
    """Mean logistic loss of what is damaged plus that of what is sound, and the balanced accuracy.

    Of the damaged twin's logits ``d`` some are ``damaged`` and some ``sound``, the others are left out; all of the
    sound twin's, ``s``, are sound.
    """
    positive = damaged / damaged.sum().clamp_min(1)
    negatives = sound.sum() + s.numel()
    loss = (F.softplus(-d) * positive).sum() + ((F.softplus(d) * sound).sum() + F.softplus(s).sum()) / negatives
    accuracy = ((d > 0) * positive).sum() + (((d < 0) * sound).sum() + (s < 0).sum()) / negatives
    return loss, accuracy / 2


def name_loss(logits: Float[Tensor, "picture text"], names: Int[Tensor, " picture"]) -> Tensor:
    """Cross-entropy of each picture's name among those of the batch; equal names are all right."""
    same = names[:, None] == names
    return -(logits.masked_fill(~same, -math.inf).logsumexp(1) - logits.logsumexp(1)).mean()


def window_counts(masks: Bool[Tensor, "batch height width"], patch: int, side: int) -> Float[Tensor, "batch window"]:
    """Marked pixels in every window of ``side`` patches, row by row."""
    per_patch = F.avg_pool2d(masks[:, None].float(), patch) * patch**2
    return (F.avg_pool2d(per_patch, side, 1) * side**2).flatten(1)


def draw_windows(
    batch: TrainingBatch, generator: Generator, patch: int, side: int, count: int, busy: bool = False
) -> Windows:
    """Indices (pair, count) of windows on the damage, whether each of them is damaged enough, and of any windows; if
    ``busy``, followed by as many of the windows of the sound twin that vary most."""
    damage = window_counts(batch.seen, patch, side)
    abnormal = (damage >= SMALLEST_DAMAGE[side]).float()
    index = _weighted(generator, abnormal, count)
    elsewhere = torch.randint(damage.shape[1], (len(damage), count), generator=generator, device=generator.device)
    if busy:
        variety = window_variety(batch.pairs[:, 0], patch, side)
        elsewhere = torch.cat([elsewhere, _weighted(generator, variety, count)], 1)
    return index, abnormal.gather(1, index).bool(), elsewhere


def window_variety(
    pictures: Float[Tensor, "batch 3 height width"], patch: int, side: int
) -> Float[Tensor, "batch window"]:
    """The standard deviation of brightness in every window of ``side`` patches, row by row."""
    brightness = pictures.mean(1, keepdim=True)
    mean, square = (F.avg_pool2d(values, side * patch, patch) for values in (brightness, brightness.square()))
    return (square - mean.square()).clamp_min(0).sqrt().flatten(1)


def _weighted(generator: Generator, weights: Float[Tensor, "row choice"], count: int) -> Int[Tensor, "row count"]:
    """``count`` choices of each row, with chances as the weights; the last choice where all are 0."""
    chances = torch.rand((len(weights), count), generator=generator, device=generator.device)
    share = weights.cumsum(1) / weights.sum(1, keepdim=True).clamp_min(1e-6)
    return torch.searchsorted(share, chances * 0.9999).clamp_max(weights.shape[1] - 1)
