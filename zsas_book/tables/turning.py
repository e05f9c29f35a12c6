"""Which categories may be turned, what cuts of the corner error make of them, and paper S's tables beside a page's."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.data.embedded.catalogue import PRODUCTS
from zsas_lib.data.record import row_name
from zsas_lib.data.registry import dataset_record
from zsas_lib.papers.comparable import comparable, family
from zsas_lib.papers.printed import TURNED, corner_errors
from zsas_lib.robustness.suitability import Cut, choices, widest_cut

from ..labels import label

UNKNOWN = "not known"


def may_turn(pictures: AnomalyDataset) -> pd.Series:
    """Whether each category may be turned by any angle: True, False, or None where nobody says so.

    The Series' name says who does: "declared" of embedded products, "used by paper S" of its data sets, else it is
    "may be turned".
    """
    meaning, known = "may be turned", {}
    if dataset_record(pictures.name).embedded:
        meaning, known = "declared", {name: product.rotation_invariant for name, product in PRODUCTS.items()}
    elif family(pictures.name) in TURNED:
        meaning, known = "used by paper S", corner_errors(family(pictures.name)).used.to_dict()
    answers = [known.get(category) for category in pictures.categories]
    return pd.Series(answers, index=[*map(row_name, pictures.categories)], name=meaning, dtype=object)


def cut_choices(errors: pd.Series, fit: pd.Series, cuts: Mapping[str, Cut], threshold: float) -> pd.DataFrame:
    """`suitability.choices` of paper S's ``cuts`` by data set, of the widest gap, and of the page's own threshold
    where it is none of these; the lists of categories in words, `UNKNOWN` where of none it is known what it may."""
    rules = {f"paper S's cut for {name}": cut for name, cut in cuts.items()}
    if errors.nunique() > 1:
        rules["widest gap"] = widest_cut(errors)
    if not any(np.isclose(threshold, cut.threshold) for cut in rules.values()):
        rules["this page's threshold"] = Cut(threshold)
    table = choices(errors, fit, rules).reset_index()
    none = UNKNOWN if fit.isna().all() else "none"
    for column in ("missed", "let in"):
        table[column] = [", ".join(map(label, names)) or none for names in table[column]]
    return table


def beside_corner_errors(errors: pd.Series, pictures: AnomalyDataset) -> pd.DataFrame:
    """What paper S prints in its Tables 2 and 3, a row each: how many categories, the smallest and the largest corner
    error, the rank correlation of its order with that of a page's ``errors`` over the categories that both have,
    three at least and of that data set itself, and whether the two can be compared."""
    rows = []
    for name, number in TURNED.items():
        printed = corner_errors(name).corner_mse
        own = family(pictures.name) == name and not dataset_record(pictures.name).stand_in
        common = [category for category in printed.index if category in errors.index] if own else []
        rank = spearmanr(printed[common], errors[common])[0] if len(common) > 2 else float("nan")
        note = comparable("S", number, pictures) or ("" if len(common) > 2 else "too few categories")
        ends = [f"{label(place)} {printed[place]:.2g}" for place in printed.index[[0, -1]]]
        verdict = f"not comparable: {note}" if note else f"order agrees to {rank:.2f} over {len(common)} categories"
        rows.append((f"S, Table {number} ({name})", len(printed), *ends, rank, verdict))
    columns = ["table", "categories", "smallest", "largest", "rank correlation", "verdict"]
    return pd.DataFrame(rows, columns=columns)
