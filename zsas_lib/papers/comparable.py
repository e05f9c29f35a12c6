"""Whether numbers of this library may stand beside a printed table, decided in one place.

``settings.csv`` holds what each printed table was made with: the data set, its categories ("all", or those that paper
S marks as used in its Tables 2 and 3), and for each model the backbone, as this library and as the paper call it, the
image size in pixels, the activation and the data set that it was trained on; ``source`` says where that stands.
"""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pandas as pd

from ..backbones.backbone import Backbone
from ..base.errors import UnknownNameError
from ..data import official
from ..data.dataset import AnomalyDataset
from ..data.registry import DATASETS
from . import reported

SETTINGS = Path(__file__).parent / "settings.csv"
USED = {"MVTec-AD": 2, "VisA": 3}  # paper S's tables of what may be turned


def family(dataset: str) -> str | None:
    """The data set, as the papers call it, whose printed numbers a page of ``dataset`` may show: its own, for an
    embedded one those of the data set that it stands in for, None where nothing is printed."""
    return DATASETS[dataset].family if dataset in DATASETS else None


def printed_family(paper: str, table: str | int, dataset: str) -> str:
    """The data set whose part of a printed table a page of ``dataset`` shows: its `family` where the table has that,
    else the table's first one. `comparable` says of the latter that the two cannot be compared."""
    known = list(dict.fromkeys(settings(paper, table).dataset))
    own = family(dataset)
    return own if own is not None and own in known else known[0]


def printed_backbone(paper: str, table: str | int, backbone: str) -> str:
    """What the paper calls this backbone in the table, or the table's first one if it has not this one."""
    rows = settings(paper, table)
    own = rows[rows.backbone == backbone]
    return (own if len(own) else rows).called.iloc[0]


def settings(paper: str, table: str | int) -> pd.DataFrame:
    """What a printed table was made with, a row for each data set, model and backbone; raises UnknownNameError."""
    known = _settings()
    rows = known.loc[(known.paper == paper) & (known.table == str(table))]
    if rows.empty:
        raise UnknownNameError(
            "printed table with a known setting", f"{paper} {table}", {*(known.paper + " " + known.table)}
        )
    return rows


def comparable(
    paper: str,
    table: str | int,
    pictures: AnomalyDataset | None,
    tower: Backbone | None = None,
    model: str | None = None,
    *,
    category: str = "mean",
    printed_on: str | None = None,
    auxiliary: AnomalyDataset | None = None,
    training: Mapping[str, object] | None = None,
) -> str:
    """Why numbers of ``model`` on ``pictures`` cannot be compared with those of a printed table; "" if they can.

    They can if the data set is the table's own and no stand-in for it, its categories are exactly those of the printed
    mean (or, for a number of one ``category``, hold that one), each with every official test picture; and if ``tower``,
    None where no model takes part, has the table's backbone, image size and activation and no random weights, and reads
    the pictures at that size; of a table with several backbones any will do, or ``printed_on``, as the paper calls it.
    Of a model that learned, ``auxiliary`` are the pictures that it learned from (all official test pictures of the
    table's training set), and ``training`` the settings that were changed from the model's own; of one that learns
    nothing neither matters. ``pictures`` None stands for what is counted from shapes: then the tower's weights and
    activation do not matter.

    The answer is a list in words such as "embedded-b, embedded" or "1 of 15 categories"; a model that the table does
    not have is one of its words. Raises UnknownNameError for a table without a known setting, and
    ValueError for neither pictures nor a tower.
    """
    rows = settings(paper, table)
    of_model = rows if model is None else rows.loc[rows.model == model]
    of_model = of_model if printed_on is None else of_model.loc[of_model.called == printed_on]
    reasons = [model] if of_model.empty else []
    rows = rows if of_model.empty else of_model
    if pictures is None:
        if tower is None:
            raise ValueError("Expected pictures, a backbone or both to compare; got neither.")
        return ", ".join(filter(None, [*reasons, _other_shapes(rows, tower)]))
    own = of_model.loc[of_model.dataset == family(pictures.name)]
    if _stands_in(pictures.name) or family(pictures.name) not in set(rows.dataset):
        reasons.append(pictures.name)
    elif len(own):
        reasons.append(_other_pictures(pictures, _categories(own.iloc[0], category), whole=category == "mean"))
    if tower is not None:
        reasons.append(_other_tower(own if len(own) else rows, tower, pictures))
    if not rows.auxiliary.any():  # of a model that learns nothing
        auxiliary = training = None
    if auxiliary is not None and not any(reasons):
        learned_from = own.auxiliary.iloc[0]
        same = family(auxiliary.name) == learned_from and not _stands_in(auxiliary.name)
        short = _other_pictures(auxiliary, official.categories(auxiliary.name), whole=True) if same else ""
        reasons.append(f"learned from {short or auxiliary.name}" if short or not same else "")
    changed = {name: value for name, value in (training or {}).items() if name != "seed" and value not in (None, False)}
    if changed and not any(reasons):
        reasons.append("trained with " + ", ".join(f"{name} {value}" for name, value in changed.items()))
    return ", ".join(filter(None, reasons))


