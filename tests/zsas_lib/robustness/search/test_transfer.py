"""Found perturbations applied to the model that they were found for, and to another."""

import pandas as pd
import pytest
from toy import Glow, Speckled, toy_dataset

import zsas_lib as zsas
from zsas_lib.robustness.search.transfer import transferred
from zsas_lib.robustness.search.whole_sets import worst_cases


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("data"), {"bolt": 3, "nut": 2}, normal=1)


def test_applied_to_its_own_model_a_worst_case_is_what_was_found(data, tmp_path):
    found = worst_cases(Glow(), data, combinations=[("rotation", "hue")], search="grid", steps=6, store=tmp_path)
    found = found[found.combination == "rotation + hue"]
    again = transferred(Glow(), data, found, batch_size=3)
    pd.testing.assert_frame_equal(again, found, atol=1e-4, check_dtype=False)


def test_the_unperturbed_pictures_give_another_models_own_quality(data, tmp_path):
    found = worst_cases(Glow(), data, combinations=[("hue",)], search="grid", steps=2, store=tmp_path).query(
        "combination == 'none'"
    )
    other = Speckled(channel=2)
    expected = zsas.evaluate(other, data).per_image.pixel_auroc
    assert transferred(other, data, found).pixel_auroc.tolist() == pytest.approx(
        expected.tolist(), abs=1e-6, nan_ok=True
    )
