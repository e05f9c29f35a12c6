"""Towers that name products: what each makes of the same pictures, kept once for all questions that are asked of it.

The pictures are of products whose every factor is known, because they were drawn (`data.embedded.naming`): held-out
names in plain view, and the same products, poses and seeds again with one factor changed (`data.embedded.factors`);
names that were learnt; and strangers, which no name is right for. Of each picture the tower's embedding is stored, and
beside them its rows of names and its scale, so that accuracy, calibration, strangers and retrieval need no tower.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ..backbones.registry import load_backbone
from ..backbones.zoo import Card, zoo_cards, zoo_names
from ..base.digests import file_digest
from ..base.errors import OptionError, UnknownNameError
from ..base.options import whole_number
from ..base.sources import source_digest
from ..data.embedded import naming
from ..data.embedded.factors import FACTORS
from ..data.embedded.materials import MATERIALS
from ..data.embedded.naming import HELD_OUT, NAMED_SHAPES, NAMES, SIZE, TRAINED, UNSEEN_SHAPES, draw_named
from ..data.embedded.shapes import FULL_FRAME
from ..data.embedded.shoot import Setting
from ..evaluation.paired import flat_gaps
from ..store.results import load_or_compute_all
from ..training.zoo.recipes import RECIPES

CLEAN, LEARNT = "clean", "learnt"
STRANGERS: dict[str, tuple[str, ...]] = {
    "unseen shape": tuple(f"{material} {shape}" for material in MATERIALS for shape in UNSEEN_SHAPES),
    "unseen material": tuple(f"photographed {shape}" for shape in NAMED_SHAPES),
    "surface": tuple(f"{material} {shape}" for material in MATERIALS for shape in sorted(FULL_FRAME)),
    "photograph": ("photographed sheet",),
}
"""Pictures that none of `naming.NAMES` is right for, the nearest first, by what is strange of them."""
FAR = ("surface", "photograph")
SENTENCE = "{}"
"""How a name is put: as all sources of captions put it at times."""
BATCH = 100
FACTS = ["set", "level", "name", "number"]
"""What is known of a picture."""


@dataclass(frozen=True)
class Questions:
    """Which pictures are asked about: ``per_name`` of each held-out name in plain view and at each of the ``levels`` (1
    to 3) of every one of ``factors``, half as many of each learnt name, and of each kind of strangers a quarter as
    many as there are clean ones. Raises UnknownNameError for a factor that there is not, OptionError for a level or
    number that cannot be."""

    factors: tuple[str, ...] = tuple(FACTORS)
    levels: tuple[int, ...] = (2,)
    per_name: int = 3
    seed: int = 0

    def __post_init__(self):
        for factor in self.factors:
            if factor not in FACTORS:
                raise UnknownNameError("factor", factor, FACTORS)
        whole_number("Questions", "per_name", self.per_name, 2)
        for level in self.levels:
            whole_number("Questions", "level", level, 1, 3)

    def settings(self) -> list[tuple[str, int, str, int, Setting]]:
        """Of every picture its set (a factor, or another of the module's kinds), its level, its name, its number, and
        how it is taken."""
        found = []
        for name in HELD_OUT:
            for number in range(self.per_name):
                plain = draw_named(name, self.seed, crc32(name.encode()), number)
                found.append((CLEAN, 0, name, number, plain))
                found += [
                    (factor, level, name, number, FACTORS[factor].apply(plain, FACTORS[factor].levels[level - 1]))
                    for factor in self.factors
                    for level in self.levels
                ]
        total = len(HELD_OUT) * self.per_name
        others = {LEARNT: TRAINED} | STRANGERS
        for kind, names in others.items():
            wanted = len(names) * max(1, self.per_name // 2) if kind == LEARNT else total // 4
            for place in range(wanted):
                name, number = names[place % len(names)], place // len(names)
                found.append((kind, 0, name, number, draw_named(name, self.seed, crc32(name.encode()), number)))
        return found

    def pictures(self) -> tuple[pd.DataFrame, UInt8[np.ndarray, "picture height width 3"]]:
        """A row for each picture (its set, level, name and number), and the pictures."""
        settings = self.settings()
        return pd.DataFrame([own[:4] for own in settings], columns=FACTS), drawn([own[4] for own in settings])


@runtime_checkable
class Asked(Protocol):
    """What `answers` takes, a dataclass that can be stored: `Questions`, or others."""

    def pictures(self) -> tuple[pd.DataFrame, UInt8[np.ndarray, "picture height width 3"]]:
        """A row for each picture, with the columns `FACTS`, and the pictures."""
        ...


@dataclass(frozen=True)
class Answers:
    """What one member makes of the pictures. ``rows`` has for each its set, level, name and number; ``images`` are unit
    vectors, ``names`` one row for each name that is ``known``, of length one where they are sentences. ``asked`` are
    the names that pictures in plain view have, ``strangers`` the sets that no known name is right for."""

    card: Card
    rows: pd.DataFrame
    images: Float[np.ndarray, "picture embed"]
    names: Float[np.ndarray, "name embed"]
    scale: float
    known: tuple[str, ...] = NAMES
    asked: tuple[str, ...] = HELD_OUT
    strangers: tuple[str, ...] = tuple(STRANGERS)

    @property
    def reads(self) -> bool:
        """Whether its names are sentences, or at least were, so that cosines mean something."""
        return self.card.loss not in ("labels", "tuned")

    def of(self, kind: str, level: int = 0) -> "Answers":
        """Those of one set at one level. Raises UnknownNameError for one that was not asked."""
        chosen = ((self.rows["set"] == kind) & (self.rows["level"] == level)).to_numpy()
        if not chosen.any():
            asked = {f"{own} {at}" for own, at in zip(self.rows["set"], self.rows["level"])}
            raise UnknownNameError("set of pictures", f"{kind} {level}", asked)
        rows = pd.DataFrame(self.rows[chosen]).reset_index(drop=True)
        return replace(self, rows=rows, images=self.images[chosen])

    @property
    def cosines(self) -> Float[np.ndarray, "picture name"]:
        """Without the scale; where names are no sentences not of unit length."""
        return self.images @ self.names.T

    @property
    def logits(self) -> Float[np.ndarray, "picture name"]:
        """Those whose softmax over all names the member learnt to give."""
        return self.scale * self.cosines

    @property
    def truth(self) -> Int[np.ndarray, " picture"]:
        """The number of each picture's name among those known, -1 for a stranger."""
        numbers = {name: number for number, name in enumerate(self.known)}
        return np.array([numbers.get(name, -1) for name in self.rows["name"]])

    def right(self, among: Sequence[str] | None = None) -> Float[np.ndarray, " picture"]:
        """1 where the highest of all names, or of those ``among`` them, is the picture's, else 0."""
        if among is None:
            return (self.cosines.argmax(1) == self.truth).astype(float)
        places = np.array([self.known.index(name) for name in among])
        return (places[self.cosines[:, places].argmax(1)] == self.truth).astype(float)


def drawn(settings: Sequence[Setting]) -> UInt8[np.ndarray, "picture height width 3"]:
    """The pictures as a camera stores them, in 8 bits."""
    return np.stack([np.round(own.shoot(SIZE).image * 255).astype(np.uint8) for own in settings])


def answers(cards: Sequence[Card], questions: Asked | None = None, *, store: Path | None = None) -> list[Answers]:
    """What members of the zoo make of the same pictures, from the store where it has been made before; the pictures
    are drawn once for all that are missing.

    Raises OptionError where there is no member.
    """
    questions = questions or Questions()
    if not cards:
        raise OptionError("Expected members of the zoo, got none; python -m zsas_lib.training.zoo trains them.")
    asked = [
        {"member": card.backbone, "weights": file_digest(card.weights), "names": _names_digest(card), **vars(questions)}
        for card in cards
    ]

    def compute(missing: list[int]) -> list[pd.DataFrame]:
        rows, pictures = questions.pictures()
        return [_embedded(cards[place], rows, pictures) for place in missing]

    tables = load_or_compute_all(
        "naming", asked, compute, sources=source_digest(_embedded, type(questions), naming), store=store
    )
    return [read_answers(card, table) for card, table in zip(cards, tables)]


def _names_digest(card: Card) -> str:
    names = zoo_names(card)
    return "" if names is None else f"{crc32(names.numpy().tobytes()):08x}"


def _embedded(card: Card, rows: pd.DataFrame, pictures: UInt8[np.ndarray, "picture height width 3"]) -> pd.DataFrame:
    backbone = load_backbone(card.backbone)
    names = zoo_names(card)
    if names is None:
        names = backbone.encode_text([SENTENCE.format(name) for name in NAMES])
    parts = []
    with torch.inference_mode():
        for start in range(0, len(pictures), BATCH):
            images = (torch.from_numpy(pictures[start : start + BATCH]).permute(0, 3, 1, 2) / 255).contiguous()
            parts.append(backbone.encode_image(images.to(backbone.device)).cpu())
    scale = float(backbone.clip.logit_scale.exp().clamp(max=100))
    return with_names(rows, torch.cat(parts), NAMES, names.cpu(), scale)


def with_names(
    rows: pd.DataFrame,
    images: Float[Tensor, "picture embed"],
    known: Sequence[str],
    names: Float[Tensor, "name embed"],
    scale: float,
) -> pd.DataFrame:
    """``rows`` with a column for each dimension, then the names', and in the last row the scale."""
    last = torch.zeros(1, names.shape[1])
    last[0, 0] = scale
    values = torch.cat([images, names, last]).numpy()
    facts = [("(name)", 0, name, 0) for name in known] + [("(scale)", 0, "", 0)]
    whole = pd.concat([rows, pd.DataFrame(facts, columns=rows.columns)], ignore_index=True)
    return pd.concat([whole, pd.DataFrame(values, columns=[f"f{i}" for i in range(values.shape[1])])], axis=1)


def read_answers(
    card: Card,
    table: pd.DataFrame,
    known: Sequence[str] = NAMES,
    asked: Sequence[str] = HELD_OUT,
    strangers: Sequence[str] = tuple(STRANGERS),
) -> Answers:
    """The answers that a table of `with_names` holds."""
    values = table.drop(columns=FACTS).to_numpy()
    names, last = (table["set"] == "(name)").to_numpy(), (table["set"] == "(scale)").to_numpy()
    rows = pd.DataFrame(table.loc[~(names | last), FACTS]).reset_index(drop=True)
    images, scale = values[~(names | last)], float(values[last][0, 0])
    return Answers(card, rows, images, values[names], scale, tuple(known), tuple(asked), tuple(strangers))


def require_several(names: Sequence[str] | None) -> None:
    """Raises OptionError for a single member or tower, which has no other to be compared with, before it is asked; None
    stands for all that there are."""
    if names is not None and len(names) < 2:
        raise OptionError(
            f"Expected at least two networks, for this compares each with the first; got {', '.join(names) or 'none'}."
        )


def members(
    names: Sequence[str] | None = None, seeds: Sequence[int] | None = None
) -> tuple[list[Card], dict[str, str]]:
    """The cards of the networks that there are, of ``names`` and ``seeds`` where given, and why others cannot be had,
    by "NAME:SEED". Raises UnknownNameError for a name that the zoo has no recipe for."""
    for name in names or ():
        if name not in RECIPES:
            raise UnknownNameError("member of the zoo", name, RECIPES)
    every = sorted({seed for recipe in RECIPES.values() for seed in recipe.seeds})
    asked = [
        (name, seed)
        for seed in (every if seeds is None else seeds)
        for name in (names or RECIPES)
        if seeds is not None or seed in RECIPES[name].seeds
    ]
    known = {(card.name, card.seed): card for card in zoo_cards()}
    found = [known[own] for own in asked if own in known]
    return found, {f"{name}:{seed}": "it is not trained yet" for name, seed in asked if (name, seed) not in known}


def by_seed(gaps: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The `flat_gaps` of each seed, one below the other with the seed as ``run``: ``gaps`` has the columns ``by``,
    seed, category and metrics."""
    parts = [
        flat_gaps(own.drop(columns="seed"), by).assign(run=int(str(seed)))
        for seed, own in gaps.groupby("seed", sort=True)
    ]
    return pd.concat(parts, ignore_index=True)
