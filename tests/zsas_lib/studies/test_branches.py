"""Each branch of VCP-CLIP alone, against the model's own map and evaluation."""

import pytest
import torch
from toy import toy_dataset
from trained import trained

import zsas_lib as zsas
from zsas_lib.evaluation.paired import samples
from zsas_lib.models.vcpclip import VCPCLIP
from zsas_lib.studies.branches import (
    BOUNDED,
    COMMON,
    FIXED,
    SLOWLY,
    UNBOUNDED,
    UNIOP,
    branch_means,
    branch_table,
    temperature_variants,
    uniop_variants,
)
from zsas_lib.studies.variants import rate_of, trained_variant


@pytest.fixture
def pictures(tmp_path):
    return toy_dataset(tmp_path / "toy", {"nut": 3, "ring": 3})


@pytest.mark.slow
@pytest.mark.parametrize("name, options", [("vcpclip+", {}), ("vcpclip", {"fusion": 0.4, "image_score": "map"})])
def test_the_fused_rows_are_those_of_an_evaluation(name, options, backbone, pictures):
    model = trained(name, backbone, **options)
    table, whole = branch_table(model, pictures, resamples=10), zsas.evaluate(model, pictures, resamples=10)
    assert table.attrs["settings"] == ["map"] and list(table["map"].unique()) == ["clip", "vcp", "fused"]
    fused = table[table["map"] == "fused"].set_index("category")
    for metric in ("pixel_auroc", "aupro", "image_auroc", "pixel_f1_max"):
        assert fused[metric].to_dict() == pytest.approx(whole[metric].to_dict(), abs=1e-6)


@pytest.mark.slow
def test_a_branch_is_the_model_with_all_weight_on_it(backbone, pictures):
    rows = {}
    for branch, fusion in (("clip", 0.0), ("vcp", 1.0)):
        model = trained("vcpclip", backbone, fusion=fusion, image_score="map")
        table = branch_table(model, pictures, resamples=10)
        own = table[table["map"] == branch].set_index("category")
        rows[branch] = own.pixel_auroc
        whole = zsas.evaluate(model, pictures, resamples=10)
        for metric in ("pixel_auroc", "aupro", "image_auroc"):
            assert own[metric].to_dict() == pytest.approx(whole[metric].to_dict(), abs=1e-6)
    assert not rows["clip"].equals(rows["vcp"])


def test_variants_differ_in_what_they_say():
    pairs = uniop_variants()
    assert list(pairs) == [name for pair in UNIOP.items() for name in pair]
    for without, with_it in UNIOP.items():
        own, other = (pairs[name].options for name in (without, with_it))
        assert {key for key in own if own[key] != other[key]} == {"uniop"} and other["uniop"]
    found = temperature_variants(0.003)
    assert list(found) == [FIXED, UNBOUNDED, SLOWLY, COMMON, BOUNDED]
    assert found[COMMON].fit == {"rates": {"log_scales": 0.003}}
    assert found[SLOWLY].fit["rates"]["log_scales"] == pytest.approx(0.1 * 250 * 0.003)
    assert found[BOUNDED].options == {"temperature": "bounded"} and not found[UNBOUNDED].options
    assert (
        temperature_variants(rate_of(None, "paper", "embedded"))[COMMON].fit["rates"]["log_scales"]
        == VCPCLIP.recipe.rate
    )


@pytest.mark.slow
def test_a_bounded_temperature_that_is_trained_at_a_great_rate_stays_between_its_bounds(backbone, pictures):
    ends = {}
    for how in ("learned", "bounded"):
        model = zsas.load_model("vcpclip", backbone, temperature=how)
        fast = {"rates": {"log_scales": 2.0}, "rate": 1e-3, "augment": False, "epochs": 4, "training_batch_size": 6}
        log = zsas.fit(model, pictures, **fast)
        ends[how] = torch.tensor(log[["clip_temperature", "vcp_temperature"]].to_numpy())
    assert ((ends["bounded"] >= 0.01) & (ends["bounded"] <= 0.13)).all()
    assert ((ends["learned"] < 0.01) | (ends["learned"] > 0.13)).any()


@pytest.mark.slow
def test_means_are_runs_of_a_map_of_a_variant(backbone, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "store"))
    variants = {name: uniop_variants()[name] for name in ("Fixed", "Fixed + UniOp")}
    fit = {"epochs": 1, "training_batch_size": 6, "rate": 1e-3, "augment": False}
    asked = {"seeds": [0, 1], "fit": fit, "resamples": 10}
    means = branch_means(variants, backbone, pictures, pictures, **asked)
    assert set(means.variant) == set(variants) and set(means.run) == {0, 1} and len(means) == 2 * 2 * 3 * 11
    of = samples(means, "aupro", "of")
    lead = of["Fixed + UniOp: fused"] - of["Fixed: vcp"]
    one, other = (
        [stored_mean(variants[name], map_, seed, backbone, pictures, fit) for seed in (0, 1)]
        for name, map_ in (("Fixed + UniOp", "fused"), ("Fixed", "vcp"))
    )
    assert lead.difference().gap == pytest.approx(sum(one) / 2 - sum(other) / 2, abs=1e-9)
    assert set(lead.runs) == {2} and lead.units == 2


def stored_mean(variant, map_, seed, backbone, pictures, fit):
    model = trained_variant(variant, backbone, pictures, seed=seed, fit=fit)
    table = branch_table(model, pictures, resamples=10)
    return table.set_index(["category", "map"]).aupro["mean", map_]
