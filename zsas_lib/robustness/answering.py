"""Multiple choice about what a tower got wrong: what does an answerer on top of it add, and what does the choice of
questions add by itself?

Paper T asks a language model on a CLIP's image tower about pictures that the CLIP names wrong, and offers it that wrong
name beside the right one. A question has four choices: the right name, the best of the tower's wrong ones, and two
others. **On questions that were chosen because the tower fails, it is right in none by construction**, and any answerer
whose errors are not the very same does better. So controls stand beside the answerer: the tower told that its first
answer is wrong, the same network from another seed, all questions instead of the failures, and questions whose wrong
names nobody chose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int, UInt8
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor

from ..base.errors import OptionError
from ..base.options import whole_number
from ..data.embedded.naming import HELD_OUT, TRAINED, draw_named
from ..evaluation.replicates import checksums
from ..evaluation.sampled import ITSELF
from ..metrics.bootstrap import resampled
from .naming import CLEAN, FACTS, LEARNT, Answers, drawn

TOWER, HEAD, SECOND, OTHER = "tower", "answerer", "tower's second guess", "another seed"
FAILURES, MASTERED, ALL = "failures", "successes", "all"
NEUTRAL = "random wrong names"
"""Kinds of questions: by the tower's own naming, and about all pictures with wrong names that it had no part in."""
ANSWERERS = (TOWER, HEAD, SECOND, OTHER)
CHOICES = 4
PENALTIES = (0.003, 0.03, 0.3)
"""What a head's distance from the tower's own answer may cost; the best on a fifth of the learnt names is taken."""


@dataclass(frozen=True)
class AnsweringQuestions:
    """Which pictures are asked about: ``learnt`` of each learnt name to fit heads to, ``asked`` of each held-out one.
    Raises OptionError for numbers below 1."""

    learnt: int = 8
    asked: int = 4
    seed: int = 0

    def __post_init__(self):
        for name in ("learnt", "asked"):
            whole_number("AnsweringQuestions", name, getattr(self, name), 1)

    def pictures(self) -> tuple[pd.DataFrame, UInt8[np.ndarray, "picture height width 3"]]:
        """A row for each picture (its set, level, name and number), and the pictures."""
        sets = ((LEARNT, TRAINED, self.learnt), (CLEAN, HELD_OUT, self.asked))
        rows = [(kind, 0, name, n) for kind, names, count in sets for name in names for n in range(count)]
        settings = [
            draw_named(name, self.seed, crc32(kind.encode()), crc32(name.encode()), n) for kind, _, name, n in rows
        ]
        return pd.DataFrame(rows, columns=FACTS), drawn(settings)

    def shown(self, rows: pd.DataFrame) -> Float[Tensor, "picture 3 height width"]:
        """The pictures of held-out names of these names and numbers, in their order."""
        known, images = self.pictures()
        plain = known[known["set"] == CLEAN]
        places = pd.Series(plain.index, pd.MultiIndex.from_frame(pd.DataFrame(plain[["name", "number"]])))
        chosen = places.reindex(pd.MultiIndex.from_frame(pd.DataFrame(rows[["name", "number"]]))).to_numpy()
        return torch.from_numpy(images[chosen]).permute(0, 3, 1, 2) / 255


@dataclass(frozen=True)
class Choices:
    """Questions about pictures: ``offered`` are numbers of names, the right one first, then the best of the tower's
    wrong ones; ``wrong`` says where the tower prefers that. ``neutral`` are others, the right one first again."""

    offered: Int[np.ndarray, "picture choice"]
    wrong: Bool[np.ndarray, " picture"]
    neutral: Int[np.ndarray, "picture choice"]


def choices_about(
    cosines: Float[np.ndarray, "picture name"], truth: Int[np.ndarray, " picture"], seed: int = 0
) -> Choices:
    """The questions about pictures whose right names have the numbers ``truth``. Raises OptionError for fewer than
    `CHOICES` names."""
    count = cosines.shape[1]
    if count < CHOICES:
        raise OptionError(f"Expected at least {CHOICES} names to choose among, got {count}.")
    place = np.arange(len(truth))
    wrong_names = np.array(cosines, float)
    wrong_names[place, truth] = -np.inf
    mistaken = wrong_names.argmax(1)
    order = np.random.default_rng(seed).random(cosines.shape)
    order[place, truth] = 2.0
    neutral = np.column_stack([truth, order.argsort(1)[:, : CHOICES - 1]])
    order[place, mistaken] = 2.0
    offered = np.column_stack([truth, mistaken, order.argsort(1)[:, : CHOICES - 2]])
    return Choices(offered, cosines[place, mistaken] > cosines[place, truth], neutral)


