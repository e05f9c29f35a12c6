"""Variants of models, trained with several seeds and measured by paper V's protocol; V's factorial and its effects."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import Any, cast

import numpy as np
import pandas as pd

from ..backbones.registry import Backbone
from ..data.dataset import AnomalyDataset
from ..evaluation.replicates import flat
from ..evaluation.tables import SETTINGS as SETTINGS_OF
from ..evaluation.tables import Replicated
from ..models import PLUS
from ..models.learned import LearnedModel
from ..models.prediction import AnomalyModel
from ..models.read_once import towers_read_once
from ..models.vcpclip import VCPCLIP
from ..store.results import stored
from ..training.ready import ready_model
from ..training.recipes import PAPER, training_of
from ..training.shared_batches import batches_shared
from .vcp_protocol import SCORES, protocol_table

FACTORS = ("uniop", "loreb", "idp")
"""V's modifications beside the fixed temperature."""
FACTOR_LABELS = {"uniop": "UniOp", "loreb": "LoReb", "idp": "IDP"}
BASELINE = "VCP-CLIP (baseline)"
FULL = "Full model (VCP-CLIP+)"
OF_PIXELS = ["pixel_auroc", "aupro", "aupro_200", "pixel_ap", "pixel_f1_max"]
OF_IMAGES = ["image_auroc", "image_ap", "image_f1_max"]
"""V's columns and the exact AUPRO; without pixel IoU, which at the threshold of F1-max is F1 / (2 - F1)."""
SETTINGS = {"tokens": "N", "temperature": "tau"}
"""What V's Tables 3 and 4 call the options that they vary."""


@dataclass(frozen=True)
class Variant:
    """A model's name, its options, and what of the training differs from the other variants' (arguments of `fit`)."""

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)


def factorial_variants(temperature: float = 0.07) -> dict[str, Variant]:
    """V Table 1's nine rows by its names: VCP-CLIP with learned temperatures, then all combinations of `FACTORS` at a
    fixed one."""
    found = {BASELINE: Variant("vcpclip")}
    for chosen in _subsets(FACTORS):
        name = " + ".join(["Fixed", *(FACTOR_LABELS[factor] for factor in chosen)])
        name = FULL if chosen == FACTORS else name
        found[name] = Variant(
            "vcpclip", {"temperature": temperature} | {factor: factor in chosen for factor in FACTORS}
        )
    return found


def setting_variants(option: str, values: Collection[int | float]) -> dict[str, Variant]:
    """VCP-CLIP+ with other values of one option, in rising order, named as V's Tables 3 ("N=3" for ``tokens``) and 4
    ("tau=0.07" for ``temperature``) do."""
    return {f"{SETTINGS[option]}={value:g}": Variant("vcpclip", {**PLUS, option: value}) for value in sorted({*values})}


def letters(name: str) -> str:
    """A short name for a variant of the factorial: "learned" for the baseline, else "fixed" or the letters of the
    switches that are on, such as "U+L"."""
    if name == BASELINE:
        return "learned"
    options = factorial_variants()[name].options
    return "+".join(FACTOR_LABELS[factor][0] for factor in FACTORS if options[factor]) or "fixed"


def trained_variant(
    variant: Variant,
    backbone: Backbone,
    auxiliary: AnomalyDataset,
    *,
    seed: int,
    fit: Mapping[str, Any],
    recipe: str | None = PAPER,
) -> AnomalyModel:
    """A variant ready to predict, from the store or trained by the ``recipe`` (`training_of`), with the settings
    ``fit`` before the recipe's, and the variant's own before these."""
    settings = {**fit, **variant.fit, "seed": seed}
    return ready_model(variant.model, backbone, auxiliary, recipe=recipe, fit=settings, **variant.options)


def rate_of(rate: float | None, recipe: str | None, backbone: str) -> float:
    """Adam's rate for VCP-CLIP on a backbone, by its name: the one asked for, else the recipe's, else the paper's."""
    return rate or training_of("vcpclip", recipe, backbone).fit.get("rate") or VCPCLIP.recipe.rate