def _stands_in(dataset: str) -> bool:
    return dataset in DATASETS and DATASETS[dataset].stand_in


@lru_cache(maxsize=1)
def _settings() -> pd.DataFrame:
    return pd.read_csv(SETTINGS, dtype={"table": str}, keep_default_na=False)


def _categories(row: pd.Series, category: str) -> tuple[str, ...]:
    """The categories that a printed number is of, as this library calls them."""
    dataset = next(name for name, data in DATASETS.items() if data.family == row.dataset and not data.stand_in)
    if category != "mean":
        return (category,)
    if row.categories == "all":
        return official.categories(dataset)
    table = reported("S", USED[row.dataset]).query("metric == 'used' and value == 1")
    used = set(table.category.str.replace("_", ""))
    return tuple(name for name in official.categories(dataset) if name.replace("_", "") in used)


def _other_pictures(pictures: AnomalyDataset, wanted: tuple[str, ...], whole: bool) -> str:
    """How the pictures differ from all official test pictures of these categories, "" if they do not."""
    missing, beyond = set(wanted) - set(pictures.categories), set(pictures.categories) - set(wanted)
    if missing:
        return f"{len(wanted) - len(missing)} of {len(wanted)} categor{'y' if len(wanted) == 1 else 'ies'}"
    if beyond and whole:
        return f"{len(pictures.categories)} categories, not {len(wanted)}"
    found = Counter((record.category, record.defect) for record in pictures.records if record.category in wanted)
    counts = official.counts(pictures.name)
    expected = {
        (part.category, part.kind): count
        for part, count in counts.items()
        if part.split == "test" and part.category in wanted
    }
    if found == expected:
        return ""
    have, all_of_them = sum(found.values()), sum(expected.values())
    return (
        f"{have:,} of {all_of_them:,} pictures" if have < all_of_them else "other pictures than the official test split"
    )


def _other_shapes(rows: pd.DataFrame, tower: Backbone) -> str:
    same = rows[rows.backbone == tower.name]
    return "" if tower.image_size in set(same.image_size.astype(int)) else f"{tower.name} at {tower.image_size} pixels"


def _other_tower(rows: pd.DataFrame, tower: Backbone, pictures: AnomalyDataset) -> str:
    same = rows[rows.backbone == tower.name]
    if same.empty:
        return tower.name
    row = same.iloc[0]
    if tower.is_random:
        return f"{tower.name} with random weights"
    if row.activation and tower.activation != row.activation:
        return f"{tower.name} with {tower.activation}"
    sizes = {tower.image_size, pictures.image_size} - {int(row.image_size)}
    return f"{' and '.join(str(size) for size in sizes)} pixels" if sizes else ""