def fitted_head(
    images: Float[np.ndarray, "picture embed"],
    names: Float[np.ndarray, "name embed"],
    offered: Int[np.ndarray, "picture choice"],
    scale: float,
    penalty: float,
) -> Float[np.ndarray, "embed embed"]:
    """A matrix W by which the picture x answers with the name t of the highest x W t, of least cross-entropy over the
    choices, whose first is right; its squared distance from the tower's own answer, W = scale I, costs ``penalty`` /
    scale^2."""
    start = scale * np.eye(images.shape[1])
    texts = names[offered]

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        own = flat.reshape(start.shape)
        logs = log_softmax(np.einsum("pe,pce->pc", images @ own, texts), axis=1)
        errors = np.exp(logs)
        errors[:, 0] -= 1
        away = own - start
        slope = images.T @ np.einsum("pc,pce->pe", errors, texts) / len(images) + 2 * penalty / scale**2 * away
        return float(-logs[:, 0].mean() + penalty / scale**2 * (away**2).sum()), slope.ravel()

    found = minimize(cost, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return found.x.reshape(start.shape)


def answering_head(own: Answers, seed: int = 0) -> Float[np.ndarray, "embed embed"]:
    """`fitted_head` of one network on its learnt names, with the one of `PENALTIES` that answers best about a fifth of
    them when it was fitted to the others."""
    learnt = own.of(LEARNT)
    known = list(dict.fromkeys(learnt.rows["name"]))
    places = np.array([own.known.index(name) for name in known])
    numbers = {name: number for number, name in enumerate(known)}
    truth = np.array([numbers[name] for name in learnt.rows["name"]])
    names = learnt.names[places].astype(float)
    images = learnt.images.astype(float)
    offered = choices_about(images @ names.T, truth, seed).offered
    away = truth % 5 == 0

    def right(penalty: float) -> float:
        head = fitted_head(images[~away], names, offered[~away], own.scale, penalty)
        return float(_chosen(images[away] @ head, names, offered[away]).mean())

    return fitted_head(images, names, offered, own.scale, max(PENALTIES, key=right))


def answered(found: Sequence[Answers], seed: int = 0, resamples: int = 200) -> pd.DataFrame:
    """How often each answerer is right about held-out names, for every network that reads sentences.

    A flat table by member and questions (`FAILURES`, `MASTERED` and `ALL` by the network's own naming, and `NEUTRAL`)
    with ``run``, whose replicates resample the names. Columns: share (of the pictures that are asked about), chance,
    the four answerers, and what the head has more than the others: over_tower, over_second, over_other; nan where there
    is no other seed, or no first answer that was wrong. Raises OptionError where no network reads sentences.
    """
    readers = [own for own in found if own.reads]
    if not readers:
        raise OptionError("Expected a network that reads sentences, got only those of labels, which have no words.")
    parts = []
    for own in readers:
        same = [other for other in readers if other.card.name == own.card.name]
        later = same[(same.index(own) + 1) % len(same)]
        parts += _of_network(own, None if later is own else later, seed, resamples)
    return pd.concat(parts, ignore_index=True)


def require_enough(names: Sequence[str]) -> None:
    """Raises OptionError for fewer products than `with_learnt` takes, so that nobody is asked about them in vain."""
    if len(names) < 2 * CHOICES:
        raise OptionError(
            f"Expected at least {2 * CHOICES} products, half of them to learn from and half to ask about, got "
            f"{len(names)}; name more data sets."
        )


def with_learnt(own: Answers) -> Answers:
    """Answers about products of data sets, of which none was learnt: every second one is given to heads to learn from,
    and the others are asked about. Raises OptionError for too few to choose among."""
    require_enough(own.asked)
    learnt = (own.rows["set"] == CLEAN) & own.rows["name"].isin(own.asked[::2])
    return replace(own, rows=own.rows.assign(set=own.rows["set"].mask(learnt, LEARNT)), asked=own.asked[1::2])


@runtime_checkable
class Shows(Protocol):
    """Questions that can show their pictures: `AnsweringQuestions`, `naming_towers.ProductQuestions`."""

    def shown(self, rows: pd.DataFrame) -> Float[Tensor, "picture 3 height width"]: ...


@runtime_checkable
class Model(Protocol):
    """What `language_answered` asks, such as a `VisionLanguageModel`."""

    def answers(
        self, images: Float[Tensor, "picture 3 height width"], choices: Sequence[Sequence[str]]
    ) -> Float[Tensor, "picture choice"]: ...


def language_answered(
    own: Answers, model: Model, questions: Shows, pictures: int, named: str, seed: int = 0
) -> pd.DataFrame:
    """As `answered`, of a vision-language model in the place of the head, asked in words about ``pictures`` of one
    network's questions, evenly spread; ``named`` stands for the member."""
    plain, truth, asked = _asked(own, seed)
    chosen = np.unique(np.linspace(0, len(truth) - 1, min(pictures, len(truth))).round().astype(int))
    shown = questions.shown(plain.rows.iloc[chosen])
    cosines = plain.cosines[:, _places(own)][chosen]
    some = Choices(asked.offered[chosen], asked.wrong[chosen], asked.neutral[chosen])

    def said(offered: Int[np.ndarray, "picture choice"]) -> Bool[np.ndarray, " picture"]:
        found = model.answers(shown, [[own.asked[number] for number in choice] for choice in offered])
        return found.numpy().argmax(1) == 0

    caught = {TOWER: ~some.wrong, HEAD: said(some.offered), SECOND: second_guess(cosines, some)}
    neutral = np.take_along_axis(cosines, some.neutral, axis=1).argmax(1) == 0
    beside = {TOWER: neutral, HEAD: said(some.neutral)}
    parts = [
        shares(right, kind, truth[chosen], {"member": named, "questions": name})
        for name, kind, right in _kinds(some, caught, beside)
    ]
    return pd.concat(parts, ignore_index=True).assign(run=own.card.seed)


def _kinds(
    asked: Choices,
    caught: Mapping[str, Bool[np.ndarray, " picture"]],
    neutral: Mapping[str, Bool[np.ndarray, " picture"]],
) -> list[tuple[str, Bool[np.ndarray, " picture"], Mapping[str, Bool[np.ndarray, " picture"]]]]:
    everything = np.ones_like(asked.wrong)
    own = [(FAILURES, asked.wrong, caught), (MASTERED, ~asked.wrong, caught), (ALL, everything, caught)]
    return [*own, (NEUTRAL, everything, neutral)]


def _asked(own: Answers, seed: int) -> tuple[Answers, Int[np.ndarray, " picture"], Choices]:
    """One network's pictures of the names that are asked for, the numbers of these, and the questions about them."""
    plain = own.of(CLEAN)
    truth = plain.rows["name"].map(own.asked.index).to_numpy()
    cosines = plain.cosines[:, _places(own)]
    return plain, truth, choices_about(cosines.astype(float), truth, seed)


def _places(own: Answers) -> list[int]:
    return [own.known.index(name) for name in own.asked]


def _of_network(own: Answers, other: Answers | None, seed: int, resamples: int) -> list[pd.DataFrame]:
    plain, truth, asked = _asked(own, seed)
    places = _places(own)
    names, head = plain.names[places].astype(float), answering_head(own, seed)
    beside = other and other.of(CLEAN)

    def right(offered: Int[np.ndarray, "picture choice"]) -> dict[str, Bool[np.ndarray, " picture"]]:
        found = {TOWER: _chosen(plain.images, names, offered), HEAD: _chosen(plain.images @ head, names, offered)}
        return found | ({OTHER: _chosen(beside.images, beside.names[places], offered)} if beside else {})

    offered = right(asked.offered) | {SECOND: second_guess(plain.cosines[:, places], asked)}
    parts = [
        shares(found, kind, truth, {"member": own.card.name, "questions": name}, resamples)
        for name, kind, found in _kinds(asked, offered, right(asked.neutral))
    ]
    return [part.assign(run=own.card.seed) for part in parts]


def second_guess(cosines: Float[np.ndarray, "picture name"], asked: Choices) -> Bool[np.ndarray, " picture"]:
    """Whether the tower is right when it is told that its first answer is wrong: of a failure, whether the right name
    is the best of the other three; of what it masters, never."""
    offered = np.take_along_axis(cosines, asked.offered, axis=1)
    return asked.wrong & (offered[:, 0] >= offered[:, 2:].max(1))


def shares(
    right: Mapping[str, Bool[np.ndarray, " picture"]],
    asked: Bool[np.ndarray, " picture"],
    names: Int[np.ndarray, " picture"],
    known: Mapping[str, object],
    resamples: int = 200,
) -> pd.DataFrame:
    """A flat table with the columns of `answered` for one kind of questions of one network: those that are ``asked``;
    ``right`` says who is right about each picture, ``known`` what the table begins with."""
    groups, number = np.unique(names, return_inverse=True)
    drawn_names = resampled(len(groups), resamples, 0)
    weights = np.vstack([np.ones((1, len(groups))), drawn_names])
    total = weights @ np.bincount(number, asked, len(groups))
    values = {"share": total / (weights @ np.bincount(number, minlength=len(groups))), "chance": 1 / CHOICES}
    nobody = np.full(len(total), np.nan)
    with np.errstate(invalid="ignore"):  # there may be no such question
        of_all = {who: weights @ np.bincount(number, own & asked, len(groups)) / total for who, own in right.items()}
    values |= {who: of_all.get(who, nobody) for who in ANSWERERS}
    for name, beside in (("over_tower", TOWER), ("over_second", SECOND), ("over_other", OTHER)):
        values[name] = values[HEAD] - values[beside]
    columns = dict(known) | {"replicate": range(ITSELF, resamples), "draw": [0, *checksums(drawn_names)]}
    columns |= {"pictures": crc32(repr(groups.tolist()).encode()), "units": len(groups), "freedom": len(groups) - 1}
    return pd.DataFrame(columns | values)


def _chosen(
    images: Float[np.ndarray, "picture embed"],
    names: Float[np.ndarray, "name embed"],
    offered: Int[np.ndarray, "picture choice"],
) -> Bool[np.ndarray, " picture"]:
    """Whether the right name, which is offered first, is the one of the highest product."""
    return np.einsum("pe,pce->pc", images, names[offered]).argmax(1) == 0
