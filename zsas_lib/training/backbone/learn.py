"""How the embedded backbone learns: optimisers, paces, and steps that a stopped run goes on from."""

import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.random import default_rng
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor

from ...data.embedded import WEIGHTS
from .batches import ANYWHERE, BENCH, TrainingBatch, draw_batch
from .captions import sayings
from .losses import WINDOWS, Windows, draw_windows, step_loss
from .pictures import NAMES, TrainingPictures, anywhere, benches
from .student import Student

ARCHITECTURE = WEIGHTS.with_suffix(".json")
EXPLAINED_FROM = 0.2422
"""Share of the training from which patches must also tell what damage did to their colours."""
MILD_FROM = 0.6842
"""Share of the training from which whole pictures learn at CLIP's temperature; the rate starts again, at half."""
SHARE_OF_SCENES = 0.65
"""Of the pairs of the third stage, how many come from anywhere."""
SHARE_OF_STRETCHED = 0.3
"""Of the steps of the third stage, how many have positions as larger pictures have them, interpolated."""
FIRST_PICTURES = 2000
"""Of each kind, which the training begins with."""
ALL_PICTURES_FROM = 0.6
"""Share of the training from which all pictures are drawn from; there are evenly more until then."""
WAYS = 96
"""To say each product's name."""
EVERY = 50
"""Steps between lines of the log."""