def study(
    variants: Mapping[str, Variant],
    backbone: Backbone,
    dataset: AnomalyDataset,
    auxiliary: AnomalyDataset,
    *,
    seeds: Sequence[int],
    fit: Mapping[str, Any],
    recipe: str | None = PAPER,
    batch_size: int = 16,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every variant trained on ``auxiliary`` with every seed and measured on ``dataset``, from the store where it was
    before.

    Settings as in `trained_variant`. Returns the rows of `vcp_protocol.protocol_table` and the histories of the
    trainings, both with columns variant and seed before. A model that learns nothing has one row set, with the first
    seed, and no history. The first table has its replicates (`mean_replicates`).
    """
    tables: dict[tuple[str, int], pd.DataFrame] = {}
    histories = []
    with towers_read_once(), batches_shared():
        for name, variant in variants.items():
            for seed in seeds:
                model = trained_variant(variant, backbone, auxiliary, seed=seed, fit=fit, recipe=recipe)
                tables[name, seed] = stored(protocol_table, model, dataset, batch_size=batch_size)
                if not isinstance(model, LearnedModel):
                    break
                if model.history is not None:
                    histories.append(_named(model.history, name, seed))
    return put_together(tables), pd.concat(histories, ignore_index=True) if histories else pd.DataFrame()


def put_together(tables: Mapping[tuple[str, int], pd.DataFrame]) -> Replicated:
    """Tables of the protocol (`vcp_protocol`) by variant and seed as one, with columns variant and seed before, and
    their replicates."""
    measured = Replicated(pd.concat([_named(own, *place) for place, own in tables.items()], ignore_index=True))
    replicates = [_named(cast(Replicated, own).replicates, *place) for place, own in tables.items()]
    measured.replicates = pd.concat(replicates, ignore_index=True)
    measured.attrs[SETTINGS_OF] = ["variant", "seed", "score"]
    return measured


def mean_rows(table: pd.DataFrame, score: str = "own") -> pd.DataFrame:
    """The means over categories in a `study`'s rows, under one of the protocol's image scores."""
    return table.loc[(table.category == "mean") & (table.score == score)]


def mean_replicates(table: pd.DataFrame, score: str = "own") -> pd.DataFrame:
    """The replicates of `mean_rows`, as `evaluation.replicates.flat` gives them, seeds being runs of one variant."""
    whole = flat(table.loc[table.score == score])
    means = whole[whole["category"] == "mean"]
    return means.assign(run=means["seed"]).drop(columns="seed")


def over_seeds(table: pd.DataFrame, metrics: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean and standard deviation over the seeds of a `study`'s metrics, one row per variant in their order (nan for
    the deviation of one seed). Select the category and score first."""
    groups = table.groupby("variant", sort=False)[list(metrics)]
    return cast(pd.DataFrame, groups.mean()), cast(pd.DataFrame, groups.std())


def by_score(table: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`over_seeds` of one metric's means over categories: a row per variant, a column per image score."""
    found = {score: over_seeds(mean_rows(table, score), [metric]) for score in SCORES}
    middle, deviation = ({score: parts[place][metric] for score, parts in found.items()} for place in (0, 1))
    return pd.DataFrame(middle), pd.DataFrame(deviation)


def pooled_deviation(table: pd.DataFrame, metrics: Sequence[str]) -> pd.Series:
    """Standard deviation of one run about its variant's mean over the seeds, pooled over all variants; nan for one
    seed."""
    rest = table[list(metrics)] - table.groupby("variant")[list(metrics)].transform("mean")
    freedom = len(table) - table.variant.nunique()
    return (rest**2).sum().div(freedom) ** 0.5 if freedom else rest.sum() * float("nan")


def effects_and_errors(
    table: pd.DataFrame, metrics: Sequence[str], deviation: pd.Series | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`factorial_effects` of V's `FACTORS`, and their standard errors, alike for all effects of a metric.

    ``table`` has a row per run and in ``variant`` the names of `factorial_variants`; the baseline's rows are left out.
    An effect is the difference of two means of half the n runs each, so its error is 2 s / sqrt(n), with s the
    `pooled_deviation`, or ``deviation`` where that of one run is known from elsewhere. Raises as `factorial_effects`.
    """
    variants = factorial_variants()
    runs = table[table.variant != BASELINE]
    runs = runs.assign(**{factor: [variants[name].options[factor] for name in runs.variant] for factor in FACTORS})
    effects = factorial_effects(runs, FACTORS, metrics)
    spread = pooled_deviation(runs, metrics) if deviation is None else pd.Series(deviation).loc[list(metrics)]
    return effects, pd.DataFrame([2 * spread / np.sqrt(len(runs))] * len(effects), index=effects.index)


def effect_replicates(whole: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The replicates of `factorial_effects`, seeds being runs: ``whole`` are the `mean_replicates` of a study
    of V's factorial. Every effect is taken within each resample and seed, so that what is easy about a category is in
    no effect. Metrics without replicates are left out."""
    variants = factorial_variants()
    names = [name for name in variants if name != BASELINE]
    levels = pd.DataFrame({name: [2 * variants[name].options[factor] - 1 for factor in FACTORS] for name in names}).T
    levels.columns = list(FACTORS)
    places, parts = ["replicate", "draw", "pictures", "units", "freedom", "run"], []
    wide = whole.pivot(index=places, columns="variant", values=[metric for metric in metrics if metric in whole])
    for chosen in _subsets(FACTORS)[1:]:
        signs = levels[list(chosen)].prod(axis=1) / (len(names) / 2)
        values = {metric: wide[metric][names] @ signs for metric in wide.columns.unique(0)}
        found = pd.DataFrame(values).reset_index()
        found.insert(0, "effect", " x ".join(FACTOR_LABELS[factor] for factor in chosen))
        parts.append(found)
    effects = pd.concat(parts, ignore_index=True)
    return effects.reindex(columns=[*effects.columns.drop("run"), "run"])


def factorial_effects(table: pd.DataFrame, factors: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Main effects and interactions of a full two-level factorial, one row per effect, named like "UniOp x LoReb".

    ``table`` has one row per run, in ``factors`` bools (on or off), all combinations equally often. The effect of a set
    of factors is the mean over the runs in which an even number of them is off, minus the mean over the others: for
    one, on minus off; for two, half of how much more the first does with the second than without. Raises ValueError for
    a table that is not balanced.
    """
    counts = cast(pd.Series, table.groupby(list(factors)).size())
    if len(counts) != 2 ** len(factors) or counts.nunique() != 1:
        raise ValueError(
            f"Expected all {2 ** len(factors)} combinations of {', '.join(factors)} equally often, got "
            f"{len(table)} rows, {counts.to_dict()}."
        )
    signs = 2 * table[list(factors)].astype(int) - 1
    rows = {}
    for chosen in list(_subsets(factors))[1:]:
        positive = signs[list(chosen)].prod(axis=1) > 0
        name = " x ".join(FACTOR_LABELS.get(factor, factor) for factor in chosen)
        rows[name] = table.loc[positive, list(metrics)].mean() - table.loc[~positive, list(metrics)].mean()
    return pd.DataFrame(rows).T.rename_axis("effect")


def _subsets(factors: Sequence[str]) -> list[tuple[str, ...]]:
    return list(chain.from_iterable(combinations(factors, size) for size in range(len(factors) + 1)))


def _named(table: pd.DataFrame, name: str, seed: int) -> pd.DataFrame:
    named = pd.DataFrame(table).copy()
    named.insert(0, "variant", name)
    named.insert(1, "seed", seed)
    return named
