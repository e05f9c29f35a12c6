"""Shape bias: of pictures that have the material of one name and the shape of another, how many answers go by shape?

A network that puts words together has nothing to decide there: "a cork ring" is simply true of the picture. So a head
with one-to-one names is fitted on its frozen image tower, to pictures that have both cues of one name, and asked about
conflicts (`data.embedded.conflicts`). What is easier to read answers more often, whatever is preferred: controls with a
single cue say how well each is read, the easier one is weakened step by step, in conflicts and control alike, and the
bias is taken where the controls are read equally well. Geirhos et al. (ICLR 2019) define shape bias; paper T asks it of
released CLIPs, with pictures whose cues may be unlike in legibility.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from zlib import crc32

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, UInt8
from sklearn.linear_model import LogisticRegression

from ..base.errors import OptionError
from ..base.options import whole_number
from ..data.embedded.conflicts import TOLD, TOLD_MATERIALS, TOLD_SHAPES, Cues
from ..evaluation.replicates import checksums
from ..evaluation.sampled import ITSELF
from ..metrics.bootstrap import resampled
from .naming import FACTS, Answers

FIT, BOTH, SHAPE, MATERIAL, CONFLICT = "fit", "both cues", "shape alone", "material alone", "conflict"
"""The sets of pictures. Levels of a control are how often its cue was weakened; of conflicts the same, upwards for the
shape and downwards for the material; of those to fit 0 with both cues, 1 the shape alone, -1 the material alone."""
PROTOTYPES, TAUGHT = "prototypes", "taught each cue"
HEADS = (PROTOTYPES, TAUGHT)
"""The mean of each name's pictures with both cues, to which a picture is nearest; and a linear head that was fitted to
pictures with one cue alone too, so that it knows that each is enough."""
AS_DRAWN, EQUAL = "as drawn", "equally legible"
METRICS = ("both", "shape_alone", "material_alone", "by_shape", "by_material", "neither", "bias")
"""Shares: of pictures with both cues, and of controls, named right; of conflicts answered by either cue or by neither;
and the shape's share of answers by a cue."""


@dataclass(frozen=True)
class ConflictQuestions:
    """Which pictures are asked about: ``fitted`` of each name with both cues and of each control to fit heads to,
    ``per_name`` of the same to ask, and ``per_pair`` of each material on each shape of another name; each cue is drawn
    at full strength and at each of ``strengths``, which fall. Raises OptionError for what cannot be."""

    fitted: int = 20
    per_name: int = 12
    per_pair: int = 2
    strengths: tuple[float, ...] = (0.6, 0.4, 0.25, 0.12)
    seed: int = 0

    def __post_init__(self):
        for name, low in (("fitted", 2), ("per_name", 1), ("per_pair", 1)):
            whole_number("ConflictQuestions", name, getattr(self, name), low)
        falling = [1.0, *self.strengths, 0.0]
        if not self.strengths or any(later >= earlier for earlier, later in zip(falling, falling[1:])):
            raise OptionError(f"Expected strengths below 1 and above 0 that fall, got {self.strengths}.")

    def pictures(self) -> tuple[pd.DataFrame, UInt8[np.ndarray, "picture height width 3"]]:
        """A row for each picture (its set, level, name and number), and the pictures."""
        rows, found = [], []

        def take(kind: str, level: int, material: int, shape: int, number: int, image: np.ndarray) -> None:
            rows.append((kind, level, f"{TOLD_MATERIALS[material]} {TOLD_SHAPES[shape]}", number))
            found.append(np.round(image * 255).astype(np.uint8))

        steps = list(enumerate((1.0, *self.strengths)))
        for i in range(len(TOLD)):
            for number in range(self.fitted):
                cues = self._cues(i, i, FIT, number)
                for level, strengths in ((0, (1, 1)), (1, (0, 1)), (-1, (1, 0))):
                    take(FIT, level, i, i, number, cues(*strengths))
            for number in range(self.per_name):
                cues = self._cues(i, i, BOTH, number)
                take(BOTH, 0, i, i, number, cues(1, 1))
                for level, strength in steps:
                    take(SHAPE, level, i, i, number, cues(0, strength))
                    take(MATERIAL, level, i, i, number, cues(strength, 0))
            for j in (other for other in range(len(TOLD)) if other != i):
                for number in range(self.per_pair):
                    cues = self._cues(i, j, CONFLICT, number)
                    for level, strength in steps:
                        take(CONFLICT, level, i, j, number, cues(1, strength))
                        if level:
                            take(CONFLICT, -level, i, j, number, cues(strength, 1))
        return pd.DataFrame(rows, columns=FACTS), np.stack(found)

    def _cues(self, material: int, shape: int, kind: str, number: int) -> Cues:
        return Cues(
            TOLD_MATERIALS[material], TOLD_SHAPES[shape], self.seed, crc32(kind.encode()), material, shape, number
        )