def make_optimisers(student: Student, peak: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the transformers, whose even steps leave the plateau that all contrasts begin on;
    AdamW for embeddings, projections, gains and biases."""
    learnt = [(name, p) for name, p in student.named_parameters() if p.requires_grad]
    inside = [p for name, p in learnt if "resblocks" in name and p.ndim == 2]
    others = [p for name, p in learnt if not ("resblocks" in name and p.ndim == 2)]
    return [
        torch.optim.Muon(inside, lr=2 * peak, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=peak, weight_decay=0.01, betas=(0.9, 0.98), fused=True),
    ]


def pace(step: int, steps: int) -> float:
    """Share of the peak learning rate: twice a short warm-up and half a cosine down to a thousandth."""
    mild = round(MILD_FROM * steps)
    peak, begin, end = (1, 0, mild) if step < mild else (0.5, mild, steps)
    share = min(1, (step - begin) / (end - begin))
    return peak * min(1, (step - begin + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * share)) + 1e-3


def third_pace(step: int, steps: int) -> float:
    """The same for the third stage: a warm-up, then half a cosine."""
    return min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * step / steps)) + 1e-3


def begun(begin: Path | None) -> Student:
    """A student with random weights, or with those of a file as the third stage begins with them."""
    student = Student(json.loads(ARCHITECTURE.read_text()))
    if begin:
        rounded = {name: tensor.float() for name, tensor in load_file(begin).items()}
        student.clip.load_state_dict(rounded, strict=False)
        student.start_periods()
    return student


class Gradients:
    """The gradients of a step, left in the student's parameters. On CUDA the thousands of small operations that make
    them are recorded once, as a graph, and replayed."""

    def __init__(self, student: Student):
        self.student = student
        self._recorded: dict[tuple, tuple[torch.cuda.CUDAGraph, list[Tensor], dict[str, Tensor]]] = {}

    def __call__(
        self, batch: TrainingBatch, texts: Tensor, windows: dict[int, Windows], moved: Tensor | None, **stage: bool
    ) -> dict[str, Tensor]:
        """The parts of the loss of a batch, as `step_loss` gives them; ``texts`` may be tokens, which are read."""
        arguments = [*vars(batch).values(), texts, *(part for found in windows.values() for part in found)]
        if moved is not None:
            arguments.append(moved)
        if self.student.explain.weight.device.type != "cuda":
            return self._compute(tuple(windows), arguments, stage)
        key = tuple(stage.items())
        if key not in self._recorded:
            self._recorded[key] = self._record(tuple(windows), arguments, stage)
        graph, own, parts = self._recorded[key]
        for kept, given in zip(own, arguments):
            kept.copy_(given, non_blocking=True)
        graph.replay()
        return parts

    def _compute(self, sides: tuple[int, ...], arguments: list[Tensor], stage: dict[str, bool]) -> dict[str, Tensor]:
        batch, (texts, *rest) = TrainingBatch(*arguments[:5]), arguments[5:]
        windows = {side: (rest[3 * i], rest[3 * i + 1], rest[3 * i + 2]) for i, side in enumerate(sides)}
        moved = rest[3 * len(sides)] if len(rest) > 3 * len(sides) else None
        if not texts.is_floating_point():
            texts = self.student.encode_text(texts.flatten(0, 1)).unflatten(0, texts.shape[:2])
        self.student.zero_grad(set_to_none=True)
        loss, parts = step_loss(self.student, batch, texts, windows, moved=moved, **stage)
        loss.backward()
        return {name: value.detach() for name, value in parts.items()}

    def _record(self, sides: tuple[int, ...], arguments: list[Tensor], stage: dict[str, bool]):
        device = self.student.explain.weight.device
        own = [argument.to(device, copy=True) for argument in arguments]
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):  # so that libraries have made what they make once
            for _ in range(3):
                self._compute(sides, own, stage)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        self.student.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph):
            parts = self._compute(sides, own, stage)
        return graph, own, parts


def train(
    folder: Path,
    steps: int,
    batch: int,
    pictures: int,
    seed: int,
    peak: float,
    save_every: int = 100,
    stop: int | None = None,
    begin: Path | None = None,
    device: torch.device | str = "cpu",
) -> Student:
    """Trains for ``steps`` steps, from ``folder/checkpoint.pt`` if there is one, with a line of the log every 50 steps.

    ``begin`` are the weights that the third stage starts from; without, these are the first two stages. ``stop`` ends
    after that step; a later call goes on from there, on the same schedule. A step's random numbers depend on the seed,
    the step and the kind of device, and so do the pictures that it draws from, which wait until they are drawn.
    """
    third, device = begin is not None, torch.device(device)
    torch.manual_seed(seed)
    student = begun(begin).to(device)
    if third:  # the text tower has learnt what it can
        for name, parameter in student.clip.named_parameters():
            parameter.requires_grad_(name.startswith("visual."))
    optimisers = make_optimisers(student, peak)
    paced = third_pace if third else pace
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: paced(step, steps)) for optimiser in optimisers
    ]
    checkpoint, start = folder / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        student.load_state_dict(state["student"])
        for part, kept in zip(optimisers + schedules, state["optimisers"] + state["schedules"]):
            part.load_state_dict(kept)
        start = state["step"]
    shares = [(benches, BENCH, batch)]
    if third:
        some = round(SHARE_OF_SCENES * batch)
        shares = [(benches, BENCH, batch - some), (anywhere, ANYWHERE, some)]
    shots = TrainingPictures([draw for draw, _, _ in shares], pictures, seed, device)
    said = sayings(default_rng(seed), NAMES, WAYS).to(device)
    if third:
        with torch.no_grad():
            said = torch.stack([student.encode_text(way.flatten(0, 1)).unflatten(0, way.shape[:2]) for way in said])
    gradients = Gradients(student)
    running, clock = {}, time.monotonic()
    for step in range(start, stop or steps):
        generator = Generator(device).manual_seed((seed * 2**32 + step) % 2**63)
        among = min(pictures, round(FIRST_PICTURES + pictures * step / (ALL_PICTURES_FROM * steps)))
        drawn = [
            draw_batch(shots, kind, among, generator, size, student.side, camera)
            for kind, (_, camera, size) in enumerate(shares)
        ]
        pairs = drawn[0] if len(drawn) == 1 else drawn[0] + drawn[1]
        windows = {
            side: draw_windows(pairs, generator, student.patch, side, count, third) for side, count in WINDOWS.items()
        }
        way = torch.randint(WAYS, (batch,), generator=generator, device=device)
        moved = _moved(student, default_rng([seed, step])) if third else None
        parts = gradients(
            pairs,
            said[pairs.names, way],
            windows,
            moved,
            explained=third or step >= EXPLAINED_FROM * steps,
            mild=third or step >= round(MILD_FROM * steps),
            third=third,
        )
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        for part in optimisers + schedules:
            part.step()
        if third:
            student.tie_periods()
        for key, value in parts.items():
            running[key] = running.get(key, 0) + value / EVERY
        if (step + 1) % EVERY == 0:
            line = "  ".join(f"{key} {value:.3f}" for key, value in running.items())
            pace_now = EVERY * batch / (time.monotonic() - clock)
            print(f"step {step + 1}/{steps}  {pace_now:.0f} pairs/s  {line}", flush=True)
            running, clock = {}, time.monotonic()
        if (step + 1) % save_every == 0 or step + 1 == steps:
            torch.save(
                {
                    "student": student.state_dict(),
                    "optimisers": [o.state_dict() for o in optimisers],
                    "schedules": [s.state_dict() for s in schedules],
                    "step": step + 1,
                },
                checkpoint.with_suffix(".part"),
            )
            checkpoint.with_suffix(".part").replace(checkpoint)
    return student.cpu()


def _moved(student: Student, rng: np.random.Generator) -> Float[Tensor, "patch patch"]:
    """In a part of the steps positions as a part of a larger picture has them, else the student's own."""
    if rng.random() >= SHARE_OF_STRETCHED:
        return torch.eye(student.grid**2)
    grid = int(student.grid * rng.uniform(1.2, 2))
    top, left = map(int, rng.integers(grid - student.grid + 1, size=2))
    return student.stretched(grid, top, left)


def save_weights(student: Student, path: Path, made_by: dict) -> None:
    """Half-precision weights, with what made them in the file's metadata."""
    tensors = {
        name: tensor.half().contiguous() for name, tensor in student.clip.state_dict().items() if name != "attn_mask"
    }
    save_file(tensors, path, metadata={key: json.dumps(value) for key, value in made_by.items()})
