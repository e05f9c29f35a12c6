"""WinCLIP: CLIP asked of every window of an image whether it shows a normal or a damaged object, and, few-shot
(WinCLIP+), how far every window and patch lies from those of a few normal images.

Jeong et al., "WinCLIP: Zero-/Few-Shot Anomaly Classification and Segmentation" (CVPR 2023). There is no official
code; where reimplementations differ, the options name the choices.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..backbones.families.sizes import Size, pair
from ..backbones.families.tower import WINDOWS
from ..backbones.image_tower import last_patches, residual_stream
from ..backbones.registry import Backbone
from ..base.devices import to_device
from ..base.errors import OptionError, UnknownNameError
from ..base.options import number, several, whole_number
from .enlarged import enlarged
from .prediction import AnomalyModel, Prediction, names_of_images
from .prompts import mean_embeddings, winclip_prompts
from .references import References, image_digest, nearest_distance

TEXT_MEANS = ("normalised", "raw")
NON_SQUARE = ("squash", "tile")
PATCH_MEMORIES = ("normed", "raw", "none")
PATCHES = "patches"
WHOLE = (1.0, 1.0)
"""The shares of a picture's height and width that patches cover, where they cover all of it."""
TILE_STRIDE = 0.8
SMALLEST_SCORE = 1e-12
LOOKS_AT_DAMAGE = 1 / 8
"""Share of the windows of a side that a cheap look reads where the damage is, beside those that tile the picture."""


@dataclass(frozen=True)
class Embedded:
    """All that WinCLIP reads of images, as unit vectors: of each whole image, and by part, which is the side of the
    windows or `PATCHES`, for every window or patch, row by row."""

    whole: Float[Tensor, "batch embed"]
    parts: dict[int | str, Float[Tensor, "batch _ _"]]


