"""Training of the embedded backbone: a small CLIP in open_clip's own architecture (``backbone.json``).

    python -m zsas_lib.data.embedded.train_backbone

A batch holds pairs of one shot, sound and damaged, so that nothing but the damage tells them apart. The text tower
learns to hold normal and abnormal sentences apart, along one direction for all products. Windows of 2x2 and 3x3
patches, encoded from their own patches and the class token alone as WinCLIP does, and whole pictures are compared with
the two sentences about their product, by their class token and by every patch; whole pictures are compared with the
names in the batch; later, patches also tell what the damage did to their colours (``train_losses``). In a second
stage the rate starts again and whole pictures learn at CLIP's temperature of 0.01: asked at WinCLIP's 0.07, they then
have a mild say in its harmonic means, as real CLIPs' do, and an anomalous picture that looks sound as a whole is not
silenced. After it the weights are rounded to half precision.

The third stage, which ``--third-steps`` asks for, takes the place away: positions repeat every four patches and at the
end every two, so that a window knows what lies beside what and not where in the picture that is. Half of its pairs come
from anywhere (``train_scenes``): parts off centre, cut by the frame or filling it, on any ground, under structure that
is sound, with tones and shapes as any photograph may have them. What it has made is mixed with the weights that it
began with, number by number. ``--begin FILE`` starts it from a weights file. The package's weights are of the first two
stages: after 2,900 steps of the third, one patch repeated over a picture scores alike everywhere (to a factor of 1.1,
not of up to 15.8) and WinCLIP on embedded-b is as good as before (pixel AUROC 0.928, AUPRO 0.755, image AUROC 0.828),
but on real photographs, whose objects do lie in the middle, AUPRO falls (hazelnut_toy 0.87 to 0.83, kolektor 0.38 to
0.26, mpdd 0.58 to 0.57), and so does AnomalyCLIP's pixel AUROC at 240 px (0.952 to 0.948).

The random numbers of a step depend on the seed and the step only, so a run that is stopped goes on from its last
checkpoint as if it had not been. About two hours and a quarter on one core for the first two stages, and half a
second a step for the third.
"""

import json
import math
import time
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import open_clip
import torch
from numpy.random import Generator, default_rng
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...base.digests import file_digest
from ...base.errors import OptionError
from ...base.files import require_new_file
from ...base.sources import source_digest
from ..cache import cache_folder
from . import WEIGHTS, train_pictures
from .catalogue import backbone_record
from .train_batches import ANYWHERE, TrainingBatch, draw_batch
from .train_losses import step_loss
from .train_pictures import scenes, training_pictures
from .train_student import LAST_PERIOD, Student

HERE = Path(__file__).parent
EXPLAINED_FROM = 0.2422
"""Share of the training from which patches must also tell what damage did to their colours."""
MILD_FROM = 0.6842
"""Share of the training from which whole pictures learn at CLIP's temperature; the rate starts again, at half."""


SHARE_OF_SCENES = 0.5
"""Of the pairs of the third stage, how many come from anywhere."""


SHARE_OF_STRETCHED = 0.3
"""Of the steps of the third stage, how many have positions as larger pictures have them, interpolated."""


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
    """Share of the peak learning rate: twice a short warm-up and half a cosine down to a thousandth."""
    mild = round(MILD_FROM * steps)
    peak, begin, end = (1, 0, mild) if step < mild else (0.5, mild, steps)
    share = min(1, (step - begin) / (end - begin))
    return peak * min(1, (step - begin + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * share)) + 1e-3


def begun(begin: Path | None) -> Student:
    """A student with random weights, or with those of a file as the third stage begins with them."""
    student = Student(json.loads((HERE / "backbone.json").read_text()))
    if begin:
        rounded = {name: tensor.float() for name, tensor in load_file(begin).items()}
        student.clip.load_state_dict(rounded, strict=False)
        student.start_periods()
    return student


def blend(student: Student, earlier: Student, share: float) -> None:
    """Makes of the student's weights the ``share`` of them and the rest of the earlier ones: what the third stage has
    learnt, without forgetting much of what was known before."""
    with torch.no_grad():
        for own, other in zip(student.parameters(), earlier.parameters()):
            own.lerp_(other, 1 - share)


