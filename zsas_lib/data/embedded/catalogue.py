"""What the embedded data sets hold: how their products look, by the names of their categories, and how each defect was
drawn; and what made the embedded backbone."""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import safe_open

from ...base.errors import DataError, UnknownNameError
from ..dataset import AnomalyDataset
from . import WEIGHTS, writer_of
from .products import AUXILIARY, EVALUATION, LIKE_BTAD, LIKE_MPDD, TRAINING, Product

SETS = {"embedded-a": AUXILIARY, "embedded-b": EVALUATION, "embedded-c": LIKE_BTAD, "embedded-d": LIKE_MPDD}
PRODUCTS: Mapping[str, Product] = {
    product.name.replace(" ", "_"): product for products in SETS.values() for product in products
}
"""The products of all embedded data sets by category, such as ``ceramic_ring``."""
COMPOSITIONS = len(TRAINING)
"""How many products the embedded backbone was trained on: none is in ``embedded-a`` or ``embedded-b``, and all
of ``embedded-c`` and ``embedded-d`` are among them, where it saw other products of the same material and shape."""
GREY = 0.06  # below this difference between its channels a colour counts as grey


def categories(name: str) -> list[str]:
    """The categories of an embedded data set, sorted as `load_dataset` has them, whether or not it is drawn yet.

    Raises UnknownNameError for another data set.
    """
    if name not in SETS:
        raise UnknownNameError("embedded data set", name, SETS)
    return sorted(product.name.replace(" ", "_") for product in SETS[name])


def tested_pictures(name: str) -> int:
    """How many test pictures each category of an embedded data set has, sound and damaged, drawn or not yet.

    Raises UnknownNameError for another data set.
    """
    if name not in SETS:
        raise UnknownNameError("embedded data set", name, SETS)
    return sum(inspect.signature(writer_of(name)[1]).parameters["counts"].default[1:])


def described(pictures: AnomalyDataset) -> pd.DataFrame:
    """How each category of embedded pictures looks, in words, and how many of them there are.

    By category; columns kind (object or texture), ground, print, rotation-invariant (yes or no), saturation (grey or
    coloured) and "sound / damaged", the number of pictures of either. Raises UnknownNameError for another category.
    """
    rows = {}
    for category in pictures.categories:
        if category not in PRODUCTS:
            raise UnknownNameError("embedded category", category, PRODUCTS)
        product = PRODUCTS[category]
        damaged = [record.is_anomalous for record in pictures.select([category]).records]
        rows[category] = {
            "kind": "texture" if product.is_texture else "object",
            "ground": product.ground,
            "print": product.print or "none",
            "rotation-invariant": "yes" if product.rotation_invariant else "no",
            "saturation": "grey" if np.ptp(product.colour) < GREY else "coloured",
            "sound / damaged": f"{damaged.count(False)} / {damaged.count(True)}",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("category")


def drawn_defects(pictures: AnomalyDataset) -> pd.DataFrame:
    """How the defects of the categories of embedded pictures were drawn, of those that were left out by `select` too.

    The table ``defects.csv`` that lies beside the pictures: image (the path below the root), category, kind,
    contrast_level, as asked for, and as measured area (share of the picture) and contrast (mean absolute difference to
    the sound twin inside the mask). Raises DataError where the pictures have no such table.
    """
    path = pictures.root / "defects.csv"
    if not path.is_file():
        raise DataError(
            f"No table of drawn defects at {path}; only embedded data sets have one, not {pictures.name!r}."
        )
    table = pd.read_csv(path)
    return table.loc[table.category.isin(pictures.categories)]


def backbone_record(weights: Path = WEIGHTS) -> dict[str, object]:
    """What the file of the embedded backbone's weights records of the training that made it."""
    with safe_open(weights, "pt") as file:
        return {name: json.loads(value) for name, value in (file.metadata() or {}).items()}
