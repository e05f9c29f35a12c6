"""What every model answers."""

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