def third_pace(step: int, steps: int) -> float:
    """The same for the third stage: a warm-up, then half a cosine."""
    return min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * step / steps)) + 1e-3


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
) -> Student:
    """Trains for ``steps`` steps, from ``folder/checkpoint.pt`` if there is one, with a log line every 50 steps.

    ``begin`` are the weights that the third stage starts from; without, these are the first two stages. ``stop`` ends
    after that step; a later call goes on from there, on the same schedule.
    """
    torch.manual_seed(seed)
    student = begun(begin)
    optimisers = make_optimisers(student, peak)
    paced = third_pace if begin else pace
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: paced(step, steps)) for optimiser in optimisers
    ]
    checkpoint, start = folder / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        student.load_state_dict(state["student"])
        for part, kept in zip(optimisers + schedules, state["optimisers"] + state["schedules"]):
            part.load_state_dict(kept)
        start = state["step"]
    shots = training_pictures(cache_folder() / f"embedded-training-{pictures}-{seed}", pictures, seed)
    anywhere = None
    if begin:
        anywhere = training_pictures(cache_folder() / f"embedded-scenes-{pictures}-{seed}", pictures, seed, scenes)

    def draw(step: int) -> TrainingBatch:
        rng = default_rng([seed, step, 0])
        if anywhere is None:
            return draw_batch(shots, rng, batch, student.side)
        some = round(SHARE_OF_SCENES * batch)
        return draw_batch(shots, rng, batch - some, student.side) + draw_batch(
            anywhere, rng, some, student.side, ANYWHERE
        )

    tokenizer = open_clip.SimpleTokenizer()
    running, clock = {}, time.monotonic()
    for step, pairs in ahead(draw, range(start, stop or steps)):
        explained = begin is not None or step >= EXPLAINED_FROM * steps
        mild = begin is not None or step >= round(MILD_FROM * steps)
        loss, parts = step_loss(
            student,
            pairs,
            default_rng([seed, step, 1]),
            tokenizer,
            explained=explained,
            mild=mild,
            third=begin is not None,
            positions=_some_positions(student, default_rng([seed, step, 2])) if begin else None,
        )
        student.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        for part in optimisers + schedules:
            part.step()
        if begin:
            student.tie_periods()
        for key, value in parts.items():
            running[key] = running.get(key, 0) + value.item() / 50
        if (step + 1) % 50 == 0:
            line = "  ".join(f"{key} {value:.3f}" for key, value in running.items())
            print(f"step {step + 1}/{steps}  {50 * batch / (time.monotonic() - clock):.0f} pairs/s  {line}", flush=True)
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
    return student


def _some_positions(student: Student, rng: Generator) -> Tensor | None:
    """In a part of the steps those of a part of a larger picture, else None."""
    if rng.random() >= SHARE_OF_STRETCHED:
        return None
    grid = int(student.grid * rng.uniform(1.2, 2))
    top, left = map(int, rng.integers(grid - student.grid + 1, size=2))
    return student.stretched_positions(grid, top, left)


def save_weights(student: Student, path: Path, made_by: dict) -> None:
    """Half-precision weights, with what made them in the file's metadata."""
    tensors = {
        name: tensor.half().contiguous() for name, tensor in student.clip.state_dict().items() if name != "attn_mask"
    }
    save_file(tensors, path, metadata={key: json.dumps(value) for key, value in made_by.items()})


def main(
    steps: int,
    batch: int,
    pictures: int,
    peak: float,
    seed: int,
    third_steps: int,
    third_peak: float,
    third_share: float,
    folder: Path | None,
    begin: Path | None,
    output: Path,
) -> None:
    """Train the embedded backbone and write its weights file, a new one or the package's own."""
    if begin and not third_steps:
        raise OptionError("--begin is what the third stage starts from; expected --third-steps with it.")
    if output != WEIGHTS:
        require_new_file(output)
    first = dict(steps=steps, batch=batch, pictures=pictures, peak=peak, seed=seed, torch=torch.__version__)
    drawn = {"drawing": source_digest(train_pictures)[:12]}
    folder = folder or cache_folder() / f"embedded-backbone-{'-'.join(str(v) for v in first.values())}"
    folder.mkdir(parents=True, exist_ok=True)
    if not begin:
        student = train(folder, steps, batch, pictures, seed, peak)
        begin = folder / "second.safetensors" if third_steps else output
        save_weights(student, begin, first | drawn)
    if third_steps:
        third = {
            "begin": file_digest(begin)[:12],
            "steps": third_steps,
            "peak": third_peak,
            "share": third_share,
        } | drawn
        later = folder / "-".join(str(third[name]) for name in ("begin", "steps", "peak"))
        later.mkdir(exist_ok=True)
        student = train(later, third_steps, batch, pictures, seed, third_peak, begin=begin)
        blend(student, begun(begin), third_share)
        student.start_periods(LAST_PERIOD)
        record = {f"third {name}": value for name, value in third.items()}
        save_weights(student, output, backbone_record(begin) | record)


if __name__ == "__main__":
    parser = ArgumentParser(description=main.__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=9500, help="optimiser steps of the first two stages")
    parser.add_argument("--batch", type=int, default=16, help="pairs a step")
    parser.add_argument("--pictures", type=int, default=12000, help="pairs of training pictures to draw, of each kind")
    parser.add_argument("--peak", type=float, default=7e-4, help="highest learning rate of the first two stages")
    parser.add_argument("--seed", type=int, default=0, help="of pictures, weights and steps")
    parser.add_argument("--third-steps", type=int, default=0, help="optimiser steps of the third stage")
    parser.add_argument("--third-peak", type=float, default=4e-4, help="highest learning rate of the third stage")
    parser.add_argument("--third-share", type=float, default=0.75, help="of the weights, what the third stage made")
    parser.add_argument("--folder", type=Path, help="checkpoints; the cache folder by default")
    parser.add_argument("--begin", type=Path, help="weights to start the third stage from, instead of the first two")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="the weights file")
    main(**vars(parser.parse_args()))
