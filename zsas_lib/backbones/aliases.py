"""The backbones that have a name of their own, one record each. Needs no torch."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

EMBEDDED = Path(__file__).parents[1] / "data" / "embedded"
IN_A_FILE = re.compile(r"(.+\.py):(\w+)")
"""A class or function of one's own, as it is named: FILE.py:NAME."""


@dataclass(frozen=True)
class Registration:
    """What a name stands for, and what is known of it.

    :param architecture: an open_clip name, a JSON file in open_clip's format or such a dict; or what makes a module of
        one's own, a class or function, or "FILE.py:NAME". :param pretrained: one of the architecture's tags, a weights
        file, "hf-hub:ORG/NAME" or "local-dir:FOLDER"; the last two are architectures too.
    :param image_size: in pixels, one number or (height, width), and :param activation: "gelu" or "quick_gelu"; None for
        those of the architecture and of the weights.
    :param label: as people write it, and :param printed: as the papers' tables do ("" where none has it).
    :param weights_gb: size of the weights to download, about; None where it is unknown.
    :param licence: of the weights.
    :param tflop: of one picture, in 1e12 operations, by kind of model: "winclip" with its windows, "learned" for the
        models that learn, at 518 pixels. Kinds that are missing are unknown.
    :param core_seconds: that a picture takes on one core of a CPU, metrics included, for a backbone so small that it
        needs no GPU, and :param training_seconds: that it takes in a step of training, where the frozen tower is not
        asked again; None for all others.
    """

    architecture: str | Path | Mapping[str, object] | Callable[..., object]
    pretrained: str | Path | None = None
    image_size: int | Sequence[int] | None = None
    activation: str | None = None
    label: str = ""
    printed: str = ""
    weights_gb: float | None = None
    licence: str = ""
    tflop: Mapping[str, float] | None = None
    core_seconds: float | None = None
    training_seconds: float | None = None

    @property
    def needs_download(self) -> bool:
        """Whether its weights come from elsewhere, not with the library or from a file."""
        if self.pretrained is None and (callable(self.architecture) or IN_A_FILE.fullmatch(str(self.architecture))):
            return False
        return not isinstance(self.pretrained, Path) and not str(self.pretrained).startswith("local-dir:")


ALIASES: dict[str, Registration] = {
    "embedded": Registration(
        EMBEDDED / "backbone.json",
        EMBEDDED / "backbone.safetensors",
        label="embedded",
        weights_gb=0.012,
        licence="MIT",
        core_seconds=0.07,
        training_seconds=0.005,
    ),
    "vit-b-16-plus-240": Registration(
        "ViT-B-16-plus-240",
        "laion400m_e31",
        label="ViT-B/16+, 240 px",
        printed="ViT-B/16+",
        weights_gb=0.8,
        licence="MIT",
        tflop={"winclip": 0.673},
    ),
    "vit-l-14": Registration(
        "ViT-L-14-quickgelu",
        "openai",
        label="ViT-L/14",
        printed="ViT-L/14",
        weights_gb=1.7,
        licence="MIT",
        tflop={"winclip": 2.028},
    ),
    "vit-l-14-336": Registration(
        "ViT-L-14-336-quickgelu",
        "openai",
        label="ViT-L/14, 336 px",
        weights_gb=1.7,
        licence="MIT",
        tflop={"winclip": 4.6, "learned": 1.072},
    ),
    "fare2-vit-l-14": Registration(
        "ViT-L-14-quickgelu",
        "hf-hub:chs20/fare2-clip",
        activation="quick_gelu",
        label="ViT-L/14, FARE2",
        printed="ViT-L/14-FARE ²",
        weights_gb=1.7,
        licence="MIT",
        tflop={"winclip": 2.028},
    ),
}
"""By name. WinCLIP's windows are some thirteen more passes of the tower than the learned models' one."""
