"""AF-CLIP: one attention layer over the patches of four blocks and their neighbourhoods, against two learned sentences.

Fang et al., "AF-CLIP: Zero-Shot Anomaly Detection via Anomaly-Focused CLIP Adaptation" (ACM MM 2025), as released
(Faustinaqq/AF-CLIP).
"""

from collections.abc import Mapping, Sequence
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
from ..data.dataset import AnomalyDataset
from .enlarged import enlarged
from .learned import Features, LearnedModel, Recipe, names_in, spelled
from .references import References, image_digest, nearest_distance
from .tapped import QUARTERS, tapped_shares

NEIGHBOURHOODS = (1, 3, 5)
"""Patches a side over which tokens are averaged."""
SIGMA = 4.0
"""Of the weights in a neighbourhood, in patches."""
HEADS, HEAD_CHANNELS = 8, 64
AT_ONCE = 2**12
"""Tokens that go through the layer of attention together."""
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
        layers: shares of the depth that are tapped.
        shots: number k of normal pictures of a class that are remembered (`remember`, `remember_normal`); 0 is zero-
            shot. A patch's distance to the nearest of theirs, (1 - cosine) / 2 of tokens as the tower has them, is
            averaged over tapped blocks and neighbourhoods; the map is that and ``words_weight`` of the softmax, and
            the image's score its highest patch and as much of the class token's softmax.
        memory_layers: shares of the depth whose tokens are remembered.
        words_weight: the authors' alpha.
        local_weight: what the loss weighs patches' focal loss and error, the authors' lambda1.
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
        layers: Sequence[float] = QUARTERS,
        shots: int = 0,
        memory_layers: Sequence[float] = QUARTERS,
        words_weight: float = 0.1,
        local_weight: float = 1.0,
        align: float = 1.0,
        smoothing: float = 4.0,
    ):
        tapped = tapped_shares("AF-CLIP", "layers", layers)
        remembered = tapped_shares("AF-CLIP", "memory_layers", memory_layers)
        whole_number("AF-CLIP", "shots", shots, 0)
        number("AF-CLIP", "words_weight", words_weight, 0)
        number("AF-CLIP", "local_weight", local_weight, 0)
        number("AF-CLIP", "align", align, 0)
        number("AF-CLIP", "smoothing", smoothing, 0)
        self.require_suits(backbone)
        text = cast(OpenClipText, backbone.text)
        whole_number("AF-CLIP", "context", context, 1, text.context_length - WORDS)
        super().__init__(
            backbone,
            {
                "context": context,
                "thinned": thinned,
                "layers": tapped,
                "shots": shots,
                "memory_layers": remembered,
                "words_weight": words_weight,
                "local_weight": local_weight,
                "align": align,
                "smoothing": smoothing,
            },
        )
        self.context = nn.Parameter(torch.empty(1, context, text.width))
        self.adapter = Attention(backbone.width)
        self.references = References()
        self._layers = [layer_at(backbone.depth, share) for share in tapped]
        self._remembered = [layer_at(backbone.depth, share) for share in remembered]
        self.initialise(seed=0)

    @property
    def scores_are_probabilities(self) -> bool:
        return not self.options["shots"]

    @classmethod
    def cannot(cls, backbone: Backbone) -> str:
        if len(set(backbone.image.widths)) > 1:
            return ONE_WIDTH
        return backbone.text.cannot.get(LEARNED_WORDS, "")

    def reset_parameters(self) -> None:
        nn.init.normal_(self.context, std=SPREAD)
        self.adapter.reset_parameters()

    def read_options(self) -> dict[str, object]:
        return {"layers": self.options["layers"], "memory_layers": self._remembered if self.options["shots"] else None}

    def features(self, images: Float[Tensor, "batch 3 height width"], class_names: Sequence[str]) -> Features:
        stream = residual_stream(self.backbone, self.backbone.embed_patches(images))
        found = {"tokens": torch.stack([stream[layer] for layer in self._layers], 1)}
        if not self.options["shots"] or self.training:
            return found
        remembered = torch.stack([stream[layer] for layer in self._remembered], 1)
        return found | {"remembered": remembered, "class name": spelled(class_names, remembered.device)}

    def _around(self, states: Float[Tensor, "batch token channel"]) -> list[Float[Tensor, "batch patch channel"]]:
        """The patches of a block, averaged over each neighbourhood."""
        planes = states[:, self.backbone.image.prefix :].mT.unflatten(-1, self.backbone.image.grid)
        return [_averaged(planes, side).flatten(2).mT for side in NEIGHBOURHOODS]

    def _memorable(self, states: Float[Tensor, "batch layer token channel"]) -> list[Tensor]:
        """Unit vectors of the patches of each remembered block and neighbourhood, (batch, patch, channel)."""
        return [F.normalize(own, dim=-1) for layer in states.unbind(1) for own in self._around(layer)]

    @torch.no_grad()
    def remember(self, class_name: str, images: Float[Tensor, "reference 3 height width"]) -> None:
        """Take these normal images as what images of the class are compared with, in the place of earlier ones.

        RGB in [0, 1], of any one size, as many as the option ``shots``. Raises ValueError for another number.
        """
        shots = self.options["shots"]
        if len(images) != shots or not shots:
            raise ValueError(
                f"AF-CLIP with shots={shots} got {len(images)} normal reference images of {class_name!r}; expected as "
                "many as shots, and those at least 1."
            )
        stream = residual_stream(self.backbone, self.backbone.embed_patches(images))
        parts = self._memorable(torch.stack([stream[layer] for layer in self._remembered], 1))
        self.references.add(class_name, {n: own.flatten(0, 1) for n, own in enumerate(parts)}, image_digest(images))

    def show_tested(self, dataset: AnomalyDataset) -> None:
        """What chooses an epoch has no references: it is judged by words alone, as in training."""
        if self.options["shots"]:
            self.train()

    def identity(self, class_names: Sequence[str]) -> Mapping[str, object]:
        return self.references.digests(class_names) if self.options["shots"] else {}

    def _distances(self, features: Features) -> Float[Tensor, "batch patch"]:
        """Of each patch to what is remembered of its picture's class, in the mean over blocks and neighbourhoods."""
        memories = [self.references.of(name) for name in names_in(features["class name"])]
        parts = self._memorable(features["remembered"])
        apart = [nearest_distance(own, [memory[n] for memory in memories]) for n, own in enumerate(parts)]
        return torch.stack(apart).mean(0)

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
        states = features["tokens"].flatten(0, 1)
        maps = torch.stack([torch.cat([states[:, :prefix], around], 1) for around in self._around(states)], 1)
        if asked is not None and self.training and self.options["thinned"]:
            maps, asked = maps[:, :, asked], None
        maps = maps.flatten(0, 1)
        whole, patches = [], []
        for part in maps.split(max(1, AT_ONCE // maps.shape[1])):
            adapted = self.adapter(part, asked)
            whole.append(image.embedding(adapted))
            patches.append(image.dense(adapted))
        pictures = len(features["tokens"])
        whole, patches = (F.normalize(torch.cat(own), dim=-1).unflatten(0, (pictures, -1)) for own in (whole, patches))
        return whole, patches

    def _margins(self, rows: Tensor, text: Float[Tensor, "2 embed"]) -> Tensor:
        """Logits of "abnormal", by cosines summed over the maps (dimension 1)."""
        cosines = rows.sum(1) @ text.mT
        return (cosines[..., 1] - cosines[..., 0]) / TEMPERATURE

    def compare(self, features: Features, size: Size) -> tuple[Tensor, Tensor]:
        (whole, patches), text = self.tokens(features), self.text_features()
        rows, scores = self._margins(patches, text).sigmoid(), self._margins(whole, text).sigmoid()
        if self.options["shots"] and "remembered" in features:  # a training reads no references
            apart, weight = self._distances(features), self.options["words_weight"]
            rows, scores = apart + weight * rows, apart.amax(1) + weight * scores
        planes = rows.unflatten(-1, self.backbone.patches)[:, None]
        return enlarged(planes, pair(size))[:, 0], scores

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
        return (
            _focal(self._margins(whole, text), is_anomalous.to(whole)) + self.options["local_weight"] * local + aligned
        )


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
