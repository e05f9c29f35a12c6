"""``python -m zsas_lib.training.backbone``: train the embedded backbone and write its weights file, a new one or the
package's own.

A run that is stopped goes on from its last checkpoint, with the pictures drawn again, as if it had not been.
"""

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from pathlib import Path

import torch

from ...base.digests import file_digest
from ...base.errors import OptionError
from ...base.files import require_new_file
from ...base.sources import source_digest
from ...data.cache import cache_folder
from ...data.embedded import WEIGHTS
from ...data.embedded.catalogue import backbone_record
from . import pictures as drawing
from .learn import save_weights, train


def main(
    steps: int,
    batch: int,
    pictures: int,
    peak: float,
    seed: int,
    third_steps: int,
    third_batch: int,
    third_peak: float,
    device: str,
    folder: Path | None,
    begin: Path | None,
    output: Path,
) -> None:
    """Train the embedded backbone and write its weights file, a new one or the package's own."""
    if begin and not third_steps:
        raise OptionError("--begin is what the third stage starts from; expected --third-steps with it.")
    if output != WEIGHTS:
        require_new_file(output)
    drawn = {"drawing": source_digest(drawing)[:12], "torch": torch.__version__}
    first = {"steps": steps, "batch": batch, "pictures": pictures, "peak": peak, "seed": seed}
    folder = folder or cache_folder() / f"embedded-backbone-{'-'.join(map(str, first.values()))}"
    folder.mkdir(parents=True, exist_ok=True)
    if not begin:
        student = train(folder, steps, batch, pictures, seed, peak, device=device)
        begin = folder / "second.safetensors" if third_steps else output
        save_weights(student, begin, first | drawn)
    if third_steps:
        third = {"steps": third_steps, "batch": third_batch, "pictures": pictures, "peak": third_peak, "seed": seed}
        later = folder / "-".join(map(str, [file_digest(begin)[:12], *third.values()]))
        later.mkdir(exist_ok=True)
        student = train(later, third_steps, third_batch, pictures, seed, third_peak, begin=begin, device=device)
        save_weights(student, output, third_record(begin, third | drawn))


def third_record(begin: Path, third: dict[str, object]) -> dict[str, object]:
    """What a weights file that the third stage made says of itself: what ``begin`` says, and the stage, in words."""
    record = backbone_record(begin)
    earlier = [record["third stage"]] if "third stage" in record else []
    own = ", ".join(f"{name} {value}" for name, value in third.items())
    return record | {"third stage": "; then ".join([*map(str, earlier), own])}


if __name__ == "__main__":
    parser = ArgumentParser(description=main.__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=9500, help="optimiser steps of the first two stages")
    parser.add_argument("--batch", type=int, default=16, help="pairs a step")
    parser.add_argument("--pictures", type=int, default=12000, help="pairs of training pictures to draw, of each kind")
    parser.add_argument("--peak", type=float, default=7e-4, help="highest learning rate of the first two stages")
    parser.add_argument("--seed", type=int, default=0, help="of pictures, weights and steps")
    parser.add_argument("--third-steps", type=int, default=0, help="optimiser steps of the third stage")
    parser.add_argument("--third-batch", type=int, default=512, help="pairs a step of the third stage")
    parser.add_argument("--third-peak", type=float, default=1e-3, help="highest learning rate of the third stage")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="what computes")
    parser.add_argument("--folder", type=Path, help="checkpoints; the cache folder by default")
    parser.add_argument("--begin", type=Path, help="weights to start the third stage from, instead of the first two")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="the weights file")
    main(**vars(parser.parse_args()))