class WinCLIP(AnomalyModel):
    """WinCLIP on any backbone; differentiable with respect to the images through all of its terms.

    Zero-shot, the map M is made of windows' scores by harmonic means, and the image score s_0 is the whole image's;
    few-shot, `remember` is told some normal images of each class first, whose association map M^W meets M in a mean.
    The book's chapters winclip_windows and few_shot explain both, with formulas. Maps are enlarged bilinearly to the
    size of the input.

    Options, with the paper's choice or the field's as default:
        temperature: 0.07 as in anomalib; 0.01 in others. Not known from the paper.
        scales: sides of the windows in patches.
        windows: "encoded", each by itself through all blocks, as the paper does; or "pooled" from one pass of the whole
            picture, which costs little more than that pass and is another quantity, since those patches have seen the
            whole picture (`backbones.families` say how each kind of tower pools). None for the first that the tower
            can: towers of stages only pool.
        image_term: whether the whole image's score takes part in the map (one reimplementation leaves it out).
        templates, full_stop, raw_names: see `prompts.winclip_prompts`; anomalib: 21, True, True.
        text_mean: T is the mean of unit embeddings ("normalised", CLIP's convention) or of embeddings as they come
            ("raw", anomalib); either is made a unit vector afterwards.
        non_square: "squash" images to the backbone's square, or "tile" them: squares of the short side, 0.8 of it
            apart, the last one flush; maps are averaged where tiles overlap, image scores over the tiles. References
            are cut alike, and every tile is compared with all of them.
        window_gradient: whether a gradient flows through the windows. False is what the code released with S
            differentiates, the image term alone (the patches of few-shot WinCLIP are left out too); predictions are
            the same.
        shots: number k of normal reference images of a class; 0 is zero-shot.
        patch_memory: whether the patch tokens that few-shot WinCLIP compares are taken after the last norm ("normed",
            anomalib) or before it ("raw", others), or not compared at all ("none", one reimplementation).
        reference_weight: w in [0, 1], the references' weight against that of words, in the map (1 - w) M + w M^W and in
            the image score; 0.5 is the paper's plain mean.

    Raises OptionError or UnknownNameError for an option's value.
    """

    name = "winclip"
    backbone: Backbone

    def __init__(
        self,
        backbone: Backbone,
        *,
        temperature: float = 0.07,
        scales: Sequence[int] = (2, 3),
        windows: str | None = None,
        image_term: bool = True,
        templates: int = 22,
        full_stop: bool = True,
        raw_names: bool = False,
        text_mean: str = "normalised",
        non_square: str = "squash",
        window_gradient: bool = True,
        shots: int = 0,
        patch_memory: str = "normed",
        reference_weight: float = 0.5,
    ):
        windows = windows or next((mode for mode in WINDOWS if mode not in backbone.image.cannot), WINDOWS[0])
        for option, value, known in (
            ("windows", windows, WINDOWS),
            ("text_mean", text_mean, TEXT_MEANS),
            ("non_square", non_square, NON_SQUARE),
            ("patch_memory", patch_memory, PATCH_MEMORIES),
        ):
            if value not in known:
                raise UnknownNameError(f"value of WinCLIP's option {option}", value, known)
        backbone.image.require(windows)
        whole_number("WinCLIP", "shots", shots, 0, expected="0 (zero-shot) or a number of normal reference images")
        number("WinCLIP", "reference_weight", reference_weight, 0, 1, expected="a weight")
        number("WinCLIP", "temperature", temperature, 0, above=True, expected="a positive number such as 0.07,")
        super().__init__(
            backbone,
            {
                "temperature": temperature,
                "scales": window_sides("WinCLIP", scales, min(backbone.patches)),
                "windows": windows,
                "image_term": image_term,
                "templates": templates,
                "full_stop": full_stop,
                "raw_names": raw_names,
                "text_mean": text_mean,
                "non_square": non_square,
                "window_gradient": window_gradient,
                "shots": shots,
                "patch_memory": patch_memory,
                "reference_weight": reference_weight,
            },
        )
        self.references = References()
        self._prompting = {"templates": templates, "full_stop": full_stop, "raw_names": raw_names}
        winclip_prompts("object", **self._prompting)

    @classmethod
    def cannot(cls, backbone: Backbone) -> str:
        cannot = backbone.image.cannot
        return cannot[WINDOWS[0]] if all(mode in cannot for mode in WINDOWS) else ""

    def forward(self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]) -> Prediction:
        """Maps at the images' size and image scores, all in [0, 1], for one class name or one per image.

        Images are RGB in [0, 1], of any size. Raises ValueError if the number of names is not that of the images, or
        a few-shot model remembers no images of a class.
        """
        scores = []
        total = cover = torch.zeros((), device=self.device)
        for tile, margins in self._tiles(images):
            embedded = self.embed(tile)
            words = self.by_words(embedded, class_names)
            known = self.by_references(embedded, class_names, self.references) if self.options["shots"] else None
            size, weight = tile.shape[-2:], self.options["reference_weight"]
            prediction = weighed(words, known, weight, size, self.backbone.covered)
            if tile.shape == images.shape:
                return prediction
            total = total + F.pad(prediction.anomaly_map, margins)
            cover = cover + F.pad(torch.ones_like(prediction.anomaly_map), margins)
            scores.append(prediction.image_score)
        return Prediction(total / cover, torch.stack(scores).mean(0))

    @property
    def scores_are_probabilities(self) -> bool:
        return not self.options["shots"]

    @property
    def looks_cheaply(self) -> bool:
        """Where windows are encoded one by one: a few of them are a cheap look. Not of tiles of long pictures."""
        return self.options["windows"] == "encoded" and self.options["non_square"] == "squash"

    def rough_map(
        self,
        images: Float[Tensor, "batch 3 height width"],
        class_names: str | Sequence[str],
        masks: Bool[Tensor, "batch height width"],
    ) -> Float[Tensor, "batch rows columns"]:
        """Of the windows of the smallest scale alone, those that tile the picture and the eighth that the damage fills
        most; without the image term, which ranks no patch above another."""
        grid, side = self.backbone.patches, min(self.options["scales"])
        names, start = names_of_images(class_names, len(images)), self.backbone.embed_patches(images)
        chosen = _looked_at(masks, grid, side)
        windows = self.backbone.window_embeddings(start, side, chosen)
        scores = self._score(windows, self._text(names))
        if self.options["shots"]:
            memories, weight = [self.references.of(name)[side] for name in names], self.options["reference_weight"]
            scores = (1 - weight) * scores + weight * nearest_distance(windows, memories)
        nothing = scores.new_zeros(len(images), (grid[0] - side + 1) * (grid[1] - side + 1))
        reciprocals, cover = (
            _spread(self._in_rows(nothing.scatter(1, chosen, own), side), side)
            for own in (1 / scores.clamp_min(SMALLEST_SCORE), torch.ones_like(scores))
        )
        return torch.where(cover > 0, cover / reciprocals, torch.nan)

    def remember(self, class_name: str, images: Float[Tensor, "reference 3 height width"]) -> None:
        """Take these normal images of a class as what its images are compared with, in the place of earlier ones.

        RGB in [0, 1], of any one size, as many as the option ``shots``; their order does not matter. Raises ValueError
        for another number of them, and for a zero-shot model.
        """
        shots = self.options["shots"]
        if len(images) != shots or not shots:
            remedy = f"load the model with shots={len(images)}" if len(images) else "give some"
            also = f", or give {shots} images" if shots else ""
            raise ValueError(
                f"WinCLIP with shots={shots} got {len(images)} normal reference images of {class_name!r}; expected as "
                f"many as shots: {remedy}{also}."
            )
        with torch.inference_mode(False), torch.no_grad():
            tiles = [self.embed(tile).parts for tile, _ in self._tiles(images)]
            memory = {part: torch.cat([parts[part].flatten(0, 1) for parts in tiles]) for part in tiles[0]}
        self.references.add(class_name, memory, image_digest(images))

    def identity(self, class_names: Sequence[str]) -> Mapping[str, object]:
        """Of a few-shot model, what it remembers of these classes."""
        return self.references.digests(class_names) if self.options["shots"] else {}

    def embed(self, images: Float[Tensor, "batch 3 height width"]) -> Embedded:
        """What the predictions are made of, without a class; images are squashed to a square."""
        backbone, sides = self.backbone, self.options["scales"]
        start = backbone.embed_patches(images)
        local = start if self.options["window_gradient"] else start.detach()
        if self.options["windows"] == "pooled":
            whole, windows = backbone.pooled_embeddings(start, sides)
            windows = windows if self.options["window_gradient"] else [own.detach() for own in windows]
        elif self.options["window_gradient"]:
            whole, windows = backbone.encoded_embeddings(start, sides)
        else:
            whole = backbone.encode_tokens(start)
            windows = [backbone.window_embeddings(local, side) for side in sides]
        parts: dict[int | str, Tensor] = dict(zip(sides, windows))
        if self.options["shots"] and self.options["patch_memory"] != "none":
            last = residual_stream(backbone, local, last=1)
            parts[PATCHES] = last_patches(backbone, last, normed=self.options["patch_memory"] == "normed")
        return Embedded(whole, parts)

    def by_words(
        self, embedded: Embedded, class_names: str | Sequence[str], *, scales: Sequence[int] | None = None
    ) -> Prediction:
        """What words say of images that `embed` has read, with maps on the grid of patches and windows of ``scales``
        among those read, None for all: so a study reads each image once and looks at it in several ways."""
        names = names_of_images(class_names, len(embedded.whole))
        return asked_in_windows(
            embedded,
            self._text(names),
            self.backbone.patches,
            scales or self.options["scales"],
            temperature=self.options["temperature"],
            image_term=self.options["image_term"],
        )

    def by_references(
        self,
        embedded: Embedded,
        class_names: str | Sequence[str],
        references: References,
        *,
        scales: Sequence[int] | None = None,
    ) -> Prediction:
        """What ``references`` say of the same images, as `by_words` does."""
        names = names_of_images(class_names, len(embedded.whole))
        associated = self._associated(embedded, names, scales or self.options["scales"], references)
        association = reduce(add, associated.values()) / len(associated)
        return Prediction(association, association.amax((1, 2)))

    def text_features(self, class_name: str) -> Float[Tensor, "2 embed"]:
        """The unit vectors T_n and T_a of a class, in this order. Encoded once per class name and kept."""
        unit = self.options["text_mean"] == "normalised"
        return mean_embeddings(self.backbone, winclip_prompts(class_name, **self._prompting), unit=unit)

    def image_scores(
        self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]
    ) -> Float[Tensor, " batch"]:
        """The zero-shot score s_0 of each whole image (squashed to a square), in (0, 1)."""
        text = self._text(names_of_images(class_names, len(images)))
        return self._score(self.backbone.encode_tokens(self.backbone.embed_patches(images))[:, None], text)[:, 0]

    def window_scores(
        self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]
    ) -> dict[int, Float[Tensor, "batch rows columns"]]:
        """The zero-shot score of every window, in (0, 1), by the window's side in patches; images are squashed."""
        text = self._text(names_of_images(class_names, len(images)))
        windows = self.embed(images).parts
        return {side: self._in_rows(self._score(windows[side], text), side) for side in self.options["scales"]}

    def association_maps(
        self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]
    ) -> dict[int | str, Float[Tensor, "batch rows columns"]]:
        """How far each patch lies from the remembered images, in [0, 1], by the windows' side or `PATCHES`; images are
        squashed. Raises ValueError as calling the model does, and for a zero-shot model."""
        names = names_of_images(class_names, len(images))
        return self._associated(self.embed(images), names, self.options["scales"], self.references)

    def _associated(
        self, embedded: Embedded, names: list[str], sides: Sequence[int], references: References
    ) -> dict[int | str, Tensor]:
        memories = [references.of(name) for name in names]
        maps = {}
        for part in (*sides, PATCHES) if PATCHES in embedded.parts else sides:
            distances = nearest_distance(embedded.parts[part], [memory[part] for memory in memories])
            side = 1 if part == PATCHES else part
            maps[part] = harmonic_map(self._in_rows(distances, side), self.backbone.patches, side)
        return maps

    def _in_rows(self, values: Tensor, side: int) -> Tensor:
        return in_rows(values, self.backbone.patches, side)

    def _score(self, embeddings: Tensor, text: Tensor) -> Tensor:
        return state_score(embeddings, text, self.options["temperature"])

    def _text(self, names: list[str]) -> Tensor:
        return torch.stack([self.text_features(name) for name in names])

    def _tiles(self, images: Tensor) -> Iterator[tuple[Tensor, tuple[int, int, int, int]]]:
        """The squares of long images and what lies around each (left, right, top, bottom), or the images themselves."""
        height, width = images.shape[-2:]
        side = min(height, width)
        if self.options["non_square"] == "squash" or height == width:
            yield images, (0, 0, 0, 0)
            return
        for start in _tile_starts(max(height, width), side):
            top, left = (start, 0) if height > width else (0, start)
            yield (
                images[..., top : top + side, left : left + side],
                (left, width - left - side, top, height - top - side),
            )


