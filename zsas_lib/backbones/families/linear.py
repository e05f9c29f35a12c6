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
_HERE = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def linear(
    rows: Float[Tensor, "*batch channel"],
    weight: Float[Tensor, "out channel"],
    bias: Float[Tensor, " out"] | None = None,
) -> Float[Tensor, "*batch out"]:
    """What `torch.nn.functional.linear` gives, to rounding. Differentiable, once, in the rows; weights that take a
    gradient, other devices and other types are left to torch."""
    if not is_quick(rows):
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
    if not torch.is_grad_enabled() and is_quick(rows):
        return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "tanh", [], "none")
    return linear(rows, weight, bias).tanh()


def is_quick(rows: Tensor) -> bool:
    """Whether `linear` is oneDNN's for these."""
    return _HERE and rows.device.type == "cpu" and rows.dtype == torch.float32 and not torch.compiler.is_compiling()


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
