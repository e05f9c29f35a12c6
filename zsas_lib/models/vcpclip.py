"""VCP-CLIP and VCP-CLIP+: sentences whose class word is made from the image, compared with patches in two branches.

Qu et al., "VCP-CLIP: A Visual Context Prompting Model for Zero-Shot Anomaly Segmentation" (ECCV 2024) and paper V
(Im and Park, Electronics 2026), as released (xiaozhen228/VCP-CLIP, augustinus2000/VCP-CLIP-plus). One class with
paper V's modifications as switches, so that each can be on without the others.
"""

import math
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..backbones.families.sizes import Size
from ..backbones.image_tower import class_embedding, layer_at, patches_of, residual_stream
from ..backbones.registry import Backbone
from ..backbones.text_tower import LEARNED_WORDS, PLACEHOLDER, OpenClipText
from ..base.errors import OptionError, UnknownNameError
from ..base.options import number, several, whole_number
from ..losses import dice_loss, focal_loss
from .in_windows import SCALES, SentenceModel, window_options
from .learned import Features, Recipe, highest_mean, two_state_maps

LAYERS = (0.25, 0.5, 0.75, 1.0)
SENTENCES = (f"a photo of a good {PLACEHOLDER}", f"a photo of a damaged {PLACEHOLDER}")
WORDS = 7
"""Tokens of a sentence beside its class word, its end included."""
ONE_WIDTH = (
    "its Post-VCP attends to the patches of four blocks with the same weights, and the stages of this tower differ in "
    "width."
)
FIRST_TEMPERATURE = 0.07
FIRST_BALANCE = 0.5
"""alpha and beta before their sigmoid, at the start."""
HEAD_CHANNELS = 128
DROPOUT = 0.1
IMAGE_SCORES = ("branches", "map")
LEARNED_TEMPERATURES = ("learned", "bounded")
BRANCHES = ("clip", "vcp")
SHORTEST = 1e-12
"""A vector that is shorter counts as this long where a cosine is taken, as in `torch.nn.functional.normalize`."""


