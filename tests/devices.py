"""On which devices tests of devices run: the pretended one everywhere, a GPU where there is one (marker ``gpu``).

zsas_lib must not be imported here (see conftest.py).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import pandas as pd
import pytest
import torch
from pretended_device import NAME, host_waits

DEVICES = [NAME, pytest.param("cuda", marks=pytest.mark.gpu)]
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 24, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 2},
}
FEW = {"resamples": 5}


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
    """A copy of a model or backbone on a device; of tokenizers, with their thousands of words, one is enough."""
    from zsas_lib.backbones.backbone import Backbone

    texts = [vars(part.text) for part in model.modules() if isinstance(part, Backbone)]
    shared = [text["tokenizer"] for text in texts if "tokenizer" in text]
    return deepcopy(model, {id(tokenizer): tokenizer for tokenizer in shared}).to(device)


def close(found, expected, tolerance: float = 1e-5) -> None:
    """Numbers of a device, in memory or not, are those of the CPU."""
    torch.testing.assert_close(found.detach().cpu(), expected.detach().cpu(), rtol=0, atol=tolerance, equal_nan=True)


def images(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def same(made, tolerance=2e-4, **columns):
    """Tables of the CPU and of the device agree; ranks of nearly equal scores may change places."""
    here, there = map(pd.DataFrame, made)
    coarse = [column for column in here if str(column).startswith("pixel_f1")]  # one pixel of a small picture moves it
    for columns, atol in ((coarse, max(tolerance, 1e-3)), (here.columns.difference(coarse, sort=False), tolerance)):
        pd.testing.assert_frame_equal(here[columns], there[columns], rtol=0, atol=atol)
    assert list(here) == list(there)
