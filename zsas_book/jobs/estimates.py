"""What a page or a shard costs before it is run: pictures, forward passes, hours of a GPU, disk.

No model is loaded for it.

Passes are counted from the parameters of the page, notebook by notebook, a backward pass or a step of training as one
more. A pass has the floating-point operations of its backbone, an H100 does `NOMINAL` of them in a second in float32,
and so an estimate is good to within a factor of two or three. Once a page's own shards have run, their receipts say
better.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from zsas_lib.store.folder import results_folder

from ..project.chapters import Page
from ..project.notebooks import read_notebook
from ..project.parameters import read_parameters, resolve
from .receipts import read_receipt
from .shards import CATEGORIES, OFFICIAL, Shard

NOMINAL = 40.0
"""TFLOP/s of float32 that one H100 sustains in such networks, about 60 % of its printed 67."""
TFLOP_PER_PASS = {
    ("winclip", "vit-b-16-plus-240"): 0.673,
    ("winclip", "vit-l-14"): 2.028,
    ("winclip", "vit-l-14-336"): 4.6,
    ("winclip", "fare2-vit-l-14"): 2.028,
    ("learned", "vit-l-14-336"): 1.072,
}
"""Of one picture, at 518 pixels for the learned models; WinCLIP's windows are thirteen more passes or so."""
UNKNOWN_TFLOP = 1.0
EMBEDDED_S = 0.07
"""Seconds that a picture takes with the embedded backbone on one core, metrics included."""
UNCOUNTED_PICTURES = 100
OTHER_PICTURES = {
    "mvtec": "visa",
    "visa": "mvtec",
    "btad": "visa",
    "mpdd": "visa",
    "embedded-a": "embedded-b",
    "embedded-b": "embedded-a",
}
USUAL_EPOCHS = 12
MINUTES_LEAST, MARGIN = 10, 2.0


@dataclass(frozen=True)
class Estimate:
    """Pictures that are read, forward passes, and the hours they take of one GPU, or of one core without `gpu`."""

    pictures: int
    passes: int
    hours: float
    gpu: bool


def estimated(job: Page | Shard, root: Path, *, sharded: bool = False, tflops: float = NOMINAL) -> Estimate:
    """The cost of a page or shard with an empty store; of a page whose shards are done (`sharded`), of what is left.

    ``tflops`` is the GPU's speed. Raises as `parameters.resolve`.
    """
    page, given = (job, job.parameters) if isinstance(job, Page) else (job.page, job.given)
    values = resolve(read_parameters(read_notebook(root / page.notebook)), given)
    pictures = _pictures(values)
    if sharded:
        passes = {"other": min(pictures, UNCOUNTED_PICTURES)}
    else:
        training_passes = (
            0
            if isinstance(job, Shard) and job.after
            else _auxiliary(values) * int(values.get("epochs") or USUAL_EPOCHS)
        )
        passes = _passes(page.notebook.stem, values, pictures, training_passes)
    backbone = str(values.get("backbone", "embedded"))
    if backbone == "embedded":
        return Estimate(pictures, sum(passes.values()), sum(passes.values()) * EMBEDDED_S / 3600, False)
    tflop = sum(count * _tflop(kind, values, backbone) for kind, count in passes.items())
    return Estimate(pictures, sum(passes.values()), tflop / tflops / 3600, True)


def minutes(job: Page | Shard, root: Path, *, sharded: bool = False) -> int:
    """How long to ask a cluster for: twice what a finished shard of the same page took, or else twice the estimate."""
    if isinstance(job, Shard) and (taken := _longest(results_folder() / job.receipt.parent)):
        return max(MINUTES_LEAST, math.ceil(MARGIN * taken / 60))
    return max(MINUTES_LEAST, math.ceil(MARGIN * 60 * estimated(job, root, sharded=sharded).hours))


def counted(dataset: str, split: str, categories: Sequence[str] | None = None) -> int | None:
    """How many pictures the official data set has in a split of these categories, None where there is none official."""
    table = _official()
    if dataset not in table:
        return None
    return sum(
        count
        for (category, part), count in table[dataset].items()
        if part == split and (categories is None or category in categories)
    )


