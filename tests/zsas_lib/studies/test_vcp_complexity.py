"""Paper V's Table 2, and what torch counts of the same models."""

import pytest
import torch
from operations import counted, counted_smoothing
from tiny_clip import TINY, tiny, tiny_backbone
from trained import trained

from zsas_lib.evaluation.complexity import shapes_only
from zsas_lib.models.load import load_model
from zsas_lib.papers import reported
from zsas_lib.studies.variants import FULL
from zsas_lib.studies.vcp_complexity import counted_variants, released_counts, released_flops, released_parameters


@pytest.fixture(scope="module")
def published():
    """The released models' backbone and size, without numbers."""
    backbone = shapes_only("vit-l-14-336", 518)

    def model(name, **options):
        with torch.device("meta"):
            return load_model(name, backbone, **options)

    return model


def test_parameters_are_those_of_paper_v(published):
    plain, plus = released_parameters(published("vcpclip")), released_parameters(published("vcpclip+"))
    assert (plain.released, plus.released) == (437_034_763, 438_217_479)
    assert (plain.learned, plus.learned) == (7_687_946, 8_870_662)
    assert plain.backbone == plus.backbone == 428_756_225
    assert plain.total == plain.backbone + plain.learned


def test_what_the_released_code_of_others_carries_along(published):
    assert list(released_parameters(published("anomalyclip")).extras.values()) == [5_512_192]
    assert released_parameters(published("april-gan")).extras == {}
    winclip = released_parameters(published("winclip"))
    assert winclip.learned == 0 and winclip.total == winclip.released == winclip.backbone


def test_direct_prompts_grow_by_their_vectors(published):
    counts = {tokens: released_parameters(published("vcpclip", idp=True, tokens=tokens)).learned for tokens in (3, 10)}
    assert counts[10] - counts[3] == 7 * 769
    without = released_parameters(published("vcpclip")).learned
    assert counts[3] - without == 1_184_260 - 1_544


def test_operations_are_those_of_paper_v(published):
    plain, plus = released_flops(published("vcpclip")), released_flops(published("vcpclip+"))
    assert round(plain.profiled / 1e9, 3) == 602.362 and round(plus.profiled / 1e9, 3) == 602.364
    assert plain.total / 1e12 == pytest.approx(1.072, abs=5e-4)


FIXED = {"temperature": 0.07}
ROWS = {
    "VCP-CLIP (baseline)": {},
    "Fixed": FIXED,
    "Fixed + UniOp": FIXED | {"uniop": True},
    "Fixed + LoReb": FIXED | {"loreb": True},
    "Fixed + IDP": FIXED | {"idp": True},
    "Fixed + UniOp + LoReb": FIXED | {"uniop": True, "loreb": True},
    "Fixed + UniOp + IDP": FIXED | {"uniop": True, "idp": True},
    "Fixed + LoReb + IDP": FIXED | {"loreb": True, "idp": True},
    "Full model (VCP-CLIP+)": FIXED | {"uniop": True, "loreb": True, "idp": True},
}


@pytest.mark.slow
def test_every_row_of_the_papers_table_is_what_is_counted(published):
    table = reported("V", "2").pivot(index="method", columns="metric", values="value")
    assert set(table.index) == set(ROWS)
    for method, options in ROWS.items():
        model = published("vcpclip", **options)
        assert round(released_parameters(model).released / 1e6, 3) == table.loc[method, "params"]
        assert round(released_flops(model).profiled / 1e9, 3) == table.loc[method, "flops"]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    "name, options, text_tokens", [("vcpclip", {}, 10), ("vcpclip+", {}, 9), ("vcpclip+", {"tokens": 7}, 9)]
)
@pytest.mark.parametrize("embed", [24, 32])
def test_operations_are_those_that_torch_counts(name, options, text_tokens, embed):
    """This library encodes sentences to their end, runs the prompts' linear layer once, not once per sentence, and asks
    the sentences' queries once, not once per tapped layer; and of 16 patches of 4 layers it makes no keys and values,
    but moves the keys' weights and bias to both queries, once, and the values' to what each layer mixed for them."""
    backbone = tiny_backbone({**tiny(layers=4), "embed_dim": embed, "text_cfg": {**TINY["text_cfg"], "layers": 3}})
    model = trained(name, backbone, **options)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model(image, "pill")
    again = 2 * 3 * 32**2 + 3 * 2 * 2 * embed * 32
    keys_and_values = 4 * 16 * 2 * 2 * 32**2
    moved = 2 * 2 * (32**2 + 32) + 4 * 2 * 2 * 32**2
    found = released_flops(model, text_tokens).total - again - keys_and_values + moved + counted_smoothing(model)
    assert found == counted(model, image)


@pytest.mark.slow
def test_the_table_of_counts_and_the_parts_of_its_last_row():
    models = counted_variants(shapes_only("vit-l-14-336", 518))
    counts = released_counts(models).set_index("variant")
    assert list(counts.index) == list(ROWS)
    full = counts.loc[FULL]
    assert (full["learned"], full["with backbone"], full["as released code"]) == (8_870_662, 437_626_887, 438_217_479)
    assert full["GFLOP, layers only"] == pytest.approx(602.364, abs=5e-4)
    parts = released_flops(models[FULL]).parts()
    assert parts.GFLOP.is_monotonic_increasing and parts.part.iloc[-1] == "image MLPs"
    assert parts.GFLOP[parts["counted by V"]].sum() == pytest.approx(full["GFLOP, layers only"])
    assert parts.GFLOP.sum() == pytest.approx(full["GFLOP, all"])
    assert {"image, attention", "text, attention"} < set(parts.part[~parts["counted by V"]])
