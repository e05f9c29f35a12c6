"""Published models and trivial maps, one record each. Needs no torch; `load.load_model` makes one.

To add one, write its module and enter a record in `MODELS`. All else that is to be known of a model is read from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelRecord:
    """What is known of a model.

    :param name: as `load_model` takes it, and :param label: as the papers write it.
    :param place: "FILE:CLASS" in this folder; "" for one that the library has not, but whose printed numbers are shown.
    :param options: that differ from the class's own defaults.
    :param learns: whether it is trained on an auxiliary data set before it predicts.
    :param trivial: whether it is a map without a backbone, training or words, which others are measured against; such
        a one has no colour of its own, but the grey of all that is no model.
    :param colour: its colour in figures, a key of `zsas_book.figures.style.PALETTE`; "" takes one of those in turn.
    :param paper: who published it, and where.
    """

    name: str
    label: str
    place: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    learns: bool = False
    trivial: bool = False
    colour: str = ""
    paper: str = ""


PLUS = {"temperature": 0.07, "uniop": True, "loreb": True, "idp": True}
MODELS: dict[str, ModelRecord] = {
    record.name: record
    for record in (
        ModelRecord("winclip", "WinCLIP", "winclip:WinCLIP", colour="blue", paper="Jeong et al., CVPR 2023"),
        ModelRecord(
            "april-gan",
            "APRIL-GAN",
            "april_gan:AprilGAN",
            learns=True,
            colour="red",
            paper="Chen et al., arXiv 2305.17382",
        ),
        ModelRecord(
            "anomalyclip",
            "AnomalyCLIP",
            "anomalyclip:AnomalyCLIP",
            learns=True,
            colour="amber",
            paper="Zhou et al., ICLR 2024",
        ),
        ModelRecord("vcpclip", "VCP-CLIP", "vcpclip:VCPCLIP", learns=True, colour="plum", paper="Qu et al., ECCV 2024"),
        ModelRecord("vcpclip+", "VCP-CLIP+", "vcpclip:VCPCLIP", PLUS, learns=True, colour="teal", paper="paper V"),
        ModelRecord("anovl", "AnoVL", "anovl:AnoVL", colour="lavender", paper="Deng et al., arXiv 2308.15939"),
        ModelRecord(
            "adaclip", "AdaCLIP", "adaclip:AdaCLIP", learns=True, colour="violet", paper="Cao et al., ECCV 2024"
        ),
        ModelRecord("aa-clip", "AA-CLIP", "aa_clip:AACLIP", learns=True, colour="brown", paper="Ma et al., CVPR 2025"),
        ModelRecord(
            "af-clip", "AF-CLIP", "af_clip:AFCLIP", learns=True, colour="sand", paper="Fang et al., ACM MM 2025"
        ),
        ModelRecord("clip", "CLIP", "plain_clip:PlainCLIP", colour="indigo", paper="Radford et al., ICML 2021"),
        ModelRecord("coop", "CoOp", "coop:CoOp", learns=True, colour="rose", paper="Zhou et al., IJCV 2022"),
        ModelRecord("centre-distance", "distance to the centre", "trivial:CentreDistance", trivial=True, colour="grey"),
        ModelRecord("local-contrast", "local contrast", "trivial:LocalContrast", trivial=True, colour="grey"),
        ModelRecord("median-colour", "median colour distance", "trivial:MedianColour", trivial=True, colour="grey"),
        ModelRecord("mean-ground-truth", "mean mask of others", "trivial:MeanGroundTruth", trivial=True, colour="grey"),
    )
}
"""By name, in the order of figures and tables."""
BEST_TRIVIAL = "best_trivial_map"
"""What tables and figures call the best of the trivial maps (`studies.trivial.best_trivial`), which is no model."""


def list_models() -> list[str]:
    """The names `load_model` knows, sorted.

    >>> "winclip" in zsas.list_models()
    True
    """
    return sorted(name for name, record in MODELS.items() if record.place)


def list_trivial_maps() -> list[str]:
    """The names of those that need no backbone, no training and no words, in the order of `MODELS`.

    >>> zsas.list_trivial_maps()
    ['centre-distance', 'local-contrast', 'median-colour', 'mean-ground-truth']
    """
    return [name for name, record in MODELS.items() if record.trivial]
