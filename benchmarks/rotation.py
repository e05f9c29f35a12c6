"""Forward plus backward of the three-pass rotation, ours against torch-rotation's, in turns in one run.

    python benchmarks/rotation.py

A batch of 16 images of 240 x 240 pixels, each turned by its own angle, with gradients of the images and the angles.
Expected: a ratio of at least 2; about 10 on one thread.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch_rotation import rotate_three_pass

from zsas_lib.perturbations import rotate


def ours(images: Tensor, degrees: Tensor) -> Tensor:
    return rotate(images, degrees)


def torch_rotation(images: Tensor, degrees: Tensor) -> Tensor:
    """It turns the other way, takes radians, and writes into the images that it is given: they must be a copy."""
    return rotate_three_pass(images.clone(), torch.deg2rad(-degrees), padding_mode="replicate")


def seconds(rotation: Callable[[Tensor, Tensor], Tensor], images: Tensor, degrees: Tensor) -> float:
    images, degrees = images.clone().requires_grad_(), degrees.clone().requires_grad_()
    start = time.perf_counter()
    rotation(images, degrees).square().mean().backward()
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    torch.manual_seed(0)
    images = torch.rand(options.batch, 3, options.size, options.size, device=options.device)
    degrees = torch.rand(options.batch, device=options.device) * 180 - 90
    times: dict[Callable[[Tensor, Tensor], Tensor], list[float]] = {ours: [], torch_rotation: []}
    for round_ in range(-1, options.rounds):  # the first round warms up
        for rotation in times:
            duration = seconds(rotation, images, degrees)
            if round_ >= 0:
                times[rotation].append(duration)

    where = f"{torch.get_num_threads()} CPU threads" if options.device == "cpu" else torch.cuda.get_device_name()
    print(f"{options.batch} images of {options.size} x {options.size}, {where}, torch {torch.__version__}")
    for rotation, durations in times.items():
        low, high = min(durations), max(durations)
        print(f"{rotation.__name__:>15}: median {statistics.median(durations):.3f} s ({low:.3f} to {high:.3f})")
    ratios = [theirs / our for our, theirs in zip(times[ours], times[torch_rotation])]
    print(f"{'ratio':>15}: median {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
