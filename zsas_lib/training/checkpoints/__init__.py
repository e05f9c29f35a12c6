"""Learned parameters from the files that the authors' programs save."""

import warnings
from pathlib import Path
from typing import Any, cast

from ...backbones.backbone import Backbone
from ...base.digests import file_digest
from ...base.errors import DataError, UnknownNameError
from ...models.learned import LearnedModel, assign_learned, saved_by
from ...models.load import load_model, model_class
from . import aa_clip, adaclip, af_clip, anomalyclip, april_gan, vcpclip
from .entries import Entries

FORMATS = {
    "aa-clip": (aa_clip.aa_clip, aa_clip),
    "adaclip": (adaclip.adaclip, adaclip),
    "af-clip": (af_clip.af_clip, af_clip),
    "anomalyclip": (anomalyclip.anomalyclip, anomalyclip),
    "april-gan": (april_gan.april_gan, april_gan),
    "vcpclip": (vcpclip.vcpclip, vcpclip),
    "vcpclip+": (vcpclip.vcpclip_plus, vcpclip),
}
"""What reads a model's files, and where stands how the released code runs the towers: ACTIVATION, POSITIONS."""


def load_official_checkpoint(name: str, path: str | Path, backbone: Backbone, **options: Any) -> LearnedModel:
    """A model as its authors released it, ready to predict: one of `FORMATS`.

    ``path`` is a file that their training wrote (`torch.save`; nothing in it is run). ``options`` are the model's own,
    those that leave the parameters as they are, such as `image_score`; without them VCP-CLIP gets the released
    `fusion=0.8`, AA-CLIP its transductive score, and the sentences of APRIL-GAN, AdaCLIP and AA-CLIP say the class's
    name as the data set writes it (`raw_names=True`). What a file says of sizes (contexts, depth and length of prompts,
    class tokens, IDP's vectors) is taken over.

    All released files belong to OpenAI's ViT-L-14-336 with pictures of 518 pixels. To get the authors' numbers::

        anomalyclip,
        af-clip            load_backbone("vit-l-14-336", image_size=518, positions="bilinear")
        vcpclip, vcpclip+  load_backbone("vit-l-14-336", image_size=518, activation="gelu")
        april-gan, aa-clip as VCP-CLIP
        adaclip            load_backbone("vit-l-14-336", image_size=518, activation="gelu", positions="bicubic_plain")

    Another activation or interpolation of positions than theirs gives a UserWarning. AnomalyCLIP's compound prompts are
    rounded to half precision, as its code does in every forward pass. AA-CLIP's authors released no file; ``path`` is
    one of those that their training writes of the image tower, and the text's is read where it lies beside it, as are
    both files of AF-CLIP. VCP-CLIP+'s file holds all of CLIP too, positions for its size of pictures included: the
    backbone must have the same towers, words and positions. Its beta is not saved; it stays at its start and serves
    only training.

    The model's `trained` record names the file and its sha256. Raises UnknownNameError for a model without released
    files or an unknown option, DataError for a file that is none, of another model, for another backbone, or with NaN:
    it names the entries and shapes; OptionError for a backbone that the model cannot run on.

    >>> backbone = zsas.load_backbone("embedded")
    >>> layers = {f"fc.{n}.weight": torch.rand(128, 128) for n in range(4)}
    >>> layers |= {f"fc.{n}.bias": torch.rand(128) for n in range(4)}
    >>> torch.save({"trainable_linearlayer": layers}, "theirs.pth")
    >>> zsas.load_official_checkpoint("april-gan", "theirs.pth", backbone).name
    'april-gan'
    """
    if name not in FORMATS:
        raise UnknownNameError("model with official checkpoints", name, FORMATS)
    read, code = FORMATS[name]
    path = Path(path)
    model_class(name).require_suits(backbone)
    if saved := saved_by(path):
        raise DataError(
            f"{path} is no file of the authors of {name}: `model.save` or `zsas train` wrote it, of {saved}; it is "
            f"loaded with zsas.load_model({saved!r}, backbone, checkpoint={str(path)!r}) and the options that it was "
            "learned with."
        )
    entries = Entries(name, path, backbone)
    found, tensors = read(entries, backbone)
    entries.require_all()
    for what, theirs, ours in (
        ("activation", code.ACTIVATION, backbone.activation),
        ("positions", code.POSITIONS, backbone.positions or code.POSITIONS),
    ):
        if ours != theirs:
            warnings.warn(
                f"{path.name} was learned with {what} {theirs!r}, backbone {backbone.name!r} has {ours!r}; for the "
                f"authors' numbers use load_backbone(..., {what}={theirs!r}).",
                stacklevel=2,
            )
    model = cast(LearnedModel, load_model(name, backbone, **{**found, **options}))  # all of `FORMATS` learn
    assign_learned(model, tensors, path)
    model.trained = {"official_file": path.name, "sha256": file_digest(path)}
    return model
