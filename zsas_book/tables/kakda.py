"""Paper K's comparison of WinCLIP with AnomalyCLIP: what learning adds, in words, and its printed means beside a
page's."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

import zsas_lib as zsas
from zsas_lib.backbones.backbone import Backbone
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.evaluation.paired import paired, samples
from zsas_lib.evaluation.tables import ERROR, MEAN, ResultTable, over_runs
from zsas_lib.papers.comparable import comparable
from zsas_lib.papers.consistency import beside_released_log, printed_means
from zsas_lib.papers.kakda import printed_gains
from zsas_lib.studies.groups import category_spans

from ..labels import label
from ..words import beyond, gain, how_sure, points
from ..words import paired as in_pairs
from .beside import beside_reported

COLUMNS = {
    ("image", "AUROC"): "image_auroc",
    ("image", "AP"): "image_ap",
    ("pixel", "AUROC"): "pixel_auroc",
    ("pixel", "AUPRO"): "aupro",
}
TABLES = {"winclip": 2, "anomalyclip": 4}
"""Paper K's table of means, by model."""
Runs = Mapping[str, Sequence[ResultTable]]
"""Tables of `evaluate` by model, one for each training."""


def gain_in_words(runs: Runs, metric: str) -> str:
    """Whether AnomalyCLIP's mean of a metric differs from WinCLIP's beyond chance, by the paired difference
    (`evaluation.paired`), by how much, and how far its trainings lie apart."""
    found = paired(runs["anomalyclip"], runs["winclip"])
    found = found[found.metric == metric].set_index("category")
    gaps, mean = 100 * found.gap.drop(MEAN), found.loc[MEAN]
    trainings = [100 * run.loc[MEAN, metric] for run in runs["anomalyclip"]]
    apart = f"; {np.ptp(trainings):.1f} between trainings" if len(trainings) > 1 else ""
    led = beyond(
        mean.low, mean.high, "AnomalyCLIP leads", "WinCLIP leads", "no difference beyond chance", "no interval"
    )
    sure = how_sure(100 * mean.low, 100 * mean.high, mean.agree, 100 * mean.power)
    return f"{led} in the mean {label(metric)} (AnomalyCLIP {in_pairs(gaps, sure=False)}; {sure}{apart})"


def comparison_in_words(runs: Runs, metrics: Sequence[str] = ("image_auroc", "pixel_auroc")) -> list[str]:
    """`gain_in_words` of several metrics, what paper K's rows give, and how evenly both models do over categories."""
    spans = samples(category_spans(runs), "span", "model")
    less = spans["anomalyclip"] - spans["winclip"]
    printed = printed_gains().loc["all"]
    return [
        f"{'; '.join(gain_in_words(runs, metric) for metric in metrics)}.",
        f"In paper K's rows AnomalyCLIP is ahead by {printed.image_auroc:.1f} points of image and "
        f"{printed.pixel_auroc:.1f} of pixel AUROC.",
        f"The paper calls it the more even one: its image AUROC spans {100 * spans['anomalyclip'].values[0]:.1f} "
        f"points here, WinCLIP's {100 * spans['winclip'].values[0]:.1f}, a difference of {gain(less)}.",
    ]


def groups_in_words(grouped: Mapping[str, pd.DataFrame], replicates: pd.DataFrame) -> list[str]:
    """What learning adds in each group of categories, here, category by category, and in paper K's rows; ``grouped``
    are `group_means` by model, ``replicates`` their `flat_groups`."""
    gains = 100 * (grouped["anomalyclip"] - grouped["winclip"])
    printed = printed_gains().drop("all")
    added = []
    for metric in ("image_auroc", "pixel_auroc"):
        models = {name: samples(own, metric, "group") for name, own in replicates.groupby("model")}
        parts = [
            f"{label(group)} {gain(own - models['winclip'][group])}" for group, own in models["anomalyclip"].items()
        ]
        added.append(f"in {label(metric)}: {', '.join(parts)}")
    sentences = [
        f"What learning adds, category by category, {'; '.join(added)}.",
        f"From paper K's own rows: {_in_words(printed)}.",
    ]
    if len(gains) > 1:
        best, best_of_k = gains.image_auroc.idxmax(), printed.image_auroc.idxmax()
        sentences.append(f"The group with the best change of image AUROC is {best} here and {best_of_k} in paper K.")
    return sentences


def means_in_words() -> list[str]:
    """Which of paper K's printed means do not follow from its rows, and which of its rows are the released log's."""
    means, log = printed_means(), beside_released_log()
    wrong = means[~means.follows]
    gone = [
        f"{row.model} {row.level} {row.over} ({row.printed:.3f}, rows give {row.recomputed:.3f})"
        for row in wrong.itertuples()
    ]
    same = "All" if log.same.all() else log.same.sum()
    return [
        f"{len(wrong)} of {len(means)} printed means do not follow: {', '.join(gone)}.",
        f"{same} of the {len(log)} numbers in paper K's Table 3 are those of the evaluation log in AnomalyCLIP's "
        "repository: it is the released model, run again or copied.",
    ]


def _in_words(gains: pd.DataFrame) -> str:
    return "; ".join(
        f"{label(str(row.Index))} {points(row.image_auroc)} and {points(row.pixel_auroc)}" for row in gains.itertuples()
    )


def beside_k_means(
    runs: Runs,
    pictures: AnomalyDataset,
    towers: Mapping[str, Backbone],
    learned: Mapping[str, object],
) -> pd.DataFrame:
    """`beside_reported` of the means that paper K prints of both models, in percent, with the bootstrap error over
    pictures and the deviation over trainings. ``towers`` are by model, ``learned`` says what AnomalyCLIP learned from
    and how, as `comparable` takes it."""
    rows = []
    for name, number in TABLES.items():
        mean = over_runs(runs[name]).loc[MEAN]
        note = comparable("K", number, pictures, towers[name], name, **(learned if name == "anomalyclip" else {}))
        for row in zsas.reported("K", number).itertuples():
            if (row.level, row.metric) in COLUMNS:
                metric = COLUMNS[row.level, row.metric]
                own = [100 * run.loc[MEAN, metric] for run in runs[name]]
                rows.append(
                    {
                        "claim": f"K Table {number}, {label(name)}: {row.level} {row.metric}",
                        "reported": 100 * row.value,
                        "reproduced": np.mean(own),
                        "± pictures": 100 * mean.get(f"{metric}{ERROR}", np.nan),
                        "± seeds": np.std(own, ddof=1) if len(own) > 1 else np.nan,
                        "note": note,
                    }
                )
    return beside_reported(rows)
