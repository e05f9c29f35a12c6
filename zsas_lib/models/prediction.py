"""What every model is asked and answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Prediction:
    """What a model says of a batch of images; larger means more anomalous.

    `anomaly_map` has the input images' size; `image_score` is one number per image. The range is the model's own.
    """

    anomaly_map: Float[Tensor, "batch height width"]
    image_score: Float[Tensor, " batch"]


def names_of_images(class_names: str | Sequence[str], count: int) -> list[str]:
    """One class name per image, from one for all or one each. Raises ValueError for another number of names."""
    names = [class_names] * count if isinstance(class_names, str) else list(class_names)
    if len(names) != count:
        raise ValueError(f"Got {len(names)} class names for {count} images; expected one, or one per image.")
    return names