def state_score(
    embeddings: Float[Tensor, "batch position embed"], text: Float[Tensor, "batch 2 embed"], temperature: float
) -> Float[Tensor, "batch position"]:
    """How abnormal each embedding is by the sentences about its picture, normal and abnormal, in (0, 1): the softmax
    over both cosines / ``temperature``. Unit vectors."""
    normal, abnormal = (embeddings @ text.to(embeddings.dtype).mT).unbind(-1)
    return torch.sigmoid((abnormal - normal) / temperature)


def in_rows(values: Float[Tensor, "batch window"], grid: Size, side: int) -> Float[Tensor, "batch rows columns"]:
    """Of all windows of ``side`` patches on a grid, row by row."""
    return values.unflatten(1, (pair(grid)[0] - side + 1, -1))


def asked_in_windows(
    embedded: Embedded,
    text: Float[Tensor, "batch 2 embed"],
    grid: Size,
    sides: Sequence[int],
    *,
    temperature: float,
    image_term: bool = True,
) -> Prediction:
    """WinCLIP's zero-shot map M, on the grid of patches, and score s_0 of what was read of images, for any sentences:
    ``text`` are the unit vectors of normal and abnormal about each image."""
    image_scores = state_score(embedded.whole[:, None], text, temperature)[:, 0]
    windows = {side: in_rows(state_score(embedded.parts[side], text, temperature), grid, side) for side in sides}
    maps = [harmonic_map(scores, grid, side) for side, scores in windows.items()]
    if image_term:
        maps.append(image_scores[:, None, None].expand_as(maps[0]))
    harmonic = len(maps) / reduce(add, (1 / scores.clamp_min(SMALLEST_SCORE) for scores in maps))
    return Prediction(harmonic, image_scores)


