"""What a model built on the meta device has besides its parameters, and no file of weights holds."""

from typing import Any

import torch
from open_clip.model import CLIP
from open_clip.transformer import MultimodalTransformer, TextTransformer
from torch import nn

CAUSAL = (CLIP, TextTransformer, MultimodalTransformer)


def fill_buffers(model: nn.Module) -> None:
    """Compute the buffers that still lie on the meta device: causal masks, rotary and relative positions, biases that
    are always zero, and numbers of positions.

    Raises NotImplementedError, naming it, for one that nothing is known of.
    """
    missing = [
        (module, name)
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
        if buffer.is_meta
    ]
    for module, name in missing:
        buffer = module.get_buffer(name)
        setattr(module, name, torch.empty_like(buffer, device="cpu"))
    owners: list[Any] = list(dict.fromkeys(module for module, _ in missing))
    for owner in owners:
        if hasattr(owner, "init_non_persistent_buffers"):
            owner.init_non_persistent_buffers()
    for module, name in missing:
        buffer = module.get_buffer(name)
        if isinstance(module, CAUSAL) and name == "attn_mask":
            buffer.fill_(-torch.inf).triu_(1)
        elif name == "position_ids":
            buffer.copy_(torch.arange(buffer.shape[-1]).expand_as(buffer))
        elif name == "token_type_ids":
            buffer.zero_()
        elif not hasattr(module, "init_non_persistent_buffers"):
            raise NotImplementedError(f"{type(module).__name__}.{name} is in no file of weights, nor can it be made.")
