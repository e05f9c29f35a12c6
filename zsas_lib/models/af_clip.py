"""AF-CLIP: one attention layer over the patches of four blocks and their neighbourhoods, against two learned sentences.

Fang et al., "AF-CLIP: Zero-Shot Anomaly Detection via Anomaly-Focused CLIP Adaptation" (ACM MM 2025), as released
(Faustinaqq/AF-CLIP), without its few-shot memory.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..backbones.families.sizes import Size, pair
from ..backbones.image_tower import layer_at, residual_stream
from ..backbones.registry import Backbone
from ..backbones.text_tower import LEARNED_WORDS, OpenClipText
from ..base.options import number, whole_number
from .learned import Features, LearnedModel, Recipe

LAYERS = (0.25, 0.5, 0.75, 1.0)
NEIGHBOURHOODS = (1, 3, 5)
"""Patches a side over which tokens are averaged."""
SIGMA = 4.0
"""Of the weights in a neighbourhood, in patches."""
HEADS, HEAD_CHANNELS = 8, 64
TEMPERATURE = 0.07
SPREAD = 0.01
FOCUS = 4
SENTENCES = ("without defect.", "with defect.")
WORDS = 5
"""Tokens of a sentence beside its context: start, "without", "defect", ".", end."""
ONE_WIDTH = "its adapter reads four blocks with the same weights, and the stages of this tower differ in width."


class AFCLIP(LearnedModel):
    """Tokens of four blocks, as they are and averaged over neighbourhoods of 3 and 5 patches, go through one shared
    layer of attention, the tower's last norm and its projection. Cosines to "without defect." and "with defect.", both
    behind the same learned tokens, are summed over all twelve; the softmax is the map, and of the class token the
    image's score. Nothing is said of the product.

    Options, with the released code's choice as default:
        context: learned tokens, before the start token.
        thinned: in training, attention sees the patches alone that the loss asks for, where these are fewer than all.
        align: what the loss weighs the alignment of patches, which makes abnormal patches unlike normal ones.
        smoothing: sigma in pixels at 518; the authors' test smooths with 4.

    Raises OptionError for an option's value, and for a backbone whose image tower has stages or whose text tower takes
    no learned tokens (`cannot`).
    """

    name = "af-clip"
    recipe = Recipe(rate=1e-4, training_batch_size=8, epochs=2, augment=False)

    def __init__(
        self,
        backbone: Backbone,
        *,
        context: int = 12,
        thinned: bool = False,
        align: float = 1.0,
        smoothing: float = 4.0,
    ):
        number("AF-CLIP", "align", align, 0)
        number("AF-CLIP", "smoothing", smoothing, 0)
        self.require_suits(backbone)
        text = cast(OpenClipText, backbone.text)
        whole_number("AF-CLIP", "context", context, 1, text.context_length - WORDS)
        super().__init__(backbone, {"context": context, "thinned": thinned, "align": align, "smoothing": smoothing})
        self.context = nn.Parameter(torch.empty(1, context, text.width))
        self.adapter = Attention(backbone.width)
        self._layers = [layer_at(backbone.depth, share) for share in LAYERS]
        self.initialise(seed=0)

    @classmethod
    def cannot(cls, backbone: Backbone) -> str:
        if len(set(backbone.image.widths)) > 1:
            return ONE_WIDTH
        return backbone.text.cannot.get(LEARNED_WORDS, "")

    def reset_parameters(self) -> None:
        nn.init.normal_(self.context, std=SPREAD)
        self.adapter.reset_parameters()

    def read_options(self) -> dict[str, object]:
        return {}

    def features(self, images: Float[Tensor, "batch 3 height width"], class_names: Sequence[str]) -> Features:
        stream = residual_stream(self.backbone, self.backbone.embed_patches(images))
        return {"tokens": torch.stack([stream[layer] for layer in self._layers], 1)}

    def text_features(self) -> Float[Tensor, "2 embed"]:
        """Unit vectors of the two sentences, normal and abnormal."""
        text = cast(OpenClipText, self.backbone.text)
        words = text.plain(SENTENCES)
        room = text.context_length
        tokens = torch.cat([self.context.expand(2, -1, -1), words.tokens], 1)[:, :room]
        ids = torch.cat([words.ids[:, :1].expand(-1, self.context.shape[1]), words.ids], 1)[:, :room]
        tokens = text.run_blocks(text.with_positions(tokens), ids, lambda _, states: states)
        ends = (words.ends + self.context.shape[1]).clamp_max(min(room, tokens.shape[1]) - 1)
        return F.normalize(text.read(tokens, ends), dim=-1)

    def tokens(self, features: Features, chosen: Int[Tensor, " patch"] | None = None) -> tuple[Tensor, Tensor]:
        """Unit vectors of the class tokens (batch, map, embed) and of the patches (batch, map, patch, embed), or of
        those that are ``chosen``, which costs as much less as they are fewer: attention asks for them alone."""
        image, prefix = self.backbone.image, self.backbone.image.prefix
        asked = None if chosen is None else torch.cat([torch.arange(prefix, device=chosen.device), chosen + prefix])
        whole, patches = [], []
        for states in features["tokens"].unbind(1):
            planes = states[:, prefix:].mT.unflatten(-1, image.grid)
            for side in NEIGHBOURHOODS:
                around = _averaged(planes, side).flatten(2).mT
                seen = torch.cat([states[:, :prefix], around], 1)
                if asked is not None and self.training and self.options["thinned"]:
                    adapted = self.adapter(seen[:, asked])
                else:
                    adapted = self.adapter(seen, asked)
                whole.append(image.embedding(adapted))
                patches.append(image.dense(adapted))
        return F.normalize(torch.stack(whole, 1), dim=-1), F.normalize(torch.stack(patches, 1), dim=-1)

    def _margins(self, rows: Tensor, text: Float[Tensor, "2 embed"]) -> Tensor:
        """Logits of "abnormal", by cosines summed over the maps (dimension 1)."""
        cosines = rows.sum(1) @ text.mT
        return (cosines[..., 1] - cosines[..., 0]) / TEMPERATURE

    def compare(self, features: Features, size: Size) -> tuple[Tensor, Tensor]:
        (whole, patches), text = self.tokens(features), self.text_features()
        planes = self._margins(patches, text).sigmoid().unflatten(-1, self.backbone.patches)[:, None]
        maps = F.interpolate(planes, pair(size), mode="bilinear", align_corners=False)[:, 0]
        return maps, self._margins(whole, text).sigmoid()

    def _under(self, size: tuple[int, int]) -> Int[Tensor, " patch"] | None:
        """The patches that the middles of so many rows and columns of pixels lie in; None where there are as many
        pixels as patches or more."""
        grid = self.backbone.patches
        if size[0] >= grid[0] or size[1] >= grid[1]:
            return None
        places = [(2 * torch.arange(own, device=self.device) + 1) * all_ // (2 * own) for own, all_ in zip(size, grid)]
        return (places[0][:, None] * grid[1] + places[1]).flatten()

    def loss(
        self, features: Features, masks: Bool[Tensor, "batch height width"], is_anomalous: Bool[Tensor, " batch"]
    ) -> Tensor:
        """Focal losses of pictures and patches, the absolute error of patches, and their alignment. Masks are read at
        the patches' centres, where just halfway is a half; of masks with fewer pixels than there are patches, each
        pixel is compared with the patch that it lies in, and the other patches are not asked for."""
        masks = self.covered(masks)
        chosen = self._under((masks.shape[1], masks.shape[2]))
        (whole, patches), text = self.tokens(features, chosen), self.text_features()
        truth = masks[:, None].to(whole)
        if chosen is None:
            truth = F.interpolate(truth, self.backbone.patches, mode="bilinear")
            truth = torch.where(truth == 0.5, truth, (truth > 0.5).to(truth))
        truth = truth.flatten(1)
        margins = self._margins(patches, text)
        local = _focal(margins, truth) + F.l1_loss(margins.sigmoid(), truth)
        aligned = self.options["align"] * _misaligned(patches, truth) if self.options["align"] else 0.0
        return _focal(self._margins(whole, text), is_anomalous.to(whole)) + local + aligned


class Attention(nn.Module):
    """A norm and one layer of self-attention, whose output takes the tokens' place."""

    def __init__(self, width: int):
        super().__init__()
        inner = HEADS * HEAD_CHANNELS
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, inner, bias=False) for _ in range(3))
        self.output = nn.Linear(inner, width)

    def reset_parameters(self) -> None:
        for part in self.children():
            cast(nn.Linear, part).reset_parameters()

    def forward(
        self, tokens: Float[Tensor, "batch token channel"], asked: Int[Tensor, " asked"] | None = None
    ) -> Float[Tensor, "batch asked channel"]:
        """What comes out for all tokens, or for those at ``asked``."""
        tokens = self.norm(tokens)
        queries = tokens if asked is None else tokens[:, asked]
        of_parts = (self.query, queries), (self.key, tokens), (self.value, tokens)
        parts = [own(read).unflatten(-1, (HEADS, -1)).transpose(1, 2) for own, read in of_parts]
        return self.output(F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))


