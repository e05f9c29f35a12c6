"""Released CLIPs that name real products: the questions of `naming`, about photographs of industrial data sets.

Names are the products of the data sets, put as towers have learnt sentences; classes that only a number tells apart
(pcb1 to pcb4) are one product. Pictures in plain view are the sound ones
of the test sets. No factor of a photograph can be changed alone: corruptions stand in the place of the factors, and one
set more are the damaged pictures of the same products. Strangers are the sound pictures of another data set.

Answers are those of `naming`, so that accuracy, calibration, strangers and retrieval are measured by the same
functions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ..backbones.backbone import Backbone
from ..backbones.registry import load_backbone
from ..backbones.zoo import Card
from ..base.errors import DataError, OptionError
from ..base.options import whole_number
from ..base.sources import source_digest
from ..data.dataset import AnomalyDataset
from ..data.load import load_dataset
from ..models.prompts import class_phrase
from ..perturbations.corruptions import corrupt, spelled
from ..store.results import load_or_compute
from .naming import CLEAN, FACTS, Answers, Asked, answers, members, read_answers, with_names

DAMAGED, OTHERS = "damaged", "other products"
"""Sets beside `CLEAN` and the corruptions: damaged pictures of known products, and sound ones of unknown products."""
SENTENCE = "a photo of a {}."
BATCH = 16
LARGE = 336
"""Pixels per side of pictures that no tower of CLIP's is shown but a vision-language model."""
CNN, TRANSFORMER = "CNN", "transformer"


@dataclass(frozen=True)
class TowerCard(Card):
    """What is known of a tower that was not trained here: its name, which is its backbone's, its parameters, and of
    which `kind` it is."""

    kind: str

    @property
    def backbone(self) -> str:
        return self.name