def weighed(
    words: Prediction,
    known: Prediction | None,
    weight: float,
    size: Sequence[int],
    covered: tuple[float, float] = WHOLE,
) -> Prediction:
    """What `WinCLIP.by_words` and `WinCLIP.by_references` say together, (1 - w) of words and w of references.

    The map is of ``size``, of whose height and width the patches cover these shares (`Backbone.covered`); what lies
    beyond gets the nearest value.
    """
    patches, image_scores = words.anomaly_map, words.image_score
    if known is not None:
        patches = (1 - weight) * patches + weight * known.anomaly_map
        image_scores = (1 - weight) * image_scores + weight * known.image_score
    height, width = (round(pixels * share) for pixels, share in zip(size, covered))
    maps = enlarged(patches[:, None], (height, width))
    if covered != WHOLE:
        maps = F.pad(maps, (0, size[1] - width, 0, size[0] - height), mode="replicate")
    return Prediction(maps[:, 0], image_scores)


def window_sides(owner: str, scales: Sequence[int], most: int) -> list[int]:
    """Different sides of windows, of at most so many patches, as a list. Raises OptionError, naming ``owner``."""
    sides = several(owner, "scales", scales, int, "window sides in patches")
    if not sides or len({*sides}) < len(sides) or any(isinstance(own, bool) or not 1 <= own <= most for own in sides):
        raise OptionError(f"{owner} got scales={tuple(sides)}; expected different window sides in 1..{most} patches.")
    return sides


