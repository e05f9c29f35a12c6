"""What torch's own counter sees of a prediction."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def counted(model, images):
    """What torch's own counter sees of the products; attention written as products, which is what it knows."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            model(images, "pill")
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops()


def counted_smoothing(model):
    """The counter sees smoothing too, two convolutions of a map whose edges are mirrored."""
    sigma = model.options["smoothing"] * 32 / 518
    reach = int(4 * sigma + 0.5)
    return 2 * (2 * reach + 1) * (32 * (32 + 2 * reach) + 32 * 32) if sigma else 0
