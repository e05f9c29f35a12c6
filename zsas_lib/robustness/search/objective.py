"""What a search optimises: how badly a model segments a perturbed picture (S eqs (1) to (4))."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ...base.booleans import require_bool
from ...base.devices import to_device
from ...base.errors import UnknownNameError
from ...base.freed import keep_freed
from ...base.threads import enough_threads
from ...base.unit_range import asked_later, refuse_outside, require_unit_range
from ...metrics.pictures import picture_aurocs
from ...models.prediction import AnomalyModel
from ...perturbations import OF_PAPER_S, perturb, shown, upright
from .amounts import columns, ordered

FILLS = ("zero", "valid")
EPSILON = 1e-8


class Outcome(NamedTuple):
    """One entry per point. ``maps`` are upright and stay on the model's device, like a ``loss`` that is differentiable
    in the amounts; what else there is is in memory."""

    loss: Float[Tensor, " point"]
    pixel_auroc: Float[Tensor, " point"]
    maps: Float[Tensor, "point height width"]
    image_score: Float[Tensor, " point"]


class Objective:
    """How a model segments images under amounts of perturbation.

    A point is an image, by its number, with an amount of each perturbation of ``over``, which stand in the order of
    `perturbations.PERTURBATIONS`. The map of the perturbed image is turned back and compared with the upright mask.
    ``fill`` says what becomes of pixels that the turned image did not show: "zero" gives them the score 0 (S eq. (3)),
    "valid" leaves them out of the loss and of pixel AUROC; a point that turns all damage of an image out of view, or
    all that is sound, is then no answer: its loss is nan. Other perturbations are not applied at all.

    Raises ValueError for images outside [0, 1], images and masks of other layouts, and no perturbation or one named
    twice, UnknownNameError for an unknown perturbation or fill.
    """

    def __init__(
        self,
        model: AnomalyModel,
        images: Float[Tensor, "image 3 height width"],
        masks: Bool[Tensor, "image height width"],
        class_names: str | Sequence[str],
        over: str | Sequence[str] = OF_PAPER_S,
        fill: str = "zero",
    ):
        names = [class_names] * len(images) if isinstance(class_names, str) else list(class_names)
        if masks is None:
            raise ValueError("Expected a bool mask for every image (all False for a normal one), got none.")
        if masks.dtype != torch.bool or masks.shape != (len(images), *images.shape[-2:]) or len(names) != len(images):
            raise ValueError(
                f"Expected bool masks (image, height, width) and a class name for images {tuple(images.shape)}, got "
                f"{masks.dtype} {tuple(masks.shape)} and {len(names)} names."
            )
        if fill not in FILLS:
            raise UnknownNameError("fill", fill, FILLS)
        keep_freed()
        self.model, self.class_names, self.fill = model, names, fill
        self.over = ordered(over)
        require_unit_range(images)
        device = model.device
        self.images, self.masks = to_device(images.detach(), device), to_device(masks, device)

    def outcome(self, index: Int[Tensor, " point"], amounts: Float[Tensor, "point over"]) -> Outcome:
        """Loss, pixel AUROC, map and image score at points: image ``index[i]`` under ``amounts[i]``, in the order of
        ``over``. Where a model's map is not finite, or a point no answer, loss and pixel AUROC are nan; so is the AUROC
        of a normal image.

        Both arguments are best in memory: the host then waits for nothing until it reads all numbers at once."""
        device = self.images.device
        given = dict(zip(columns(self.over), to_device(amounts, device).unbind(1)))
        place, count = to_device(index, device), len(index)
        size = self.images[0].numel() * count
        with asked_later() as extents:
            with enough_threads(size):
                perturbed = perturb(self.images[place], **given)
            prediction = self.model(perturbed, [self.class_names[i] for i in index.tolist()])
        with enough_threads(size):
            maps, loss, found = self._judged(prediction.anomaly_map.float(), place, given)
        numbers = torch.cat([loss.detach(), found, prediction.image_score.detach(), *extents]).cpu()
        refuse_outside(numbers[3 * count :])
        own, found, score = numbers[: 3 * count].split(count)
        return Outcome(loss if loss.requires_grad else own, found, maps.detach(), score)

    def _judged(
        self, maps: Float[Tensor, "point height width"], place: Int[Tensor, " point"], given: dict[str, Tensor]
    ) -> tuple[Float[Tensor, "point height width"], Float[Tensor, " point"], Float[Tensor, " point"]]:
        """The upright maps of perturbed images, with their losses and pixel AUROC."""
        zero = self.fill == "zero"
        maps = upright(maps, given, fill="zero" if zero else "replicate")
        normal, anomalous = ~self.masks[place], self.masks[place]
        answered = torch.ones_like(place, dtype=torch.bool)
        if not zero:
            seen, both = shown(maps, given), has_both(normal, anomalous)
            normal, anomalous = normal & seen, anomalous & seen
            answered = has_both(normal, anomalous) | ~both
        loss, found = _difference(maps, normal, anomalous), picture_aurocs(maps.detach(), normal, anomalous)
        # Both means read every pixel, and 0 times one that is not finite is not finite either.
        finite = loss.detach().isfinite() & answered
        return maps, torch.where(finite, loss, torch.nan), torch.where(finite, found, torch.nan)


def segmentation_loss(
    maps: Float[Tensor, "image height width"],
    masks: Bool[Tensor, "image height width"],
    shown: Bool[Tensor, "image height width"],
) -> Float[Tensor, " image"]:
    """The mean score of an image's normal pixels minus that of its anomalous ones, S eq. (4), over the pixels shown.

    In [-1, 1] for maps in [0, 1]; good segmentation is negative. An image without anomalous pixels has the mean of its
    map, one without normal pixels minus that. Raises TypeError for masks that are not bool.
    """
    require_bool(masks)
    return _difference(maps, shown & ~masks, shown & masks)


def has_both(
    normal: Bool[Tensor, "image height width"], anomalous: Bool[Tensor, "image height width"]
) -> Bool[Tensor, " image"]:
    """Whether an image has normal pixels and anomalous ones."""
    return normal.flatten(1).any(1) & anomalous.flatten(1).any(1)


def _difference(
    maps: Float[Tensor, "image height width"],
    normal: Bool[Tensor, "image height width"],
    anomalous: Bool[Tensor, "image height width"],
) -> Float[Tensor, " image"]:
    def mean(pixels):
        pixels = pixels.to(maps.dtype).flatten(1)
        return torch.linalg.vecdot(maps.flatten(1), pixels) / (pixels.sum(1) + EPSILON)

    return mean(normal) - mean(anomalous)
