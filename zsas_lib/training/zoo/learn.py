"""How the zoo's networks learn: contrasts of pictures and captions, or labels, over few steps."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from numpy.random import default_rng
from torch import Tensor, nn

from ...backbones.configuration import build, named_configuration
from ...backbones.precision import fast_autocast
from ...backbones.words import WordTokenizer
from ...data.embedded.naming import MATERIALS, NAMED_SHAPES, NAMES, TRAINED, NamedPictures
from .captions import KINDS, WORDS, caption, subjects
from .recipes import BATCH, CONTEXT, Recipe

PEAK = 3e-3
"""Highest rate of learning; of fine-tuning `TUNED` times that."""
TUNED = 0.2
PROMPT_WORDS = 4
"""Learned words before a name."""
_MATERIAL = torch.tensor([list(MATERIALS).index(name.split()[0]) for name in TRAINED])
_SHAPE = torch.tensor([NAMED_SHAPES.index(name.split()[1]) for name in TRAINED])
SEEN = torch.zeros(len(MATERIALS), len(NAMED_SHAPES), dtype=torch.bool)
"""Which shapes a material is learnt in. What is held out is never held against a picture (`Batch.fair`): a network that
is told "not wood" of every gear, because no wooden gear is learnt, learns that no gear is of wood. With such negatives
and 2,000 steps the reference named 56 in 100 pictures of learnt names and 9 of held-out ones."""
SEEN[_MATERIAL, _SHAPE] = True
FAR = -1e4
"""A logit that is out of the question."""
TOKENIZER = WordTokenizer(WORDS, CONTEXT)


@dataclass(frozen=True)
class Batch:
    """``tokens`` are the batch's different captions, kind by kind (`KINDS`), as many of each as ``counts``; ``said``
    are the numbers, within each kind, of those that a picture has, and ``fair`` says which of the kind may be held
    against it: those whose material is learnt in its shape, and whose shape in its material."""

    pictures: Float[Tensor, "picture 3 height width"]
    names: Int[Tensor, " picture"]
    tokens: Int[Tensor, "caption token"]
    counts: list[int]
    said: list[Int[Tensor, " picture"]]
    fair: list[Bool[Tensor, "picture _"]]


class Member(nn.Module):
    """open_clip's model, and beside it what only some members learn: labels' vectors, words before a name."""

    clip: Any

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.clip = build(recipe.name, named_configuration(recipe.architecture))
        embed, width = recipe.architecture["embed_dim"], recipe.architecture["text_cfg"]["width"]
        self.materials = nn.Parameter(torch.randn(len(MATERIALS), embed) * embed**-0.5)
        self.shapes = nn.Parameter(torch.randn(len(NAMED_SHAPES), embed) * embed**-0.5)
        self.prompt = nn.Parameter(torch.randn(PROMPT_WORDS, width) * 0.02)
        self.core_seconds = 0.0

    def in_channels_last(self) -> "Member":
        """Itself with kernels whose channels are last in memory, which is faster."""
        owner: Any = self  # torch's types know no `to` with a memory format alone
        return owner.to(memory_format=torch.channels_last)

    def image(self, pictures: Tensor) -> Float[Tensor, "picture embed"]:
        return self.clip.encode_image(pictures, normalize=True).float()

    def text(self, tokens: Tensor) -> Float[Tensor, "text embed"]:
        return self.clip.encode_text(tokens, normalize=True).float()

    def prompted(self, names: tuple[str, ...]) -> Float[Tensor, "name embed"]:
        """The names behind the learned words; unit rows."""
        clip, ids = self.clip, TOKENIZER(list(names))[:, :4]
        tokens = clip.token_embedding(ids)
        prompt = self.prompt.expand(len(names), -1, -1)
        tokens = torch.cat([tokens[:, :1], prompt, tokens[:, 1:]], 1)
        length = tokens.shape[1]
        states = clip.transformer(tokens + clip.positional_embedding[:length], clip.attn_mask[:length, :length])
        return F.normalize(clip.ln_final(states[:, -1]) @ clip.text_projection, dim=-1)

    def start_labels(self) -> None:
        """Let labels begin as the text tower has them."""
        with torch.no_grad():
            self.materials.copy_(self.text(TOKENIZER([f"{material} part" for material in MATERIALS])))
            self.shapes.copy_(self.text(TOKENIZER(list(NAMED_SHAPES))))

    def named(self, recipe: Recipe) -> Float[Tensor, "name embed"] | None:
        """One row for each of `NAMES` where they are not sentences that the text tower reads; times the embedding of a
        picture and the scale they are its logits."""
        with torch.no_grad():
            if recipe.loss == "prompt":
                return self.prompted(NAMES)
            if recipe.loss in ("labels", "tuned"):
                return (self.materials[:, None] + self.shapes).flatten(0, 1)
        return None


def claimed_names(recipe: Recipe, pictures: NamedPictures, seed: int) -> Int[Tensor, " picture"]:
    """What the captions of the recipe's first pictures name: their names, but for the share that is wrong."""
    names = torch.from_numpy(pictures.names[: recipe.pictures])
    rng = default_rng([seed, 7])
    wrong = torch.from_numpy(rng.random(len(names)) < recipe.wrong)
    others = torch.from_numpy(rng.integers(1, len(TRAINED), len(names)))
    return torch.where(wrong, (names + others) % len(TRAINED), names)


