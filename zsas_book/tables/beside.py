"""Reported beside reproduced: every cell that a paper prints, ours next to it, and a verdict on the two."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from zsas_lib.backbones.backbone import Backbone
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.papers.comparable import comparable
from zsas_lib.papers.printed import printed_value
from zsas_lib.training.recipes import training_of

from ..labels import label

OWN_NOTE = "note"


def beside_reported(
    rows: Iterable[Mapping[str, object]], note: str = "", tolerance: float = 1.0, unit: str = "point"
) -> pd.DataFrame:
    """The rows (claim, reported, reproduced, and what else stands beside them), with a column ``verdict`` as the last.

    The verdict is "not reported" or "not measured" where one of the numbers is NaN; else "not comparable: NOTE" where
    ``note``, or the row's own entry "note", says why the two cannot be compared; else "within 1 point" where they
    differ by no more than ``tolerance`` of ``unit``, or "off by +2.3". Both numbers are in the same unit, percent as a
    rule. Raises ValueError for a row without a claim, a reported and a reproduced number.
    """
    table = pd.DataFrame(list(rows))
    missing = {"claim", "reported", "reproduced"} - set(table.columns)
    if missing:
        raise ValueError(f"Expected rows with claim, reported and reproduced; {', '.join(sorted(missing))} is missing.")
    notes = table.pop(OWN_NOTE).fillna("") if OWN_NOTE in table else pd.Series("", index=table.index)
    table["verdict"] = [
        _verdict(row.reported, row.reproduced, own or note, tolerance, unit)
        for row, own in zip(table.itertuples(), notes, strict=True)
    ]
    return table


def beside_printed(
    printed: pd.DataFrame,
    ours: pd.DataFrame,
    note: str | Mapping[str, str] = "",
    tolerance: float = 1.0,
    where: str = "",
) -> pd.DataFrame:
    """`beside_reported` of two tables, cell by cell: a row for every cell of ``printed``, in its order.

    Rows and columns are matched by name; a cell that ``ours`` has not is "not measured". ``where`` stands before each
    claim, such as "V Table 1". ``note`` is one for all rows, or one for each by its name.
    """
    rows = [
        {
            "claim": ", ".join(filter(None, [where, str(name), label(column)])),
            "reported": value,
            "reproduced": ours.loc[name, column] if name in ours.index and column in ours.columns else np.nan,
            OWN_NOTE: note if isinstance(note, str) else note.get(name, ""),
        }
        for name, line in printed.iterrows()
        for column, value in line.items()
    ]
    return beside_reported(rows, tolerance=tolerance)


def changed_settings(
    model: str, recipe: str | None, backbone: str, training: Mapping[str, object]
) -> dict[str, object]:
    """What of a training differs from the model's paper, for `comparable`: by its recipe and by a chapter's own
    settings."""
    own = {name: value for name, value in training.items() if value is not None}
    return {**training_of(model, recipe, backbone).fit, **own}


def notes_of(
    paper: str,
    table: str | int,
    pictures: AnomalyDataset,
    towers: Mapping[str, Backbone],
    recipe: str | None,
    training: Mapping[str, object],
    auxiliary: AnomalyDataset | None = None,
) -> dict[str, str]:
    """Why the numbers of each model, by name with its backbone, cannot be compared with those of a printed table
    (`comparable`), "" where they can; ``recipe`` and ``training`` are a chapter's own."""
    return {
        name: comparable(
            paper,
            table,
            pictures,
            tower,
            name,
            auxiliary=auxiliary,
            training=changed_settings(name, recipe, tower.name, training),
        )
        for name, tower in towers.items()
    }


def printed_mean(
    claim: str,
    printed: tuple[str, str | int, str],
    reproduced: float,
    pictures: AnomalyDataset,
    tower: Backbone,
    model: str,
    dataset: str = "MVTec-AD",
    setting: str = "",
) -> dict[str, object]:
    """A row for `beside_reported`: a mean that a paper prints of a model, in percent, ours beside it, and why the two
    cannot be compared.

    ``printed`` is the paper, the table, and the metric as `papers.printed.METRIC_NAMES` calls it; ``dataset`` is called
    as the paper does, ``setting`` is part of the printed number's setting.
    """
    paper, table, column = printed
    return {
        "claim": claim,
        "reported": printed_value(paper, table, column, dataset, label(model), setting),
        "reproduced": reproduced,
        "note": comparable(paper, table, pictures, tower, model),
    }


def _verdict(reported: float, reproduced: float, note: str, tolerance: float, unit: str) -> str:
    if np.isnan(reported):
        return "not reported"
    if np.isnan(reproduced):
        return "not measured"
    if note:
        return f"not comparable: {note}"
    gap = reproduced - reported
    if abs(gap) <= tolerance:
        return f"within {tolerance:g} {unit}" + ("" if tolerance == 1 else "s")
    return f"off by {gap:+.1f}" if tolerance >= 0.1 else f"off by {gap:+.3g}"
