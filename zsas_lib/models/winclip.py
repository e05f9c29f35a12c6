"""WinCLIP, zero-shot: CLIP asked of every window of an image whether it shows a normal or a damaged object.

Jeong et al., "WinCLIP: Zero-/Few-Shot Anomaly Classification and Segmentation" (CVPR 2023). There is no official
code; where reimplementations differ, the options name the choices.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..backbones import Backbone
from ..errors import UnknownNameError
from ..prompts import mean_embeddings, winclip_prompts
from .prediction import Prediction, names_of_images

TEXT_MEANS = ("normalised", "raw")
NON_SQUARE = ("squash", "tile")
TILE_STRIDE = 0.8
SMALLEST_SCORE = 1e-12


class WinCLIP(nn.Module):
    """Zero-shot WinCLIP on any backbone; differentiable with respect to the images through all of its terms.

    With unit embeddings e of a window and T_n, T_a of the class's normal and abnormal sentences, a window's score is
    s = sigmoid((<e, T_a> - <e, T_n>) / temperature), in (0, 1). Per scale, a patch gets the harmonic mean of the
    windows that cover it (`harmonic_map`); across scales and the whole image's score, the harmonic mean again. The
    map is then enlarged bilinearly to the size of the input. The image score is the whole image's.

    Options, with the paper's choice or the field's as default:
        temperature: 0.07 as in anomalib; 0.01 in others. Not known from the paper.
        scales: sides of the windows in patches.
        image_term: whether the whole image's score takes part in the map (one reimplementation leaves it out).
        templates, full_stop, raw_names: see `prompts.winclip_prompts`; anomalib: 21, True, True.
        text_mean: T is the mean of unit embeddings ("normalised", CLIP's convention) or of embeddings as they come
            ("raw", anomalib); either is made a unit vector afterwards.
        non_square: "squash" images to the backbone's square, or "tile" them: squares of the short side, 0.8 of it
            apart, the last one flush; maps are averaged where tiles overlap, image scores over the tiles.
        window_gradient: whether a gradient flows through the windows. False is what the code released with S
            differentiates, the image term alone; predictions are the same.
        shots: number of normal reference images; only 0 so far.
    """

    name = "winclip"

    def __init__(
        self,
        backbone: Backbone,
        *,
        temperature: float = 0.07,
        scales: Sequence[int] = (2, 3),
        image_term: bool = True,
        templates: int = 22,
        full_stop: bool = True,
        raw_names: bool = False,
        text_mean: str = "normalised",
        non_square: str = "squash",
        window_gradient: bool = True,
        shots: int = 0,
    ):
        super().__init__()
        for option, value, known in (("text_mean", text_mean, TEXT_MEANS), ("non_square", non_square, NON_SQUARE)):
            if value not in known:
                raise UnknownNameError(f"value of WinCLIP's option {option}", value, known)
        if shots:
            raise ValueError(f"WinCLIP got shots={shots}; few-shot WinCLIP is not built yet, use shots=0.")
        if not temperature > 0:
            raise ValueError(f"WinCLIP got temperature={temperature}; expected a positive number such as 0.07.")
        if not scales or not all(1 <= side <= backbone.grid for side in scales) or len(set(scales)) < len(scales):
            raise ValueError(
                f"WinCLIP got scales={tuple(scales)}; expected different window sides in 1..{backbone.grid} patches."
            )
        self.backbone = backbone
        self.options = {
            "temperature": temperature,
            "scales": list(scales),
            "image_term": image_term,
            "templates": templates,
            "full_stop": full_stop,
            "raw_names": raw_names,
            "text_mean": text_mean,
            "non_square": non_square,
            "window_gradient": window_gradient,
            "shots": shots,
        }
        self._prompting = {"templates": templates, "full_stop": full_stop, "raw_names": raw_names}
        winclip_prompts("object", **self._prompting)
        self._text_features: dict[str, Tensor] = {}

    def forward(self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]) -> Prediction:
        """Maps at the images' size and image scores, all in (0, 1), for one class name or one per image.

        Images are RGB in [0, 1], of any size. Raises ValueError if the number of names is not that of the images.
        """
        text = self._text(class_names, len(images))
        height, width = images.shape[-2:]
        side = min(height, width)
        if self.options["non_square"] == "squash" or height == width:
            return self._predict(images, text)
        starts = _tile_starts(max(height, width), side)
        total, cover, scores = 0, 0, []
        for start in starts:
            top, left = (start, 0) if height > width else (0, start)
            tile = self._predict(images[..., top : top + side, left : left + side], text)
            margins = (left, width - left - side, top, height - top - side)
            total = total + F.pad(tile.anomaly_map, margins)
            cover = cover + F.pad(torch.ones_like(tile.anomaly_map), margins)
            scores.append(tile.image_score)
        return Prediction(total / cover, torch.stack(scores).mean(0))

    def text_features(self, class_name: str) -> Float[Tensor, "2 embed"]:
        """The unit vectors T_n and T_a of a class, in this order. Encoded once per class name and kept."""
        if class_name not in self._text_features:
            prompts = winclip_prompts(class_name, **self._prompting)
            unit = self.options["text_mean"] == "normalised"
            self._text_features[class_name] = mean_embeddings(self.backbone, prompts, unit=unit)
        return self._text_features[class_name].to(self.backbone.device)

    def image_scores(
        self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]
    ) -> Float[Tensor, " batch"]:
        """The score of each whole image (squashed to a square), in (0, 1)."""
        text = self._text(class_names, len(images))
        return self._image_scores(self.backbone.embed_patches(images), text)

    def window_scores(
        self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]
    ) -> dict[int, Float[Tensor, "batch rows columns"]]:
        """The score of every window, in (0, 1), by the window's side in patches; images are squashed to a square."""
        text = self._text(class_names, len(images))
        return self._window_scores(self.backbone.embed_patches(images), text)

    def _predict(self, images: Tensor, text: Tensor) -> Prediction:
        tokens = self.backbone.embed_patches(images)
        image_scores = self._image_scores(tokens, text)
        windows = self._window_scores(tokens if self.options["window_gradient"] else tokens.detach(), text)
        maps = [harmonic_map(scores, self.backbone.grid, side) for side, scores in windows.items()]
        if self.options["image_term"]:
            maps.append(image_scores[:, None, None].expand_as(maps[0]))
        patches = len(maps) / sum(1 / scores.clamp_min(SMALLEST_SCORE) for scores in maps)
        enlarged = F.interpolate(patches[:, None], images.shape[-2:], mode="bilinear", align_corners=False)
        return Prediction(enlarged[:, 0], image_scores)

    def _image_scores(self, tokens: Tensor, text: Tensor) -> Tensor:
        return self._score(self.backbone.encode_tokens(tokens)[:, None], text)[:, 0]

    def _window_scores(self, tokens: Tensor, text: Tensor) -> dict[int, Tensor]:
        return {
            side: self._score(self.backbone.window_embeddings(tokens, side), text).unflatten(
                1, (self.backbone.grid - side + 1, -1)
            )
            for side in self.options["scales"]
        }

    def _score(self, embeddings: Tensor, text: Tensor) -> Tensor:
        normal, abnormal = (embeddings @ text.to(embeddings.dtype).mT).unbind(-1)
        return torch.sigmoid((abnormal - normal) / self.options["temperature"])

    def _text(self, class_names: str | Sequence[str], count: int) -> Tensor:
        names = names_of_images(class_names, count)
        return torch.stack([self.text_features(name) for name in names])


def harmonic_map(
    scores: Float[Tensor, "batch rows columns"], grid: int, side: int
) -> Float[Tensor, "batch {grid} {grid}"]:
    """Each patch's harmonic mean over the windows that cover it, from scores of all windows of `side` patches.

    Scores lie in (0, 1], rows = columns = grid - side + 1. A score below 1e-12 counts as that, so a patch under a
    window of score 0 gets (nearly) 0. Example: on a 3x3 grid, 2x2 windows of scores 1, .75, .5, .25 give the rows
    1, .8571, .75; .6667, .48, .375; .5, .3333, .25. Raises ValueError if the scores are not those of such windows.
    """
    rows = grid - side + 1
    if scores.shape[1:] != (rows, rows):
        raise ValueError(
            f"Expected {rows}x{rows} windows of side {side} on a grid of {grid}, got {tuple(scores.shape[1:])}."
        )
    kernel = scores.new_ones(1, 1, side, side)
    reciprocals = F.conv_transpose2d(1 / scores[:, None].clamp_min(SMALLEST_SCORE), kernel)
    cover = F.conv_transpose2d(torch.ones_like(scores[:1, None]), kernel)
    return (cover / reciprocals)[:, 0]


def _tile_starts(length: int, side: int) -> list[int]:
    """Where the tiles of a long edge begin: every 0.8 of a side, and one that ends flush with the edge."""
    return [*range(0, length - side, int(TILE_STRIDE * side)), length - side]