@runtime_checkable
class AboutProducts(Protocol):
    """What `tower_answers` takes, a dataclass: `ProductQuestions`, or others about the same products."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def key(self) -> dict[str, object]:
        """What decides the answers beside the tower."""
        ...

    @property
    def strangers(self) -> AnomalyDataset | None: ...

    def batches(self, size: int) -> Iterator[tuple[list[tuple], Float[Tensor, "picture 3 height width"]]]:
        """Batches of pictures as squares of ``size`` pixels, and of each its set, level, name and number."""
        ...


@dataclass(frozen=True)
class ProductQuestions:
    """Which pictures are asked about: ``per_name`` sound ones of every product, in plain view and under each of the
    ``corruptions`` at each of the ``levels`` (severities), and as many damaged ones; and as many sound ones of each
    product of ``strangers``, whose names are not known. Raises as `perturbations.corrupt` for a corruption or severity
    that there is not, OptionError for a number below 2, fewer than two products, or strangers that are known."""

    datasets: tuple[AnomalyDataset, ...] = field(repr=False)
    corruptions: tuple[str, ...] = ("defocus", "low_light", "sensor_noise", "jpeg")
    levels: tuple[int, ...] = (3,)
    per_name: int = 20
    strangers: AnomalyDataset | None = field(default=None, repr=False)

    def __post_init__(self):
        whole_number("ProductQuestions", "per_name", self.per_name, 2)
        for name in self.corruptions:
            for level in self.levels:
                record, _ = spelled(f"{name}({level})")
                if record.takes_depth:
                    raise ValueError(f"Expected corruptions of photographs, whose depth nobody knows, got {name!r}.")
        if len(self.names) < 2:
            raise OptionError(f"Expected at least two products to tell apart, got {', '.join(self.names)}.")
        other = [] if self.strangers is None else map(class_phrase, self.strangers.categories)
        if known := sorted({*self.names} & {*other}):
            raise OptionError(f"Expected strangers that are none of the products, got {', '.join(known)} too.")

    @property
    def names(self) -> tuple[str, ...]:
        """The products, as sentences call them."""
        return tuple(dict.fromkeys(class_phrase(name) for own in self.datasets for name in own.categories))

    @property
    def key(self) -> dict[str, object]:
        """What decides the answers beside the tower."""
        strangers = None if self.strangers is None else self.sound(self.strangers).digest
        known = {"sound": [self.sound(own).digest for own in self.datasets], "strangers": strangers}
        known |= {"damaged": [own.digest for own in map(self._damaged, self.datasets) if own is not None]}
        return known | {"corruptions": self.corruptions, "levels": self.levels, "sentence": SENTENCE}

    def sound(self, own: AnomalyDataset) -> AnomalyDataset:
        """The pictures in plain view of one of the data sets."""
        return own.select(anomalous=False, per_category=self.per_name)

    def _damaged(self, own: AnomalyDataset) -> AnomalyDataset | None:
        if not any(record.is_anomalous for record in own.records):
            return None
        return own.select(anomalous=True, per_category=self.per_name)

    def batches(self, size: int) -> Iterator[tuple[list[tuple], Float[Tensor, "picture 3 height width"]]]:
        """Batches of pictures as squares of ``size`` pixels, and of each its set, level, name and number."""
        for own in self.datasets:
            for facts, images in numbered(self.sound(own), size):
                yield [(CLEAN, 0, *fact[:2]) for fact in facts], images
                for name in self.corruptions:
                    for level in self.levels:
                        seeds = [fact[2] for fact in facts]
                        shown = corrupt(images, f"{name}({level})", seed=seeds)
                        yield [(name, level, *fact[:2]) for fact in facts], shown
            if (damaged := self._damaged(own)) is not None:
                for facts, images in numbered(damaged, size):
                    yield [(DAMAGED, 1, *fact[:2]) for fact in facts], images
        if self.strangers is not None:
            for facts, images in numbered(self.sound(self.strangers), size):
                yield [(OTHERS, 0, *fact[:2]) for fact in facts], images

    def shown(self, rows: pd.DataFrame, size: int = LARGE) -> Float[Tensor, "picture 3 height width"]:
        """The pictures in plain view of these names and numbers, in their order."""
        wanted = [(str(name), int(number)) for name, number in zip(rows["name"], rows["number"])]
        found = {}
        for own in self.datasets:
            for facts, images in numbered(self.sound(own), size):
                found |= {fact[:2]: image for fact, image in zip(facts, images) if fact[:2] in wanted}
        return torch.stack([found[place] for place in wanted])


def product_questions(
    datasets: Sequence[str],
    roots: Sequence[str] | None = None,
    corruptions: Sequence[str] = ("defocus", "low_light", "sensor_noise", "jpeg"),
    levels: Sequence[int] = (3,),
    per_name: int = 20,
    strangers: str | None = None,
    strangers_root: str | None = None,
) -> ProductQuestions:
    """The questions about data sets by name, each in its own of ``roots``; None looks where `load_dataset` does.
    Raises OptionError for as many roots as there are not data sets, and as `load_dataset` and `ProductQuestions`."""
    if roots is not None and len(roots) != len(datasets):
        raise OptionError(f"Expected a folder for each of {', '.join(datasets)}, got {len(roots)}.")
    found = tuple(load_dataset(name, root) for name, root in zip(datasets, roots or [None] * len(datasets)))
    others = None if strangers is None else load_dataset(strangers, strangers_root)
    return ProductQuestions(found, tuple(corruptions), tuple(levels), per_name, others)


def asked_of(
    names: Sequence[str] | None,
    seeds: Sequence[int] | None,
    questions: Asked,
    towers: Sequence[str] | None = None,
    products: AboutProducts | None = None,
    weights: str | None = None,
    store: Path | None = None,
) -> tuple[list[Answers], dict[str, str]]:
    """Answers, and why others are not there, by name: of members of the zoo to ``questions``, or, where there are
    ``towers``, of these to those about ``products`` (`tower_answers`). Raises as `naming.members`, `naming.answers`."""
    if towers and products is not None:
        return tower_answers(towers, products, weights=weights, store=store)
    cards, absent = members(names, seeds)
    return answers(cards, questions, store=store), absent


def tower_answers(
    towers: Sequence[str],
    questions: AboutProducts,
    *,
    weights: str | None = None,
    store: Path | None = None,
) -> tuple[list[Answers], dict[str, str]]:
    """What towers (`load_backbone`'s names; ``weights`` as there) make of products, and why others are left out, by
    name. One tower is in memory at a time; each is stored by itself, so that shards can fill the store tower by tower.

    A tower that cannot be had here (no weights, no tokenizer) is left out, all of them if it must be: a shard has one.
    Raises UnknownNameError for a name that is none.
    """
    found, absent = [], {}
    for name in dict.fromkeys(towers):
        try:
            found.append(_of_tower(name, load_backbone(name, weights), questions, store))
        except (DataError, OptionError) as error:
            absent[name] = str(error)
    return found, absent


def kind_of(backbone: Backbone) -> str:
    """`TRANSFORMER` for a tower of tokens, or of stages whose blocks attend, such as Swin's; else `CNN`."""
    visual = backbone.clip.visual
    trunk = getattr(visual, "trunk", visual)
    stages = any(rows != backbone.image.grids[1][0] for rows, _ in backbone.image.grids[1:])
    attends = trunk is not visual and any("Attention" in type(module).__name__ for module in trunk.modules())
    return CNN if stages and not attends else TRANSFORMER


def _of_tower(name: str, backbone: Backbone, questions: AboutProducts, store: Path | None) -> Answers:
    table = load_or_compute(
        "naming",
        {"tower": backbone.digest, **questions.key},
        lambda: _embedded(backbone, questions),
        sources=source_digest(_embedded, type(questions)),
        maker=backbone,
        store=store,
    )
    count = sum(parameter.numel() for parameter in backbone.clip.visual.parameters())
    said = {"axis": "tower", "value": name, "baseline": "", "source": "", "loss": "captions", "begins": None}
    unknown = {"pictures": 0, "pictures_seen": 0, "core_seconds": 0.0, "architecture": backbone.architecture}
    card = TowerCard(name=name, seed=0, parameters=count, kind=kind_of(backbone), **said, **unknown)
    strangers = () if questions.strangers is None else (OTHERS,)
    return read_answers(card, table, questions.names, questions.names, strangers)


def _embedded(backbone: Backbone, questions: AboutProducts) -> pd.DataFrame:
    rows, parts = [], []
    with torch.inference_mode():
        names = backbone.encode_text([SENTENCE.format(name) for name in questions.names]).float().cpu()
        for facts, images in questions.batches(backbone.image_size):
            rows += facts
            parts.append(backbone.encode_image(images.to(backbone.device)).float().cpu())
    scale = float(backbone.clip.logit_scale.exp().clamp(max=100))
    return with_names(pd.DataFrame(rows, columns=FACTS), torch.cat(parts), questions.names, names, scale)


def numbered(
    own: AnomalyDataset, size: int
) -> Iterator[tuple[list[tuple[str, int, int]], Float[Tensor, "picture 3 height width"]]]:
    """Batches with the name of each picture, its number among those of its name, and its number among all."""
    seen: dict[str, int] = {}
    total = 0
    for batch in own.squashed(size).batches(BATCH, needs_masks=False):
        facts = []
        for category in batch.categories:
            name = class_phrase(category)
            facts.append((name, seen.get(name, 0), total))
            seen[name], total = seen.get(name, 0) + 1, total + 1
        yield facts, batch.images
