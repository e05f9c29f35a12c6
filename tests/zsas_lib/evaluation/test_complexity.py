import pytest
import torch
from tiny_clip import TINY, tiny, tiny_backbone
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from trained import trained

from zsas_lib.evaluation.complexity import flops, parameter_counts, shapes_only
from zsas_lib.models.load import load_model
from zsas_lib.papers import reported


@pytest.fixture(scope="module")
def published():
    """The released models' backbone and size, without numbers."""
    backbone = shapes_only("vit-l-14-336", 518)

    def model(name, **options):
        with torch.device("meta"):
            return load_model(name, backbone, **options)

    return model


def test_parameters_are_those_of_paper_v(published):
    plain, plus = parameter_counts(published("vcpclip")), parameter_counts(published("vcpclip+"))
    assert (plain.released, plus.released) == (437_034_763, 438_217_479)
    assert (plain.learned, plus.learned) == (7_687_946, 8_870_662)
    assert plain.backbone == plus.backbone == 428_756_225
    assert plain.total == plain.backbone + plain.learned


def test_anomalyclip_learns_43008_numbers(published):
    counts = parameter_counts(published("anomalyclip"))
    assert counts.learned == 43_008 and list(counts.extras.values()) == [5_512_192]
    assert parameter_counts(published("april-gan")).learned == 3_148_800
    assert parameter_counts(published("april-gan")).extras == {}


def test_direct_prompts_grow_by_their_vectors(published):
    counts = {tokens: parameter_counts(published("vcpclip", idp=True, tokens=tokens)).learned for tokens in (3, 10)}
    assert counts[10] - counts[3] == 7 * 769
    without = parameter_counts(published("vcpclip")).learned
    assert counts[3] - without == 1_184_260 - 1_544


def test_operations_are_those_of_paper_v(published):
    plain, plus = flops(published("vcpclip")), flops(published("vcpclip+"))
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


def test_every_row_of_the_papers_table_is_what_is_counted(published):
    table = reported("V", "2").pivot(index="method", columns="metric", values="value")
    assert set(table.index) == set(ROWS)
    for method, options in ROWS.items():
        model = published("vcpclip", **options)
        assert round(parameter_counts(model).released / 1e6, 3) == table.loc[method, "params"]
        assert round(flops(model).profiled / 1e9, 3) == table.loc[method, "flops"]


def counted(model, images):
    """What torch's own counter sees of the products; attention written as products, which is what it knows."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            model(images, "pill")
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops()


@pytest.mark.parametrize(
    "name, options, text_tokens",
    [
        ("vcpclip", {}, 10),
        ("vcpclip+", {}, 9),
        ("vcpclip+", {"tokens": 7}, 9),
        ("april-gan", {}, 77),
        ("anomalyclip", {}, 77),
        ("anomalyclip", {"layers": (0.5, 1.0)}, 77),
    ],
)
@pytest.mark.parametrize("embed", [24, 32])
def test_operations_are_those_that_torch_counts(name, options, text_tokens, embed):
    """This library encodes sentences to their end, runs the prompts' linear layer once, not once per sentence, and asks
    the sentences' queries once, not once per tapped layer."""
    backbone = tiny_backbone({**tiny(layers=4), "embed_dim": embed, "text_cfg": {**TINY["text_cfg"], "layers": 3}})
    model = trained(name, backbone, **options)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model(image, "pill")
    again = 2 * 3 * 32**2 + 3 * 2 * 2 * embed * 32 if name.startswith("vcpclip") else 0
    smoothing = counted_smoothing(model)
    assert flops(model, text_tokens).total - again + smoothing == counted(model, image)


def counted_smoothing(model):
    """The counter sees smoothing too, two convolutions of a map whose edges are mirrored."""
    sigma = model.options["smoothing"] * 32 / 518
    reach = int(4 * sigma + 0.5)
    return 2 * (2 * reach + 1) * (32 * (32 + 2 * reach) + 32 * 32) if sigma else 0


def test_models_that_learn_nothing():
    model = load_model("winclip", tiny_backbone())
    counts = parameter_counts(model)
    assert counts.learned == 0 and counts.total == counts.released == sum(
        value.numel() for value in model.backbone.clip.parameters()
    )
    with pytest.raises(
        TypeError, match="operations of winclip are not known; expected one of AnomalyCLIP, AprilGAN, VCPCLIP"
    ):
        flops(model)
