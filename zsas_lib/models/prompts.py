"""Prompt ensembles: the sentences that describe a normal and an anomalous object of a class."""

import re
from dataclasses import dataclass
from functools import cache
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from jaxtyping import Float
from open_clip import OPENAI_IMAGENET_TEMPLATES
from torch import Tensor

from ..backbones.backbone import Backbone
from ..base.errors import UnknownNameError
from .kept import Kept
from .kept_sentences import kept

MANY = 100
"""Of so many sentences at least, other processes are told what they come to."""

NORMAL_STATES = (
    "{}",
    "flawless {}",
    "perfect {}",
    "unblemished {}",
    "{} without flaw",
    "{} without defect",
    "{} without damage",
)
ABNORMAL_STATES = ("damaged {}", "{} with flaw", "{} with defect", "{} with damage")

_PHOTOGRAPHS = (
    "a cropped photo of {} {{}}",
    "a close-up photo of {} {{}}",
    "a bright photo of {} {{}}",
    "a dark photo of {} {{}}",
    "a jpeg corrupted photo of {} {{}}",
    "a blurry photo of {} {{}}",
    "a photo of {} {{}}",
    "a photo of {} small {{}}",
    "a photo of {} large {{}}",
    "a photo of {} {{}} for visual inspection",
    "a photo of {} {{}} for anomaly detection",
)
_PAIRS = tuple(photograph.format(article) for photograph in _PHOTOGRAPHS for article in ("a", "the"))
_ANOMALIB_SLIPS = {
    "a cropped photo of a {}": (),
    "a jpeg corrupted photo of a {}": ("a jpeg corrupted photo of the {}",),
}

TEMPLATES = {
    22: _PAIRS,
    21: tuple(template for pair in _PAIRS for template in _ANOMALIB_SLIPS.get(pair, (pair,))),
}

_QUALITIES = (
    "bad",
    "good",
    "low resolution",
    "cropped",
    "bright",
    "dark",
    "close-up",
    "black and white",
    "jpeg corrupted",
    "blurry",
)
APRIL_GAN_TEMPLATES = (
    *(f"a {quality} photo of {article} {{}}." for quality in _QUALITIES for article in ("a", "the")),
    *(f"a photo of {article} {{}}." for article in ("a", "the", "one", "my")),
    *(f"a photo of {article} {size} {{}}." for size in ("small", "large", "cool") for article in ("a", "the")),
    *(
        f"{begin} {{}} in the scene."
        for begin in ("there is a", "there is the", "this is a", "this is the", "this is one")
    ),
)
APRIL_GAN_ABNORMAL_STATES = ("damaged {}", "broken {}", *ABNORMAL_STATES[1:])

SPELLED_OUT = {"chewinggum": "chewing gum", "pcb": "printed circuit board"}
"""What is no word, in words. For "pcb" this is the book's own choice: see `class_phrase` for what others say."""
NAMELESS = "object"
_SEPARATOR = re.compile(r"_|(?<!\d)\.|\.(?!\d)")  # all dots but those of decimals


@dataclass(frozen=True)
class PromptEnsemble:
    """The sentences of the two states of one class, every template with every state."""

    normal: tuple[str, ...]
    abnormal: tuple[str, ...]


def class_phrase(class_name: str, *, raw: bool = False) -> str:
    """How a data set's class name is said in a sentence: "metal_nut" -> "metal nut", "macaroni1" -> "macaroni".

    Underscores and dots become spaces, but for the dot of a decimal ("m2.5_screw": "m2.5 screw"); digits at the end go
    with the dots between them ("usb3.0": "usb"), and `SPELLED_OUT` maps what is left; a name with nothing left (BTAD's
    "01") is "object". `raw=True` leaves the name as it is.

    The public WinCLIPs differ: anomalib, caoyunkang/WinClip and Accurate-WinCLIP say the folder's name, as `raw=True`
    does ("metal_nut", "pcb1"; anomalib says "object" where there is none), and mala-lab/WinCLIP replaces underscores
    alone ("metal nut", "pcb1"). AnomalyCLIP says "object" of everything, and VCP-CLIP has learned tokens in the name's
    place; neither asks for a class.
    """
    if raw:
        return class_name or NAMELESS
    words = " ".join(_SEPARATOR.sub(" ", class_name).rstrip("0123456789. ").strip(" .-").split())
    return SPELLED_OUT.get(words, words) or NAMELESS


