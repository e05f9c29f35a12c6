"""Masks of numbers are refused wherever they would count wrong."""

import numpy as np
import pytest
import torch

from zsas_lib.base.booleans import require_bool
from zsas_lib.losses import dice_loss, focal_loss
from zsas_lib.metrics import pixel_auroc
from zsas_lib.perturbations.rotation import rotate_masks
from zsas_lib.robustness.search.objective import segmentation_loss
from zsas_lib.studies.defects import contrast
from zsas_lib.studies.one_picture import rim_contrast, threshold_table

MAP = torch.rand(1, 6, 6, generator=torch.Generator().manual_seed(0))
IMAGE = torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(1))
SHOWN = torch.ones(1, 6, 6, dtype=torch.bool)
TAKERS = {
    "focal_loss": lambda masks: focal_loss(MAP, masks),
    "dice_loss": lambda masks: dice_loss(MAP, masks),
    "segmentation_loss": lambda masks: segmentation_loss(MAP, masks, SHOWN),
    "rotate_masks": lambda masks: rotate_masks(masks, 90),
    "contrast": lambda masks: contrast(IMAGE, masks[0]),
    "rim_contrast": lambda masks: rim_contrast(IMAGE, masks[0]),
    "threshold_table": lambda masks: threshold_table(MAP[0], masks[0], [0.5]),
    "pixel_auroc": lambda masks: pixel_auroc(MAP, masks),
}


@pytest.mark.parametrize("kind", [torch.uint8, torch.int64, torch.float32])
@pytest.mark.parametrize("name", TAKERS)
def test_masks_that_are_not_bool_are_refused(unchecked_types, name, kind):
    masks = torch.zeros(1, 6, 6, dtype=torch.bool)
    masks[0, :2, :3] = True
    TAKERS[name](masks)
    numbers = masks.to(kind)
    if kind.is_floating_point:
        numbers[0, 5, 5] = torch.nan
    with pytest.raises(TypeError, match="bool"):
        TAKERS[name](numbers)


def test_the_message_says_what_to_do():
    require_bool(np.zeros(3, dtype=bool))
    with pytest.raises(
        TypeError, match=r"Expected bool masks, .* got int32; compare with a level, such as masks > 0\.5"
    ):
        require_bool(np.zeros(3, dtype=np.int32))
