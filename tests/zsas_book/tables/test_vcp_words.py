"""Sentences of the chapters on VCP-CLIP+, against sentences written by hand, and V's own numbers."""

import numpy as np
import pandas as pd
import pytest
from flats import flat_of

from zsas_book.tables import vcp_words
from zsas_lib.papers.printed import printed_metrics
from zsas_lib.studies.variants import BASELINE, FULL, OF_IMAGES, OF_PIXELS, effects_and_errors, factorial_variants


def runs_of(seeds: int) -> pd.DataFrame:
    """Runs whose metrics are all 0.5, plus 0.01 for the fixed, 0.02 for the full model, and 0.001 of the seed."""
    rows = [
        {
            "variant": name,
            **dict.fromkeys(OF_PIXELS + OF_IMAGES, 0.5 + {FULL: 0.02, BASELINE: 0}.get(name, 0.01) + 0.001 * seed),
        }
        for name in factorial_variants()
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


MEANS = {(name,): 0.5 + {FULL: 0.02, BASELINE: 0}.get(name, 0.01) for name in factorial_variants()}
METRICS = ("pixel_auroc", "aupro", "pixel_ap", "image_auroc")


@pytest.mark.slow
def test_what_fixing_does():
    means = flat_of(MEANS, ["variant"], METRICS, own=0.0005)
    said = vcp_words.fixing_in_words(runs_of(1), means, printed_metrics("V", 1))
    pairs = said.pop(1)
    assert pairs.startswith("Pair by pair that is +1.0 points (95 % interval +0.8 to +1.2, 100 % of resamples agree")
    assert "; the full model has +1.0 points (" in pairs and pairs.endswith("of AP above a fixed temperature alone.")
    assert said == [
        "Fixing the temperatures moves the legacy AUPRO from 50.0 to 51.0 % (reported: from 49.5 to 83.4 %), the "
        "exact one from 50.0 to 51.0 % and pixel AUROC from 50.0 to 51.0 % (reported: from 86.5 to 87.0 %).",
        "The full model is best in 8 of these 8 columns; in V Table 1 in 5 of 8.",
        "",
    ]
    seeded = runs_of(3)
    learned = seeded.variant == BASELINE
    seeded.loc[learned, "pixel_ap"] += 0.004 * seeded[learned].groupby("variant").cumcount()
    seeded.loc[~learned, "pixel_ap"] += 0.029 * seeded[~learned].groupby("variant").cumcount()
    assert vcp_words.fixing_in_words(seeded, means, printed_metrics("V", 1))[3] == (
        "Over the seeds, one training with learned temperatures has a standard deviation of 0.5 points of AP, one with "
        "fixed temperatures (all others pooled) 3.0."
    )


def test_effects_of_the_printed_factorial():
    printed = printed_metrics("V", 1).reset_index(names="variant")
    metrics = ["pixel_ap", "image_auroc"]
    effects, errors = effects_and_errors(printed, metrics, printed_metrics("V", 3, "setting").std())
    assert vcp_words.effects_in_words("in V's numbers", effects, errors) == [
        "Pixel AP in V's numbers, one standard error 0.43: UniOp +2.6, LoReb +3.4 and UniOp x LoReb -2.3.",
        "Image AUROC in V's numbers, one standard error 0.91: none.",
    ]
    overlap = vcp_words.overlap_in_words(-effects, effects, errors)
    assert overlap[0].startswith("The interaction of UniOp and LoReb is +2.3 of AP here and -2.3 in V;")
    assert overlap[1].endswith("of image AUROC that is +0.2 in V's own numbers, 0.2 standard errors.")
    halved = vcp_words.overlap_in_words(effects, effects, errors / 4)[1]
    assert halved.endswith(f" {4 * abs(effects.image_auroc.IDP) / errors.image_auroc.IDP:.1f} standard errors.")


def test_effects_here_stand_out_by_their_interval():
    columns = {"metric": ["pixel_ap"] * 2 + ["image_auroc"] * 2, "effect": ["UniOp", "LoReb"] * 2}
    numbers = {
        "gap": [2.0, 1.0, -1.0, 0.5],
        "low": [1, -1, -3, -1],
        "high": [3, 3, 1, 2],
        "power": [1.4, 2.8, 3.0, 2.0],
    }
    assert vcp_words.effects_here_in_words(pd.DataFrame(columns | numbers)) == [
        "Pixel AP here, with an interval without 0, power 1.4 to 2.8: UniOp +2.0.",
        "Image AUROC here, with an interval without 0, power 2.0 to 3.0: none.",
    ]
    unknown = numbers | {"low": [np.nan] * 4, "high": [np.nan] * 4, "power": [np.nan] * 4}
    assert vcp_words.effects_here_in_words(pd.DataFrame(columns | unknown)) == [
        f"{metric} here, with an interval without 0: unknown without a spread."
        for metric in ("Pixel AP", "Image AUROC")
    ]


def test_where_the_weights_end():
    histories = pd.DataFrame(
        {
            "variant": ["u"] * 3 + ["l"] * 3 + ["m"] * 3,
            "seed": 0,
            "focal_share": [np.nan] * 3 + [0.7, 0.8, 0.9] + [0.7, 0.6, 0.95],
            "vcp_share": [0.6, 0.5, 0.4] + [np.nan] * 3 + [0.6, 0.7, 0.8],
        }
    )
    sums = pd.DataFrame({"focal": [1.0, 0.5], "dice": [4.0, 4.0]}, index=["before training", "after training"])
    said = vcp_words.weights_in_words(histories, pd.Series([0.8, 0.99]), sums)
    assert said[0] == "σ(β) rises without a step back in 1 of 2 trainings, to 0.900 at least; the limit is 0.990."
    assert said[1] == "F - D is -3.00 before and -3.50 after."
    assert "a schedule from 62 % focal loss" in said[2]
    assert said[3] == "σ(α), which starts at 0.622, ends between 0.400 and 0.800."


def test_tokens_are_judged_pair_by_pair():
    means = flat_of(
        {("N=2",): 0.9, ("N=3",): 0.94, ("N=10",): 0.91}, ["variant"], METRICS, own=0.001, runs=3, apart=0.01
    )
    said = vcp_words.tokens_in_words(means, printed_metrics("V", 3, "setting"))
    assert said[0].startswith("In pixel AUROC N=3 leads over N=10 by +3.0 points (95 % interval +2.8")
    assert said[3].startswith("From the worst to the best N, pixel AUROC moves by +4.0 points (95 % interval")
    assert said[4].startswith("V's best N is 3, 5 and 9 by these metrics:") and len(said) == 5


def test_the_best_temperature_and_v_s():
    means = flat_of({("tau=0.07",): 0.5, ("tau=0.1",): 0.515}, ["variant"], METRICS, own=0.1)
    first, second = vcp_words.temperatures_in_words(means, printed_metrics("V", 4, "setting"))
    assert first.startswith("In pixel AP tau=0.1 leads over tau=0.07 by +1.5 points (95 % interval -")
    assert first.endswith("), which is within chance.")
    assert second.startswith("In V it is highest at 0.07; its pixel AUROC along 0.04, 0.07, 0.1, 0.13 is ")


def test_where_learned_temperatures_end_and_what_becomes_of_the_legacy_aupro():
    own = pd.DataFrame(
        {"seed": [0, 0, 1], "clip_temperature": [0.07, 0.2, 0.3], "vcp_temperature": [0.07, 0.002, 0.001]}
    )
    slow = pd.DataFrame({"seed": [0], "clip_temperature": [0.071], "vcp_temperature": [0.069]})
    table = pd.DataFrame(
        {"aupro": [80.0, 70.0, 71.0], "aupro_200": [60.0, 69.0, 70.5], "legacy_reach": [9.0, 28.0, 29.0]}
    )
    said = vcp_words.learned_in_words({"own": own, "common": slow}, table, printed_metrics("V", 1))
    assert said[0] == (
        "At their own rate the temperatures end at 0.2 to 0.3 (CLIP's branch) and 0.001 to 0.002 (VCP's), at the "
        "common rate at 0.069 to 0.071."
    )
    assert said[1] == (
        "Exact minus legacy AUPRO in points, with the largest false positive rate: learned 20.0 (9.0 %), at the "
        "common rate 1.0 (28.0 %), fixed 0.5 (29.0 %)."
    )
    assert said[2].startswith(
        "V prints a legacy AUPRO of 49.5 learned and 83.4 fixed where pixel AUROC is 86.5 and 87.0:"
    )
    assert "within 0.5 points while this number moves by 33.9 is" in said[2]