def conflicts_answered(found: Sequence[Answers], heads: Sequence[str] = HEADS, resamples: int = 200) -> pd.DataFrame:
    """What each network and head answers at each strength: a flat table by member, head and level with ``run``, whose
    replicates resample the names. Levels are those of conflicts; of a control whose cue is not weakened there the
    number is that at full strength. Columns: `METRICS`."""
    parts = []
    for own in found:
        for head in heads:
            for level, values in _by_level(own, head, _weights(resamples)).items():
                known = {"member": own.card.name, "head": head, "level": level}
                parts.append(_flat(values, known, resamples).assign(run=own.card.seed))
    return pd.concat(parts, ignore_index=True)


def shape_bias(answered: pd.DataFrame) -> pd.DataFrame:
    """The bias `AS_DRAWN`, and where both controls are read `EQUAL`-ly well: a flat table by member, head and way with
    ``run``; ``answered`` is of `conflicts_answered`.

    From full strength on the easier cue is weakened until its control is read no better than the other's, and all
    numbers are taken on the line between the last two steps, in each resample anew. They are nan where no step is
    enough. Column beside `METRICS`: weakened, how far, in levels.
    """
    parts = []
    keys = ["member", "head", "run"]
    for place, own in answered.groupby(keys, sort=False):
        levels = np.array(sorted(own["level"].unique()))
        one = pd.DataFrame(own[own["level"] == 0])
        cube = np.stack([own.loc[own["level"] == level, list(METRICS)].to_numpy(float) for level in levels])
        drawn = cube[list(levels).index(0)]
        ways = {AS_DRAWN: np.column_stack([drawn, np.zeros(len(drawn))]), EQUAL: _balanced(levels, cube)}
        named: list[Any] = list(cast(Any, place))
        known = dict(zip(keys, named))
        for way, values in ways.items():
            part = pd.DataFrame(one[["replicate", "draw", "pictures", "units", "freedom"]]).reset_index(drop=True)
            part = pd.concat([part, pd.DataFrame(values, columns=[*METRICS, "weakened"])], axis=1)
            for number, (name, value) in enumerate({**known, "way": way}.items()):
                if name != "run":
                    part.insert(min(number, 2), name, value)
            parts.append(part.assign(run=known["run"]))
    return pd.concat(parts, ignore_index=True)