@cache
def winclip_prompts(
    class_name: str, *, templates: int = 22, full_stop: bool = True, raw_names: bool = False
) -> PromptEnsemble:
    """WinCLIP's compositional prompt ensemble: 7 normal and 4 abnormal states of a class in each template.

    `templates=22` is the paper's list (154 normal and 88 abnormal sentences); 21 is anomalib's, which lacks "a cropped
    photo of a" and has "a jpeg corrupted photo of the" twice (147 and 84, duplicates kept because they weigh in the
    mean). `full_stop=False` drops the "." at the end, as one reimplementation does. For `raw_names` see `class_phrase`.
    Raises UnknownNameError for another number of templates.
    """
    if templates not in TEMPLATES:
        raise UnknownNameError("number of WinCLIP templates", templates, map(str, TEMPLATES))
    phrase = class_phrase(class_name, raw=raw_names)
    end = "." if full_stop else ""
    sentences = (
        tuple(template.format(state.format(phrase)) + end for state in states for template in TEMPLATES[templates])
        for states in (NORMAL_STATES, ABNORMAL_STATES)
    )
    return PromptEnsemble(*sentences)


@cache
def april_gan_prompts(class_name: str, *, raw_names: bool = False) -> PromptEnsemble:
    """APRIL-GAN's ensemble, which many took over: 7 normal and 5 abnormal states in 35 templates, 245 and 175
    sentences. For `raw_names`, with which the released code says the folder's name, see `class_phrase`."""
    phrase = class_phrase(class_name, raw=raw_names)
    sentences = (
        tuple(template.format(state.format(phrase)) for state in states for template in APRIL_GAN_TEMPLATES)
        for states in (NORMAL_STATES, APRIL_GAN_ABNORMAL_STATES)
    )
    return PromptEnsemble(*sentences)


ADACLIP_TEMPLATES = (
    "a bad photo of a {}.",
    "a low resolution photo of the {}.",
    "a bad photo of the {}.",
    "a cropped photo of the {}.",
)


@cache
def adaclip_prompts(class_name: str, *, raw_names: bool = False) -> PromptEnsemble:
    """AdaCLIP's ensemble: APRIL-GAN's states in four templates, 28 and 20 sentences. For `raw_names`, with which the
    released code says the folder's name but for its hyphens, see `class_phrase`."""
    phrase = class_phrase(class_name, raw=raw_names).replace("-", " ")
    sentences = (
        tuple(template.format(state.format(phrase)) for state in states for template in ADACLIP_TEMPLATES)
        for states in (NORMAL_STATES, APRIL_GAN_ABNORMAL_STATES)
    )
    return PromptEnsemble(*sentences)


AA_CLIP_NORMAL_STATES = ("{}", "a {}", "the {}")
AA_CLIP_ABNORMAL_STATES = ("a damaged {}", "a broken {}", "a {} with flaw", "a {} with defect", "a {} with damage")
AA_CLIP_TEMPLATES = ("{}.", "a photo of {}.")


@cache
def aa_clip_prompts(class_name: str, *, raw_names: bool = False) -> PromptEnsemble:
    """AA-CLIP's ensemble: three normal and five abnormal states in two templates, 6 and 10 sentences. For `raw_names`
    see `class_phrase`."""
    phrase = class_phrase(class_name, raw=raw_names)
    sentences = (
        tuple(template.format(state.format(phrase)) for state in states for template in AA_CLIP_TEMPLATES)
        for states in (AA_CLIP_NORMAL_STATES, AA_CLIP_ABNORMAL_STATES)
    )
    return PromptEnsemble(*sentences)


PLAIN_STATES = ("normal", "anomalous")


