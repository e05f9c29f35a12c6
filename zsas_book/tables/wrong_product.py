"""Wrong products and wrong names: tables and sentences."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zsas_lib.evaluation.paired import over_categories, paired
from zsas_lib.evaluation.tables import MEAN, ResultTable
from zsas_lib.robustness.wrong_product import FAR, NEAR

from ..labels import label
from ..words import beyond, counted, how_sure, listed, points

KINDS = {NEAR: "an unknown product with a word in common", FAR: "an unknown product with no word in common"}
EXPECTED = "a known product in the place of another"
STRANGER = "a damaged picture of the product itself"
POINTS = ("gap", "se", "low", "high", "power")

CLAIMS = [
    {
        "paper": "T",
        "claim": "Maximum concept matching tells pictures of unknown classes",
        "here": "Tested for products that no name on the list says, near and far ones where there are both.",
    },
    {
        "paper": "T",
        "claim": "Better naming of classes goes with better detection of unknown ones",
        "here": "Not tested here: one tower.",
    },
]
"""What papers say that the chapter is near to."""


def told_apart(rejected: pd.DataFrame, expected: pd.Series, strangers: pd.Series) -> pd.DataFrame:
    """How well sound pictures of known products are told from others, a row for each kind of others: AUROC and, where
    one threshold is for all, FPR95, in percent, with their 95 % intervals. ``expected`` and ``strangers`` are AUROCs by
    category, from 0 to 1."""
    rows = []
    for row in rejected.to_dict("records"):
        numbers = {name: 100 * row[name] for name in row if name.split("_")[0] in ("AUROC", "FPR95")}
        rows.append({"other picture": KINDS[row["product"]], "score": "highest of all names"} | numbers)
    for kind, values, score in (
        (EXPECTED, expected, "the expected name"),
        (STRANGER, strangers, "highest of all names"),
    ):
        rows.append({"other picture": kind, "score": score} | _of_categories(values))
    wanted = [
        "other picture",
        "score",
        *(f"{name}{end}" for name in ("AUROC", "FPR95") for end in ("", "_low", "_high")),
    ]
    named = {f"{name}_{end}": f"{name}, {end}" for name in ("AUROC", "FPR95") for end in ("low", "high")}
    return pd.DataFrame(rows).reindex(columns=wanted).rename(columns=named)


def _of_categories(values: pd.Series) -> dict[str, float]:
    known = values.dropna()
    sure = over_categories(known) if len(known) > 1 else None
    ends = {f"AUROC_{end}": 100 * np.clip(getattr(sure, end), 0, 1) if sure else np.nan for end in ("low", "high")}
    return {"AUROC": 100 * known.mean()} | ends


def called_wrong(
    right: Mapping[str, ResultTable], wrong: Mapping[str, ResultTable], metrics: Sequence[str]
) -> pd.DataFrame:
    """What other names do to models' means over categories: columns model, metric, the mean with the right and with the
    wrong name in percent, and their paired difference: gap, se, low, high and power in points, agree in percent."""
    rows = []
    for name, table in wrong.items():
        found = paired([table], [right[name]])
        for row in found[(found.category == MEAN) & found.metric.isin(metrics)].to_dict("records"):
            metric = row["metric"]
            means = {"right name": 100 * right[name].loc[MEAN, metric], "wrong name": 100 * table.loc[MEAN, metric]}
            numbers = {part: 100 * row[part] for part in (*POINTS, "agree")}
            rows.append({"model": name, "metric": metric} | means | numbers)
    return pd.DataFrame(rows, columns=["model", "metric", "right name", "wrong name", *POINTS, "agree"])


def rejected_in_words(rows: pd.DataFrame) -> list[str]:
    """What can be rejected before any score, and whether a defect looks like another product, a sentence each."""
    sentences = []
    for row in rows[rows["other picture"].isin(KINDS.values())].to_dict("records"):
        word = beyond(row["AUROC, low"] - 50, row["AUROC, high"] - 50, "above chance", "below chance", "within chance")
        sentences.append(
            f"Against {row['other picture']}: AUROC {row['AUROC']:.0f} %, {word}; where 95 % of the sound pictures are "
            f"let through, so are {row['FPR95']:.0f} % of the others."
        )
    own = rows.set_index("other picture")
    expected, stranger = own.loc[EXPECTED], own.loc[STRANGER]
    sentences.append(f"Against {EXPECTED}, by the probability of the expected name: AUROC {expected['AUROC']:.0f} %.")
    word = beyond(
        stranger["AUROC, low"] - 50,
        stranger["AUROC, high"] - 50,
        "a damaged picture looks less like a known product, so that a reject option takes some damage for strangers",
        "a damaged picture looks more like a known product",
        "damage does not make a picture a stranger beyond chance",
        "whether that is beyond chance, one category does not tell",
    )
    return [*sentences, f"Sound against damaged: AUROC {stranger['AUROC']:.0f} %; {word}."]


def wrong_in_words(rows: pd.DataFrame, deaf: Sequence[str]) -> list[str]:
    """What a wrong name costs each model that reads it, and which models do not, a sentence each."""
    sentences = []
    for name, own in rows.groupby("model", sort=False):
        said = []
        for row in own.itertuples():
            word = beyond(row.low, row.high, "a gain", "a loss", "within chance")
            sure = how_sure(row.low, row.high, row.agree / 100, row.power)
            said.append(f"{label(row.metric)} {points(row.gap)} points, {word} ({sure})")
        sentences.append(f"{label(str(name))} called by another product's name: {'; '.join(said)}.")
    if deaf:
        number = counted(len(deaf), "model")
        sentences.append(f"Not a pixel changes with the name for {number} that read none: {listed(deaf)}.")
    return sentences
