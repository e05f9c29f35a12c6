"""Naming products under corruptions that know depth, beside their twins that do not: does depth add anything?

The camera is tilted and near, and the part lies over its ground, so that there is depth to know. Every corrupted
picture is one of the same view, and both of a pair of twins of the same picture: all differences are paired by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..base.options import whole_number
from ..data.embedded.camera import Camera
from ..data.embedded.naming import HELD_OUT, SIZE, draw_named
from ..data.embedded.shoot import View
from ..perturbations.corruptions import CORRUPTIONS, corrupt, spelled
from . import equal_accuracy
from .correspondence import LIFT, Seen
from .naming import CLEAN, FACTS, by_seed
from .visual_factors import ALL, AMONG, beside_plain, drops, robustness_or_none, with_mean

WITH_DEPTH = tuple(name for name, record in CORRUPTIONS.items() if record.takes_depth)
DISTANCE = 3.0
"""Of the lens from the middle of the bench, in half widths."""
EVERY = "all corruptions"
DEPTH, TWIN = "with depth", "without"
"""The two ways of a corruption."""


@dataclass(frozen=True)
class DepthQuestions:
    """Which pictures are asked about: ``per_name`` of each held-out name, the camera tilted by ``tilt`` degrees to a
    random side, clean, and under each of the ``corruptions`` and its twin at each of the ``severities``.

    Raises UnknownNameError for a corruption that there is not, ValueError for one that takes no depth, for a severity
    that is not 1 to 5, and for a tilt that a camera cannot have, OptionError for a number that cannot be.
    """

    corruptions: tuple[str, ...] = WITH_DEPTH
    severities: tuple[int, ...] = (2, 4)
    tilt: int | float = 35
    per_name: int = 3
    seed: int = 0

    def __post_init__(self):
        whole_number("DepthQuestions", "per_name", self.per_name, 1)
        require_depth_takers(self.corruptions, self.severities)
        self.view(HELD_OUT[0], 0, 8)

    def view(self, name: str, number: int, size: int = SIZE) -> View:
        """One of the pictures with its depth, before any corruption."""
        setting = draw_named(name, self.seed, crc32(name.encode()), number)
        side = float(np.random.default_rng([setting.seed, crc32(b"tilt")]).uniform(0, 2 * np.pi))
        camera = Camera(float(np.deg2rad(self.tilt)), side, distance=DISTANCE, perspective=True)
        return replace(setting, camera=camera, lift=LIFT).shoot(size)

    def pictures(self) -> tuple[pd.DataFrame, UInt8[np.ndarray, "picture height width 3"]]:
        """A row for each picture (its set, which is the corruption, level, which is the severity, name and number), and
        the pictures."""
        known = [(name, number) for name in HELD_OUT for number in range(self.per_name)]
        images, depth = images_and_depth([self.view(*own) for own in known])
        sets = {(CLEAN, 0): images}
        for name in self.corruptions:
            twin = CORRUPTIONS[name].twin
            for severity in self.severities:
                sets[name, severity] = corrupt(images, f"{name}({severity})", depth=depth)
                if (twin, severity) not in sets:
                    sets[str(twin), severity] = corrupt(images, f"{twin}({severity})")
        rows = [(*place, *own) for place in sets for own in known]
        stored = [(own.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1) for own in sets.values()]
        return pd.DataFrame(rows, columns=FACTS), torch.cat(stored).numpy()


def require_depth_takers(corruptions: Sequence[str], severities: Sequence[int]) -> None:
    """Raises UnknownNameError for a corruption that there is not, ValueError for one that takes no depth and for a
    severity that is not 1 to 5."""
    for name in corruptions:
        for severity in severities:
            record, _ = spelled(f"{name}({severity})")
            if not record.takes_depth:
                raise ValueError(f"Expected corruptions that take depth, got {name!r}; leave it out.")


def images_and_depth(
    views: Sequence[View | Seen],
) -> tuple[Float[Tensor, "view 3 height width"], Float[Tensor, "view height width"]]:
    """Views as `perturbations.corrupt` takes them."""
    images = torch.from_numpy(np.stack([view.image for view in views])).permute(0, 3, 1, 2).contiguous().float()
    return images, torch.from_numpy(np.stack([view.depth for view in views])).float()


def both_ways(accuracy: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`visual_factors.accuracies` of the answers to `DepthQuestions`, once of the corruptions that take depth and once
    of their twins, which stand under the names of those whose twins they are, both with the clean pictures."""
    asked = [name for name in WITH_DEPTH if name in set(accuracy["factor"])]
    clean, with_depth = (pd.DataFrame(accuracy[accuracy["factor"].isin(own)]) for own in ([CLEAN], asked))
    twins = [accuracy[accuracy["factor"] == CORRUPTIONS[name].twin].assign(factor=name) for name in asked]
    return {
        DEPTH: pd.concat([clean, with_depth], ignore_index=True),
        TWIN: pd.concat([clean, *twins], ignore_index=True),
    }


def losses(ways: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What each corruption takes from the clean pictures, both ways: a flat table by way, member and factor with
    ``run``. Columns: loss."""
    return pd.concat([_named(drops(table), way) for way, table in ways.items()], ignore_index=True)


def added(ways: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What depth adds to a loss: how much less accurate each member is under a corruption than under its twin, paired:
    a flat table by member and factor with ``run``. Columns: added."""
    keys = ["member", "seed", "factor", "category"]
    one, other = (with_mean(ways[way]).set_index(keys)[AMONG] for way in (DEPTH, TWIN))
    gaps = pd.DataFrame({"added": other.reindex(one.index) - one}).reset_index()
    gaps = pd.DataFrame(gaps[gaps["factor"] != CLEAN])
    return by_seed(gaps.replace({"factor": {ALL: EVERY}}), ["member", "factor"])


def robustness(ways: Mapping[str, pd.DataFrame], reference: list[str], kinds: Mapping[str, str]) -> pd.DataFrame:
    """The effective robustness of every member to all corruptions, both ways (`visual_factors.robustness_or_none`): a
    flat table by way, kind (of ``kinds``, by member; "" for others), member and factor with ``run``."""
    parts = []
    for way, table in ways.items():
        own = _named(robustness_or_none(table, reference, factors=[ALL]), way)
        own.insert(1, "kind", [kinds.get(name, "") for name in own["member"]])
        parts.append(own)
    return pd.concat(parts, ignore_index=True)


def at_equal_accuracy(ways: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, dict[str, str]]:
    """How much more accurate each member is under each corruption and all, both ways, than the reference has it at the
    same accuracy in clean pictures (`equal_accuracy.at_equal_accuracy`), and why others are left out: a flat table by
    way, member and factor with ``run``."""
    found = {way: equal_accuracy.at_equal_accuracy(beside_plain(table), AMONG) for way, table in ways.items()}
    absent = {name: why for _, own in found.values() for name, why in own.items()}
    return pd.concat([_named(own, way) for way, (own, _) in found.items()], ignore_index=True), absent


def _named(whole: pd.DataFrame, way: str) -> pd.DataFrame:
    whole = whole.replace({"factor": {ALL: EVERY}})
    whole.insert(0, "way", way)
    return whole
