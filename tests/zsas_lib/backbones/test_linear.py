"""Products with frozen weights: torch's own numbers and gradients, whoever makes them."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from small_towers import small
from timm.models.eva import EvaBlock, EvaBlockPostNorm
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from zsas_lib.backbones.families import linear as linears
from zsas_lib.backbones.families.linear import QuickLinear, freeze, linear, tanh_of_linear
from zsas_lib.backbones.image_tower import class_embedding, residual_stream


@pytest.fixture(autouse=True)
def worth_it(request, monkeypatch):
    """oneDNN's products however small, but where a test asks which are."""
    if "as_it_is" not in request.fixturenames:
        monkeypatch.setattr(linears, "FEW_WEIGHTS", 0)
        monkeypatch.setattr(linears, "FEW_PRODUCTS", 0)


@pytest.fixture
def as_it_is():
    """Products as anybody gets them."""


def factors(*shape: int, out: int = 24, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    drawn = torch.Generator().manual_seed(0)
    made = [torch.randn(*size, generator=drawn).to(dtype) for size in (shape, (out, shape[-1]), (out,))]
    return made[0], made[1], made[2]


@pytest.mark.parametrize("shape", [(16,), (7, 16), (3, 7, 16), (0, 16), (2, 3, 5, 100)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_numbers_are_torchs(shape, with_bias):
    rows, weight, bias = factors(*shape)
    added = bias if with_bias else None
    with torch.no_grad():
        assert torch.allclose(linear(rows, weight, added), F.linear(rows, weight, added), atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "channel", "out", "quick"),
    [(8, 64, 64, False), (256, 64, 64, False), (257, 64, 64, True), (1, 64, 65, True), (600, 24, 96, True)],
)
def test_few_products_of_few_weights_are_left_to_torch(as_it_is, monkeypatch, rows, channel, out, quick):
    asked = []
    monkeypatch.setattr(linears, "_product", lambda *given: asked.append(given) or F.linear(*given))
    rows, weight, bias = factors(rows, channel, out=out)
    with torch.no_grad():
        assert torch.equal(linear(rows, weight, bias), F.linear(rows, weight, bias))
    assert len(asked) == quick


def test_rows_that_lie_apart_are_read_where_they_are():
    rows, weight, bias = factors(4, 6, 16)
    assert torch.allclose(linear(rows[:, 0], weight, bias), F.linear(rows[:, 0], weight, bias), atol=1e-5)
    assert torch.allclose(linear(rows.transpose(0, 1), weight), F.linear(rows.transpose(0, 1), weight), atol=1e-5)


def test_gradient_of_the_rows_is_torchs():
    rows, weight, bias = factors(3, 7, 16)
    found = []
    for product in (linear, F.linear):
        own = rows.clone().requires_grad_()
        (product(own, weight, bias).sin().mT * 2).sum().backward()
        found.append(own.grad)
    assert torch.allclose(*found, atol=1e-5)


def test_weights_that_learn_get_their_gradient():
    rows, weight, bias = factors(7, 16)
    weight.requires_grad_()
    linear(rows, weight, bias).sum().backward()
    assert torch.allclose(weight.grad, rows.sum(0).expand_as(weight))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_are_torchs_own(dtype):
    rows, weight, bias = factors(7, 16, dtype=dtype)
    assert torch.equal(linear(rows, weight, bias), F.linear(rows, weight, bias))


def test_shapes_without_numbers_stay_so():
    rows, weight, bias = (values.to("meta") for values in factors(7, 16))
    assert linear(rows, weight, bias).is_meta


def test_operations_are_counted_as_torch_counts_them():
    rows, weight, bias = factors(3, 7, 16)
    counted = []
    for product in (linear, F.linear):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            product(rows, weight, bias)
        counted.append(counter.get_total_flops())
    assert counted == [2 * 21 * 16 * 24] * 2


def test_layers_keep_their_names_weights_and_numbers():
    module = nn.Sequential(
        nn.Linear(16, 24), nn.GELU(), nn.Linear(24, 8), nn.MultiheadAttention(8, 2, batch_first=True)
    )
    module.requires_grad_(False).eval()
    rows, before = torch.randn(2, 5, 16), deepcopy(module.state_dict())
    plain = module[:3](rows)
    freeze(module)
    assert [type(part).__name__ for part in module] == ["QuickLinear", "GELU", "QuickLinear", "MultiheadAttention"]
    assert isinstance(module[3].out_proj, QuickLinear)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.allclose(module[:3](rows), plain, atol=1e-6)
    assert torch.equal(deepcopy(module)[:3](rows), module[:3](rows))


def test_blocks_that_normalise_what_they_add_keep_torchs_products():
    """Sixty-four of them make 1e-5 of oneDNN's rounding."""
    blocks = nn.ModuleList(
        [EvaBlockPostNorm(16, 2, qkv_bias=True, num_prefix_tokens=1), EvaBlock(16, 2, qkv_bias=True)]
    )
    freeze(blocks)
    kinds = [{type(part) for part in block.modules() if isinstance(part, nn.Linear)} for block in blocks]
    assert kinds == [{nn.Linear}, {QuickLinear}]


@pytest.mark.slow
def test_an_embedding_of_such_blocks_is_open_clips_to_the_bit():
    backbone = small("eva02-e")
    images = torch.rand(1, 3, *backbone.size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        start = backbone.embed_patches(images)
        found = class_embedding(backbone, residual_stream(backbone, start, last=1)[-1])
        assert torch.equal(found, backbone.clip.visual((images - backbone.mean) / backbone.std))


def test_tanh_of_a_product_at_once_and_with_gradients():
    generator = torch.Generator().manual_seed(0)
    rows, weight, bias = (torch.randn(*shape, generator=generator) for shape in ((7, 9), (5, 9), (5,)))
    expected = (rows @ weight.T + bias).tanh()
    with torch.no_grad():
        torch.testing.assert_close(tanh_of_linear(rows, weight, bias), expected, atol=1e-6, rtol=1e-5)
    (gradient,) = torch.autograd.grad(tanh_of_linear(rows.requires_grad_(), weight, bias).sum(), rows)
    torch.testing.assert_close(gradient, (1 - expected**2) @ weight)
