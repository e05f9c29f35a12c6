"""What the products of the embedded data sets look like, by the names of their categories."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ...base.errors import UnknownNameError
from .products import AUXILIARY, EVALUATION, Product

PRODUCTS: Mapping[str, Product] = {product.name.replace(" ", "_"): product for product in AUXILIARY + EVALUATION}
"""The products of both embedded data sets by category, such as ``ceramic_ring``."""
GREY = 0.06  # below this difference between its channels a colour counts as grey


def described(categories: Sequence[str]) -> pd.DataFrame:
    """How each category looks, in words: a row each, with the columns kind (object or texture), ground, print,
    rotation-invariant (yes or no) and saturation (grey or coloured). Raises UnknownNameError for another category."""
    rows = {}
    for category in categories:
        if category not in PRODUCTS:
            raise UnknownNameError("embedded category", category, PRODUCTS)
        product = PRODUCTS[category]
        rows[category] = {
            "kind": "texture" if product.is_texture else "object",
            "ground": product.ground,
            "print": product.print or "none",
            "rotation-invariant": "yes" if product.rotation_invariant else "no",
            "saturation": "grey" if np.ptp(product.colour) < GREY else "coloured",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("category")
