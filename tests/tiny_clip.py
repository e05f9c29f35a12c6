"""A CLIP small enough to be made anew in every test. zsas_lib must not be imported here (see conftest.py)."""

from copy import deepcopy

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def tiny(**vision: object) -> dict:
    """TINY with another image tower."""
    return {**deepcopy(TINY), "vision_cfg": {**TINY["vision_cfg"], **vision}}
