"""What the chapters on the parts and the settings of VCP-CLIP+ say of their numbers; tables are in percent."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from zsas_lib.models.vcpclip import FIRST_BALANCE
from zsas_lib.studies.variants import BASELINE, FULL, OF_IMAGES, OF_PIXELS, over_seeds, pooled_deviation

from ..labels import label
from ..words import BEYOND, from_to, listed, points, standing_out

INTERACTION = "UniOp x LoReb"


def fixing_in_words(runs: pd.DataFrame, printed: pd.DataFrame) -> list[str]:
    """What fixing the temperatures does, from the mean rows of a `study` of the factorial (fractions) and V's Table
    1, in how many columns the full model is best, and the spread over seeds, if there are several."""
    middle, spread = (100 * part for part in over_seeds(runs, OF_PIXELS + OF_IMAGES))

    def moved(table: pd.DataFrame, metric: str) -> str:
        return from_to(table.loc[BASELINE, metric], table.loc["Fixed", metric])

    best, best_printed = ((table.loc[FULL] == table.max()).sum() for table in (middle, printed))
    noise = 100 * pooled_deviation(runs[runs.variant != BASELINE], ["pixel_ap"]).pixel_ap
    return [
        f"Fixing the temperatures moves the legacy AUPRO {moved(middle, 'aupro_200')} (reported: "
        f"{moved(printed, 'aupro_200')}), the exact one {moved(middle, 'aupro')} and pixel AUROC "
        f"{moved(middle, 'pixel_auroc')} (reported: {moved(printed, 'pixel_auroc')}).",
        f"The full model is best in {best} of these {len(middle.columns)} columns; in V Table 1 in {best_printed} of "
        f"{len(printed.columns)}.",
        f"Over the seeds, one training with learned temperatures has a standard deviation of "
        f"{spread.loc[BASELINE, 'pixel_ap']:.1f} points of AP, one with fixed temperatures (all others pooled) "
        f"{noise:.1f}."
        if np.isfinite(noise)
        else "",
    ]


def effects_in_words(where: str, effects: pd.DataFrame, errors: pd.DataFrame) -> list[str]:
    """Which of the `effects_and_errors` of pixel AP and image AUROC stand out, ``where`` such as "in V's numbers"."""
    return [
        f"{label(metric)[0].upper()}{label(metric)[1:]} {where}, one standard error {errors[metric].iloc[0]:.2f}: "
        f"{standing_out(effects[metric], errors[metric].iloc[0])}."
        for metric in ("pixel_ap", "image_auroc")
    ]


def overlap_in_words(effects: pd.DataFrame, reported: pd.DataFrame, reported_errors: pd.DataFrame) -> list[str]:
    """Whether UniOp and LoReb do the same, here and in V, and how V's effect of IDP stands to its error."""
    both, share = (INTERACTION, "pixel_ap"), abs(reported.pixel_ap.IDP) / reported_errors.pixel_ap.IDP
    return [
        f"The interaction of UniOp and LoReb is {points(effects.loc[both])} of AP here and "
        f"{points(reported.loc[both])} in V; where it is negative, one of them does part of what the other does.",
        f"IDP's {points(reported.pixel_ap.IDP)} of AP in V is {share:.1f} standard errors, and V still calls it highly "
        "effective for image-level metrics.",
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
        f"σ(β) rises without a step back in {rising.sum()} of {len(rising)} trainings, to "
        f"{focal.last().min():.3f} at least; the limit is {limit.iloc[-1]:.3f}.",
        f"F - D is {gap.iloc[0]:.2f} before and {gap.iloc[1]:.2f} after.",
        f"Loss rebalancing is thus a schedule from {100 * first:.0f} % focal loss to nearly all of it, set by "
        "β's rate, not a balance found.",
        f"σ(α), which starts at {first:.3f}, ends between {branch.last().min():.3f} and {branch.last().max():.3f}.",
    ]


def tokens_in_words(own: pd.DataFrame, reported: pd.DataFrame, spread: pd.Series, seeds: int) -> list[str]:
    """Whether the number of tokens matters more than the seed: standard deviations over V's numbers of tokens and over
    ``seeds`` trainings at 3."""
    metrics = ["pixel_auroc", "pixel_ap", "image_auroc"]
    spreads = {
        "over N, here": own[metrics].std(),
        "over N, V Table 3": reported[metrics].std(),
        "over seeds at N = 3, here": spread[metrics].astype(float),
    }
    here, _, chance = spreads.values()
    listing = "; ".join(f"{name} {', '.join(f'{value:.2f}' for value in values)}" for name, values in spreads.items())
    best = listed([reported[metric].idxmax().removeprefix("N=") for metric in metrics])
    return [
        f"Standard deviations in points ({', '.join(map(label, metrics))}): {listing}.",
        "With one seed nothing says how much of that is chance."
        if chance.isna().any()
        else f"Over N it is more than twice that over seeds in {(here > BEYOND * chance).sum()} of 3 metrics; a "
        f"standard deviation of {seeds} trainings is itself rough.",
        f"V's best N is {best} by these metrics: single trainings that differ by chance have a best one too.",
    ]


def temperatures_in_words(own: pd.DataFrame, reported: pd.DataFrame, deviation: float) -> list[str]:
    """Where pixel AP is highest over the fixed temperatures, beside its deviation over seeds, and V's numbers."""
    ranked = own.pixel_ap.sort_values(ascending=False)
    lead = f", by {ranked.iloc[0] - ranked.iloc[1]:.1f} points" if len(ranked) > 1 else ""
    shown = ["0.04", "0.07", "0.1", "0.13"]
    row = ", ".join(f"{reported.loc[f'tau={value}', 'pixel_auroc']}" for value in shown)
    return [
        f"Pixel AP is highest at {ranked.index[0].removeprefix('tau=')}{lead}; one standard deviation over seeds at "
        f"0.07 is {deviation:.1f}.",
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
