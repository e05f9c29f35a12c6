"""The embedded data sets as files: ``embedded-a`` in VisA's official layout, ``embedded-b`` in MVTec AD's.

Beside the pictures lies ``defects.csv``: per damaged picture its kind, the contrast asked for, and the contrast, area
and radius it got. The same seed gives the same pictures.
"""

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import cast
from zlib import crc32

import numpy as np
from jaxtyping import Bool, Float
from joblib import Parallel, delayed
from numpy.random import default_rng
from PIL import Image
from scipy import ndimage
from tqdm import tqdm

from .defects import possible_defects
from .products import AUXILIARY, EVALUATION, Product
from .render import Defect, Picture, render

SMALLEST, LARGEST = 0.07, 0.28
"""Range of a defect's radius, in units of half the picture's width."""
SEEN = 0.03
"""Difference to the sound twin (0 to 1) that can be seen."""
GAP, MARGIN = 0.01, 0.004
"""In widths: half of the widest gap in a defect that its outline passes over, and how far outside the defect it
runs."""
FAINTEST, FEWEST_PIXELS, TRIES = 0.055, 100, 5
"""Contrast (0 to 1) and pixels below which a defect counts as invisible, and how often a shot is taken to avoid
that."""


@dataclass(frozen=True)
class Shot:
    """One picture to be made: where it goes under the root, and what it shows."""

    product: Product
    split: str
    seed: int
    defect: Defect | None
    image: Path
    mask: Path | None


def plan_defects(product: Product, count: int, seed: int) -> list[Defect]:
    """``count`` defects over all the kinds that the product can have, over contrasts and over sizes on a log scale."""
    rng = default_rng([seed, crc32(product.name.encode())])
    kinds = possible_defects(product)
    radii = rng.permutation(np.geomspace(SMALLEST, LARGEST, count))
    levels = rng.permutation(np.resize(["low", "medium", "medium", "high", "high"], count))
    return [
        Defect(kinds[i % len(kinds)], str(level), float(radius)) for i, (level, radius) in enumerate(zip(levels, radii))
    ]


def _folder(product: Product) -> str:
    return product.name.replace(" ", "_")


def _plan(products, counts, seed, where) -> Iterator[Shot]:
    """Shots of every product; ``counts`` are train normal, test normal and test damaged pictures."""
    for product in products:
        normal = [("train", None)] * counts[0] + [("test", None)] * counts[1]
        damaged = [("test", defect) for defect in plan_defects(product, counts[2], seed)]
        numbers: dict[tuple, int] = {}
        for index, (split, defect) in enumerate(normal + damaged):
            kind = defect.kind.replace(" ", "_") if defect else None
            number = numbers[split, kind] = numbers.get((split, kind), -1) + 1
            image, mask = where(_folder(product), split, kind, number if kind else index, index)
            shot_seed = int(default_rng([seed, crc32(product.name.encode()), index]).integers(2**31))
            yield Shot(product, split, shot_seed, defect, image, mask)


def mvtec_places(category: str, split: str, kind: str | None, number: int, index: int) -> tuple[Path, Path | None]:
    image = Path(category, split, kind or "good", f"{number:03d}.png")
    return image, Path(category, "ground_truth", kind, f"{number:03d}_mask.png") if kind else None


def visa_places(category: str, split: str, kind: str | None, number: int, index: int) -> tuple[Path, Path | None]:
    folder = Path(category, "Data")
    image = folder / "Images" / ("Anomaly" if kind else "Normal") / f"{index:04d}.JPG"
    return image, folder / "Masks" / "Anomaly" / f"{index:04d}.png" if kind else None


def outlined(picture: Picture) -> Bool[np.ndarray, "height width"]:
    """The mask as an annotator would draw it: around what can be seen of a defect, passing over small gaps, a little
    outside. So the middle of a bent plain part, in which nothing changed, is not in it; the drops of a stain are one
    region, and so is a thin line, also in a smaller picture."""
    seen = picture.mask & (np.abs(picture.image - picture.sound).mean(-1) > SEEN)
    if not seen.any():
        return seen
    gap, margin = (max(1, round(share * len(seen))) for share in (GAP, MARGIN))
    closed = _depth(~seen) <= gap
    return _depth(np.pad(closed, gap, mode="edge"))[gap:-gap, gap:-gap] > gap - margin


