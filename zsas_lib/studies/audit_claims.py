"""The audit's claims: what papers say, what their code does, and what a run measures of each.

``audit_claims.csv`` has one claim a row: key, claim, where it is printed, what the code does, what is measured, and the
verdict. The last three are texts for `str.format` with a claim's numbers; ``{effect[CHANGE: METRIC]}`` is what a change
does to a metric, ``{moves}`` whether the row's ``changes`` (apart by `` | ``) stand out from chance. Where a verdict
has several texts, apart by `` | ``, the claim's `Measured.outcome` chooses one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch

from ..backbones.text_tower import OpenClipText
from ..data.dataset import AnomalyDataset, Sample
from ..evaluation.tables import MEAN
from ..models.anomalyclip import AnomalyCLIP
from ..models.learned import LearnedModel, UntrainedModelError
from ..models.prediction import AnomalyModel
from ..models.vcpclip import FIRST_TEMPERATURE
from .audit import NO_INTERVAL, WITHIN, Change, small_gradients

CLAIMS = Path(__file__).with_name("audit_claims.csv")
APART = " | "
COLUMNS = ("claim", "where", "what the code does", "measured here", "verdict")
NOTHING = 5e-6  # of a metric: no change beyond rounding


@dataclass(frozen=True)
class Measured:
    """The numbers of one claim, by the names that its texts in ``audit_claims.csv`` have for them, and which of its
    verdicts they lead to, from 0."""

    numbers: Mapping[str, object] = field(default_factory=dict)
    outcome: int = 0


def audited(effects: pd.DataFrame, measured: Mapping[str, Measured]) -> pd.DataFrame:
    """The table of claims, with the columns of `COLUMNS`, from `audit.effects_of` and the measurements by a claim's
    key; a claim that needs only effects has none. Raises KeyError for a key that is no claim's."""
    table = pd.read_csv(CLAIMS, dtype=str, keep_default_na=False)
    if unknown := set(measured) - set(table.key):
        raise KeyError(f"Expected measurements of {', '.join(table.key)}; got {', '.join(sorted(unknown))}.")
    words = {
        f"{change}: {metric}": effect_in_words(metric, gain, error)
        for change, metric, gain, error in zip(effects.change, effects.metric, effects.gain, effects.error)
    }
    rows = []
    for claim in table.to_dict("records"):
        own = measured.get(claim["key"], Measured())
        numbers = {**own.numbers, "effect": words, "moves": _moves(effects, claim["changes"].split(APART))}
        texts = {column: claim[column] for column in COLUMNS[2:]}
        texts["verdict"] = texts["verdict"].split(APART)[own.outcome]
        filled = {column: text.format(**numbers) for column, text in texts.items()}
        rows.append({column: claim[column] for column in COLUMNS[:2]} | filled)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def effect_in_words(metric: str, gain: float, error: float) -> str:
    """An effect of `audit.effects_of` in points: "-8.9 ± 3.1 pixel AUROC", with three decimals where it is tiny;
    without the error where there is none (nan)."""
    largest = max(abs(gain), 0.0 if math.isnan(error) else error)
    if largest < NOTHING:
        return f"no change of {metric}"
    digits = 1 if largest >= 0.002 else 3
    spread = "" if math.isnan(error) else f" ± {100 * error:.{digits}f}"
    return f"{100 * gain:+.{digits}f}{spread} {metric}"


def _moves(effects: pd.DataFrame, changes: list[str]) -> str:
    named = effects.loc[effects.change.isin(changes)]
    if (named.verdict == NO_INTERVAL).any():
        return f"{NO_INTERVAL} here"
    moved = named.loc[named.verdict != WITHIN]
    found = ", ".join(dict.fromkeys(f"{metric} {verdict}" for metric, verdict in zip(moved.metric, moved.verdict)))
    return f"matters here: {found}" if found else f"{WITHIN} here"


def prompted_blocks(model: AnomalyCLIP) -> Measured:
    """The last block of the text tower that gets learned tokens, of how many; outcome 1 if there are blocks without."""
    last, depth = len(model.compound) + 1, cast(OpenClipText, model.backbone.text).depth
    return Measured({"last": last, "depth": depth}, int(last - 1 < depth))


def score_shift(change: Change) -> Measured:
    """By how much at most the image score of a picture moves."""
    before, after = (table.per_image.image_score for table in (change.before, change.after))
    return Measured({"shift": float((after - before).abs().max())})


def map_distance(one: AnomalyModel, other: AnomalyModel, sample: Sample) -> Measured:
    """How far two models' maps of a picture are apart at most."""
    return Measured({"apart": float((_map(one, sample) - _map(other, sample)).abs().max())})


