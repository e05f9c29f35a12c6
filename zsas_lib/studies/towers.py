"""One head on many towers: models that learn nothing, on every tower at hand, with the same number of patches each."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..backbones.backbone import Backbone
from ..backbones.families.tokens import TokenTower
from ..backbones.families.tower import WINDOWS
from ..backbones.image_tower import layer_at
from ..backbones.registry import load_backbone
from ..base.errors import DataError, OptionError
from ..data.dataset import AnomalyDataset, read_once
from ..evaluation.complexity import operations, shapes_only
from ..evaluation.evaluate import evaluate
from ..evaluation.speed import costs
from ..evaluation.tables import ResultTable
from ..models import MODELS
from ..models.load import load_model, model_class, why_not
from ..models.prediction import AnomalyModel
from ..store.results import stored

RANDOM = "random weights"
"""The variant of a tower that knows nothing: what its shape alone gives, a floor for the others."""


@dataclass(frozen=True)
class Entry:
    """A model on a tower.

    :param tower: its name, and :param variant: what was changed of it, "" for nothing; :param family: of the tower.
    :param parameters: of the image tower. :param pixels: height and width of what it reads; :param grid: patches a
        side.
    :param windows: how the model makes windows, "" for one that is not asked.
    :param table: of `evaluate`; :param cost: GFLOP, ms (median) and peak MB of one picture, here.
    """

    tower: str
    variant: str
    family: str
    parameters: int
    pixels: tuple[int, int]
    grid: int
    model: str
    windows: str
    table: ResultTable
    cost: Mapping[str, float]

    @property
    def label(self) -> str:
        """Tower and variant."""
        return ", ".join(filter(None, (self.tower, self.variant)))


def training_free() -> list[str]:
    """The models that look through a backbone and learn nothing."""
    return [name for name, record in MODELS.items() if record.place and not record.learns and not record.trivial]


def read_towers(
    names: Sequence[str],
    pictures: AnomalyDataset,
    *,
    grids: Sequence[int],
    models: Sequence[str] = ("winclip",),
    weights: str | None = None,
    cuts: Sequence[float] = (),
    floor: bool = True,
    repeats: int = 3,
    **measuring: Any,
) -> tuple[list[Entry], dict[str, str]]:
    """Every model with every kind of windows on every tower at each grid, and why towers are left out, by name.

    Pictures are those of ``pictures``, at one size for all; each tower reads them at the size that makes its grid.
    ``models`` are some of `training_free`. ``weights`` as in `load_backbone`. ``cuts`` are shares of a transformer's
    blocks, behind which it is cut as a variant of its own; ``floor`` adds each tower with random weights. Tables are
    ``stored(evaluate, ..., **measuring)``. One tower is in memory at a time. One that cannot be had here (no weights,
    no tokenizer, a size that it does not take), or that no model runs on, is left out. Raises ValueError for a model
    that learns or is trivial, UnknownNameError for a name that is none.
    """
    if wrong := [name for name in models if name not in training_free()]:
        raise ValueError(f"{', '.join(wrong)}: expected models that learn nothing: {', '.join(training_free())}.")
    entries: list[Entry] = []
    absent: dict[str, str] = {}
    with read_once():
        for name in names:
            for grid in grids:
                try:
                    for variant, tower in _variants(name, grid, weights, cuts, floor):
                        entries += _entries(name, variant, tower, models, pictures, repeats, measuring)
                except (DataError, OptionError) as error:
                    absent[name] = str(error)
    return entries, absent


def at_grid(name: str, grid: int, weights: str | None = None) -> Backbone:
    """A backbone whose pictures have ``grid`` x ``grid`` patches. Raises what `load_backbone` does."""
    return load_backbone(name, weights, image_size=grid * shapes_only(name).patch_size)


def cut(backbone: Backbone, blocks: int) -> Backbone:
    """The same transformer without its last blocks: what made an embedding of the last block's tokens reads those
    behind block ``blocks``, for which it was never trained. Raises OptionError for a tower of stages."""
    whole = backbone.image
    if not isinstance(whole, TokenTower):
        raise OptionError(f"Backbone {backbone.name!r} ({whole.family}) has stages of different widths; it is not cut.")
    image, trunk = copy(whole), copy(whole.trunk)
    trunk.depth = blocks
    image.trunk, image.grids, image.widths = trunk, whole.grids[: blocks + 1], whole.widths[: blocks + 1]
    return Backbone(
        backbone.clip,
        name=backbone.name,
        architecture={**backbone.architecture, "blocks": blocks},
        image=image,
        text=backbone.text,
        precision=backbone.precision,
        mean=backbone.mean.flatten().tolist(),
        std=backbone.std.flatten().tolist(),
        interpolation=backbone.interpolation,
        is_random=backbone.is_random,
        positions=backbone.positions,
    ).to(backbone.device)


def _variants(
    name: str, grid: int, weights: str | None, cuts: Sequence[float], floor: bool
) -> Iterator[tuple[str, Backbone]]:
    tower = at_grid(name, grid, weights)
    yield RANDOM if tower.is_random else "", tower
    if isinstance(tower.image, TokenTower):
        for blocks in sorted({layer_at(tower.depth, share) for share in cuts} - {tower.depth}, reverse=True):
            yield f"{blocks} of {tower.depth} blocks", cut(tower, blocks)
    if floor and not tower.is_random:
        del tower
        yield RANDOM, at_grid(name, grid, "random")


def _entries(
    name: str,
    variant: str,
    tower: Backbone,
    models: Sequence[str],
    pictures: AnomalyDataset,
    repeats: int,
    measuring: Mapping[str, Any],
) -> list[Entry]:
    found = []
    for model_name in models:
        if why := why_not(model_name, tower):
            raise OptionError(f"{model_name} cannot run on {name!r}: {why}")
        for windows, options in _ways(model_name, tower):
            model = load_model(model_name, tower, **options)
            table: Any = stored(evaluate, model, pictures, **measuring)
            found.append(
                Entry(
                    tower=name,
                    variant=variant,
                    family=tower.family,
                    parameters=_image_parameters(tower),
                    pixels=tower.size,
                    grid=min(tower.patches),
                    model=model_name,
                    windows=windows,
                    table=table,
                    cost=_cost(model, pictures, repeats),
                )
            )
    return found


def _ways(model: str, tower: Backbone) -> list[tuple[str, dict[str, Any]]]:
    """The kinds of windows that a model makes on a tower, and the option for each."""
    if "windows" not in inspect.signature(model_class(model)).parameters:
        return [("", {})]
    return [(mode, {"windows": mode}) for mode in WINDOWS if mode not in tower.image.cannot]


def _image_parameters(tower: Backbone) -> int:
    """Of the tower's image side: all but its text side's, as far as these are told apart."""
    visual = getattr(tower.clip, "visual", tower.clip)
    return sum(value.numel() for value in visual.parameters())


def _cost(model: AnomalyModel, pictures: AnomalyDataset, repeats: int) -> dict[str, float]:
    sample = pictures[0]
    taken = costs({model.name: model}, sample.image[None].to(model.device), sample.category, repeats).iloc[0]
    operated = operations(model, sample.category)  # its sentences have been read
    return {"GFLOP": operated / 1e9, "ms": float(taken["ms per picture"]), "MB": float(taken["peak MB"])}


def entry_table(entries: Sequence[Entry], metrics: Sequence[str]) -> pd.DataFrame:
    """A row for each entry: what it is, the means over categories in percent, and what a picture costs.

    Columns: tower (with its variant), family, grid, pixels (a side, or "height x width"), parameters (millions, of the
    image tower), model, windows, the metrics, GFLOP, ms and MB. Raises OptionError where there are none.
    """
    if not entries:
        raise OptionError("None of the towers is at hand, so there is nothing to compare; read_towers says why.")
    rows = []
    for entry in entries:
        height, width = entry.pixels
        facts = {"tower": entry.label, "family": entry.family, "grid": entry.grid}
        facts |= {"pixels": str(height) if height == width else f"{height} x {width}"}
        facts |= {"parameters": entry.parameters / 1e6, "model": entry.model, "windows": entry.windows}
        values = {metric: 100 * float(entry.table.loc["mean", metric]) for metric in metrics}
        rows.append(facts | values | dict(entry.cost))
    return pd.DataFrame(rows)
