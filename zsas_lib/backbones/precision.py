"""In what numbers the blocks of a tower compute."""

import torch

EXACT, HALF, FAST = "float32", "bfloat16", "fast"
DTYPES = {EXACT: torch.float32, HALF: torch.bfloat16}
PRECISIONS = (*DTYPES, FAST)
NATIVE = ("avx512_bf16", "amx_bf16")
"""Instructions of processors that multiply matrices in bfloat16, as torch names them; without them torch's kernels take
several times as long as in float32."""


def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is the faster precision there: on GPUs that torch reaches by CUDA and that have it, and on
    processors with the instructions of NATIVE."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and any(torch.cpu.get_capabilities().get(name) for name in NATIVE)


def precision_on(device: torch.device, precision: str) -> str:
    """The precision that is meant: of "fast" the one that this device is faster in, any other as it is."""
    return precision if precision != FAST else HALF if computes_in_bfloat16(device) else EXACT


def fast_autocast(device: torch.device) -> torch.autocast:
    """The context in which layers compute in the precision that is fast on this device."""
    return torch.autocast(device.type, DTYPES[HALF], enabled=computes_in_bfloat16(device))
