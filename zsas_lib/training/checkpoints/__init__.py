"""Learned parameters from the files that the authors' programs save."""

import warnings
from pathlib import Path
from typing import Any, cast

from ...backbones.backbone import Backbone
from ...base.digests import file_digest
from ...base.errors import UnknownNameError
from ...models.learned import LearnedModel, assign_learned
from ...models.load import load_model
from . import anomalyclip, april_gan, vcpclip
from .entries import Entries

FORMATS = {
    "anomalyclip": (anomalyclip.anomalyclip, anomalyclip.ACTIVATION),
    "april-gan": (april_gan.april_gan, april_gan.ACTIVATION),
    "vcpclip": (vcpclip.vcpclip, vcpclip.ACTIVATION),
    "vcpclip+": (vcpclip.vcpclip_plus, vcpclip.ACTIVATION),
}
"""What reads a model's files, and the activation that the released code runs both towers with."""


def load_official_checkpoint(name: str, path: str | Path, backbone: Backbone, **options: Any) -> LearnedModel:
    """A model as its authors released it, ready to predict: "anomalyclip", "april-gan", "vcpclip" or "vcpclip+".

    ``path`` is a file that their training wrote (`torch.save`; nothing in it is run). ``options`` are the model's own,
    those that leave the parameters as they are, such as `image_score`; without them VCP-CLIP gets the released
    `fusion=0.8`. What a file says of sizes (contexts, depth of the compound prompts, IDP's vectors) is taken over.

    All released files belong to OpenAI's ViT-L-14-336 with pictures of 518 pixels. To get the authors' numbers::

        anomalyclip        load_backbone("vit-l-14-336", image_size=518, positions="bilinear")
        vcpclip, vcpclip+  load_backbone("vit-l-14-336", image_size=518, activation="gelu")
        april-gan          as VCP-CLIP

    Another activation than theirs gives a UserWarning. AnomalyCLIP's compound prompts are rounded to half precision, as
    its code does in every forward pass. VCP-CLIP+'s file holds all of CLIP too: only its prompts are read, and its word
    embeddings compared with the backbone's. Its beta is not saved; it stays at its start and serves only training.

    The model's `trained` record names the file and its sha256. Raises UnknownNameError for a model without released
    files or an unknown option, DataError for a file that is none, of another model, or for another backbone: it names
    the entries and shapes.

    >>> backbone = zsas.load_backbone("embedded")
    >>> layers = {f"fc.{n}.weight": torch.rand(128, 128) for n in range(4)}
    >>> layers |= {f"fc.{n}.bias": torch.rand(128) for n in range(4)}
    >>> torch.save({"trainable_linearlayer": layers}, "theirs.pth")
    >>> zsas.load_official_checkpoint("april-gan", "theirs.pth", backbone).name
    'april-gan'
    """
    if name not in FORMATS:
        raise UnknownNameError("model with official checkpoints", name, FORMATS)
    read, activation = FORMATS[name]
    path = Path(path)
    entries = Entries(name, path, backbone)
    found, tensors = read(entries, backbone)
    entries.require_all()
    if backbone.activation != activation:
        warnings.warn(
            f"{path.name} was learned with activation {activation!r}, backbone {backbone.name!r} has "
            f"{backbone.activation!r}; for the authors' numbers use load_backbone(..., activation={activation!r}).",
            stacklevel=2,
        )
    model = cast(LearnedModel, load_model(name, backbone, **{**found, **options}))  # all of `FORMATS` learn
    assign_learned(model, tensors, path)
    model.trained = {"official_file": path.name, "sha256": file_digest(path)}
    return model
