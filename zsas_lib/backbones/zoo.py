"""The zoo: small CLIPs that come with the library and differ from a reference in one thing each, seed by seed.

Made by ``python -m zsas_lib.training.zoo``. A member is known by its name and seed; `load_backbone` takes it as
"zoo:NAME:SEED". Its card is in the metadata of its file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor

from ..base.errors import UnknownNameError
from ..base.ledger import note_weights
from .aliases import EMBEDDED, Registration

ZOO = EMBEDDED / "zoo"
"""The folder of the weights."""
WEIGHTS_FILE, NAMES_FILE = "{}-{}.safetensors", "{}-{}.names.safetensors"
CARD = "card"
PREFIX = "zoo:"


@dataclass(frozen=True)
class Card:
    """What is known of a member.

    :param axis: what it varies, :param value: how, and :param baseline: how the reference has it.
    :param source: of its pictures, :param pictures: how many, :param pictures_seen: one by one in training.
    :param parameters: of the image tower; :param core_seconds: of training on one core.
    :param begins: the member that it was fine-tuned from, if any. :param loss: that it learnt by.
    """

    name: str
    seed: int
    axis: str
    value: str
    baseline: str
    source: str
    loss: str
    begins: str | None
    pictures: int
    pictures_seen: int
    parameters: int
    core_seconds: float
    architecture: Mapping[str, Any]

    @property
    def backbone(self) -> str:
        """The name that `load_backbone` takes."""
        return f"{PREFIX}{self.name}:{self.seed}"

    @property
    def weights(self) -> Path:
        """Its own, or those that only the words before names were learnt with."""
        own = ZOO / WEIGHTS_FILE.format(self.name, self.seed)
        return own if own.is_file() or self.begins is None else ZOO / WEIGHTS_FILE.format(self.begins, self.seed)


@cache
def zoo_cards() -> tuple[Card, ...]:
    """The cards of all members that there are, seed by seed in the order of their training."""
    cards = {}
    for file in ZOO.glob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            told = json.loads(opened.metadata()[CARD])
        known = {name: told[name.replace("_", " ")] for name in Card.__dataclass_fields__}
        cards[known["name"], known["seed"]] = Card(**known)
    return tuple(sorted(cards.values(), key=lambda card: (card.seed, card.name != "reference", card.axis, card.name)))


def zoo_card(name: str, seed: int = 0) -> Card:
    """The card of a member. Raises UnknownNameError for one that there is not."""
    cards = {(card.name, card.seed): card for card in zoo_cards()}
    if (name, seed) not in cards:
        raise UnknownNameError("member of the zoo", f"{name}:{seed}", [f"{own}:{at}" for own, at in cards])
    return cards[name, seed]


def zoo_names(card: Card) -> Float[Tensor, "name embed"] | None:
    """Of a member whose names are no sentences, one row for each of `naming.NAMES`: times the scale and the unit vector
    of a picture they are its logits. None for all others."""
    path = ZOO / NAMES_FILE.format(card.name, card.seed)
    if not path.is_file():
        return None
    note_weights(path)
    with safe_open(path, "pt") as opened:
        return opened.get_tensor("names").float()


def zoo_registration(name: str) -> Registration:
    """What "zoo:NAME:SEED" stands for. Raises UnknownNameError where there is no such member."""
    member, _, seed = name.removeprefix(PREFIX).partition(":")
    if seed and not (seed.isascii() and seed.isdigit()):
        raise UnknownNameError("seed of the zoo", seed, [str(own.seed) for own in zoo_cards() if own.name == member])
    card = zoo_card(member, int(seed or 0))
    return Registration(card.architecture, card.weights, label=f"{card.name}, seed {card.seed}", licence="MIT")
