"""A frozen CLIP: the image, window and text embeddings of open_clip's towers."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor, nn

from ..base.devices import to_device
from .unit_range import require_unit_range

ACTIVATIONS = ("gelu", "quick_gelu")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SENTENCES_AT_ONCE = 64
SHORT_SEQUENCE = 32
HIDDEN_BYTES_AT_ONCE = {"cpu": 2**21, "cuda": 2**30}


class Backbone(nn.Module):
    """A frozen CLIP: images and sentences in, unit vectors of one space out. Made by `backbones.load_backbone`.

    Differentiable with respect to images; no parameter takes a gradient and the mode is always `eval`. In bfloat16
    the transformer blocks of both towers are; the patch embedding, the last norms and projections stay float32, and
    so does everything returned.

    Attributes: `name`; `image_size`, `patch_size` in pixels; `grid` = patches per side; `width` of the vision tower
    and its `depth` in layers; `embed_dim`; `activation` ("gelu" or "quick_gelu"); `precision`; `is_random`, whether its
    weights were drawn and not read; `positions`, how the positional embeddings were stretched to the grid ("bicubic",
    "bilinear" or None where they were not); `device`; `digest`; `clip`, the open_clip model itself.

    >>> backbone = zsas.load_backbone("embedded")
    >>> backbone.image_size, backbone.patch_size, backbone.grid
    (144, 12, 12)
    >>> backbone.encode_image(torch.rand(2, 3, 144, 144)).shape
    torch.Size([2, 128])
    """

    clip: Any  # a module whose parts no types name: torch's modules give each attribute as a tensor or a module
    mean: Tensor
    std: Tensor
    image_size: int
    patch_size: int
    grid: int

    def __init__(
        self,
        clip: CLIP | CustomTextCLIP,
        *,
        name: str,
        architecture: Mapping[str, object],
        precision: str = "float32",
        mean: Sequence[float] = open_clip.OPENAI_DATASET_MEAN,
        std: Sequence[float] = open_clip.OPENAI_DATASET_STD,
        is_random: bool = False,
        positions: str | None = None,
    ):
        super().__init__()
        self.clip = clip.eval().requires_grad_(False)
        visual = self.clip.visual
        self.name = name
        self.architecture: dict[str, Any] = dict(architecture)
        self.image_size = visual.image_size[0]
        self.patch_size = visual.patch_size[0]
        self.grid = visual.grid_size[0]
        self.width: int = visual.transformer.width
        self.depth = len(visual.transformer.resblocks)
        self.embed_dim: int = visual.output_dim
        self.activation = ACTIVATIONS[bool(architecture.get("quick_gelu"))]
        self.precision = precision
        self.is_random = is_random
        self.positions = positions
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)
        self._short_text = _reads_only_up_to_its_end(clip)
        visual.transformer.to(PRECISIONS[precision])
        if self._short_text:
            self.clip.transformer.to(PRECISIONS[precision])

    @property
    def device(self) -> torch.device:
        return self.mean.device

    @cached_property
    def digest(self) -> str:
        """sha256 over architecture (with activation and image size), precision, normalisation and weights."""
        digest = hashlib.sha256(json.dumps([self.architecture, self.precision], sort_keys=True).encode())
        for name, value in [("mean", self.mean), ("std", self.std), *sorted(self.clip.state_dict().items())]:
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode: the tower is frozen."""
        return super().train(False)

    def encode_text(self, sentences: str | Sequence[str], normalise: bool = True) -> Float[Tensor, "text embed"]:
        """One row per sentence, of length one unless `normalise=False`. No gradient.

        Raises ValueError if there are no sentences.
        """
        sentences = [sentences] if isinstance(sentences, str) else list(sentences)
        if not sentences:
            raise ValueError("encode_text got no sentences; expected at least one.")
        with torch.inference_mode(False), torch.no_grad():
            tokens = self.tokenizer(sentences)
            embeddings = torch.cat([self._encode_text_tokens(part) for part in tokens.split(SENTENCES_AT_ONCE)])
            return F.normalize(embeddings, dim=-1) if normalise else embeddings

    def encode_image(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch embed"]:
        """The ordinary CLIP embedding of RGB images in [0, 1] (any size: squashed to `image_size`); unit rows."""
        return self.encode_tokens(self.embed_patches(images))

    def embed_patches(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch token channel"]:
        """What the transformer reads: the class token, then the patches row by row, positions added, `ln_pre` applied.

        Images are RGB in [0, 1]; other sizes are squashed to `image_size` (bicubic, antialiased, clamped). Raises
        ValueError for another layout or values far outside [0, 1].
        """
        visual = self.clip.visual
        patches = visual.conv1((self._square(images) - self.mean) / self.std).flatten(2).mT
        class_token = visual.class_embedding.expand(len(images), 1, -1)
        return visual.ln_pre(torch.cat([class_token, patches], dim=1) + visual.positional_embedding)

    def encode_tokens(self, tokens: Float[Tensor, "batch token channel"]) -> Float[Tensor, "batch embed"]:
        """The class embedding of whole token sequences, as `embed_patches` makes them; unit rows."""
        parts = tokens.split(self._sequences_at_once(tokens.shape[1]))
        return torch.cat([self._class_embedding(part) for part in parts])

    def window_embeddings(
        self, tokens: Float[Tensor, "batch token channel"], side: int
    ) -> Float[Tensor, "batch window embed"]:
        """The class embedding of every square window of `side` x `side` patches, stride 1, row by row; unit rows.

        Each window is its own sequence: the class token and the window's patches, which keep the positions of the
        whole image, through all layers (WinCLIP's window encoding). There are (grid - side + 1)^2 windows. Raises
        ValueError if `side` does not lie in 1..grid.
        """
        if not 1 <= side <= self.grid:
            raise ValueError(f"A window of {side} patches does not fit a grid of {self.grid}; expected 1..{self.grid}.")
        images_at_once = max(1, self._sequences_at_once(side**2 + 1) // (self.grid - side + 1) ** 2)
        parts = [self._class_embedding(part, side) for part in tokens.split(images_at_once)]
        return torch.cat(parts).unflatten(0, (len(tokens), -1))

    def _class_embedding(self, tokens: Tensor, side: int | None = None) -> Tensor:
        visual = self.clip.visual
        blocks = visual.transformer.resblocks
        tokens = tokens.to(visual.transformer.get_cast_dtype())
        if all(type(block) is ResidualAttentionBlock for block in blocks):
            tokens = self._class_token(blocks, tokens, side)
        else:
            tokens = visual.transformer(tokens if side is None else self._windows(tokens, side))[:, 0]
        return F.normalize(visual.ln_post(tokens.to(visual.proj.dtype)) @ visual.proj, dim=-1)

    def _class_token(self, blocks: Any, tokens: Tensor, side: int | None) -> Tensor:
        """The same as running the blocks on every window, without two kinds of needless work: tokens that windows
        share are projected once in the first layer, and the last layer's only query is the class token."""
        for block in blocks:
            attention = block.attn
            projected = F.linear(block.ln_1(tokens), attention.in_proj_weight, attention.in_proj_bias)
            if block is blocks[0] and side is not None:
                tokens, projected = self._windows(tokens, side), self._windows(projected, side)
            queries = 1 if block is blocks[-1] else None
            query, key, value = projected.unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
            attended = _attend(query[:, :, :queries], key, value).transpose(1, 2).flatten(2)
            tokens = tokens[:, :queries] + block.ls_1(attention.out_proj(attended))
            tokens = tokens + block.ls_2(block.mlp(block.ln_2(tokens)))
        return tokens[:, 0]

    def _windows(self, tokens: Tensor, side: int) -> Tensor:
        """(batch, token, channel) -> (batch * window, 1 + side^2, channel): class token and window patches."""
        rows = self.grid - side + 1
        patches = tokens[:, 1:].unflatten(1, (self.grid, self.grid))
        shifted = [patches[:, i : i + rows, j : j + rows] for i in range(side) for j in range(side)]
        class_token = tokens[:, :1, None].expand_as(shifted[0])
        return torch.stack([class_token, *shifted], dim=3).flatten(0, 2)

    def _sequences_at_once(self, length: int) -> int:
        """How many sequences go through the blocks together, so that hidden activations stay in a processor's cache."""
        hidden = length * self.clip.visual.transformer.resblocks[0].mlp.c_fc.out_features
        bytes_at_once = HIDDEN_BYTES_AT_ONCE.get(self.device.type, HIDDEN_BYTES_AT_ONCE["cuda"])
        return max(1, bytes_at_once // (hidden * PRECISIONS[self.precision].itemsize))

    def _square(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise ValueError(
                f"Expected RGB images of floats (batch, 3, height, width), got {images.dtype} {tuple(images.shape)}."
            )
        if not images.is_meta:
            require_unit_range(images)
        images = to_device(images, self.device).to(self.mean.dtype)
        size = (self.image_size, self.image_size)
        if images.shape[-2:] == size:
            return images
        return F.interpolate(images, size, mode="bicubic", antialias=True).clamp(0, 1)

    @cached_property
    def tokenizer(self) -> "open_clip.SimpleTokenizer | open_clip.tokenizer.HFTokenizer":
        text = self.architecture["text_cfg"]
        return _tokenizer(
            text.get("hf_tokenizer_name"), self.clip.context_length, json.dumps(text.get("tokenizer_kwargs", {}))
        )

    def _encode_text_tokens(self, tokens: Int[Tensor, "text token"]) -> Float[Tensor, "text embed"]:
        clip = self.clip
        if not self._short_text:
            return clip.encode_text(to_device(tokens, self.device))
        ends = tokens.argmax(dim=-1)
        length = int(ends.max()) + 1  # before they leave for the device, which would have to be waited for
        tokens, ends = to_device(tokens, self.device), to_device(ends, self.device)
        states = clip.token_embedding(tokens[:, :length]) + clip.positional_embedding[:length]
        states = clip.transformer(states.to(clip.transformer.get_cast_dtype()), clip.attn_mask[:length, :length])
        states = states[torch.arange(len(states), device=states.device), ends].to(clip.text_projection.dtype)
        return clip.ln_final(states) @ clip.text_projection


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention. For windows on a processor plain products are faster than torch's kernel (three times with two
    threads), if the softmax runs down columns: along short rows torch's takes longer than both products."""
    if query.device.type == "cpu" and key.shape[-2] <= SHORT_SEQUENCE:
        return (key * key.shape[-1] ** -0.5 @ query.mT).softmax(dim=-2).mT @ value
    return F.scaled_dot_product_attention(query, key, value)


def _reads_only_up_to_its_end(clip: CLIP | CustomTextCLIP) -> bool:
    """Whether the text tower is causal and pooled at the end token, so that the padding after it changes nothing."""
    standard = type(clip) is CLIP and clip.text_pool_type == "argmax" and clip.attn_mask is not None
    return standard and isinstance(clip.text_projection, nn.Parameter)


@lru_cache(maxsize=8)
def _tokenizer(hugging_face: str | None, context_length: int, options_as_json: str):
    options = json.loads(options_as_json)
    if hugging_face:
        return open_clip.tokenizer.HFTokenizer(hugging_face, context_length=context_length, **options)
    return open_clip.SimpleTokenizer(context_length=context_length, **options)
