"""Sentences of few-shot results, and paper K's numbers beside them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

import zsas_lib as zsas
from zsas_lib.backbones.backbone import Backbone
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.evaluation.tables import MEAN
from zsas_lib.papers.comparable import comparable
from zsas_lib.studies import few_shot
from zsas_lib.studies.few_shot import BOTH, CURVES, REFERENCES, TEXT

from .. import words
from ..labels import label
from .beside import beside_reported

FALLEN = -0.05  # points: what falls by less is printed as unchanged


def gains_in_words(whole: pd.DataFrame, shots: int) -> list[str]:
    """What references add to each metric, pair by pair, up to ``shots`` of them, and how many different sets were
    drawn; ``whole`` is `few_shot.flat_sets` of a table."""
    sentences, counts = [], sorted({*whole["shots"]})
    names = [name for name in dict.fromkeys(whole["category"]) if name != MEAN]
    few = whole[whole["weight"].isin((TEXT, BOTH))]
    first = next(count for count in counts if count > 0)
    for metric in CURVES:
        none, one, most = (few_shot.chosen(few, metric, shots=count) for count in (0, first, shots))
        alone = few_shot.chosen(whole, metric, shots=shots, weight=REFERENCES)
        gains = [
            few_shot.chosen(few, metric, name, shots=shots) - few_shot.chosen(few, metric, name, shots=0)
            for name in names
        ]
        fallen = [gain for gain in gains if 100 * gain.values[0] < FALLEN]
        beyond = sum(gain.units > 1 and gain.difference().high < 0 for gain in fallen) or "none"
        sentences += [
            f"Mean {label(metric)} goes {words.from_to(100 * none.values[0], 100 * one.values[0])} with "
            f"{words.counted(first, 'reference')} ({words.gain(one - none)}) and changes by "
            f"{words.gain(most - one)} from there to {shots}.",
            f"Of {words.counted(len(names), 'category')}, {len(fallen)} fall, {beyond} of them beyond chance; the "
            f"references' map alone reaches {100 * alone.values[0]:.1f} %.",
        ]
    sets = whole[whole["shots"] > 0].groupby("shots")["run"].nunique()
    drawn = words.listed([f"{number} of {count}" for count, number in sets.items()])
    return [*sentences, f"Numbers of different sets drawn: {drawn}."]


def weights_in_words(lines: Mapping[str, pd.DataFrame], whole: pd.DataFrame) -> list[str]:
    """What the weight of the references does to each metric, in sentences, from `few_shot.weight_curves` and
    `few_shot.flat_sets` of the same table: words, references and their plain mean, the latter two pair by pair, and
    where the mean over categories is highest."""
    sentences, few = [], whole[whole["shots"] > 0]
    for metric in CURVES:
        mean, single = lines[metric]["mean"], lines[metric].drop(columns="mean")
        hidden = int((single.loc[REFERENCES] > single.loc[BOTH]).sum())
        alone = few_shot.chosen(few, metric, weight=REFERENCES) - few_shot.chosen(few, metric, weight=BOTH)
        gap = alone.difference() if alone.units > 1 else None
        said = words.beyond(
            *((gap.low, gap.high) if gap else (np.nan, np.nan)),
            "their plain mean hides what the references know",
            "words add to what the references know",
            "the two are within chance of each other",
        )
        sentences.append(
            f"Mean {label(metric)} is {mean[TEXT]:.1f} % by words alone, {mean[BOTH]:.1f} % by the plain mean of both, "
            f"and {mean[REFERENCES]:.1f} % by references alone, which beat both in {hidden} of "
            f"{words.counted(single.shape[1], 'category')}; in the mean {said} ({words.gain(alone)}). It is highest, "
            f"{mean.max():.1f} %, at a weight of {mean.idxmax():g}."
        )
    return [*sentences, "The best weight is read off the pictures that are scored, so a new product may want another."]


def beside_paper_k(lines: pd.DataFrame, sizes: pd.DataFrame, pictures: AnomalyDataset, tower: Backbone) -> pd.DataFrame:
    """`beside_reported` of the few-shot numbers in paper K's text: ``lines`` and ``sizes`` are the `curve` of image
    AUROC along the shots and along the side of single windows."""
    ours: dict[str, Mapping[str, float]] = {f"shots={count}": row for count, row in lines.iterrows()}
    ours |= {f"window={side};few-shot": row for side, row in sizes.iterrows()}
    ours |= {"shots=0->1": lines.loc[1] - lines.loc[0]} if 1 in lines.index else {}
    rows = [
        {
            "claim": f"image {row.metric.replace('_', ' ')}, {row.category}, {_in_words(row.setting)}",
            "reported": 100 * row.value,
            "reproduced": ours.get(row.setting, {}).get(row.category, float("nan")),
            "note": comparable("K", "text", pictures, tower, "winclip", category=row.category),
        }
        for row in zsas.reported("K", "text").query("method == 'WinCLIP' and setting.notna()").itertuples()
    ]
    return beside_reported(rows)


def _in_words(setting: str) -> str:
    what, amount = setting.split(";")[0].split("=")
    if what == "window":
        return f"windows of side {amount}"
    return f"from {amount.replace('->', ' to ')} references" if "->" in amount else f"{amount} references"
