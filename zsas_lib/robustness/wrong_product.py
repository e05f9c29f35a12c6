"""The wrong product before the camera, or the wrong name before the model: what is noticed, and what it costs.

*Concept matching* asks a tower which of the known products a picture shows, before any score of damage: the highest
softmax of its cosines to their names (maximum concept matching, Ming et al., NeurIPS 2022). Known products are the
positive class everywhere: AUROC is the chance that a known picture has the higher score, and FPR95 the share of other
pictures that is accepted where 95 % of the known ones are. (Libraries that take the unknown for the positive class
call another number FPR95.) At a temperature of 1 all scores are a little above 1 / names, and only their order counts.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ..backbones.backbone import Backbone
from ..base.devices import to_device
from ..base.errors import OptionError
from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..evaluation.sampled import interval_of_share
from ..metrics.bootstrap import resampled
from ..metrics.detection import false_positive_rate, known_auroc
from ..metrics.image import image_auroc
from ..models.around import AroundModel
from ..models.prediction import AnomalyModel, Prediction, names_of_images
from ..models.prompts import class_phrase

SENTENCE = "a photo of a {}."
RESAMPLES = 200
NEAR, FAR = "near", "far"
"""Another product whose name shares a word with a known one's, and one whose name shares none."""


def concepts(backbone: Backbone, names: Sequence[str], sentence: str = SENTENCE) -> Float[Tensor, "name embed"]:
    """Unit embeddings of a sentence about each product. Raises OptionError for fewer than two different names, of which
    no softmax tells anything."""
    phrases = [class_phrase(name) for name in names]
    if len(set(phrases)) < 2:
        raise OptionError(f"Expected at least two products with different names, got {', '.join(phrases) or 'none'}.")
    return backbone.encode_text([sentence.format(phrase) for phrase in phrases])


def concept_matching(
    pictures: Float[Tensor, "picture embed"], names: Float[Tensor, "name embed"], temperature: float = 1.0
) -> Float[Tensor, "picture name"]:
    """The probability of each name for each picture, unit embeddings both: a softmax of cosines / ``temperature``. Its
    highest is the score of maximum concept matching, in [1 / names, 1]."""
    return (pictures @ names.mT / temperature).softmax(-1)


@torch.no_grad()
def matched(
    backbone: Backbone, dataset: AnomalyDataset, names: Sequence[str], *, temperature: float = 1.0, batch_size: int = 32
) -> pd.DataFrame:
    """What concept matching says of every picture: a row each.

    Columns: category, path (below the data set's root), is_anomalous, matching (the highest probability), named (whose
    it is), and a column for each of ``names`` with its probability. Names that are said alike (pcb1 to pcb4) are one
    concept, whose probability each of them has. Raises as `concepts`, ValueError for a temperature that is not
    positive.
    """
    if not temperature > 0:
        raise ValueError(f"Expected a positive temperature such as 1, got {temperature}.")
    phrases = [class_phrase(name) for name in names]
    different = list(dict.fromkeys(phrases))
    own = [different.index(phrase) for phrase in phrases]
    text, parts = concepts(backbone, names)[[phrases.index(phrase) for phrase in different]], []
    for batch in dataset.batches(batch_size, needs_masks=False):
        embedded = backbone.encode_image(to_device(batch.images, backbone.device))
        found = concept_matching(torch.nn.functional.normalize(embedded, dim=-1), text, temperature)
        found = found[:, own].double().cpu()
        facts = {"category": [row_name(name) for name in batch.categories], "is_anomalous": batch.is_anomalous.tolist()}
        facts |= {"matching": found.amax(1).tolist(), "named": [names[place] for place in found.argmax(1).tolist()]}
        parts.append(pd.DataFrame(facts | dict(zip(names, found.T.tolist()))))
    table = pd.concat(parts, ignore_index=True)
    table.insert(1, "path", [record.name(dataset.root) for record in dataset.records])
    return table


def kinship(name: str, known: Sequence[str]) -> str:
    """NEAR where a product's name shares a word with a known one's, a plural s apart, else FAR."""
    words = [{word.rstrip("s") for word in class_phrase(own).lower().split()} for own in (name, *known)]
    return NEAR if any(words[0] & other for other in words[1:]) else FAR