def _looked_at(
    masks: Bool[Tensor, "batch height width"], grid: tuple[int, int], side: int
) -> Int[Tensor, "batch window"]:
    """The numbers of the windows that a cheap look reads: those that tile the grid, flush with its ends, and of the
    others those with most damage, in each image as many."""
    filled = F.avg_pool2d(F.adaptive_avg_pool2d(masks.float(), grid), side, stride=1)
    rows, columns = filled.shape[1:]
    tiles = [row * columns + column for row in _flush(rows, side) for column in _flush(columns, side)]
    known = to_device(torch.tensor(tiles), masks.device).expand(len(masks), -1)
    more = max(1, round(LOOKS_AT_DAMAGE * rows * columns))
    damage = filled.flatten(1).scatter(1, known, -1).topk(more, dim=1).indices
    return torch.cat([known, damage], dim=1)


def _flush(count: int, step: int) -> list[int]:
    """Every so many of ``count`` places, and the last one."""
    return sorted({*range(0, count, step), count - 1})


def harmonic_map(
    scores: Float[Tensor, "batch rows columns"], grid: Size, side: int
) -> Float[Tensor, "batch height width"]:
    """Each patch's harmonic mean over the windows that cover it, from scores of all windows of `side` patches.

    Scores lie in [0, 1]; of a grid, one number or (rows, columns), there are grid - side + 1 rows and columns. A score
    below 1e-12 counts as that, so a patch under a window of score 0 gets (nearly) 0. Example: on a 3x3 grid, 2x2
    windows of scores 1, .75, .5, .25 give the rows 1, .8571, .75; .6667, .48, .375; .5, .3333, .25. Raises ValueError
    if the scores are not those of such windows.
    """
    rows, columns = (patches - side + 1 for patches in pair(grid))
    if scores.shape[1:] != (rows, columns):
        raise ValueError(
            f"Expected {rows}x{columns} windows of side {side} on a grid of {grid}, got {tuple(scores.shape[1:])}."
        )
    reciprocals = _spread(1 / scores.clamp_min(SMALLEST_SCORE), side)
    return _spread(torch.ones_like(scores[:1]), side) / reciprocals


def _spread(windows: Float[Tensor, "batch rows columns"], side: int) -> Float[Tensor, "batch height width"]:
    """For each patch the sum over the windows that cover it."""
    return F.conv_transpose2d(windows[:, None], windows.new_ones(1, 1, side, side))[:, 0]


def _tile_starts(length: int, side: int) -> list[int]:
    """Where the tiles of a long edge begin: every 0.8 of a side, and one that ends flush with the edge."""
    return [*range(0, length - side, max(1, int(TILE_STRIDE * side))), length - side]
