"""On which devices tests of devices run: the pretended one everywhere, a GPU where there is one (marker ``gpu``).

zsas_lib must not be imported here (see conftest.py).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import pytest
import torch
from pretended_device import NAME, host_waits

DEVICES = [NAME, pytest.param("cuda", marks=pytest.mark.gpu)]


@contextmanager
def waits_on(device: str) -> Iterator[list[str]]:
    """What the host waits for on that device until the block ends, a line each."""
    if device == NAME:
        with host_waits() as found:
            yield found
        return
    found = []
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            yield found
        found += [f"{each.message} in {each.filename}:{each.lineno}" for each in said]
    finally:
        torch.cuda.set_sync_debug_mode("default")


def moved(model, device: str):
    """A copy of a model or backbone on a device."""
    return deepcopy(model).to(device)


def close(found, expected, tolerance: float = 1e-5) -> None:
    """Numbers of a device, in memory or not, are those of the CPU."""
    torch.testing.assert_close(found.detach().cpu(), expected.detach().cpu(), rtol=0, atol=tolerance, equal_nan=True)
