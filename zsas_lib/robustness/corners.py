"""What filling the corners of a map with zeros does to pixel AUROC, by itself (S eq. (3))."""

from collections.abc import Iterable

import pandas as pd

from ..data.dataset import AnomalyDataset
from ..perturbations import check_amount, named


def corner_shares(
    dataset: AnomalyDataset, values: Iterable[float], *, perturbation: str = "rotation", batch_size: int = 16
) -> pd.DataFrame:
    """Which shares of the anomalous and of the normal pixels lie in the corners, where a map turned back has nothing.

    By category and value in the index; columns anomalous and normal, in [0, 1], over all pixels of a category's
    pictures, nan where it has none of the kind. Raises ValueError for a value outside the perturbation's range, or a
    perturbation that moves no pixels.
    """
    record = named(perturbation)
    if record.motion is None:
        raise ValueError(f"Expected a perturbation that moves pixels, such as rotation; got {perturbation!r}.")
    values = [float(value) for value in values]
    for value in values:
        check_amount(perturbation, value)
    rows = []
    for category in dataset.categories:
        counts = pd.DataFrame(0, values, ["anomalous", "normal", "anomalous hidden", "normal hidden"])
        for batch in dataset.select([category]).batches(batch_size):
            for value in values:
                hidden = ~record.motion.shown(value, *batch.masks.shape[1:])
                kinds = batch.masks, ~batch.masks
                counts.loc[value] += [int(part.sum()) for part in (*kinds, *(kind & hidden for kind in kinds))]
        for value, count in counts.iterrows():
            shares = {kind: count[f"{kind} hidden"] / (count[kind] or float("nan")) for kind in ("anomalous", "normal")}
            rows.append({"category": category, "value": value} | shares)
    return pd.DataFrame(rows).set_index(["category", "value"])


def zero_filled(auroc: pd.Series, shares: pd.DataFrame) -> pd.Series:
    """What filling the corners with zeros makes of the pixel AUROC over the valid region, in the unit fraction.

    Of the pairs of an anomalous and a normal pixel, those that are both valid are ordered as over the valid region;
    a hidden normal pixel lies below every valid one, a hidden anomalous one below as well, and two hidden ones tie. So
    A becomes (1 - p) ((1 - n) A + n) + p n / 2, with p and n the `corner_shares` of anomalous and normal pixels;
    without defects in the corners, (1 - n) A + n. This holds for maps above 0 everywhere, but for the pixels on the
    corners' edge, where a map fades to 0.
    """
    anomalous, normal = shares.anomalous, shares.normal
    return (1 - anomalous) * ((1 - normal) * auroc + normal) + anomalous * normal / 2
