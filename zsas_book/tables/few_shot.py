"""Sentences of few-shot results, and paper K's numbers beside them."""

from collections.abc import Mapping

import pandas as pd

import zsas_lib as zsas
from zsas_lib.backbones.backbone import Backbone
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.papers.comparable import comparable
from zsas_lib.studies.few_shot import BOTH, CURVES, REFERENCES, TEXT, curve, gain_table

from .. import words
from ..labels import label
from .beside import beside_reported

FALLEN = -0.05  # points: what falls by less is printed as unchanged


def gains_in_words(summary: pd.DataFrame, shots: int) -> list[str]:
    """What references add to each metric of an `over_draws` table, up to ``shots`` of them, and how many different sets
    were drawn."""
    sentences = []
    for metric in CURVES:
        lines, alone = (curve(summary, metric, weights)["mean"] for weights in ((TEXT, BOTH), (REFERENCES,)))
        first = int(lines.index[lines.index > 0].min())
        gains = gain_table(summary, metric, shots)
        objects = gains.drop(index="mean")
        fallen = objects[objects["gain"] < FALLEN]
        beyond = (-fallen["gain"] > fallen["±"]).sum() or "none"
        sentences += [
            f"Mean {label(metric)} goes {words.from_to(lines[0], lines[first])} with "
            f"{words.counted(first, 'reference')} ({words.points(lines[first] - lines[0])} points) and changes by "
            f"{words.points(lines[shots] - lines[first])} from there to {shots}; one standard error over pictures is "
            f"{gains.loc['mean', '±']:.1f} points.",
            f"It falls in {len(fallen)} of {words.counted(len(objects), 'category')}, in {beyond} of them by more than "
            f"a standard error; the references' map alone reaches {alone[shots]:.1f} %.",
        ]
    sets = summary[summary.weight == BOTH].groupby("shots").draws.min()
    drawn = words.listed([f"{number} of {count}" for count, number in sets.items()])
    return [*sentences, f"Numbers of different sets drawn: {drawn}."]


def weights_in_words(lines: Mapping[str, pd.DataFrame], errors: Mapping[str, pd.DataFrame]) -> list[str]:
    """What the weight of the references does to each metric, in sentences, from `few_shot.weight_curves` and those of
    the standard errors: words, references and their plain mean, and where the mean over categories is highest."""
    sentences = []
    for metric in CURVES:
        mean, single = lines[metric]["mean"], lines[metric].drop(columns="mean")
        error, alone = errors[metric]["mean"][REFERENCES], mean[REFERENCES] - mean[BOTH]
        hidden = int((single.loc[REFERENCES] > single.loc[BOTH]).sum())
        said = (
            "their plain mean hides what the references know"
            if alone > error
            else "words add to what the references know"
            if alone < -error
            else "the two are within a standard error of each other"
        )
        sentences.append(
            f"Mean {label(metric)} is {mean[TEXT]:.1f} % by words alone, {mean[BOTH]:.1f} % by the plain mean of both, "
            f"and {mean[REFERENCES]:.1f} % by references alone, which beat both in {hidden} of "
            f"{words.counted(single.shape[1], 'category')}; in the mean {said}. It is highest, {mean.max():.1f} %, "
            f"at a weight of {mean.idxmax():g}."
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
