"""Products with frozen weights on a processor, by oneDNN: torch 2.12 has MKL do those of float32, which on AMD's
processors leaves half of what they can unused (a product of 1,000 x 128 by 384 takes 1.0 ms there, 0.44 ms here)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from timm.models.eva import EvaBlockPostNorm
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.utils.flop_counter import register_flop_formula

PLAIN = (nn.Linear, NonDynamicallyQuantizableLinear)
FEW_WEIGHTS, FEW_PRODUCTS = 64 * 64, 2**20
"""Up to which torch's product is no slower: oneDNN prepares each number of rows anew, once (0.8 ms), and begins each
product later (one of 64 x 32 by 96 takes 26 us, torch's 7 us)."""
_HERE = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def linear(
    rows: Float[Tensor, "*batch channel"],
    weight: Float[Tensor, "out channel"],
    bias: Float[Tensor, " out"] | None = None,
) -> Float[Tensor, "*batch out"]:
    """What `torch.nn.functional.linear` gives, to rounding. Differentiable, once, in the rows; weights that take a
    gradient, small products, other devices and other types are left to torch."""
    if not is_quick(rows, weight):
        return F.linear(rows, weight, bias)
    if not torch.is_grad_enabled():
        return _product(rows, weight, bias)
    if weight.requires_grad or (bias is not None and bias.requires_grad):
        return F.linear(rows, weight, bias)
    return _Linear.apply(rows, weight, bias) if rows.requires_grad else _product(rows, weight, bias)


def tanh_of_linear(
    rows: Float[Tensor, "*batch channel"], weight: Float[Tensor, "out channel"], bias: Float[Tensor, " out"]
) -> Float[Tensor, "*batch out"]:
    """``linear(rows, weight, bias).tanh()``, without a second pass where nothing is differentiated: alone, torch's tanh
    takes longer than the product."""
    if not torch.is_grad_enabled() and is_quick(rows, weight):
        return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "tanh", [], "none")
    return linear(rows, weight, bias).tanh()


def is_quick(rows: Tensor, weight: Tensor) -> bool:
    """Whether `linear` is oneDNN's for these: whether they are worth it."""
    if not _HERE or rows.device.type != "cpu" or rows.dtype != torch.float32 or torch.compiler.is_compiling():
        return False
    return weight.numel() > FEW_WEIGHTS or rows.numel() * len(weight) > FEW_PRODUCTS


class QuickLinear(nn.Linear):
    """A layer whose products are `linear`'s: of frozen weights, and of learned ones where nothing is differentiated."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


def freeze(module: nn.Module) -> None:
    """Have the linear layers of a module that takes no gradients be `QuickLinear`; names and weights stay.

    Blocks that normalise what they add stay torch's: oneDNN adds up a row's products one by one (1,000 and more leave a
    relative error of 6e-7, MKL's parts 3e-7), and 64 such blocks of EVA02-E make 1e-5 of it.
    """
    if isinstance(module, EvaBlockPostNorm):
        return
    for part in module.children():
        freeze(part)
    if type(module) in PLAIN:
        module.__class__ = QuickLinear


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows, weight, bias):
        ctx.save_for_backward(weight)
        return _product(rows, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (weight,) = ctx.saved_tensors
        return _product(gradient.contiguous(), weight.T.contiguous(), None), None, None


def _product(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")


if _HERE:

    @register_flop_formula(torch.ops.mkldnn._linear_pointwise)
    def _operations(rows, weight, *_, **__) -> int:
        """Of the shapes: a multiplication and an addition count one each."""
        return 2 * math.prod(rows) * weight[0]
