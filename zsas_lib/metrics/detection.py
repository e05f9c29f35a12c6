"""How well a score tells known pictures from strangers.

**Known pictures are the positive class, and their scores are higher.** A library that takes strangers for the positive
class (pytorch-ood does) calls another number FPR95: the share of known pictures that is refused where 95 % of the
strangers are. AUROC is the same both ways.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from torch import Tensor

from .image import image_auroc

Known: TypeAlias = Float[Tensor, " known"] | Float[np.ndarray, " known"]
Strangers: TypeAlias = Float[Tensor, " stranger"] | Float[np.ndarray, " stranger"]
KEPT = 0.95


def known_auroc(known: Known, strangers: Strangers) -> float:
    """The chance that a known picture has a higher score than a stranger; ties count one half.

    >>> zsas.metrics.known_auroc(torch.tensor([0.9, 0.4]), torch.tensor([0.4, 0.1]))
    0.875
    """
    scores = [_array(known), _array(strangers)]
    return image_auroc(np.concatenate(scores), np.repeat([True, False], [len(own) for own in scores]))


def false_positive_rate(known: Known, strangers: Strangers, kept: float = KEPT) -> float:
    """The share of strangers that is accepted at the highest threshold that keeps at least ``kept`` of the known (a
    score is accepted from the threshold on); of 0.95 it is called FPR95.

    Raises ValueError for no picture on a side, a score that is not finite, and ``kept`` outside (0, 1].

    >>> known = torch.linspace(0, 1, 101)
    >>> round(zsas.metrics.false_positive_rate(known, known - 0.5), 3)
    0.455
    """
    own, others = _array(known), _array(strangers)
    if not 0 < kept <= 1:
        raise ValueError(f"Expected a share of known pictures in (0, 1], got {kept}.")
    threshold = np.sort(own)[::-1][max(1, int(np.ceil(kept * len(own) - 1e-9))) - 1]
    return float((others >= threshold).mean())


def _array(values: Known | Strangers) -> np.ndarray:
    numbers = values.detach().double().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values, float)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise ValueError(f"Expected finite scores of at least one picture, got shape {numbers.shape}.")
    return numbers