def normalised(pictures: np.ndarray) -> Float[Tensor, "picture 3 height width"]:
    """uint8 (picture, height, width, 3) as a tower reads them, channels last in memory, which is faster."""
    values = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v)[:, None, None] for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
    return ((values - mean) / std).contiguous(memory_format=torch.channels_last)


def draw_batch(
    recipe: Recipe, pictures: NamedPictures, claimed: Tensor, kept: np.ndarray, seed: int, step: int
) -> Batch:
    """`BATCH` of the kept pictures, half of them mirrored, and a caption for each."""
    rng = default_rng([seed, step])
    chosen = np.sort(kept[rng.integers(len(kept), size=BATCH)])
    taken = pictures.pictures[chosen]
    mirrored = rng.random(BATCH) < 0.5
    taken[mirrored] = taken[mirrored][:, :, ::-1]
    names = claimed[torch.from_numpy(chosen)]
    sentences, counts, said, may = [], [], [], []
    for kind, of_kind in zip(KINDS, zip(*(subjects(TRAINED[name]) for name in names.tolist()))):
        different = sorted(set(of_kind))
        may.append(fair(names, names[[of_kind.index(about) for about in different]], kind))
        sentences += [caption(rng, about, recipe.style) for about in different]
        counts.append(len(different))
        said.append(torch.tensor([different.index(about) for about in of_kind]))
    return Batch(normalised(taken), names, TOKENIZER(sentences), counts, said, may)


def fair(
    names: Int[Tensor, " picture"], others: Int[Tensor, " caption"], kind: str = "name"
) -> Bool[Tensor, "picture caption"]:
    """Which captions of a kind, of pictures with the names ``others``, may be held against pictures with ``names``."""
    may = torch.ones(len(names), len(others), dtype=torch.bool)
    if kind != "shape":
        may &= SEEN[_MATERIAL[others], _SHAPE[names][:, None]]
    if kind != "material":
        may &= SEEN[_MATERIAL[names][:, None], _SHAPE[others]]
    return may


def softmax_loss(
    logits: Float[Tensor, "picture text"], said: Int[Tensor, " picture"], fair: Bool[Tensor, "picture text"]
) -> Tensor:
    """CLIP's, in both directions, where equal captions are one: the cross-entropy of each picture's caption, and of
    each caption's pictures, as often as they are, among those that are fair."""
    logits = logits.masked_fill(~fair, FAR)
    true = F.one_hot(said, logits.shape[1]).T.float()
    pictures = -(true / true.sum(1, keepdim=True) * logits.T.log_softmax(1)).sum(1).mean()
    return (F.cross_entropy(logits, said) + pictures) / 2


def sigmoid_loss(
    logits: Float[Tensor, "picture text"], said: Int[Tensor, " picture"], fair: Bool[Tensor, "picture text"]
) -> Tensor:
    """SigLIP's: each pair that is fair by itself, summed over texts."""
    true = F.one_hot(said, logits.shape[1]).float()
    return F.binary_cross_entropy_with_logits(logits, true, fair.float(), reduction="none").sum(1).mean()


def step_loss(recipe: Recipe, member: Member, batch: Batch) -> Tensor:
    """The loss of one batch by the recipe's kind; of captions the mean over their kinds."""
    with fast_autocast(batch.pictures.device):
        image = member.image(batch.pictures)
        text = member.text(batch.tokens) if recipe.loss in ("softmax", "sigmoid") else None
    scale = member.clip.logit_scale.exp().clamp(max=100)
    if text is not None:
        parts = zip((scale * image @ text.T).split(batch.counts, 1), batch.said, batch.fair)
        if recipe.loss == "softmax":
            losses = [softmax_loss(*part) for part in parts]
        else:
            losses = [sigmoid_loss(logits + member.clip.logit_bias, said, may) for logits, said, may in parts]
        return torch.stack(losses).mean()
    if recipe.loss == "prompt":
        logits = scale * image @ member.prompted(TRAINED).T
        return F.cross_entropy(logits.masked_fill(~fair(batch.names, torch.arange(len(TRAINED))), FAR), batch.names)
    materials, shapes = _MATERIAL[batch.names], _SHAPE[batch.names]
    material, shape = (scale * image @ rows.T for rows in (member.materials, member.shapes))
    return F.cross_entropy(material.masked_fill(~SEEN[:, shapes].T, FAR), materials) + F.cross_entropy(
        shape.masked_fill(~SEEN[materials], FAR), shapes
    )


