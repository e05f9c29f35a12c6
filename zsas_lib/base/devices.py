"""Moving to a device and waiting for one, whatever kind it is."""

import torch
from torch import Tensor


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """The same numbers on a device; the host goes on while they are copied there.

    Not towards the CPU, whose memory would be read before it is written, and not to MPS, where what is copied may be
    gone by then (pytorch/pytorch#139550).
    """
    return values.to(device, non_blocking=values.device.type == "cpu" and device.type not in ("cpu", "mps"))


def wait_for(device: torch.device) -> None:
    """Until a device has done what it was told; the CPU always has."""
    if device.type != "cpu":
        module = torch.get_device_module(device)
        module.synchronize() if device.type == "mps" else module.synchronize(device)