def _depth(mask: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    """How far each pixel of a mask is from those outside it."""
    return cast(np.ndarray, ndimage.distance_transform_edt(mask))  # scipy gives other things where told to


def _visible(shot: Shot, width: int, rows: slice) -> tuple[Picture, Bool[np.ndarray, "height width"]]:
    """The shot and its mask, taken again with other seeds while its defect cannot be seen; the best of ``TRIES`` if it
    never can."""
    best: tuple = ()
    for attempt in range(TRIES if shot.defect else 1):
        picture = render(shot.product, shot.seed + attempt, width, shot.defect)
        mask = outlined(picture)[rows]
        shown = mask.sum() >= FEWEST_PIXELS
        if not shot.defect or (shown and picture.contrast >= FAINTEST):
            return picture, mask
        if not best or (shown, picture.contrast) > best[0]:
            best = (shown, picture.contrast), (picture, mask)
    return best[1]


def _shoot(shot: Shot, root: Path, width: int, height: int) -> dict | None:
    rows = slice((width - height) // 2, (width - height) // 2 + height)
    picture, mask = _visible(shot, width, rows)
    path = root / shot.image
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.round(picture.image[rows] * 255).astype(np.uint8)).save(path, quality=95, compress_level=1)
    if shot.defect is None or shot.mask is None:
        return None
    (root / shot.mask).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(root / shot.mask)
    contrast = np.abs(picture.image - picture.sound)[rows][mask].mean() if mask.any() else 0.0
    return {
        "image": shot.image.as_posix(),
        "category": _folder(shot.product),
        "kind": shot.defect.kind,
        "contrast_level": shot.defect.contrast,
        "contrast": round(float(contrast), 4),
        "area": round(float(mask.mean()), 5),
        "radius": round(shot.defect.radius, 4),
    }


def _write(root: Path, shots: list[Shot], width: int, height: int, finish: Callable[[Path, list[Shot]], None]) -> None:
    """Everything into a folder beside ``root`` that takes its name only when it is whole."""
    root.parent.mkdir(parents=True, exist_ok=True)
    working = Path(mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        work = Parallel(n_jobs=os.cpu_count(), return_as="generator")(
            delayed(_shoot)(s, working, width, height) for s in shots
        )
        rows = [row for row in tqdm(work, total=len(shots), desc=f"drawing {root.name}", mininterval=2) if row]
        with open(working / "defects.csv", "w", newline="") as file:
            table = csv.DictWriter(file, rows[0].keys())
            table.writeheader()
            table.writerows(rows)
        finish(working, shots)
        working.chmod(0o755)
        working.rename(root)
    except BaseException:
        shutil.rmtree(working, ignore_errors=True)
        if not root.is_dir():
            raise


def _visa_split(root: Path, shots: list[Shot]) -> None:
    (root / "split_csv").mkdir()
    with open(root / "split_csv" / "1cls.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["object", "split", "label", "image", "mask"])
        for shot in shots:
            label, mask = ("anomaly", shot.mask.as_posix()) if shot.mask else ("normal", "")
            table.writerow([_folder(shot.product), shot.split, label, shot.image.as_posix(), mask])


def write_embedded_a(root: Path, *, products=AUXILIARY, counts=(4, 10, 20), width=640, height=512, seed=0) -> None:
    """``embedded-a`` in VisA's layout: ``counts`` normal training, normal test and damaged test pictures a category."""
    _write(root, list(_plan(products, counts, seed, visa_places)), width, height, _visa_split)


def write_embedded_b(root: Path, *, products=EVALUATION, counts=(4, 10, 20), size=512, seed=0) -> None:
    """``embedded-b`` in MVTec AD's layout: ``counts`` normal training, normal test and damaged test pictures a
    category."""
    _write(root, list(_plan(products, counts, seed, mvtec_places)), size, size, lambda folder, shots: None)
