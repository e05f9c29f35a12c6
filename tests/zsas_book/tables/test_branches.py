"""What the chapter on branches and temperatures says, against numbers made up."""

import pandas as pd
import pytest
from flats import flat_of

from zsas_book.tables import branches as tables
from zsas_lib.studies.branches import BOUNDED, COMMON, FIXED, MAPS, UNBOUNDED, uniop_variants

LIFTED = {"Fixed + UniOp: vcp": 0.05}


def means(own=0.001):
    """Of all maps 0.6, the fused one 0.7; UniOp takes 0.1 from CLIP's branch, and lifts VCP's."""
    numbers = {}
    for variant in uniop_variants():
        united = "UniOp" in variant or "Full" in variant
        for map_ in MAPS:
            number = (0.7 if map_ == "fused" else 0.6) - 0.1 * (united and map_ == "clip")
            numbers[variant, f"{variant}: {map_}", map_] = number + LIFTED.get(f"{variant}: {map_}", 0.0)
    return flat_of(numbers, ["variant", "of", "map"], tables.METRICS, own=own, runs=2)


@pytest.mark.slow
def test_maps_and_gaps_are_in_percent_and_points():
    table = tables.maps_table(means())
    assert table.loc["Fixed: both, fused", "aupro"] == pytest.approx(70)
    assert table.loc["Fixed + UniOp: VCP's branch", "aupro"] == pytest.approx(65)
    assert len(table) == 12 and list(table) == [*tables.METRICS]
    gaps = tables.gaps_table(means()).query("metric == 'aupro'").set_index("what")
    assert len(gaps) == 2 * (3 + 2 * 2)
    assert gaps.loc["UniOp on Fixed: CLIP's branch", "gap"] == pytest.approx(-10)
    assert gaps.loc["UniOp on Fixed: VCP's branch", "gap"] == pytest.approx(5)
    assert gaps.loc["Fixed + UniOp: both above CLIP's branch alone", "gap"] == pytest.approx(20)
    assert (gaps.low <= gaps.gap).all() and (gaps.gap <= gaps.high).all()


def test_what_is_beyond_chance_is_said():
    said = tables.branches_in_words(means())
    assert said[0].startswith("On Fixed, UniOp changes AUPRO of CLIP's branch by -10.0 points (95 % interval")
    assert "; of VCP's branch by +5.0 points" in said[0] and "both, fused by 0.0 points" in said[0]
    assert said[0].endswith("), within chance.")
    lead = "Fixed + UniOp: both fused are above the better branch alone, VCP's branch, by +5.0 points"
    assert len(said) == 6 and said[3].startswith(lead)


def test_temperatures_and_where_they_end():
    numbers = {(FIXED,): 0.7, (UNBOUNDED,): 0.5, (COMMON,): 0.7, (BOUNDED,): 0.8}
    of = flat_of(numbers, ["variant"], tables.METRICS, own=0.001, runs=2)
    rows = [
        (name, seed, step, low * (seed + 1), high)
        for name, low, high in ((UNBOUNDED, 1e-4, 0.02), (COMMON, 0.05, 0.06), (BOUNDED, 0.011, 0.12))
        for seed in (0, 1)
        for step in (0, 1)
    ]
    histories = pd.DataFrame(rows, columns=["variant", "seed", "step", "clip_temperature", "vcp_temperature"])
    histories.loc[histories.step == 0, ["clip_temperature", "vcp_temperature"]] = 0.07
    ends = tables.ends_table(histories)
    assert list(ends) == ["CLIP's branch, min", "CLIP's branch, max", "VCP's branch, min", "VCP's branch, max"]
    assert ends.loc[UNBOUNDED].tolist() == pytest.approx([1e-4, 2e-4, 0.02, 0.02])
    said = tables.temperatures_in_words(of, ends)
    assert said[0].startswith(
        "Learned, own rate: temperatures end between 0.0001 and 0.02, and AUPRO is worse than the fixed one's, by -20.0"
    )
    assert "is within chance of the fixed one's, by 0.0 points" in said[1] and "is better than" in said[2]
    assert said[3].startswith("From the worst to the best of the 4, AUPRO spans +30.0 points")