class VCPCLIP(SentenceModel):
    """VCP-CLIP, and VCP-CLIP+ with `temperature=0.07, uniop=True, loreb=True, idp=True` (V Table 1 has all between).

    Two sentences, whose class word is made from the image, are compared with the patches of four blocks in two
    branches; maps are fused, smoothed, and scored by their highest pixels. The chapter "Which parts of VCP-CLIP+
    matter" has the formulas; its symbols are those of the papers' equations.

    Switches of paper V:
        temperature: "learned", one per branch from 0.07 (VCP-CLIP; as `log_scales`, minus its logarithm, which `fit`
            can give another rate), or a fixed number; or, which no paper does, "bounded": learned likewise, but low +
            (high - low) sigmoid of what `log_scales` has moved, between ``temperature_bounds``. By default these are
            the smallest and the largest temperature of V's Table 4.
        uniop: fuse the branches per layer by a learned sigmoid(alpha) and train the fused map; without it both are
            trained apart and fused at test with the weight `fusion` of VCP's branch (0.75 in both papers, 0.8 in the
            code).
        loreb: weigh focal and dice loss by a learned sigmoid(beta) and its complement, instead of 1 and 1.
        idp: one class token, a projection of the image embedding beside `tokens` learned vectors; without it
            `class_tokens` learned tokens plus a convolution of the image embedding (pre-VCP), which goes through the
            transposed text projection where it is not as wide as the tokens, as in no released model.
    Others:
        deep_tokens: learned tokens behind the start token of every block of the text tower.
        smoothing: sigma in pixels at 518.
        image_score: "branches" sums the mean of the highest `top_k` pixels (at 518) of each branch's own map, as the
            code does, alpha or not; "map" takes that of the fused map.
        compared: "patches", or "windows" for the sentences in WinCLIP's windows (`in_windows`), whose options are
            ``scales``, their sides in patches, and ``damaged_share``, from which on a window is damaged in training.
            Map and image score are then WinCLIP's, at its temperature: there are no branches, and class word, deep
            prompts and loreb are all that is left of the above.

    Not done here: the map's min-max scaling over a category, which changes no metric but the legacy AUPRO by rounding;
    mosaics of four pictures where it is trained on MVTec AD, and the rate of 2e-5 that its author advises there.
    Raises UnknownNameError or OptionError for an option's value, OptionError for a backbone whose blocks differ in
    width (`cannot`), or whose text tower takes no learned tokens.
    """

    recipe = Recipe(
        rate=4e-5,
        training_batch_size=16,
        epochs=10,
        augment=True,
        rates={"log_scales": 0.01, "alpha": 4e-3, "beta": 4e-3},
    )

    def __init__(
        self,
        backbone: Backbone,
        *,
        temperature: float | str = "learned",
        uniop: bool = False,
        loreb: bool = False,
        idp: bool = False,
        tokens: int = 3,
        class_tokens: int = 2,
        deep_tokens: int = 1,
        fusion: float = 0.75,
        smoothing: float = 8.0,
        image_score: str = "branches",
        top_k: int = 2000,
        temperature_bounds: Sequence[float] = (0.01, 0.13),
        compared: str = "patches",
        scales: Sequence[int] = SCALES,
        damaged_share: float = 0.0,
    ):
        if temperature not in LEARNED_TEMPERATURES:
            number("VCP-CLIP", "temperature", temperature, 0, above=True, expected="'learned', 'bounded' or a number")
        limits = several("VCP-CLIP", "temperature_bounds", temperature_bounds, (int, float), "two temperatures")
        bounds = [number("VCP-CLIP", "temperature_bounds", bound, 0, above=True) for bound in limits]
        if len(bounds) != 2 or not bounds[0] < FIRST_TEMPERATURE < bounds[1]:
            raise OptionError(
                f"VCP-CLIP got temperature_bounds={tuple(bounds)}; expected two, with {FIRST_TEMPERATURE}, where both "
                "temperatures begin, between them."
            )
        if image_score not in IMAGE_SCORES:
            raise UnknownNameError("value of VCP-CLIP's option image_score", image_score, IMAGE_SCORES)
        whole_number("VCP-CLIP", "tokens", tokens, 1)
        number("VCP-CLIP", "fusion", fusion, 0, 1, expected="a share")
        number("VCP-CLIP", "smoothing", smoothing, 0)
        whole_number("VCP-CLIP", "top_k", top_k, 1)
        self.require_suits(backbone)
        longest = self._tower(backbone).context_length - WORDS
        whole_number("VCP-CLIP", "class_tokens", class_tokens, 1, longest - 1)
        whole_number("VCP-CLIP", "deep_tokens", deep_tokens, 1, longest - (1 if idp else class_tokens))
        super().__init__(
            backbone,
            {
                "temperature": temperature,
                "temperature_bounds": bounds,
                "uniop": uniop,
                "loreb": loreb,
                "idp": idp,
                "tokens": tokens,
                "class_tokens": class_tokens,
                "deep_tokens": deep_tokens,
                "fusion": fusion,
                "smoothing": smoothing,
                "image_score": image_score,
                "top_k": top_k,
                **window_options("VCP-CLIP", backbone, compared, scales, damaged_share),
            },
        )
        text, embed = self._tower(backbone), backbone.embed_dim
        text.words(SENTENCES, 1 if idp else class_tokens)
        self.deep_prompts = DeepPrompts(text.width, text.depth, deep_tokens, text.starts)
        self.class_word = DirectPrompt(tokens, embed, text.width) if idp else ContextPrompt(text.width, class_tokens)
        if not self.in_windows:
            self.projections = nn.ModuleList(nn.Linear(backbone.width, embed) for _ in LAYERS)
            self.post_vcp = PostVCP(embed, backbone.width)
            if temperature in LEARNED_TEMPERATURES:
                self.log_scales = nn.Parameter(torch.empty(2))
            if uniop:
                self.alpha = nn.Parameter(torch.empty(()))
        if loreb:
            self.beta = nn.Parameter(torch.empty(()))
        self._layers = [layer_at(backbone.depth, share) for share in LAYERS]
        self.initialise(seed=0)

    @classmethod
    def cannot(cls, backbone: Backbone) -> str:
        if len(set(backbone.image.widths)) > 1:
            return ONE_WIDTH
        return backbone.text.cannot.get(LEARNED_WORDS, "")

    @staticmethod
    def _tower(backbone: Backbone) -> OpenClipText:
        return cast(OpenClipText, backbone.text)  # the only ones that learned words are put into

    @property
    def name(self) -> str:
        """ "vcpclip+" with all switches of paper V on, else "vcpclip"."""
        fixed = self.options["temperature"] not in LEARNED_TEMPERATURES
        return "vcpclip+" if fixed and all(self.options[switch] for switch in ("uniop", "loreb", "idp")) else "vcpclip"

    @property
    def sentences_per_picture(self) -> int:
        return len(SENTENCES)

    def reset_parameters(self) -> None:
        learned = [child for child in self.children() if child is not self.backbone]
        for part in (part for child in learned for part in reversed([*child.modules()])):
            if reset := getattr(part, "reset_parameters", None):
                reset()
        for name, value in (
            ("log_scales", math.log(1 / FIRST_TEMPERATURE)),
            ("alpha", FIRST_BALANCE),
            ("beta", FIRST_BALANCE),
        ):
            if hasattr(self, name):
                nn.init.constant_(getattr(self, name), value)

    def watched(self) -> dict[str, Float[Tensor, ""]]:
        """The shares of VCP's branch and of the focal loss, and the temperatures of both branches, where learned."""
        found = {}
        if self.options["uniop"] and not self.in_windows:
            found["vcp_share"] = self.alpha.detach().sigmoid()
        if self.options["loreb"]:
            found["focal_share"] = self.beta.detach().sigmoid()
        if self.options["temperature"] in LEARNED_TEMPERATURES and not self.in_windows:
            found |= {f"{branch}_temperature": value for branch, value in zip(BRANCHES, self.temperatures().detach())}
        return found

    def features(self, images: Float[Tensor, "batch 3 height width"], class_names: Sequence[str]) -> Features:
        if self.in_windows:
            return self.window_features(images)
        return self._of_stream(residual_stream(self.backbone, self.backbone.embed_patches(images)))

    def _of_stream(self, stream: Sequence[Tensor]) -> Features:
        patches = torch.stack([patches_of(self.backbone, stream[layer]) for layer in self._layers], 1)
        return {"whole": class_embedding(self.backbone, stream[-1]), "patches": patches}

    def glance(
        self, images: Float[Tensor, "batch 3 height width"], class_names: Sequence[str], places: Int[Tensor, "batch _"]
    ) -> Features:
        return self._of_stream(self.backbone.image.stream_of(self.backbone.embed_patches(images), places))

    def scored(self, features: Features) -> Float[Tensor, "batch patch"]:
        logits = self._branch_logits(features)
        branches = (logits[..., 1] - logits[..., 0]).sigmoid().mean(2)
        return torch.lerp(branches[0], branches[1], self.vcp_share)

    def read_options(self) -> dict[str, Any]:
        return {"scales": self.options["scales"]} if self.in_windows else {}

    def sentences(self, features: Features) -> Float[Tensor, "batch 2 embed"]:
        return self.text_features(features["whole"])

    def text_features(self, whole: Float[Tensor, "batch embed"]) -> Float[Tensor, "batch 2 embed"]:
        """Unit vectors of the two sentences about each image, from its global embedding (not of unit length)."""
        tower, batch = self._tower(self.backbone), len(whole)
        if isinstance(self.class_word, ContextPrompt) and whole.shape[1] != tower.width:
            whole = tower.unprojected(whole)
        word = self.class_word(whole)[:, None].expand(-1, 2, -1, -1)
        words = tower.words(SENTENCES, word.shape[2])
        rest = words.tokens.expand(batch, -1, -1, -1)
        tokens = torch.cat([rest[:, :, : words.gap], word, rest[:, :, words.gap + word.shape[2] :]], 2).flatten(0, 1)
        tokens = tower.run_blocks(tower.with_positions(tokens), words.ids, self.deep_prompts.put_before)
        tokens = self.deep_prompts.norm(self.deep_prompts.taken_out(tokens))
        return F.normalize(tower.read(tokens, words.ends.repeat(batch)), dim=-1).unflatten(0, (batch, 2))

    def temperatures(self) -> Float[Tensor, " branch"]:
        """Of CLIP's branch and of VCP's, where they are learned."""
        if self.options["temperature"] == "learned":
            return (-self.log_scales).exp()
        low, high = self.options["temperature_bounds"]
        first = math.log((FIRST_TEMPERATURE - low) / (high - FIRST_TEMPERATURE))
        return low + (high - low) * (first - (self.log_scales - math.log(1 / FIRST_TEMPERATURE))).sigmoid()

    @property
    def vcp_share(self) -> Tensor | float:
        """The weight of VCP's branch in the fused map."""
        return self.alpha.sigmoid() if self.options["uniop"] else self.options["fusion"]

    def branch_maps(self, features: Features, size: Size) -> Float[Tensor, "branch batch layer height width"]:
        """The probability of "abnormal" of every pixel: CLIP's branch (0) and VCP's (1), per tapped layer."""
        return two_state_maps(self._branch_logits(features), size, self.backbone.patches)

    def _branch_logits(self, features: Features) -> Float[Tensor, "branch batch layer patch 2"]:
        patches = features["patches"]
        text = self.text_features(features["whole"])
        projected = torch.stack([layer(patches[:, i]) for i, layer in enumerate(self.projections)], 1)
        clip = projected @ text[:, None].mT / projected.norm(dim=-1, keepdim=True).clamp_min(SHORTEST)
        unit = F.normalize(patches, dim=-1)
        vcp = unit @ self.post_vcp(text, unit).mT
        logits = torch.stack([clip, vcp])
        if self.options["temperature"] == "learned":
            return logits * self.log_scales.exp()[:, None, None, None, None]
        if self.options["temperature"] == "bounded":
            return logits / self.temperatures()[:, None, None, None, None]
        return logits / self.options["temperature"]

    def compare(self, features: Features, size: Size) -> tuple[Tensor, Tensor]:
        if self.in_windows:
            return self.compare_windows(features, size)
        branches = self.branch_maps(features, size).mean(2)
        maps = torch.lerp(branches[0], branches[1], self.vcp_share)
        if self.options["image_score"] == "map":
            return maps, highest_mean(maps, self.options["top_k"])
        return maps, reduce(add, (highest_mean(branch, self.options["top_k"]) for branch in branches))

    def loss_sums(
        self, features: Features, masks: Bool[Tensor, "batch height width"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Focal and dice losses summed over the layers' maps: of both branches, or of the fused one with UniOp; of
        windows over their sides."""
        masks = self.covered(masks)
        if self.in_windows:
            found = self.scored_windows(features, masks)
            return reduce(add, (focal_loss(*own) for own in found)), reduce(add, (dice_loss(*own) for own in found))
        branches = self.branch_maps(features, tuple(masks.shape[1:]))
        if self.options["uniop"]:
            branches = torch.lerp(branches[:1], branches[1:], self.alpha.sigmoid())
        maps = [map_ for branch in branches for map_ in branch.unbind(1)]
        return reduce(add, (focal_loss(map_, masks) for map_ in maps)), reduce(
            add, (dice_loss(map_, masks) for map_ in maps)
        )

    def loss(
        self, features: Features, masks: Bool[Tensor, "batch height width"], is_anomalous: Bool[Tensor, " batch"]
    ) -> Tensor:
        """The sum of `loss_sums`, or their mean with the weights sigmoid(beta) and its complement with LoReb."""
        focal, dice = self.loss_sums(features, masks)
        if not self.options["loreb"]:
            return focal + dice
        share = self.beta.sigmoid()
        return share * focal + (1 - share) * dice


class DeepPrompts(nn.Module):
    """Learned tokens behind the start token, which is token 0 where a tower ``starts`` with one; others for every block
    of the text tower. All go through one linear layer and dropout, which takes others from each sentence. `norm` comes
    before the tower's last norm."""

    def __init__(self, width: int, depth: int, count: int, starts: int = 1):
        super().__init__()
        self.starts = starts
        self.prompts = nn.Parameter(torch.empty(depth, count, width))
        self.linear = nn.Linear(width, width)
        self.dropout = nn.Dropout(DROPOUT)
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def reset_parameters(self) -> None:
        nn.init.uniform_(self.prompts, -1, 1)
        nn.init.kaiming_normal_(self.linear.weight, mode="fan_out")

    def put_before(
        self, block: int, tokens: Float[Tensor, "text token channel"]
    ) -> Float[Tensor, "text longer channel"]:
        """What a block reads: its own prompts behind the start token, instead of the last block's if there were any."""
        prompts = self.dropout(self.linear(self.prompts[block - 1]).expand(len(tokens), -1, -1))
        tokens = tokens if block == 1 else self.taken_out(tokens)
        return torch.cat([tokens[:, : self.starts], prompts, tokens[:, self.starts :]], 1)

    def taken_out(self, tokens: Float[Tensor, "text longer channel"]) -> Float[Tensor, "text token channel"]:
        """The tokens without the prompts among them."""
        return torch.cat([tokens[:, : self.starts], tokens[:, self.starts + self.prompts.shape[1] :]], 1)


class ContextPrompt(nn.Module):
    """Pre-VCP: learned class tokens plus a convolution along the image embedding, one output channel per token."""

    def __init__(self, width: int, count: int):
        super().__init__()
        self.tokens = nn.Parameter(torch.empty(1, count, width))
        self.convolution = nn.Conv1d(1, count, 3, padding="same")

    def reset_parameters(self) -> None:
        nn.init.trunc_normal_(self.tokens)

    def forward(self, whole: Float[Tensor, "batch channel"]) -> Float[Tensor, "batch word channel"]:
        return self.tokens + self.convolution(whole[:, None])


class DirectPrompt(nn.Module):
    """IDP: a linear layer reads the image embedding beside a normed mixture of learned vectors and gives one token."""

    def __init__(self, count: int, embed: int, width: int):
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(1, count, width))
        self.mixture = nn.Linear(count, 1)
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(embed + width, width)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.vectors)

    def forward(self, whole: Float[Tensor, "batch embed"]) -> Float[Tensor, "batch 1 channel"]:
        mixed = self.norm(self.mixture(self.vectors.mT)[..., 0])
        return self.linear(torch.cat([whole, mixed.expand(len(whole), -1)], 1))[:, None]


