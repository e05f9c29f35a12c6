"""The audit in words, and the image scores that the papers print beside its own."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

import zsas_lib as zsas
from zsas_lib.backbones.backbone import Backbone
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.evaluation.paired import paired
from zsas_lib.evaluation.tables import MEAN, ResultTable, between_runs
from zsas_lib.papers.comparable import comparable
from zsas_lib.papers.printed import printed_metrics
from zsas_lib.studies.audit import MOVED, NO_INTERVAL, WITHIN

from ..labels import label
from ..words import how_sure, points
from .beside import beside_reported

MATTERS = "matters here"


def released_in_words(runs: Sequence[pd.DataFrame]) -> str:
    """What the trainings of the released model, tables of `evaluate`, reach: the first one's means and their spread."""
    reached = ", ".join(f"{label(metric)} {100 * runs[0].loc[MEAN, metric]:.1f} %" for metric in MOVED)
    if len(runs) < 2:
        return f"AnomalyCLIP as released: {reached}; one training does not say how far trainings differ."
    noise = 100 * between_runs(runs, MOVED)
    spread = ", ".join(f"{noise[metric]:.2f}" for metric in MOVED)
    return f"AnomalyCLIP as released: {reached}; from training to training {spread} points (standard deviation)."


def audit_in_words(effects: pd.DataFrame, claims: pd.DataFrame) -> list[str]:
    """Which of the claims in the table of `audit_claims.audited` matter beyond chance, which do not, and the clearest
    one of `audit.effects_of`."""
    said = (MATTERS, f"{WITHIN} here", f"{NO_INTERVAL} here")
    matter, chance, untold = (claims.claim[claims.verdict.str.contains(word)] for word in said)
    clearness = (effects.gain / effects.error.replace(0, np.nan)).abs()
    strongest = effects.loc[(effects.gain.abs() if clearness.isna().all() else clearness).idxmax()]
    sure = how_sure(100 * strongest.low, 100 * strongest.high, strongest.agree, 100 * strongest.power)
    sentences = [
        f"Of the {sum(map(len, (matter, chance, untold)))} choices that this page switches, those that matter beyond "
        "chance here: "
        f"{'; '.join(matter) or 'none'}.",
        f"Those that do not: {'; '.join(chance) or 'none'}.",
        f"Those of which one category does not tell: {'; '.join(untold)}." if len(untold) else "",
        f"The clearest is {strongest.change}: {points(100 * strongest.gain)} points of {strongest.metric} ({sure}).",
    ]
    return list(filter(None, sentences))


def beside_image_scores(
    tables: Mapping[str, pd.DataFrame],
    pictures: AnomalyDataset,
    tower: Backbone,
    auxiliary: AnomalyDataset,
    training: Mapping[str, object],
) -> pd.DataFrame:
    """`beside_reported` of AnomalyCLIP's image AUROC with a score from its texts, as the released log has it, and with
    the top of its map, as paper V has it, and of their difference. ``tables`` are those of `evaluate`, "text" and
    "map"."""
    log = zsas.reported("anomalyclip", "log").query("dataset == 'MVTec-AD' and level == 'image' and category == 'mean'")
    text = log.set_index("metric").value["AUROC"]
    top = printed_metrics("V", 6).loc["AnomalyCLIP", "image_auroc"]
    own = {score: 100 * tables[score].loc[MEAN, "image_auroc"] for score in ("text", "map")}
    same = (pictures, tower, "anomalyclip")
    learned = {"auxiliary": auxiliary, "training": training}
    rows = [
        ("AnomalyCLIP's image AUROC, text score (released log)", text, own["text"], ("anomalyclip", "log")),
        ("AnomalyCLIP's image AUROC, map's top 2000 (V Table 6)", top, own["map"], ("V", 6)),
    ]
    table = beside_reported(
        {"claim": claim, "reported": value, "reproduced": ours, "note": comparable(*where, *same, **learned)}
        for claim, value, ours, where in rows
    )
    gaps = {"reported": top - text, "reproduced": own["map"] - own["text"]}
    verdict = _direction(tables["map"], tables["text"], gaps["reported"], gaps["reproduced"])
    table.loc[len(table)] = {"claim": "difference", **gaps, "verdict": verdict}
    return table


def _direction(one: pd.DataFrame, other: pd.DataFrame, printed: float, own: float) -> str:
    """What a difference of two image AUROC, in points, has to do with the printed one; within chance where its paired
    interval, of tables with replicates, holds 0."""
    if not round(own, 1):
        return "no difference"
    if isinstance(one, ResultTable) and isinstance(other, ResultTable):
        found = paired([one], [other]).set_index(["category", "metric"]).loc[(MEAN, "image_auroc")]
        if found["low"] <= 0 <= found["high"]:
            return WITHIN
    return "same direction" if (printed < 0) == (own < 0) else "other direction"
