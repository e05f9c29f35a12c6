"""Each branch of VCP-CLIP alone beside the fused map, and temperatures that are learned in other ways than the paper's.

Paper V names the weakness that its UniOp mends: branches that are trained apart are joined at test time only. Whether
one branch alone is as good as both, before and after UniOp, it does not say; nor does it try a learned temperature that
cannot run away.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch

from ..backbones.registry import Backbone
from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..evaluation.evaluate import Measuring
from ..evaluation.replicates import flat
from ..evaluation.tables import MEAN
from ..models.learned import highest_mean, of_whole_images
from ..models.read_once import towers_read_once
from ..models.vcpclip import BRANCHES, VCPCLIP
from ..store.results import stored
from ..training.recipes import PAPER
from .variants import BASELINE, FULL, Variant, factorial_variants, trained_variant

FUSED = "fused"
MAPS = (*BRANCHES, FUSED)
UNIOP = {"Fixed": "Fixed + UniOp", "Fixed + LoReb + IDP": FULL}
"""Variants of V's factorial without UniOp, and the same with it."""
SLOW = 0.1
"""Of the released rate, that of temperatures that are learned slowly."""
FIXED, UNBOUNDED = "fixed at 0.07", "learned, own rate"
SLOWLY, COMMON, BOUNDED = "learned, a tenth of it", "learned, common rate", "learned, bounded"


def uniop_variants() -> dict[str, Variant]:
    """The variants of V's factorial that `UNIOP` pairs."""
    variants = factorial_variants()
    return {name: variants[name] for pair in UNIOP.items() for name in pair}


def temperature_variants(rate: float) -> dict[str, Variant]:
    """VCP-CLIP with its temperatures fixed; learned as released, at 250 times the common ``rate`` (`rate_of`); at a
    tenth of that; at the common rate; and at the rate as released, but bounded."""
    variants = factorial_variants()
    slow = SLOW * VCPCLIP.recipe.rates["log_scales"] * rate / VCPCLIP.recipe.rate
    return {
        FIXED: variants["Fixed"],
        UNBOUNDED: variants[BASELINE],
        SLOWLY: Variant("vcpclip", fit={"rates": {"log_scales": slow}}),
        COMMON: Variant("vcpclip", fit={"rates": {"log_scales": rate}}),
        BOUNDED: Variant("vcpclip", {"temperature": "bounded"}),
    }


def branch_means(
    variants: Mapping[str, Variant],
    backbone: Backbone,
    dataset: AnomalyDataset,
    auxiliary: AnomalyDataset,
    *,
    seeds: Sequence[int],
    fit: Mapping[str, Any],
    recipe: str | None = PAPER,
    resamples: int = 200,
) -> pd.DataFrame:
    """The means over categories of `branch_table` of every variant trained with every seed, as
    `evaluation.replicates.flat` gives them, seeds being runs, with the columns variant, map, and ``of``, which is both:
    from the store where trainings and tables were made before."""
    parts = []
    with towers_read_once():
        for name, variant in variants.items():
            for seed in seeds:
                model = trained_variant(variant, backbone, auxiliary, seed=seed, fit=fit, recipe=recipe)
                table = flat(stored(branch_table, model, dataset, resamples=resamples))
                means = table[table["category"] == MEAN].drop(columns="category")
                means.insert(0, "of", [f"{name}: {map_}" for map_ in means["map"]])
                means.insert(0, "variant", name)
                parts.append(means.assign(run=seed))
    return pd.concat(parts, ignore_index=True)


@torch.no_grad()
def branch_table(
    model: VCPCLIP, dataset: AnomalyDataset, *, batch_size: int = 16, resamples: int = 200
) -> pd.DataFrame:
    """The metrics of each branch's map alone and of the fused one: a row for each category and map ("clip", "vcp",
    "fused"), then rows "mean", with their replicates.

    All maps are smoothed as the model smooths its own. A branch's image score is the mean of its highest pixels before
    that, the fused map's is the model's own. Branches and fusion are read off one pass of each picture.
    """
    found, device = Measuring("map", resamples=resamples, seed=0), model.backbone.device
    for category in dataset.categories:
        part = dataset.select([category])
        maps: dict[str, list] = {name: [] for name in MAPS}
        scores: dict[str, list] = {name: [] for name in MAPS}
        masks = []
        for batch in part.batches(batch_size):
            features = model.said(batch.images.to(device), batch.categories)
            for name, (plane, score) in _maps_of(model, features).items():
                whole = of_whole_images(plane, model.backbone, model.options["smoothing"], batch.masks.shape[-2:])
                maps[name] += [*whole.float().cpu()]
                scores[name].append(score.float().cpu())
            masks += [*batch.masks]
        for name in MAPS:
            setting = {"category": row_name(category), "map": name}
            found.add(part, maps[name], masks, torch.cat(scores[name]), setting=setting)
    return found.table()


def _maps_of(model: VCPCLIP, features: Mapping[str, Any]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    branches = model.branch_maps(features, model.backbone.image.seen).mean(2)
    alone = {name: (plane, highest_mean(plane, model.options["top_k"])) for name, plane in zip(BRANCHES, branches)}
    score = alone["clip"][1] + alone["vcp"][1]
    fused = torch.lerp(branches[0], branches[1], model.vcp_share)
    if model.options["image_score"] == "map":
        score = highest_mean(fused, model.options["top_k"])
    return alone | {FUSED: (fused, score)}