@cache
def plain_prompts(class_name: str, *, ensemble: bool = False, raw_names: bool = False) -> PromptEnsemble:
    """What AnomalyCLIP's comparison asks plain CLIP, as far as it is known: "a photo of a normal pill." and "a photo of
    an anomalous pill."; with ``ensemble`` (CLIP-AC) both states in each of OpenAI's 80 templates for ImageNet. For
    `raw_names` see `class_phrase`."""
    phrase = class_phrase(class_name, raw=raw_names)
    if ensemble:
        kinds = (tuple(say(f"{state} {phrase}") for say in OPENAI_IMAGENET_TEMPLATES) for state in PLAIN_STATES)
        return PromptEnsemble(*kinds)
    normal, anomalous = PLAIN_STATES
    return PromptEnsemble((f"a photo of a {normal} {phrase}.",), (f"a photo of an {anomalous} {phrase}.",))


TEXTURES = ("carpet", "leather", "grid", "tile", "wood")
"""The categories of MVTec AD whose pictures AnoVL calls those of a surface."""
_ANOVL_NUMBERED = ("macaroni1", "macaroni2")
"""What AnoVL calls "macaroni"; it leaves the numbers of circuit boards."""
_ANOVL_STATES = (
    ("normal {}", *NORMAL_STATES[1:]),
    ("damaged {}", "abnormal {}", "imperfect {}", "blemished {}", *ABNORMAL_STATES[1:]),
)
_ANOVL_NOUNS = {
    False: ("industrial photo", "industrial image", "manufacturing image"),
    True: ("industrial photo", "textural photo", "surface picture"),
}
_ANOVL_VIEWS = (
    *(f"{kind} {{noun}} of {{article}} {{{{}}}}" for kind in ("a cropped", "a close-up", "a bright", "a dark")),
    *(f"{kind} {{noun}} of {{article}} {{{{}}}}" for kind in ("a jpeg corrupted", "a blurry", "{a}")),
    *(f"{{a}} {{noun}} of {{article}} {size} {{{{}}}}" for size in ("small", "large")),
    *(f"{{a}} {{noun}} of {{article}} {{{{}}}} for {aim}" for aim in ("visual inspection", "anomaly detection")),
)
_THE_FIRST = (0, 3, 5, 9, 10)
"""Where the released list has "the" before "a": the order decides which of a layer's random rows is of which
sentence."""


@cache
def anovl_prompts(class_name: str, *, surface: bool = False, raw_names: bool = False) -> PromptEnsemble:
    """AnoVL's ensemble: 7 normal and 7 abnormal states in 22 templates about each of three kinds of picture, those of
    objects or of a ``surface``: 462 and 462 sentences, without full stops. For `raw_names`, with which the released
    code says the folder's name but for the numbers of both kinds of macaroni, see `class_phrase`."""
    phrase = class_phrase(class_name, raw=raw_names and class_name not in _ANOVL_NUMBERED)
    templates = [
        view.format(noun=noun, article=article, a="an" if noun[0] in "aeiou" else "a")
        for noun in _ANOVL_NOUNS[surface]
        for number, view in enumerate(_ANOVL_VIEWS)
        for article in (("the", "a") if number in _THE_FIRST else ("a", "the"))
    ]
    return PromptEnsemble(
        *(
            tuple(template.format(state.format(phrase)) for template in templates for state in states)
            for states in _ANOVL_STATES
        )
    )


_kept: WeakKeyDictionary[Backbone, Kept[Tensor]] = WeakKeyDictionary()


def mean_embeddings(backbone: Backbone, prompts: PromptEnsemble, *, unit: bool = True) -> Float[Tensor, "2 embed"]:
    """The unit vectors T_n and T_a of an ensemble, in this order: the means of its sentences' embeddings, each of unit
    length (``unit``) or as it comes, made unit vectors. Encoded once and kept for as long as the backbone and its
    weights are, and of many sentences for other processes (`kept_sentences`)."""

    def make() -> Tensor:
        many = len(prompts.normal) + len(prompts.abnormal) >= MANY
        return kept(_mean_embeddings, backbone, prompts, unit) if many else _mean_embeddings(backbone, prompts, unit)

    return _kept.setdefault(backbone, Kept()).of((prompts, unit), make, backbone)


def _mean_embeddings(backbone: Backbone, prompts: PromptEnsemble, unit: bool) -> Float[Tensor, "2 embed"]:
    means = [backbone.encode_text(part, normalise=unit).mean(0) for part in (prompts.normal, prompts.abnormal)]
    return F.normalize(torch.stack(means), dim=-1)
