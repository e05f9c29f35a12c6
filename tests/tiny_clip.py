"""A CLIP small enough to be made anew in every test. zsas_lib must not be imported here (see conftest.py)."""

from copy import deepcopy
from functools import cache

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
    """A backbone of that architecture with random weights; nothing stays registered. The numbers of one of open_clip's
    own towers are drawn once: most of the time goes into its 49,408 words."""
    from zsas_lib.backbones import registry as backbones

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbones, "_REGISTERED", {})
        patch.setattr(backbones, "build", _building(backbones.build))
        backbones.register_backbone("tiny", architecture=deepcopy(architecture))
        return backbones.load_backbone("tiny", "random", device=device, **options)


COPIED = 8
"""How many towers are kept to be copied, 7 MB each."""


@cache
def _building(build):
    """What builds as ``build`` does, but copies what it has built before from the same seed."""
    import torch

    built = {}

    def copied(name, configuration):
        if "timm_model_name" in configuration.model["vision_cfg"] or torch.get_default_device().type != "cpu":
            return build(name, configuration)
        key = name, repr(configuration.model), torch.initial_seed()
        if key not in built:
            if len(built) == COPIED:
                del built[next(iter(built))]
            built[key] = build(name, configuration)
        return deepcopy(built[key])

    return copied