class PostVCP(nn.Module):
    """The sentences attend to the patches of each layer with shared weights: eight heads for ViT-L, scores not scaled
    by the width, no residual, no norm.

    Two sentences ask many patches, so keys and values are not made of every patch: a key's weights are moved to what
    is asked, a value's to what the heads have mixed.
    """

    def __init__(self, embed: int, width: int):
        super().__init__()
        self.heads = next(heads for heads in range(max(1, width // HEAD_CHANNELS), 0, -1) if width % heads == 0)
        self.query = nn.Linear(embed, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(
        self, text: Float[Tensor, "batch 2 embed"], patches: Float[Tensor, "batch layer patch channel"]
    ) -> Float[Tensor, "batch layer 2 channel"]:
        """Unit vectors in the patches' space."""
        query = self.query(text).unflatten(-1, (self.heads, -1))
        keys, values = (own.weight.unflatten(0, (self.heads, -1)) for own in (self.key, self.value))
        asked = torch.einsum("bthd,hdc->bhtc", query, keys).flatten(1, 2)
        shift = torch.einsum("bthd,hd->bht", query, self.key.bias.unflatten(0, (self.heads, -1))).flatten(1, 2)
        shares = (asked[:, None] @ patches.mT + shift[:, None, :, None]).softmax(-1)
        mixed = torch.einsum("blhtc,hdc->blthd", (shares @ patches).unflatten(2, (self.heads, -1)), values).flatten(3)
        return F.normalize(self.output(mixed + self.value.bias), dim=-1)
