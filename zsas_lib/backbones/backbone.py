"""A frozen model of images and sentences: their embeddings in one space, whatever the family of its towers."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..base.devices import to_device
from ..base.options import listed
from ..base.unit_range import require_images
from ..base.versions import Version, version_of
from .families.find import image_tower
from .families.linear import freeze
from .families.tower import ImageTower
from .precision import DTYPES, EXACT
from .text_tower import OpenClipText, TextTower

ACTIVATIONS = ("gelu", "quick_gelu")
SENTENCES_AT_ONCE = 64
INTERPOLATIONS = ("bicubic", "bilinear")


class Backbone(nn.Module):
    """A frozen model: images and sentences in, unit vectors of one space out. Made by `backbones.load_backbone`.

    Differentiable with respect to images; no parameter takes a gradient and the mode is always `eval`. In bfloat16
    the blocks of the image tower are, and those of a text tower that is cut at its end; the patch embedding, the last
    norms and projections stay float32, and so does everything returned.

    `image` and `text` are the towers, see `families.tower.ImageTower` and `text_tower.TextTower`, found in ``clip``
    where it is a model of open_clip's, else given; what models read of them is in `image_tower`.

    Attributes: `name`; `family` of the image tower; `size` (height, width) in pixels and `patches` (rows, columns), or
    where both are the same `image_size` and `grid`, one number each; `patch_size` in pixels; `width` behind the last
    block of the image tower and its `depth` in blocks; `embed_dim`; `activation` ("gelu" or "quick_gelu"); `precision`;
    `interpolation`, how pictures of another size are squashed; `is_random`, whether its weights were drawn and not
    read; `positions`, how the positional embeddings were stretched to the grid ("bicubic", "bicubic_plain", "bilinear"
    or None where they were not); `device`; `digest`; `clip`, the model itself, open_clip's or one's own.

    >>> backbone = zsas.load_backbone("embedded")
    >>> backbone.image_size, backbone.patch_size, backbone.grid
    (144, 12, 12)
    >>> backbone.encode_image(torch.rand(2, 3, 144, 144)).shape
    torch.Size([2, 128])
    """

    tower_classes: tuple[type, ...] = ()
    """The classes whose sources decide what the towers give."""
    clip: Any  # a module whose parts no types name: torch's modules give each attribute as a tensor or a module
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        clip: nn.Module,
        *,
        name: str,
        architecture: Mapping[str, Any],
        image: ImageTower | None = None,
        text: TextTower | None = None,
        precision: str = EXACT,
        mean: Sequence[float] = open_clip.OPENAI_DATASET_MEAN,
        std: Sequence[float] = open_clip.OPENAI_DATASET_STD,
        interpolation: str = "bicubic",
        is_random: bool = False,
        positions: str | None = None,
    ):
        super().__init__()
        self.clip = clip.eval().requires_grad_(False)
        freeze(self.clip)
        embed = architecture.get("embed_dim", 0)
        own = () if image is None else (type(clip),)
        image = image or image_tower(clip, embed, name)
        text = text or OpenClipText(clip, name, architecture["text_cfg"], embed)
        self.image, self.text = image, text
        self.tower_classes = (*image.classes, type(text), *own)
        self.name, self.family = name, image.family
        self.architecture: dict[str, Any] = dict(architecture)
        self.size, self.patches = image.size, image.grid
        self.image_size: Any = image.size[0] if len(set(image.size)) == 1 else image.size
        self.grid: Any = image.grid[0] if len(set(image.grid)) == 1 else image.grid
        self.patch_size = image.patch_size
        self.width, self.depth, self.embed_dim = image.widths[-1], image.depth, image.embed_dim
        self.activation = ACTIVATIONS[bool(architecture.get("quick_gelu"))]
        self.precision, self.interpolation = precision, interpolation
        self.is_random = is_random
        self.positions = positions
        self._digest_of: tuple[object, str] = None, ""
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)
        for tower in (image, text):
            if precision != EXACT:
                tower.cast(DTYPES[precision])

    @property
    def device(self) -> torch.device:
        return self.mean.device

    @property
    def covered(self) -> tuple[float, float]:
        """The shares of a picture's height and width that the patches cover, from its top left; less than 1 where a
        patch size does not divide them."""
        (height, width), (rows, columns) = self.size, self.image.seen
        return rows / height, columns / width

    @property
    def tokenizer(self) -> Any:
        """Sentences to token ids, of a text tower of open_clip's."""
        return getattr(self.text, "tokenizer")

    @property
    def version(self) -> tuple[str, Version]:
        """Another one once weights were changed in place or lie elsewhere (`base.versions.version_of`)."""
        return str(self.device), version_of(self._weights)

    @cached_property
    def _weights(self) -> list[Tensor]:
        return [*self.parameters(), *self.buffers()]

    @property
    def digest(self) -> str:
        """sha256 over architecture (with activation and image size), precision, normalisation and weights; made anew
        where these are no longer those that it was made of."""
        vars(self).pop("_weights", None)  # others may have taken their places
        if self._digest_of[0] != self.version:
            self._digest_of = self.version, self._made_digest()
        return self._digest_of[1]

    def _made_digest(self) -> str:
        made = [self.architecture, self.precision]
        if self.interpolation != "bicubic":
            made.append(self.interpolation)
        digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode())
        for name, value in [("mean", self.mean), ("std", self.std), *sorted(self.clip.state_dict().items())]:
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode: the tower is frozen."""
        return super().train(False)

    def encode_text(self, sentences: str | Sequence[str], normalise: bool = True) -> Float[Tensor, "text embed"]:
        """One row per sentence, of length one unless `normalise=False`. No gradient.

        Raises ValueError if there are no sentences, and what `tokenizers.tokenizer_of` does where they cannot be read.
        """
        sentences = listed(sentences)
        if not sentences:
            raise ValueError("encode_text got no sentences; expected at least one.")
        with torch.inference_mode(False), torch.no_grad():
            starts = range(0, len(sentences), SENTENCES_AT_ONCE)
            parts = [self.text.encode(sentences[start : start + SENTENCES_AT_ONCE]) for start in starts]
            return F.normalize(torch.cat(parts), dim=-1) if normalise else torch.cat(parts)

    def encode_image(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch embed"]:
        """The ordinary embedding of RGB images in [0, 1] (any size: squashed to `size`); unit rows."""
        return self.encode_tokens(self.embed_patches(images))

    def embed_patches(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch *start"]:
        """What the image tower's first block reads: of a transformer the tokens with their positions, those that are no
        patches first, then the patches row by row; of a tower of stages the normalised pictures.

        Images are RGB in [0, 1]; other sizes are squashed to `size` (antialiased, clamped): a map has to cover the
        whole picture, so that none is cropped, even where the tower was trained on centres. Raises ValueError for
        another layout, no picture or no pixel, and values far outside [0, 1] or NaN.
        """
        return self.image.start(self.normalised(images))

    def normalised(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 rows columns"]:
        """Images in [0, 1] as the image tower is given them: squashed to `size`, less the pictures' mean, by their
        standard deviation. Raises what `embed_patches` does."""
        return (self._sized(images) - self.mean) / self.std

    def encode_tokens(self, start: Float[Tensor, "batch *start"]) -> Float[Tensor, "batch embed"]:
        """The embedding of whole pictures, from what `embed_patches` gives; unit rows."""
        return F.normalize(self.image.encoded(start), dim=-1)

    def window_embeddings(
        self, start: Float[Tensor, "batch *start"], side: int, chosen: Int[Tensor, "batch window"] | None = None
    ) -> Float[Tensor, "batch window embed"]:
        """Every square window of `side` x `side` patches, stride 1, row by row, encoded by itself; unit rows.

        Each window is its own sequence: the class token, if there is one, and the window's patches, which keep the
        positions of the whole image, through all blocks (WinCLIP's window encoding). There are (grid - side + 1)^2
        windows of a square grid; ``chosen`` are the numbers of those that are encoded, as many for each picture, None
        for all. Raises ValueError if `side` does not lie in 1..grid, OptionError for a tower that
        cannot.
        """
        self._require_window(side)
        return F.normalize(self.image.encoded_windows(start, side, chosen), dim=-1)

    def encoded_embeddings(
        self, start: Float[Tensor, "batch *start"], sides: Sequence[int]
    ) -> tuple[Float[Tensor, "batch embed"], list[Float[Tensor, "batch _ embed"]]]:
        """`encode_tokens` and, for each of ``sides``, `window_embeddings`, in less time than one after the other.

        Raises what `window_embeddings` does.
        """
        for side in sides:
            self._require_window(side)
        whole, windows = self.image.encoded_with_windows(start, sides)
        return F.normalize(whole, dim=-1), [F.normalize(own, dim=-1) for own in windows]

    def pooled_window_embeddings(self, tail: list[Tensor], side: int) -> Float[Tensor, "batch window embed"]:
        """The same windows, pooled from tokens that have seen the whole picture: `tail` is what `residual_stream`
        gives, or its last two. A fraction of the work, and another quantity; see the families for how each pools.

        Raises what `window_embeddings` does.
        """
        self._require_window(side)
        return F.normalize(self.image.pooled_windows(tail, side), dim=-1)

    def pooled_embeddings(
        self, start: Float[Tensor, "batch *start"], sides: Sequence[int]
    ) -> tuple[Float[Tensor, "batch embed"], list[Float[Tensor, "batch _ embed"]]]:
        """Of whole pictures and of their pooled windows of each side, from what `embed_patches` gives, in one pass that
        does no needless work; unit vectors. Raises what `window_embeddings` does."""
        for side in sides:
            self._require_window(side)
        whole, windows = self.image.pooled(start, sides)
        return F.normalize(whole, dim=-1), [F.normalize(own, dim=-1) for own in windows]

    def _require_window(self, side: int) -> None:
        if not 1 <= side <= min(self.patches):
            raise ValueError(
                f"A window of {side} patches does not fit a grid of {self.grid}; expected 1..{min(self.patches)}."
            )

    def _sized(self, images: Tensor) -> Tensor:
        require_images(images)
        if 0 in images.shape:
            raise ValueError(
                f"Expected images, one at least and of a pixel at least, got {images.dtype} {tuple(images.shape)}."
            )
        images = to_device(images, self.device).to(self.mean.dtype)
        if images.shape[-2:] == self.size:
            return images
        return F.interpolate(images, self.size, mode=self.interpolation, antialias=True).clamp(0, 1)