def best_score(tables: Mapping[str, pd.DataFrame]) -> Measured:
    """The image AUROC of a model with several image scores, the best one first, and which is best, or that they are
    level to a tenth of a point; ``tables`` are those of `evaluation.evaluate` by score."""
    values = pd.Series({score: 100 * table.loc[MEAN, "image_auroc"] for score, table in tables.items()})
    values = values.sort_values(ascending=False, kind="stable")
    words = "; ".join(f"{score} {value:.1f}" for score, value in values.items())
    level = [str(score) for score, value in values.items() if round(value, 1) == round(values.iloc[0], 1)]
    best = f"{level[0]} is best" if len(level) == 1 else f"{' and '.join(level)} are level"
    return Measured({"scores": words, "best": best})


def half_precision(model: LearnedModel, auxiliary: AnomalyDataset, seed: int) -> Measured:
    """What of VCP-CLIP+'s `audit.small_gradients` half precision would lose: in percent of the weights of Post-VCP and
    of all other parameters; outcome 1 from one percent of the former on, 2 from a half on."""
    table = small_gradients(model, auxiliary, seed=seed)
    post = table[(table.part == "post_vcp") & (table.parameter == "weight")].iloc[0]
    rest = table.drop(index=post.name)
    others = float((rest.small * rest.entries).sum() / rest.entries.sum())
    numbers = {"small": 100 * post.small, "others": 100 * others, "median": post["median"]}
    return Measured(numbers, int(post.small > 0.01) + int(post.small > 0.5))


def focal_share(history: pd.DataFrame) -> Measured:
    """How VCP-CLIP+'s share of the focal loss moves over a training, in percent of its steps upwards; outcome 1 if it
    rises in most of them, 2 if in all but one of a hundred."""
    share = history.focal_share
    rises = float((share.diff().dropna() > 0).mean())
    numbers = {"first": share.iloc[0], "last": share.iloc[-1], "rises": 100 * rises}
    return Measured(numbers, int(rises > 0.5) + int(rises > 0.99))


def learned_temperatures(model: LearnedModel, rate: float | None) -> Measured:
    """Where VCP-CLIP's two temperatures end that were learned beside the others' ``rate`` (None: its own); the outcome
    counts those that fell below their start.

    Raises UntrainedModelError for a model without a history of a training.
    """
    if model.history is None:
        raise UntrainedModelError(f"{model.name} has no training that moved temperatures; train it with zsas.fit.")
    last = {branch: model.history[f"{branch}_temperature"].iloc[-1] for branch in ("clip", "vcp")}
    own = model.recipe.rates["log_scales"]
    numbers = {"rate": own, "times": own / model.recipe.rate, "times_here": own / (rate or model.recipe.rate)}
    fallen = sum(bool(value < FIRST_TEMPERATURE) for value in last.values())
    return Measured({**numbers, "steps": len(model.history), **last}, fallen)


def iou_of_f1(model: AnomalyModel, sample: Sample) -> Measured:
    """IoU at the threshold with the highest F1 of one picture's map, counted, beside F1 / (2 - F1); outcome 1 if that
    is the highest IoU too, and both are equal."""
    order = _map(model, sample).flatten().argsort(descending=True).cpu()
    hits = sample.mask.flatten()[order].cumsum(0).double()  # true positives, threshold by threshold
    called = torch.arange(1, len(hits) + 1)
    f1, iou = 2 * hits / (called + hits[-1]), hits / (called + hits[-1] - hits)
    best = int(f1.argmax())
    of_f1 = f1[best] / (2 - f1[best])
    same = int(iou.argmax()) == best and bool(abs(iou[best] - of_f1) < 1e-9)
    return Measured({"iou": float(iou[best]), "of_f1": float(of_f1)}, int(same))


def scale_of_maps(powers: Mapping[str, pd.DataFrame]) -> Measured:
    """By how many points the mean AUPRO moves over the powers of `audit.aupro_of_powers`, given by model: with 200
    thresholds for each, and exactly for the one that moves most; outcome 1 if the former moves by more than half a
    point."""
    spans = {
        name: 100 * np.ptp(table.loc[table.category == MEAN, ["aupro_200", "aupro"]].to_numpy(float), axis=0)
        for name, table in powers.items()
    }
    legacy = ", ".join(f"{span[0]:.1f} ({name})" for name, span in spans.items())
    most = np.max(list(spans.values()), axis=0)
    return Measured({"legacy": legacy, "exact": float(most[1])}, int(most[0] > 0.5))


def share_that_agrees(agrees: pd.Series) -> Measured:
    """How many of a column of bools are true (same) and false (wrong), of how many printed; outcome 1 if all are
    true."""
    count = int(agrees.sum())
    return Measured({"same": count, "wrong": len(agrees) - count, "printed": len(agrees)}, int(count == len(agrees)))


def _map(model: AnomalyModel, sample: Sample) -> torch.Tensor:
    with torch.no_grad():
        return model(sample.image[None].to(model.device), sample.category).anomaly_map