def _averaged(planes: Float[Tensor, "batch channel row column"], side: int) -> Tensor:
    """Gaussian means over ``side`` x ``side`` patches; beyond the edge there is nothing, which weighs as much."""
    if side == 1:
        return planes
    within = (torch.arange(side, device=planes.device) - side // 2) ** 2 / (2 * SIGMA**2)
    whole = torch.exp(-within).sum()
    rows, columns = (_neighbours(count, side, planes) / whole for count in planes.shape[-2:])
    return rows.to(planes) @ planes @ columns.to(planes)


def _neighbours(count: int, side: int, like: Tensor) -> Float[Tensor, "count count"]:
    """What every one of so many patches in a row weighs for each, 0 where it is no neighbour."""
    places = torch.arange(count, device=like.device)
    apart = places[:, None] - places
    return torch.exp(-(apart**2) / (2 * SIGMA**2)) * (apart.abs() <= side // 2)


def _focal(margins: Tensor, truth: Tensor) -> Float[Tensor, ""]:
    """Of logits, so that what is wrong beyond doubt has a gradient too. Where the truth is a half, half is wrong."""
    wrong = truth * (-margins).sigmoid() + (1 - truth) * margins.sigmoid()
    return (F.binary_cross_entropy_with_logits(margins, truth, reduction="none") * wrong**FOCUS).mean()


def _misaligned(patches: Float[Tensor, "batch map patch embed"], truth: Float[Tensor, "batch patch"]) -> Tensor:
    """The mean cosine of a normal to an abnormal patch of a picture less that of two alike, 0 where it is less; mean of
    the maps. 0 without patches of both kinds."""
    kinds = torch.stack([truth == 0, truth == 1], 1).to(patches)
    sums = torch.einsum("bkp,bmpe->mbke", kinds, patches)  # cosines of all pairs add up to those of two sums
    counts = kinds.sum(-1)
    unlike = 2 * (sums[:, :, 0] * sums[:, :, 1]).sum((1, 2)), 2 * counts.prod(1).sum()
    alike = sums.square().sum((1, 2, 3)), counts.square().sum()
    apart, together = (total / number.clamp_min(1) for total, number in (unlike, alike))
    return ((apart - together).clamp_min(0) * (unlike[1] > 0)).mean()
