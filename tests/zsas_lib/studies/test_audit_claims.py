"""zsas_lib.studies.audit_claims: effects in words, and what a claim's measurement needs."""

import pandas as pd
import pytest
from trained import trained

from zsas_lib.models.learned import UntrainedModelError
from zsas_lib.models.load import load_model
from zsas_lib.studies.audit_claims import effect_in_words, learned_temperatures


@pytest.mark.parametrize(
    "gain, error, words",
    [
        (-0.0891, 0.0312, "-8.9 ± 3.1 AUPRO"),
        (0.0004, 0.0019, "+0.040 ± 0.190 AUPRO"),
        (0.0, 0.002, "+0.0 ± 0.2 AUPRO"),
        (-4e-6, 4e-6, "no change of AUPRO"),
    ],
)
def test_an_effect_in_points_has_more_decimals_where_it_is_tiny(gain, error, words):
    assert effect_in_words("AUPRO", gain, error) == words


def test_temperatures_are_read_at_the_end_of_the_training(backbone):
    model = trained("vcpclip", backbone)
    model.history = pd.DataFrame({"clip_temperature": [0.07, 0.06], "vcp_temperature": [0.07, 0.08]})
    measured = learned_temperatures(model, rate=None)
    assert {name: measured.numbers[name] for name in ("steps", "clip", "vcp")} == {
        "steps": 2,
        "clip": 0.06,
        "vcp": 0.08,
    }
    assert measured.outcome == 1
    assert (
        measured.numbers["times"]
        == measured.numbers["times_here"]
        == model.recipe.rates["log_scales"] / model.recipe.rate
    )


def test_temperatures_of_an_untrained_model_are_none(backbone):
    with pytest.raises(UntrainedModelError, match="no training that moved temperatures"):
        learned_temperatures(load_model("vcpclip", backbone), rate=None)