def _balanced(
    levels: Int[np.ndarray, " level"], cube: Float[np.ndarray, "level replicate metric"]
) -> Float[np.ndarray, "replicate metric_and_level"]:
    """Of each replicate its metrics where the controls are read alike, and at which level that is."""
    full = list(levels).index(0)
    gaps = cube[..., METRICS.index("shape_alone")] - cube[..., METRICS.index("material_alone")]
    found = np.full((cube.shape[1], cube.shape[2] + 1), np.nan)
    for replicate, gap in enumerate(gaps.T):
        if gap[full] == 0:
            found[replicate] = [*cube[full, replicate], 0.0]
            continue
        away = 1 if gap[full] > 0 else -1  # the easier cue is the shape, or the material
        place = full + away
        while 0 <= place < len(levels) and gap[place] * gap[full] > 0:
            place += away
        if 0 <= place < len(levels):
            last = place - away
            share = gap[last] / (gap[last] - gap[place])
            mixed = (1 - share) * cube[last, replicate] + share * cube[place, replicate]
            found[replicate] = [*mixed, (1 - share) * levels[last] + share * levels[place]]
    return found


def _weights(resamples: int) -> Float[np.ndarray, "replicate name"]:
    return np.vstack([np.ones((1, len(TOLD))), resampled(len(TOLD), resamples, 0)])


def _flat(values: Float[np.ndarray, "replicate metric"], known: dict, resamples: int) -> pd.DataFrame:
    drawn = resampled(len(TOLD), resamples, 0)
    named = known | {"replicate": range(ITSELF, resamples), "draw": [0, *checksums(drawn)]}
    named |= {"pictures": crc32("\n".join(TOLD).encode()), "units": len(TOLD), "freedom": len(TOLD) - 1}
    return pd.concat([pd.DataFrame(named), pd.DataFrame(values, columns=list(METRICS))], axis=1)


def _by_level(
    own: Answers, head: str, weights: Float[np.ndarray, "replicate name"]
) -> dict[int, Float[np.ndarray, "replicate metric"]]:
    kinds, level_of = own.rows["set"].to_numpy(), own.rows["level"].to_numpy()
    words = own.rows["name"].str.split(" ", expand=True)
    material = words[0].map(TOLD_MATERIALS.index).to_numpy()
    shape = words[1].map(TOLD_SHAPES.index).to_numpy()
    fitted = (kinds == FIT) & ((level_of == 0) | (head == TAUGHT))
    said = _answers_of(head, own.images[fitted], material[fitted], own.images)

    def share(kind: str, level: int) -> Float[np.ndarray, " replicate"]:
        part = (kinds == kind) & (level_of == level)
        right = np.bincount(material[part], said[part] == material[part], len(TOLD))
        return (weights @ right) / (weights @ np.bincount(material[part], minlength=len(TOLD)))

    both, found = share(BOTH, 0), {}
    for level in map(int, sorted(set(level_of[kinds == CONFLICT]))):
        part = (kinds == CONFLICT) & (level_of == level)
        counts = np.zeros((3, len(TOLD), len(TOLD)))
        asked = (material[part], shape[part])
        for number, true in enumerate((said[part] == asked[1], said[part] == asked[0], np.ones(part.sum()))):
            np.add.at(counts[number], asked, true)
        by_shape, by_material, total = np.einsum("ri,kij,rj->kr", weights, counts, weights)
        with np.errstate(invalid="ignore"):  # no answer by a cue has no bias
            bias = by_shape / (by_shape + by_material)
        shares = [by_shape / total, by_material / total, 1 - (by_shape + by_material) / total]
        controls = [share(SHAPE, max(level, 0)), share(MATERIAL, max(-level, 0))]
        found[level] = np.column_stack([both, *controls, *shares, bias])
    return found


def _answers_of(
    head: str, images: Float[np.ndarray, "fitted embed"], names: Int[np.ndarray, " fitted"], asked: np.ndarray
) -> Int[np.ndarray, " picture"]:
    """The names that a head fitted to ``images`` gives to those ``asked``."""
    if head == PROTOTYPES:
        means = np.stack([images[names == name].mean(0) for name in range(len(TOLD))])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return (asked @ means.T).argmax(1)
    middle, spread = images.mean(0), images.std(0) + 1e-9
    fitted = LogisticRegression(C=0.1, max_iter=500).fit((images - middle) / spread, names)
    return fitted.predict((asked - middle) / spread)
