"""WinCLIP with fewer sentences: what its ensemble of 242 is worth."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from ..backbones.backbone import Backbone
from ..base.errors import UnknownNameError
from ..models.prompts import (
    ABNORMAL_STATES,
    NORMAL_STATES,
    TEMPLATES,
    PromptEnsemble,
    class_phrase,
    mean_embeddings,
)
from ..models.winclip import WinCLIP

States = tuple[tuple[str, ...], tuple[str, ...]]
_EVERY: States = (NORMAL_STATES, ABNORMAL_STATES)
_PLAIN = ("a photo of a {}",)
SETS: Mapping[str, tuple[States, tuple[str, ...]]] = {
    "all": (_EVERY, TEMPLATES[22]),
    "one article": (_EVERY, TEMPLATES[22][::2]),
    "one template": (_EVERY, _PLAIN),
    "no template": (_EVERY, ("{}",)),
    "one pair": ((NORMAL_STATES[1:2], ABNORMAL_STATES[:1]), _PLAIN),
}
"""The sets of sentences by name: the normal and the abnormal states, and the templates. "all" is the paper's; "one
article" has the templates with "a" alone, "one pair" says "flawless" and "damaged"."""


def fewer_prompts(class_name: str, sentences: str) -> PromptEnsemble:
    """The sentences of one of `SETS` about a class, each with a full stop. Raises UnknownNameError for another set."""
    if sentences not in SETS:
        raise UnknownNameError("set of sentences", sentences, SETS)
    both, templates = SETS[sentences]
    phrase = class_phrase(class_name)
    made = (tuple(t.format(state.format(phrase)) + "." for state in states for t in templates) for states in both)
    return PromptEnsemble(*made)


class FewerSentences(WinCLIP):
    """`WinCLIP` with one of `SETS` in the place of its ensemble; all else is as there.

    ``sentences`` is the set's name; ``options`` are WinCLIP's, but for those of its ensemble. Raises UnknownNameError
    for another set, and what WinCLIP raises.
    """

    def __init__(self, backbone: Backbone, sentences: str = "all", **options: Any):
        fewer_prompts("object", sentences)
        super().__init__(backbone, **options)
        self.options["sentences"] = sentences

    def text_features(self, class_name: str) -> Float[Tensor, "2 embed"]:
        """The unit vectors T_n and T_a of a class, in this order."""
        unit = self.options["text_mean"] == "normalised"
        return mean_embeddings(self.backbone, fewer_prompts(class_name, self.options["sentences"]), unit=unit)


def sentences_of(sentences: str) -> int:
    """How many sentences a set has of both states."""
    return sum(map(len, vars(fewer_prompts("object", sentences)).values()))
