"""What the chapters on the parts and the settings of VCP-CLIP+ say of their numbers; tables are in percent."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from zsas_lib.evaluation.paired import samples
from zsas_lib.models.vcpclip import FIRST_BALANCE
from zsas_lib.studies.variants import BASELINE, FULL, OF_IMAGES, OF_PIXELS, over_seeds, pooled_deviation

from ..labels import label
from ..words import beyond_chance, counted, from_to, gain, leading, listed, points, span, standing_out

INTERACTION = "UniOp x LoReb"


def fixing_in_words(runs: pd.DataFrame, means: pd.DataFrame, printed: pd.DataFrame) -> list[str]:
    """What fixing the temperatures does, from the mean rows of a `study` of the factorial (fractions), their
    replicates (`mean_replicates`) and V's Table 1, in how many columns the full model is best, and the spread over
    seeds, if there are several."""
    middle, spread = (100 * part for part in over_seeds(runs, OF_PIXELS + OF_IMAGES))

    def moved(table: pd.DataFrame, metric: str) -> str:
        return from_to(table.loc[BASELINE, metric], table.loc["Fixed", metric])

    best, best_printed = ((table.loc[FULL] == table.max()).sum() for table in (middle, printed))
    noise = 100 * pooled_deviation(runs[runs.variant != BASELINE], ["pixel_ap"]).pixel_ap
    return [
        f"Fixing the temperatures moves the legacy AUPRO {moved(middle, 'aupro_200')} (reported: "
        f"{moved(printed, 'aupro_200')}), the exact one {moved(middle, 'aupro')} and pixel AUROC "
        f"{moved(middle, 'pixel_auroc')} (reported: {moved(printed, 'pixel_auroc')}).",
        f"Pair by pair that is {gained(means, 'Fixed', BASELINE, 'aupro')} of exact AUPRO and "
        f"{gained(means, 'Fixed', BASELINE, 'pixel_auroc')} of pixel AUROC; the full model has "
        f"{gained(means, FULL, 'Fixed', 'pixel_ap')} of AP above a fixed temperature alone.",
        f"The full model is best in {best} of these {len(middle.columns)} columns; in V Table 1 in {best_printed} of "
        f"{len(printed.columns)}.",
        f"Over the seeds, one training with learned temperatures has a standard deviation of "
        f"{spread.loc[BASELINE, 'pixel_ap']:.1f} points of AP, one with fixed temperatures (all others pooled) "
        f"{noise:.1f}."
        if np.isfinite(noise)
        else "",
    ]


def gained(means: pd.DataFrame, one: str, other: str, metric: str) -> str:
    """What one variant has above another, pair by pair: "+1.2 points (95 % interval ...)". ``means`` are
    `mean_replicates`."""
    of = samples(means, metric, "variant")
    return gain(of[one] - of[other])


def effects_here_in_words(effects: pd.DataFrame) -> list[str]:
    """Which effects of pixel AP and image AUROC stand out, pair by pair, and what could have been seen. ``effects``
    are the `paired.differences` of `effect_replicates` in points."""
    sentences = []
    for metric in ("pixel_ap", "image_auroc"):
        own = effects[effects["metric"] == metric].set_index("effect")
        power = f", power {own['power'].min():.1f} to {own['power'].max():.1f}" if own["power"].notna().all() else ""
        name = f"{label(metric)[0].upper()}{label(metric)[1:]}"
        sentences.append(f"{name} here, with an interval without 0{power}: {beyond_chance(own)}.")
    return sentences


def effects_in_words(where: str, effects: pd.DataFrame, errors: pd.DataFrame) -> list[str]:
    """Which of the `effects_and_errors` of pixel AP and image AUROC stand out, ``where`` such as "in V's numbers"."""
    return [
        f"{label(metric)[0].upper()}{label(metric)[1:]} {where}, one standard error {errors[metric].iloc[0]:.2f}: "
        f"{standing_out(effects[metric], errors[metric].iloc[0])}."
        for metric in ("pixel_ap", "image_auroc")
    ]


def overlap_in_words(effects: pd.DataFrame, reported: pd.DataFrame, reported_errors: pd.DataFrame) -> list[str]:
    """Whether UniOp and LoReb do the same, here and in V, and how V's effect of IDP stands to its error."""
    both, share = (INTERACTION, "pixel_ap"), abs(reported.image_auroc.IDP) / reported_errors.image_auroc.IDP
    return [
        f"The interaction of UniOp and LoReb is {points(effects.loc[both])} of AP here and "
        f"{points(reported.loc[both])} in V; where it is negative, one of them does part of what the other does.",
        "V calls IDP highly effective for image-level metrics: of image AUROC that is "
        f"{points(reported.image_auroc.IDP)} in V's own numbers, {share:.1f} standard errors.",
    ]


