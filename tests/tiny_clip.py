"""A CLIP small enough to be made anew in every test. zsas_lib must not be imported here (see conftest.py)."""

from copy import deepcopy

import pytest

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def tiny(**vision: object) -> dict:
    """TINY with another image tower."""
    return {**deepcopy(TINY), "vision_cfg": {**TINY["vision_cfg"], **vision}}


def tiny_backbone(architecture: dict = TINY, device: str = "cpu", **options: object):
    """A backbone of that architecture with random weights; nothing stays registered."""
    from zsas_lib.backbones import registry as backbones

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbones, "_REGISTERED", {})
        backbones.register_backbone("tiny", architecture=deepcopy(architecture))
        return backbones.load_backbone("tiny", "random", device=device, **options)
