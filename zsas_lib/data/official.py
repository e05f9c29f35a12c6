"""How many pictures each benchmark has as published: ``tables/official_counts.csv``. Needs no torch.

The table (columns dataset, category, split, kind, count) was established as follows.

==========  =====================================================================================================
mvtec       Counted in the file lists that UniAS (github.com/Mwxinnn/UniAS, ``data/MVTec-AD``) publishes for the
            official archive; the test part agrees with AA-CLIP's list and the training part with VCP-CLIP's. 3,629
            training pictures, 467 normal and 1,258 anomalous test pictures, the totals of the paper.
visa        Counted in the official ``split_csv/1cls.csv``: 8,659, 962 and 1,200.
btad        Counted in the per-picture statistics of github.com/dataset-ninja/btad; the test part agrees with AA-CLIP's
            list (github.com/Mwxinnn/AA-CLIP, ``dataset/metadata``). 1,799, 451 and 290.
mpdd        Test: counted in AA-CLIP's list. Training: an inventory that a public repository took from the archive's
            directory, whose test part agrees with that list. 888, 176 and 282.
mvtec-loco  Counted in the per-picture statistics that github.com/dataset-ninja/mvtec-loco-ad took of the archive. 1,778
            training, 305 validation, 575 normal and 993 anomalous test pictures. The paper prints six training pictures
            and one validation picture fewer, all of splicing_connectors (354 and 59, where the archive has 360 and 60).
mvtec-3d    Training and validation: Table 1 of the paper, 2,656 and 294. Test: counted in the per-picture scores that
            github.com/romanoen/3D-Surface-Anomaly-Detection-on-MVTec-3D-AD publishes, whose sums by category are those
            of Table 1: 249 and 948. The paper counts 41 kinds of defects, 5 of them of peach; the scores have 40 and 4.
==========  =====================================================================================================
"""

import csv
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

TABLE = Path(__file__).parent / "tables" / "official_counts.csv"


class Part(NamedTuple):
    """Pictures that are counted together: a category's of one split ("train", "validation" or "test") and
    kind ("good" or a defect)."""

    category: str
    split: str
    kind: str


def counts(dataset: str) -> Mapping[Part, int]:
    """The published number of pictures of each part of a data set; empty for one without published numbers."""
    return _table().get(dataset, MappingProxyType({}))


def categories(dataset: str) -> tuple[str, ...]:
    """The categories of a data set as published, in the table's order; () for one without published numbers."""
    return tuple(dict.fromkeys(part.category for part in counts(dataset)))


def pictures(dataset: str, split: str, categories: Sequence[str] | None = None) -> int | None:
    """How many pictures these categories (None: all) have in a split, None for a data set without published numbers."""
    found = counts(dataset)
    if not found:
        return None
    return sum(
        count
        for part, count in found.items()
        if part.split == split and (categories is None or part.category in categories)
    )


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Mapping[Part, int]]:
    table: dict[str, dict[Part, int]] = {}
    with TABLE.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            part = Part(row["category"], row["split"], row["kind"])
            table.setdefault(row["dataset"], {})[part] = int(row["count"])
    return {name: MappingProxyType(own) for name, own in table.items()}
