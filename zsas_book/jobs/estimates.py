"""What a page or a shard costs before it is run: pictures, forward passes, hours of a GPU, disk.

No model is loaded for it.

Passes are counted as the chapter's ``costs`` in ``chapters.yaml`` say (`costs.passes`), a backward pass or a step of
training as one more; the cost of a chapter that says nothing is unknown. A pass has the floating-point operations of
its backbone, an H100 does `NOMINAL` of them in a second in float32, and so an estimate is good to within a factor of
two or three; a small backbone takes the seconds of its record, fewer in training, for which its tower is read once.
Each page is counted by itself, though pages share what they have in common. Once a page's own shards have run, their
receipts say better.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

from zsas_lib.backbones.aliases import ALIASES
from zsas_lib.data import official
from zsas_lib.data.embedded import catalogue as embedded
from zsas_lib.data.registry import DATASETS
from zsas_lib.store.folder import results_folder
from zsas_lib.training.recipes import training_of

from ..project.chapters import Page
from ..project.notebooks import read_notebook
from ..project.parameters import read_parameters, resolve
from .costs import passes
from .receipts import read_receipt
from .shards import CATEGORIES, Shard

NOMINAL = 40.0
"""TFLOP/s of float32 that one H100 sustains in such networks, about 60 % of its printed 67."""
UNKNOWN_TFLOP = 1.0
"""Of a picture, for a backbone or kind of model of which no more is known."""
EMBEDDING_TFLOP = 0.2
"""Of a picture that is embedded once, about what a ViT-L/14 takes at 224 pixels."""
UNCOUNTED_PICTURES = 100
USUAL_EPOCHS = 12
MINUTES_LEAST, MARGIN, MINUTES_UNKNOWN = 10, 2.0, 24 * 60
"""To ask a cluster for: at least, how many times the estimate, and where there is none."""


@dataclass(frozen=True)
class Estimate:
    """Pictures that are read, forward passes, and the hours they take of one GPU, or of one core without `gpu`.

    Passes and hours are None where the chapter does not say what it costs.
    """

    pictures: int
    passes: int | None
    hours: float | None
    gpu: bool


def estimated(job: Page | Shard, root: Path, *, sharded: bool = False, tflops: float = NOMINAL) -> Estimate:
    """The cost of a page or shard with an empty store; of a page whose shards are done (`sharded`), of what is left.

    ``tflops`` is the GPU's speed. Raises as `parameters.resolve`.
    """
    page, given = (job, job.parameters) if isinstance(job, Page) else (job.page, job.given)
    values = resolve(read_parameters(read_notebook(root / page.notebook)), given)
    pictures = _pictures(values)
    several = values.get("towers") or ["embedded"]
    name = str(values.get("backbone", next(iter(several))))
    backbone = ALIASES.get(name)
    gpu = backbone is None or backbone.core_seconds is None
    training = 0
    if sharded:
        found = {"other": min(pictures, UNCOUNTED_PICTURES)}
    elif page.costs is None:
        return Estimate(pictures, None, None, gpu)
    else:
        training = _training(values) if not (isinstance(job, Shard) and job.after) else 0
        found = passes(page.costs, values, pictures, training)
    if not gpu:
        counted = sum(found.values())
        trained = counted - sum(passes(page.costs, values, pictures, 0).values()) if training else 0
        seconds = (counted - trained) * backbone.core_seconds + trained * (backbone.training_seconds or 0.0)
        return Estimate(pictures, counted, seconds / 3600, gpu)
    tflop = sum(count * _tflop(kind, values, name) for kind, count in found.items())
    return Estimate(pictures, sum(found.values()), tflop / tflops / 3600, gpu)


def minutes(job: Page | Shard, root: Path, *, sharded: bool = False) -> int:
    """How long to ask a cluster for: twice what a finished shard of the same page took, or else twice the estimate; a
    day where there is neither."""
    if isinstance(job, Shard) and (taken := _longest(results_folder() / job.receipt.parent)):
        return max(MINUTES_LEAST, math.ceil(MARGIN * taken / 60))
    hours = estimated(job, root, sharded=sharded).hours
    return MINUTES_UNKNOWN if hours is None else max(MINUTES_LEAST, math.ceil(MARGIN * 60 * hours))


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
    if several := values.get("datasets") if values.get("towers") else None:
        each = int(values.get("per_name") or UNCOUNTED_PICTURES)
        names = [*several, values["strangers"]] if values.get("strangers") else several
        return sum(each * len(_categories(name) or range(8)) for name in names)
    dataset, limit = str(values.get("dataset")), values.get("pictures_per_category")
    if limit is not None and (normal := values.get("normal_per_category")) is not None:
        limit = -(-int(limit) // 2) + min(int(normal), int(limit) // 2)
    counted = [_tested(dataset, one) for one in categories or _categories(dataset)]
    if not counted or None in counted:
        return (len(categories) if categories else 8) * int(limit or UNCOUNTED_PICTURES)
    return sum(found if limit is None else min(int(limit), found) for found in counted if found is not None)


def _categories(dataset: str) -> Sequence[str]:
    """All of a data set, as far as they are known without it."""
    return embedded.categories(dataset) if dataset in embedded.SETS else official.categories(dataset)


def _tested(dataset: str, category: str) -> int | None:
    """The test pictures of a category, None where they are not known without the data set."""
    if dataset in embedded.SETS:
        return embedded.tested_pictures(dataset)
    return official.pictures(dataset, "test", [category])


def _training(values: Mapping[str, object]) -> int:
    """The passes of one training."""
    record = DATASETS.get(str(values.get("dataset")))
    auxiliary = record.auxiliary if record and record.auxiliary else ""
    whole = sum(_tested(auxiliary, one) or 0 for one in _categories(auxiliary)) or None
    limit = values.get("auxiliary_per_category")
    pictures = whole if whole is not None and limit is None else 12 * int(limit or 20)
    return pictures * (int(values.get("epochs") or 0) or _epochs(values))


def _epochs(values: Mapping[str, object]) -> int:
    """The most that the recipe has for one of the models; `USUAL_EPOCHS` where it leaves them to the papers."""
    names = values.get("models") or [values.get("model")]
    recipe, backbone = values.get("recipe"), str(values.get("backbone") or "embedded")
    trainings = [training_of(str(name), recipe and str(recipe), backbone) for name in cast(Sequence[object], names)]
    return max((training.fit["epochs"] for training in trainings if "epochs" in training.fit), default=USUAL_EPOCHS)


def _tflop(kind: str, values: Mapping[str, object], backbone: str) -> float:
    if kind == "winclip" and values.get("winclip_backbone"):
        backbone = str(values["winclip_backbone"])
    if kind == "tower":
        return EMBEDDING_TFLOP
    record = ALIASES.get(backbone)
    return (record and record.tflop or {}).get(kind, UNKNOWN_TFLOP)
