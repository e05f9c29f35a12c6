"""Found perturbations applied to the model that they were found for, and to another."""

import pandas as pd
import pytest
from toy import Glow, Speckled, toy_dataset

import zsas_lib as zsas
from zsas_lib.robustness.search.transfer import transfer_costs, transferred
from zsas_lib.robustness.search.whole_sets import worst_cases


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("data"), {"bolt": 3, "nut": 2}, normal=1)


@pytest.mark.slow
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


@pytest.mark.slow
def test_costs_are_a_picture_s_own_loss_in_points_by_who_sees_and_for_whom_it_was_found(data, tmp_path):
    networks = {"a": Glow(), "b": Speckled(channel=2)}
    searching = {"combinations": [("rotation", "hue")], "search": "grid", "steps": 4, "store": tmp_path}
    cases = {name: worst_cases(network, data, **searching) for name, network in networks.items()}
    costs = transfer_costs(networks, data, cases, "rotation + hue")
    assert list(costs) == list(costs.index) == ["a", "b"]
    own = cases["a"][cases["a"].is_anomalous].pivot(index="picture", columns="combination", values="pixel_auroc")
    assert costs.loc["a", "a"] == pytest.approx(100 * (own["none"] - own["rotation + hue"]).mean())
    under = cases["b"][cases["b"].is_anomalous & (cases["b"].combination == "rotation + hue")]
    seen = transferred(networks["a"], data, under).set_index("picture").pixel_auroc
    assert costs.loc["a", "b"] == pytest.approx(100 * (own["none"] - seen).mean())
