"""V's Table 2 beside our counts, and sentences on counts and times."""

import pandas as pd
import pytest

from zsas_book.tables import cost_words
from zsas_lib.evaluation.complexity import shapes_only
from zsas_lib.papers import reported
from zsas_lib.studies.vcp_complexity import counted_variants, released_counts


@pytest.fixture(scope="module")
def models():
    return counted_variants(shapes_only("vit-l-14-336", 518))


@pytest.fixture(scope="module")
def counts(models):
    table = released_counts(models)
    printed = reported("V", 2).pivot(index="method", columns="metric", values="value").loc[table.variant]
    return table.assign(**{"printed (M)": printed.params.to_numpy(), "printed (G)": printed.flops.to_numpy()})


def test_all_printed_counts_come_out(counts, models):
    beside = cost_words.counts_beside_printed(counts)
    assert len(beside) == 18 and set(beside.verdict) == {"within 0.001 units"}
    assert beside.claim.iloc[1] == "V Table 2, VCP-CLIP (baseline), operations (GFLOP)"
    first, second, third, fourth = cost_words.counts_in_words(counts, models)
    assert (
        first
        == "9 of 9 printed parameter counts and 9 of 9 printed operation counts come out to the last digit printed."
    )
    assert second == (
        "VCP-CLIP (baseline) has 437,034,763 parameters as the released code counts them and VCP-CLIP+ 438,217,479; "
        "7,687,946 and 8,870,662 of them learn."
    )
    assert "two temperatures, fixed (+2); alpha and beta, not in a module (-2)" in third
    assert fourth.startswith("With attention a picture takes 1.072 TFLOP, 1.78 times what is printed:")
    assert "That IDP adds 2.4 MFLOP" in fourth


def test_other_counts_are_told_and_not_compared(counts, models):
    other = counts.assign(**{"GFLOP, layers only": 1.0})
    note = "tiny at 32 pixels"
    assert set(cost_words.counts_beside_printed(other, note).verdict) == {f"not comparable: {note}"}
    said = cost_words.counts_in_words(other, models, note)[0]
    assert said.endswith(
        "and 0 of 9 printed operation counts come out to the last digit printed; not comparable: tiny at 32 pixels."
    )


def test_times_and_their_ranges():
    cost = pd.DataFrame(
        {
            "model": ["winclip", "vcpclip+"],
            "ms per picture": [30.0, 8.0],
            "fastest": [20.0, 7.0],
            "slowest": [40.0, 9.0],
        }
    )
    said = cost_words.times_in_words(cost, pd.Series([100.0, 104.0]))
    assert said[0] == (
        "On this device and backbone WinCLIP takes longest, 30.0 ms a picture, and VCP-CLIP+ least, 8.0; the "
        "slowest and the fastest run of one model differ by a factor of up to 2.0."
    )
    assert said[1].startswith("V prints 100.0 to 104.0 ms for its nine variants on an RTX 4060 Ti, a range of 4.0 %,")