def rejected(known: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """How well other products are told from the known ones by `matched` tables of both, of sound pictures alone.

    A row for the others whose names are near and for those that are far, where there are some. Columns: product,
    categories, AUROC and FPR95, each with its 95 % interval over resampled categories of both sides (``_low``,
    ``_high``; Student's t between logits, for both are often near an end of their range, with the degrees of freedom of
    the side with fewer categories), nan for one category on a side.
    """
    sound, strange = (pd.DataFrame(table[~table["is_anomalous"]]) for table in (known, others))
    names = list(dict.fromkeys(sound["category"]))
    kinds = {name: kinship(name, names) for name in dict.fromkeys(strange["category"])}
    rows = []
    for kind in (NEAR, FAR):
        part = pd.DataFrame(strange[[kinds[name] == kind for name in strange["category"]]])
        if len(part):
            one, other = (_groups(table, "matching") for table in (sound, part))
            rows.append({"product": kind, "categories": len(other)} | _measured(one, other))
    return pd.DataFrame(rows)


def _groups(table: pd.DataFrame, column: str) -> list[np.ndarray]:
    return [own.to_numpy(dtype=float) for _, own in table.groupby("category", sort=False)[column]]


def _measured(known: list[np.ndarray], other: list[np.ndarray]) -> dict[str, float]:
    values = [_told_apart(np.concatenate(known), np.concatenate(other))]
    drawn = [resampled(len(part), RESAMPLES, seed) for seed, part in enumerate((known, other))]
    if min(len(known), len(other)) > 1:
        for counts in zip(*drawn):
            sides = [
                np.concatenate([np.tile(own, n) for own, n in zip(part, count)])
                for part, count in zip((known, other), counts)
            ]
            values.append(_told_apart(*sides))
    found: dict[str, float] = {}
    for place, name in enumerate(("AUROC", "FPR95")):
        numbers = np.array([value[place] for value in values])
        smallest = 0.5 / sum(map(len, other))  # half a picture
        low, high = interval_of_share(numbers, min(len(known), len(other)), smallest)
        found |= {name: float(numbers[0]), f"{name}_low": low, f"{name}_high": high}
    return found


def _told_apart(known: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    return known_auroc(known, other), false_positive_rate(known, other)


def expected_or_not(table: pd.DataFrame) -> pd.Series:
    """AUROC of the probability of a category's own name between its sound pictures and those of all other categories of
    a `matched` table, by category: known products in the place of another."""
    sound = pd.DataFrame(table[~table["is_anomalous"]])
    found = {}
    for name in [name for name in dict.fromkeys(sound["category"]) if name in table]:
        own = (sound["category"] == name).to_numpy()
        values = sound[name].to_numpy(dtype=float)
        found[str(name)] = known_auroc(values[own], values[~own])
    return pd.Series(found, dtype=float)


def defects_as_strangers(table: pd.DataFrame, column: str = "matching") -> pd.Series:
    """AUROC between sound (positive) and damaged pictures of each category by ``column`` of a `matched` table; about
    one half where a defect does not make a picture look less like a known product. nan for one kind of pictures
    alone."""
    found = {}
    for name, own in table.groupby("category", sort=False):
        found[str(name)] = image_auroc(own[column].to_numpy(dtype=float), ~own["is_anomalous"].to_numpy(bool))
    return pd.Series(found, dtype=float)


def other_names(categories: Sequence[str]) -> dict[str, str]:
    """For each category the name of another, half the list away or the next one behind it whose name shares no word
    with its own, where there is one. Raises OptionError for fewer than two categories."""
    if len(categories) < 2:
        raise OptionError("Expected at least two categories, so that each can be called like another, got one.")
    found = {}
    for place, name in enumerate(categories):
        start = place + max(1, len(categories) // 2)
        others = [categories[(start + n) % len(categories)] for n in range(len(categories))]
        others = [other for other in others if other != name]
        found[name] = next((other for other in others if kinship(other, [name]) == FAR), others[0])
    return found


class Misnamed(AroundModel):
    """A model that is told other names: ``called`` has what to say for each category, which is else called as it is."""

    def __init__(self, model: AnomalyModel, called: Mapping[str, str]):
        super().__init__(model, model.options)
        self.called = dict(called)

    def identity(self, class_names: Sequence[str]) -> Mapping[str, object]:
        """What each class is called, and what the model says of that."""
        called = {name: self.called.get(name, name) for name in class_names}
        return {"called": called, "of": self.model.identity([*called.values()])}

    def forward(self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]) -> Prediction:
        """As the model of the other names."""
        names = names_of_images(class_names, len(images))
        return self.model(images, [self.called.get(name, name) for name in names])


@torch.no_grad()
def reads_names(model: AnomalyModel, images: Float[Tensor, "batch 3 height width"], one: str, other: str) -> bool:
    """Whether any map or score of these images changes with the product's name."""
    first, second = (model(to_device(images, model.device), name) for name in (one, other))
    return not (
        torch.equal(first.anomaly_map, second.anomaly_map) and torch.equal(first.image_score, second.image_score)
    )
