"""What the embedded backbone's training says of a picture: a name, a state, and a way of putting it."""

from collections.abc import Sequence
from functools import lru_cache

import open_clip
import torch
from jaxtyping import Int
from numpy.random import Generator
from torch import Tensor

from ...models.prompts import NORMAL_STATES

ABNORMAL = ("damaged {}", "broken {}", "{} with flaw", "{} with defect", "{} with damage")
WORDINGS = (
    "{}",
    "a photo of {}",
    "a cropped photo of {}",
    "a close-up photo of {}",
    "a bright photo of {}",
    "a dark photo of {}",
    "a jpeg corrupted photo of {}",
    "a blurry photo of {}",
    "a photo of {} for visual inspection",
    "a photo of {} for anomaly detection",
)
ARTICLES = ("a {}", "the {}", "a small {}", "the small {}", "a large {}", "the large {}", "{}")
ANYTHING = ("object", "part", "product", "item", "surface", "component", "texture")


@lru_cache(maxsize=1)
def _tokenizer() -> open_clip.SimpleTokenizer:
    return open_clip.SimpleTokenizer()


@lru_cache(maxsize=1)
def _words() -> list[str]:
    whole = (word.removesuffix("</w>") for word in _tokenizer().encoder if word.endswith("</w>"))
    return [word for word in whole if word.isascii() and word.isalpha() and len(word) > 2]


def say_name(rng: Generator, name: str) -> str:
    """The name itself in half the cases; else a part of it, a general noun, or any words at all, so that the states'
    meaning does not hang on names that were seen."""
    chance = rng.random()
    if chance < 0.5:
        return name
    if chance < 0.65:
        return str(rng.choice(name.split()))
    if chance < 0.75:
        return str(rng.choice(ANYTHING))
    return " ".join(rng.choice(_words(), rng.integers(1, 3)))


def sentence(rng: Generator, name: str, state: int) -> str:
    """A sentence that calls ``name`` sound (``state`` 0) or damaged (1), with or without a full stop."""
    described = str(rng.choice((NORMAL_STATES, ABNORMAL)[state])).format(name)
    told = str(rng.choice(WORDINGS)).format(str(rng.choice(ARTICLES)).format(described))
    return told + str(rng.choice(["", "."]))


def sayings(rng: Generator, names: Sequence[str], ways: int) -> Int[Tensor, "name way 3 token"]:
    """Of each name so many ways to call it sound, to call the same damaged, and to call it by its whole name; tokens,
    cut where the longest sentence ends."""
    told = []
    for name in names:
        for _ in range(ways):
            spoken = say_name(rng, name)
            told += [sentence(rng, spoken, 0), sentence(rng, spoken, 1), sentence(rng, name, 0)]
    words = _tokenizer()(told)
    length = int(words.argmax(-1).max()) + 1
    return words[:, :length].to(torch.int32).reshape(len(names), ways, 3, length)