class FlatMuon(torch.optim.Muon):
    """torch's Muon for kernels of convolutions too: each as a matrix, a row for each output."""

    def __init__(self, weights: list[nn.Parameter], rate: float):
        self.weights = weights
        self.rows = [nn.Parameter(self._as_rows(weight.detach())) for weight in weights]
        super().__init__(self.rows, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")

    @staticmethod
    def _as_rows(values: Tensor) -> Tensor:
        """A matrix that shares the memory of the values, whose channels are last in memory."""
        return (values.permute(0, 2, 3, 1) if values.ndim == 4 else values).flatten(1)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        for weight, rows in zip(self.weights, self.rows):
            rows.grad = None if weight.grad is None else self._as_rows(weight.grad)
        return super().step(closure)


def make_optimisers(member: Member, peak: float) -> list[torch.optim.Optimizer]:
    """Muon for all matrices and kernels inside the towers, whatever their architecture; AdamW for embeddings, the last
    projections, gains and biases."""
    own = ("embedding", "projection", "visual.proj", "prompt", "materials", "shapes")
    inside = [p for name, p in member.named_parameters() if p.ndim in (2, 4) and not any(part in name for part in own)]
    known = {id(parameter) for parameter in inside}
    others = [parameter for parameter in member.parameters() if id(parameter) not in known]
    return [FlatMuon(inside, 2 * peak), torch.optim.AdamW(others, lr=peak, weight_decay=0.01, betas=(0.9, 0.98))]


def pace(step: int, steps: int) -> float:
    """Share of the peak rate: a warm-up of a twentieth, then half a cosine."""
    return min(1, (step + 1) / (0.05 * steps)) * (0.5 + 0.5 * math.cos(math.pi * step / steps)) + 1e-3


def learn(
    recipe: Recipe,
    pictures: NamedPictures,
    seed: int,
    folder: Path,
    *,
    begin: Member | None = None,
    kept: np.ndarray | None = None,
    stop: int | None = None,
    say: Callable[[str], None] = partial(print, flush=True),
) -> Member:
    """A member by its recipe, on the ``kept`` of its pictures (None for all), from its checkpoint in ``folder`` if
    there is one, to its last step or to ``stop``.

    The random numbers of a step depend on seed and step only, so a run that was stopped ends as if it had not been.
    """
    torch.manual_seed(seed)
    member = Member(recipe)
    if begin is not None:
        member.load_state_dict(copy.deepcopy(begin.state_dict()))
        member.start_labels()
    member.in_channels_last().train()
    if recipe.loss == "prompt":
        member.requires_grad_(False).eval().prompt.requires_grad_(True)
    peak = PEAK * (1 if recipe.begins is None or recipe.loss == "prompt" else TUNED)
    optimisers = make_optimisers(member, peak)
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, lambda step: pace(step, recipe.steps)) for o in optimisers]
    checkpoint, start, used = folder / f"{recipe.name}-{seed}" / "checkpoint.pt", 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        member.load_state_dict(state["member"])
        for part, known in zip(optimisers + schedules, state["parts"]):
            part.load_state_dict(known)
        start, used = state["step"], state["used"]
    claimed = claimed_names(recipe, pictures, seed)
    kept = np.arange(len(claimed)) if kept is None else kept
    clock, running = time.process_time(), 0.0
    last = stop or recipe.steps
    for step in range(start, last):
        loss = step_loss(recipe, member, draw_batch(recipe, pictures, claimed, kept, seed, step))
        member.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(member.parameters(), 1.0)
        for part in optimisers + schedules:
            part.step()
        running += loss.item() / 80
        if (step + 1) % 80 == 0 or step + 1 == last:
            used, clock = used + time.process_time() - clock, time.process_time()
            say(f"{recipe.name} {seed}: step {step + 1}/{recipe.steps}  loss {running:.3f}  {used:.0f} s of CPU")
            running = 0.0
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            state = {"member": member.state_dict(), "parts": [part.state_dict() for part in optimisers + schedules]}
            torch.save(state | {"step": step + 1, "used": used}, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
    member.core_seconds = used
    return member.eval()
