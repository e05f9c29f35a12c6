import numpy as np
import pandas as pd
import pytest
from tiny_clip import TINY, tiny
from toy import toy_dataset

from zsas_lib.backbones import registry as backbones
from zsas_lib.evaluation.sampled import ITSELF
from zsas_lib.robustness import effective_maps as science
from zsas_lib.robustness.corruptions import corruption_sweep
from zsas_lib.robustness.effective import expected
from zsas_lib.robustness.effective_maps import ALL, PLAIN, SHIFTED, above_trivial, of_sweep


def sweep(category, clean, **shifted):
    rows = [{"category": category, "corruption": "none", "severity": 0, "aupro": clean}]
    for name, values in shifted.items():
        rows += [
            {"category": category, "corruption": name, "severity": place, "aupro": value}
            for place, value in enumerate(values, 1)
        ]
    return rows


def test_what_is_kept_is_the_mean_over_severities_and_the_mean_of_these():
    rows = sweep("a", 0.8, fog=(0.6, 0.4), jpeg=(0.8, 0.8)) + sweep("b", 0.5, fog=(0.5, 0.1), jpeg=(0.2, 0.4))
    rows += sweep("mean", 0.65, fog=(0.55, 0.25), jpeg=(0.5, 0.6))
    found = of_sweep(pd.DataFrame(rows), "aupro").set_index(["category", "corruption"])
    assert found[SHIFTED].to_dict() == pytest.approx(
        {
            ("a", "fog"): 0.5,
            ("a", "jpeg"): 0.8,
            ("b", "fog"): 0.3,
            ("b", "jpeg"): 0.3,
            ("a", ALL): 0.65,
            ("b", ALL): 0.3,
        }
    )
    assert found.loc["a", PLAIN].eq(0.8).all() and found.loc["b", PLAIN].eq(0.5).all()


@pytest.mark.slow
def test_a_model_is_measured_against_the_line_of_the_maps():
    rng = np.random.default_rng(0)
    rows = []
    for place, model in enumerate(["m1", "m2", "m3", "net"]):
        for category in "abcde":
            clean = 0.3 + 0.1 * place + 0.02 * rng.normal()
            own = clean - 0.1 + (0.15 if model == "net" else 0)
            rows.append({"model": model, "category": category, "corruption": "fog", PLAIN: clean, SHIFTED: own})
    kept = pd.DataFrame(rows)
    flat = above_trivial(kept, ["m1", "m2", "m3"], resamples=5)
    itself = flat[flat["replicate"] == ITSELF].set_index("model")
    means = kept.groupby("model")[[PLAIN, SHIFTED]].mean()
    line = expected(means[PLAIN].to_numpy(), means[SHIFTED].to_numpy(), [0, 1, 2])
    assert itself["effective"].to_dict() == pytest.approx(dict(zip(means.index, means[SHIFTED] - line)))
    assert itself.loc["net", "effective"] > 0.1 and {*flat["corruption"]} == {"fog"}


@pytest.mark.slow
def test_methods_on_towers_leave_out_what_cannot_be_had(monkeypatch):
    monkeypatch.setattr(backbones, "_REGISTERED", {})
    backbones.register_backbone("one", architecture=TINY)
    backbones.register_backbone("two", architecture=tiny(layers=1))
    found, absent = science.towers_at_hand(["one", "two"], weights="random", image_size=48)
    assert list(found) == ["one, random weights", "two, random weights"] and not absent  # which need no floor
    assert found["one, random weights"].image_size == 48
    none, lost = science.towers_at_hand(["one"], image_size=48)
    assert not none and "has no weights of its own" in lost["one"]
    networks, unfit = science.methods_on(found, ["winclip", "clip"])
    assert list(networks)[1] == "clip on one, random weights" and len(networks) == 4 and not unfit
    trained, _ = science.towers_at_hand(["zoo:short:0"])
    assert list(trained) == ["zoo:short:0", "zoo:short:0, random weights"]
    assert [own.is_random for own in trained.values()] == [False, True]
    assert list(science.towers_at_hand(["zoo:short:0"], floor=False)[0]) == ["zoo:short:0"]


@pytest.mark.slow
def test_sweeps_are_those_of_the_store(monkeypatch, tmp_path):
    monkeypatch.setattr(backbones, "_REGISTERED", {})
    backbones.register_backbone("one", architecture=TINY)
    pictures = toy_dataset(tmp_path / "toy", {"a": 2, "b": 2})
    network = science.methods_on(science.towers_at_hand(["one"], weights="random", floor=False)[0], ["clip"])[0]
    found = science.kept_under(network, pictures, ["jpeg"], [2], "pixel_auroc", store=tmp_path)
    own = corruption_sweep(network["clip on one, random weights"], pictures, ["jpeg"], [2], resamples=2)
    rows = own[(own["corruption"] == "jpeg") & (own["category"] != "mean")]
    assert found.loc[found["corruption"] == "jpeg", SHIFTED].tolist() == pytest.approx(rows["pixel_auroc"].tolist())
    monkeypatch.setattr(
        type(network["clip on one, random weights"]), "forward", None
    )  # what is stored needs no network
    again = science.kept_under(network, pictures, ["jpeg"], [2], "pixel_auroc", store=tmp_path)
    pd.testing.assert_frame_equal(again, found)
