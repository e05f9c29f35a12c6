"""Fixtures for the tests of devices. zsas_lib must not be imported here (see the conftest.py above)."""

import pytest
import torch
from devices import DEVICES, TINY, moved
from tiny_clip import tiny_backbone


@pytest.fixture(params=DEVICES)
def device(request, monkeypatch):
    """A device; on a GPU convolutions are in float32, as on the CPU."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return request.param


@pytest.fixture(scope="module")
def towers():
    """A backbone on each device that is asked for, with the same weights."""
    made = {"cpu": tiny_backbone(TINY)}

    def tower(device="cpu"):
        if device not in made:
            made[device] = moved(made["cpu"], device)
        return made[device]

    return tower