def weights_in_words(histories: pd.DataFrame, limit: pd.Series, sums: pd.DataFrame) -> list[str]:
    """How the learned weights end, from a `study`'s histories, the focal loss's highest weight after every step, and
    the losses' sums before and after training."""
    focal, branch = (
        histories.dropna(subset=column).groupby(["variant", "seed"])[column] for column in ("focal_share", "vcp_share")
    )
    rising, gap = focal.agg(lambda share: share.is_monotonic_increasing), sums.focal - sums.dice
    first = 1 / (1 + np.exp(-FIRST_BALANCE))
    return [
        f"σ(β) rises without a step back in {rising.sum()} of {counted(len(rising), 'training')}, to "
        f"{focal.last().min():.3f} at least; the limit is {limit.iloc[-1]:.3f}.",
        f"F - D is {gap.iloc[0]:.2f} before and {gap.iloc[1]:.2f} after.",
        f"Loss rebalancing is thus a schedule from {100 * first:.0f} % focal loss to nearly all of it, set by "
        "β's rate, not a balance found.",
        f"σ(α), which starts at {first:.3f}, ends between {branch.last().min():.3f} and {branch.last().max():.3f}.",
    ]


def tokens_in_words(means: pd.DataFrame, reported: pd.DataFrame) -> list[str]:
    """Whether the number of tokens matters: the best one against the second and the worst, pair by pair, and V's
    numbers. ``means`` are the `mean_replicates` of a study of tokens."""
    metrics = ["pixel_auroc", "pixel_ap", "image_auroc"]
    best = listed([reported[metric].idxmax().removeprefix("N=") for metric in metrics])
    return [
        *[f"In {label(metric)} {leading(samples(means, metric, 'variant'))}." for metric in metrics],
        f"From the worst to the best N, pixel AUROC moves by {span(samples(means, 'pixel_auroc', 'variant'))}; which "
        "two these are was chosen on the same pictures, which makes it look larger.",
        f"V's best N is {best} by these metrics: single trainings that differ by chance have a best one too.",
    ]


def temperatures_in_words(means: pd.DataFrame, reported: pd.DataFrame) -> list[str]:
    """Which fixed temperature is best in pixel AP, pair by pair, and V's numbers. ``means`` are the `mean_replicates`
    of a study of temperatures."""
    shown = ["0.04", "0.07", "0.1", "0.13"]
    row = ", ".join(f"{reported.loc[f'tau={value}', 'pixel_auroc']}" for value in shown)
    return [
        f"In pixel AP {leading(samples(means, 'pixel_ap', 'variant'))}.",
        f"In V it is highest at {reported.pixel_ap.idxmax().removeprefix('tau=')}; its pixel AUROC along "
        f"{', '.join(shown)} is {row}: a peak that high between neighbours, and a rise behind it, is what single "
        "trainings with such a spread look like. V has no second seed that could tell.",
    ]


def learned_in_words(histories: Mapping[str, pd.DataFrame], table: pd.DataFrame, printed: pd.DataFrame) -> list[str]:
    """Where learned temperatures end, at their own and at the common rate (``histories``, in this order), what becomes
    of the legacy AUPRO (rows learned, at the common rate, fixed of ``table``), and V's Table 1."""
    columns = ["clip_temperature", "vcp_temperature"]
    ends, slow = (history.groupby("seed")[columns].last() for history in histories.values())
    gaps = [
        f"{name} {row.aupro - row.aupro_200:.1f} ({row.legacy_reach:.1f} %)"
        for name, row in zip(("learned", "at the common rate", "fixed"), table.itertuples(), strict=True)
    ]
    fixed, free = printed.loc["Fixed"], printed.loc[BASELINE]
    return [
        f"At their own rate the temperatures end at {ends.clip_temperature.min():.2g} to "
        f"{ends.clip_temperature.max():.2g} "
        f"(CLIP's branch) and {ends.vcp_temperature.min():.2g} to {ends.vcp_temperature.max():.2g} (VCP's), at the "
        f"common rate at {slow.min().min():.3f} to {slow.max().max():.3f}.",
        f"Exact minus legacy AUPRO in points, with the largest false positive rate: {', '.join(gaps)}.",
        f"V prints a legacy AUPRO of {free.aupro_200} learned and {fixed.aupro_200} fixed where pixel AUROC is "
        f"{free.pixel_auroc} and {fixed.pixel_auroc}: a ranking that stays within "
        f"{fixed.pixel_auroc - free.pixel_auroc:.1f} "
        f"points while this number moves by {fixed.aupro_200 - free.aupro_200:.1f} is how the artefact looks. V does "
        "not try another rate.",
    ]
