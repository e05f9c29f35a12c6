"""What paper V prints of VCP-CLIP+ and its rivals, by the data set that they are tested on."""

from dataclasses import dataclass

import pandas as pd

from .comparable import family
from .printed import printed_metrics

TABLES = {"MVTec-AD": (5, 6), "VisA": (11,), "BTAD": (9,), "MPDD": (10,)}
HIGHEST = {"MVTec-AD": 7}
RATES = {"MVTec-AD": 8}


@dataclass(frozen=True)
class Rivals:
    """V's comparison on one data set, as the papers call it: a row per method, in percent.

    ``numbers`` are the metrics of ``tables``, images scored by the 2000 highest pixels; ``highest`` the image metrics
    by the highest pixel alone and ``rates`` those of Table 8, both without rows where V does not print them.
    """

    family: str
    tables: tuple[int, ...]
    numbers: pd.DataFrame
    highest: pd.DataFrame
    rates: pd.DataFrame

    @property
    def scores(self) -> pd.DataFrame:
        """Image AUROC by method and image score: "top 2000", and "top 1" where V prints it."""
        found = {"top 2000": self.numbers["image_auroc"]}
        return pd.DataFrame(found | ({"top 1": self.highest["image_auroc"]} if len(self.highest) else {}))

    @property
    def where(self) -> str:
        """ "V Tables 5 and 6"."""
        return f"V Table{'s' * (len(self.tables) > 1)} {' and '.join(map(str, self.tables))}"


def printed_rivals(dataset: str) -> Rivals:
    """V's comparison for a page of ``dataset``: that of its `family`, or of MVTec AD if V has not that."""
    own = family(dataset)
    own = own if own in TABLES else next(iter(TABLES))
    numbers = pd.concat([printed_metrics("V", table) for table in TABLES[own]], axis=1)
    return Rivals(own, TABLES[own], numbers, _where_printed(HIGHEST, own, 7), _where_printed(RATES, own, 8))


def _where_printed(tables: dict[str, int], own: str, like: int) -> pd.DataFrame:
    return printed_metrics("V", tables[own]) if own in tables else printed_metrics("V", like).iloc[:0]
