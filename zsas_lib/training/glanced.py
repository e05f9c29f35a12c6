"""The worst of several points of a picture by a cheap look: what a training against worst cases meets.

The points are the same in every training. A few patches of each (`LearnedModel.glance`) are read once and kept; a step
compares those of some points with the sentences as they are by then, and takes the one that looks worst. The whole
picture is read at that point alone, when a step first comes to it.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..base.devices import to_device
from ..models.learned import Features, LearnedModel
from .perturbed import drawn_amounts, separation

Batch = tuple[Features, Bool[Tensor, "batch side side"], Bool[Tensor, " batch"]]
Pictures = tuple[
    Float[Tensor, "picture 3 side side"], Bool[Tensor, "picture side side"], list[str], Bool[Tensor, " picture"]
]
Read = Callable[[list[int], Float[Tensor, "batch over"]], Pictures]
"""Pictures by their numbers under amounts, on the backbone's device: images, masks, names, and which are anomalous."""

READ_TOGETHER = 16
POINTS = 16
"""Points of each picture, the picture as it is among them."""
EVERY = 3
"""Of so many rows and columns of patches a cheap look reads one."""
AT_DAMAGE = 1 / 8
"""The share of all patches that it reads where the damage is, beside these."""


def places_looked_at(
    masks: Bool[Tensor, "batch height width"], grid: tuple[int, int]
) -> tuple[Int[Tensor, "batch place"], Float[Tensor, "batch place"]]:
    """The numbers of the patches that a cheap look reads, in each picture as many, and which share of each is damaged:
    one in `EVERY` rows and columns, the last ones too, and of the others those with most damage. ``masks`` are of what
    the patches cover."""
    rows, columns = grid
    down, across = (sorted({*range(0, count, EVERY), count - 1}) for count in grid)
    even = to_device(torch.tensor([row * columns + column for row in down for column in across]), masks.device)
    damaged = F.adaptive_avg_pool2d(masks[:, None].float(), grid).flatten(1)
    even = even.expand(len(masks), -1)
    more = min(max(1, round(AT_DAMAGE * rows * columns)), rows * columns - even.shape[1])
    worst = damaged.scatter(1, even, -1).topk(more, dim=1).indices
    places = torch.cat([even, worst], 1).sort(dim=1).values
    return places, damaged.gather(1, places)


def looks(model: LearnedModel, glanced: Features, damaged: Float[Tensor, "batch place"]) -> Float[Tensor, " batch"]:
    """How badly the model as it is now seems to segment pictures, of which it has ``glanced`` at patches that are
    ``damaged`` by so much: `separation`."""
    training = model.training
    model.eval()
    with torch.no_grad():
        found = separation(model.scored(glanced), damaged)
    model.train(training)
    return found


class KeptPoints:
    """`POINTS` points of each of ``count`` pictures, which ``read`` gives: what a cheap look has of all of them, and
    the whole of those that a step has come to, each read by itself, so that it is the same in every order.

    ``room`` is how many bytes may be kept. `fits` is false where the looks alone need more: nothing is kept then.
    """

    def __init__(self, model: LearnedModel, count: int, perturbed: Sequence[str], read: Read, room: int):
        self.count, self.room = count, room
        self.whole: dict[int, Batch] = {}
        self.amounts = torch.stack([drawn_amounts(perturbed, count, generator=_seeded(p)) for p in range(1, POINTS)])
        unchanged = drawn_amounts(perturbed, count, kept=1.0, generator=_seeded(0))
        self.amounts = torch.cat([unchanged, *self.amounts])
        self.fits = True
        parts = []
        for rows in torch.arange(POINTS * count).split(READ_TOGETHER):
            parts.append(glanced(model, *read((rows % count).tolist(), self.amounts[rows])[:3]))
            size = sum(own.nbytes for own in [*parts[0][0].values(), parts[0][1]]) / len(parts[0][1])
            if size * POINTS * count > room:
                self.fits = False
                return
        self.room -= int(size * POINTS * count)
        features, damaged = zip(*parts)
        self.features = {name: torch.cat([own[name] for own in features]) for name in features[0]}
        self.damaged = torch.cat(damaged)

    def worst(self, model: LearnedModel, read: Read, pictures: Int[Tensor, " batch"], number: int) -> Batch:
        """These pictures, each at the one of ``number`` of its points that looks worst."""
        points = torch.rand(len(pictures), POINTS).argsort(1)[:, :number]
        rows = points * self.count + pictures[:, None]
        asked = to_device(rows.flatten(), self.damaged.device)
        found = looks(model, {name: own[asked] for name, own in self.features.items()}, self.damaged[asked])
        chosen = rows.gather(1, found.view(rows.shape).argmax(1, keepdim=True).to(rows.device))[:, 0]
        parts = [self._whole(model, read, int(row)) for row in chosen]
        features, masks, is_anomalous = zip(*parts)
        joined = {name: torch.cat([own[name] for own in features]) for name in features[0]}
        return joined, torch.cat(masks), torch.cat(is_anomalous)

    def _whole(self, model: LearnedModel, read: Read, row: int) -> Batch:
        if row in self.whole:
            return self.whole[row]
        images, masks, names, is_anomalous = read([row % self.count], self.amounts[[row]])
        with torch.no_grad():
            found = model.features(images, names), masks, is_anomalous
        size = sum(own.nbytes for own in [*found[0].values(), masks])
        if size <= self.room:
            self.room -= size
            self.whole[row] = found
        return found


def glanced(
    model: LearnedModel,
    images: Float[Tensor, "batch 3 side side"],
    masks: Bool[Tensor, "batch side side"],
    names: Sequence[str],
) -> tuple[Features, Float[Tensor, "batch place"]]:
    """What a cheap look reads of pictures, and which share of each of its patches is damaged."""
    places, damaged = places_looked_at(model.covered(masks), model.backbone.patches)
    with torch.no_grad():
        return model.glance(images, names, places), damaged


def worst_of(model: LearnedModel, pictures: Pictures, number: int) -> Batch:
    """Of pictures of which there are ``number`` copies each, all first copies first, those that look worst."""
    images, masks, names, is_anomalous = pictures
    found = looks(model, *glanced(model, images, masks, names)).view(number, -1).argmax(0)
    rows = found * (len(masks) // number) + torch.arange(len(found), device=found.device)
    with torch.no_grad():
        features = model.features(images[rows], [names[row] for row in rows.tolist()])
    return features, masks[rows], is_anomalous[rows]


def _seeded(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)