def _longest(folder: Path) -> float:
    """The longest time in seconds of a page's finished shards, 0 without any; read again when one was added."""
    return _longest_of(folder, folder.stat().st_mtime_ns) if folder.is_dir() else 0.0


@lru_cache(maxsize=100)
def _longest_of(folder: Path, modified: int) -> float:
    found = [0.0]
    found += [receipt.seconds for path in folder.glob("*.json") if (receipt := read_receipt(path))]
    return max(found)


def _pictures(values: Mapping[str, object]) -> int:
    categories = values.get(CATEGORIES) or ([values["category"]] if values.get("category") else None)
    dataset, limit = str(values.get("dataset")), values.get("pictures_per_category")
    all_of_them = counted(dataset, "test", categories)
    if all_of_them is None:
        return (len(categories) if categories else 8) * int(limit or UNCOUNTED_PICTURES)
    kinds = categories or {category for category, _ in _official()[dataset]}
    return all_of_them if limit is None else sum(min(int(limit), counted(dataset, "test", [kind])) for kind in kinds)


def _passes(notebook: str, values: Mapping[str, object], n: int, training: int) -> dict[str, int]:
    """Forward passes by kind of model, "winclip" (with its windows) or "learned"; one training has ``training``."""
    seeds = len(values.get("seeds") or [0])
    steps = int(values.get("steps") or 0)
    tried = steps * (2 if values.get("search") == "adam" else 1) + 1
    match notebook:
        case "uniform_sweep":
            return {"winclip": n * len({*(values["values"] or range(13)), 0.0})}
        case "worst_case":
            return {"winclip": n * (8 * tried + 8)}
        case "worst_case_learned":
            searched = n * (4 * tried + 5)
            return {"winclip": searched, "learned": 2 * seeds * (searched + training)}
        case "search_methods":
            return {"winclip": 3 * n * int(values["passes"])}
        case "best_case":
            points = int(values["points"])
            return {"winclip": n * (points + 2) // 2 + n * (points * (2 if values["search"] == "adam" else 1) + 5) // 2}
        case "winclip_vs_anomalyclip":
            return {"winclip": n, "learned": seeds * (n + training)}
        case "few_shot":
            return {"winclip": 6 * n + n * len(values["windows"]) // 2}
        case "defect_groups":
            learned = [name for name in values["models"] if name != "winclip"]
            return {"winclip": 2 * n * ("winclip" in values["models"]), "learned": (2 * n + training) * len(learned)}
        case "vcp_factorial":
            return {"learned": 9 * seeds * (n + training)}
        case "vcp_comparison":
            return {"winclip": n, "learned": 4 * seeds * (n + training)}
        case "vcp_sensitivity":
            settings = (len(values["tokens"]) + len(values["temperatures"])) * seeds + 2 * len(values["spread_seeds"])
            return {"learned": settings * (n + training)}
        case "audit":
            return {"winclip": 4 * n, "learned": (seeds + 6) * (n + training)}
        case "open_questions":
            return {"winclip": n * (5 + 7 * steps // 2 + 4 * int(values["points"]))}
        case "winclip_windows":
            return {"winclip": 8 * n}
        case "rotation_selection":
            return {}
    return {"winclip": 4 * min(n, UNCOUNTED_PICTURES)}


def _auxiliary(values: Mapping[str, object]) -> int:
    other, limit = OTHER_PICTURES.get(str(values.get("dataset")), ""), values.get("auxiliary_per_category")
    whole = counted(other, "test")
    return whole if whole is not None and limit is None else 12 * int(limit or 20)


def _tflop(kind: str, values: Mapping[str, object], backbone: str) -> float:
    if kind == "winclip" and values.get("winclip_backbone"):
        backbone = str(values["winclip_backbone"])
    return TFLOP_PER_PASS.get((kind, backbone), UNKNOWN_TFLOP)


@lru_cache(maxsize=1)
def _official() -> dict[str, dict[tuple[str, str], int]]:
    table: dict[str, dict[tuple[str, str], int]] = {}
    with OFFICIAL.open(newline="") as file:
        for row in csv.DictReader(file):
            own = table.setdefault(row["dataset"], {})
            own[row["category"], row["split"]] = own.get((row["category"], row["split"]), 0) + int(row["count"])
    return table
