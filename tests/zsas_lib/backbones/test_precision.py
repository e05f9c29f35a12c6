"""The precision that is fast on a device."""

import pytest
import torch
from tiny_clip import tiny_backbone

from zsas_lib.backbones.precision import computes_in_bfloat16, precision_on

CPU = torch.device("cpu")


@pytest.fixture(params=[{}, {"avx512_bf16": False}, {"avx512_bf16": True}, {"avx512_bf16": False, "amx_bf16": True}])
def native(request, monkeypatch) -> bool:
    """Processors without the instruction, without its name, and with one or the other."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, **request.param})
    return any(request.param.values())


def test_fast_is_bfloat16_where_the_processor_computes_in_it(native):
    assert computes_in_bfloat16(CPU) == native
    assert precision_on(CPU, "fast") == ("bfloat16" if native else "float32")
    assert [precision_on(CPU, asked) for asked in ("float32", "bfloat16")] == ["float32", "bfloat16"]
    assert not computes_in_bfloat16(torch.device("meta"))


def test_a_backbone_says_which_it_computes_in_and_is_that_one(native):
    fast, plain = (tiny_backbone(precision=asked) for asked in ("fast", "bfloat16" if native else "float32"))
    assert fast.precision == plain.precision
    assert fast.digest == plain.digest, "what is stored of the one is found for the other"
    dtypes = {parameter.dtype for parameter in fast.clip.visual.transformer.parameters()}
    assert dtypes == {torch.bfloat16 if native else torch.float32}
