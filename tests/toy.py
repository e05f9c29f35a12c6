"""A model and a data set of a few small pictures, for tests of what is done with any model and any data set."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import nn

from zsas_lib.backbones.backbone import Backbone
from zsas_lib.data.dataset import AnomalyDataset, Record
from zsas_lib.models.prediction import AnomalyModel, Prediction

SIZE = 32


class ToyBackbone(Backbone):
    """A backbone by its facts alone, without towers."""

    def __init__(self):
        nn.Module.__init__(self)

    digest = "toy"
    precision = "float32"
    device = torch.device("cpu")


class Glow(AnomalyModel):
    """Says that what glows in one channel is anomalous; counts the images it has seen."""

    name = "glow"

    def __init__(self, channel: int = 0, gain: float = 1.0):
        super().__init__(ToyBackbone(), {"channel": channel})
        self.gain = nn.Parameter(torch.tensor(gain))
        self.seen = 0

    def forward(self, images: torch.Tensor, class_names: str | list[str]) -> Prediction:
        self.seen += len(images)
        maps = torch.nn.functional.avg_pool2d(images[:, self.options["channel"]], 5, stride=1, padding=2) * self.gain
        return Prediction(maps, maps.amax((1, 2)))


class Speckled(Glow):
    """Glow with a fixed speckle: no two pixels score nearly the same, so that rounding decides no rank of them."""

    def forward(self, images: torch.Tensor, class_names: str | list[str]) -> Prediction:
        maps = super().forward(images, class_names).anomaly_map
        maps = maps + 0.1 * torch.rand(maps.shape[1:], generator=torch.Generator().manual_seed(0))
        return Prediction(maps, maps.amax((1, 2)))


def toy_dataset(
    root: Path, categories: dict[str, int], normal: int = 3, sizes: tuple[int, ...] = (SIZE,)
) -> AnomalyDataset:
    """``categories`` maps names to their number of anomalous pictures; sizes alternate. Defects glow in red, a bit."""
    records = []
    for order, (category, anomalous) in enumerate(categories.items()):
        for index in range(normal + anomalous):
            rng = np.random.default_rng([order, index])
            size = sizes[index % len(sizes)]
            picture = 0.4 + gaussian_filter(rng.standard_normal((size, size, 3)), (1.5, 1.5, 0)) * 0.6
            path, mask_path = root / category / f"{index}.png", None
            path.parent.mkdir(parents=True, exist_ok=True)
            if index >= normal:
                mask = np.zeros((size, size), dtype=bool)
                for _ in range(2):
                    top, left = rng.integers(2, size - 8, 2)
                    mask[top : top + 6, left : left + 6] = True
                picture[mask] += (0.3, 0.1, 0)
                mask_path = root / category / f"{index}_mask.png"
                Image.fromarray(mask.astype(np.uint8) * 255).save(mask_path)
            Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8)).save(path)
            records.append(Record(path, mask_path, category, "good" if mask_path is None else "glow"))
    return AnomalyDataset("toy", root, records)
