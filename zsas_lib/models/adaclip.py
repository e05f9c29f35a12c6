"""AdaCLIP: learned tokens in both towers, some the same for all pictures and some made from each picture.

Cao et al., "AdaCLIP: Adapting CLIP with Hybrid Learnable Prompts for Zero-Shot Anomaly Detection" (ECCV 2024), as
released (caoyunkang/AdaCLIP).
"""

from collections.abc import Sequence
from functools import partial, reduce
from operator import add
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..backbones.families.linear import QuickLinear
from ..backbones.families.sizes import Size
from ..backbones.image_tower import class_embedding, layer_at, patches_of
from ..backbones.prompted_sentences import PromptedSentences
from ..backbones.registry import Backbone
from ..backbones.text_tower import LEARNED_WORDS, OpenClipText
from ..base.errors import UnknownNameError
from ..base.options import number, whole_number
from ..losses import dice_loss, focal_loss
from .adaclip_clusters import k_means
from .kept import Kept
from .learned import Features, LearnedModel, Recipe, names_in, spelled, two_state_maps
from .prompts import NAMELESS, adaclip_prompts, mean_embeddings
from .tapped import QUARTERS, tapped_shares

TEMPERATURE = 0.01
SPREAD = 0.02
"""Standard deviation of the static tokens at the start."""
CLUSTERED_SHARE = 0.2
PATCHES_A_CLUSTER = 5
PROMPTS = ("SD", "S", "D", "")
TOWERS = ("VL", "V", "L", "")
WORDS = ("overwritten", "kept")
CLUSTERINGS = ("k-means", "highest", "off")
DICE = ("rows", "pictures")
BEGUN = "begun "
"""What the features are called that both passes through the image tower begin with."""


class AdaCLIP(LearnedModel):
    """Learned tokens are appended to the patches before the first `depth` blocks of the image tower, and written over
    the first words of 48 sentences about the class before blocks 2 to `depth` of the text tower. Each is the sum of a
    static token of its block and of a dynamic one, linear in the embedding that the tower without tokens gives of the
    picture, so that all sentences are encoded again for each picture.

    Linear heads take the patches of four blocks and the class token's embedding to the sentences; logits are cosines
    / 0.01, their mean over the blocks is enlarged, and the softmax of both states is the map. The image's score is that
    of its own embedding, with a fifth of the mean of clusters of the most anomalous patches (HSF).

    Options, with the released code's choice as default but for names and draws:
        prompts: "SD" static and dynamic tokens, or one kind alone, or "" for none; towers: which get them, "V" the
            image and "L" the text tower.
        length: learned tokens a block; depth: blocks that get them, or all of a
            tower that has fewer.
        words: "overwritten", as released: from block 2 on the first `length` words of a sentence are lost, which are
            most of its template; "kept" puts the tokens behind the start token instead.
        layers: shares of the depth that are tapped. The released code taps every n // 4 blocks of n, which are those
            of an official file.
        clustering: "k-means" of the highest `PATCHES_A_CLUSTER` x `clusters` patches, drawn with `cluster_seed` anew
            for each picture (the released code draws on from picture to picture); "highest" is these patches' mean
            without clusters, "off" leaves them out.
        dice: "rows", as released, where masks of a batch of one lose a dimension and the dice loss is that of each row
            of pixels; "pictures" is the paper's.
        smoothing: sigma in pixels at 518.
        raw_names: as in `AprilGAN`.

    Not taken over: half precision, the four-picture mosaics of its training, and the choice of the epoch by the data
    that are tested. Raises UnknownNameError or OptionError for an option's value, OptionError for a backbone whose
    image tower has stages or whose text tower takes no learned tokens (`cannot`).
    """

    name = "adaclip"
    recipe = Recipe(rate=0.01, training_batch_size=1, epochs=5, augment=False, weight_decay=0.01)

    def __init__(
        self,
        backbone: Backbone,
        *,
        prompts: str = "SD",
        towers: str = "VL",
        length: int = 5,
        depth: int = 4,
        words: str = "overwritten",
        layers: Sequence[float] = QUARTERS,
        clustering: str = "k-means",
        clusters: int = 20,
        cluster_seed: int = 0,
        dice: str = "rows",
        smoothing: float = 4.0,
        raw_names: bool = False,
    ):
        chosen = {
            "prompts": (prompts, PROMPTS),
            "towers": (towers, TOWERS),
            "words": (words, WORDS),
            "clustering": (clustering, CLUSTERINGS),
            "dice": (dice, DICE),
        }
        for option, (value, known) in chosen.items():
            if value not in known:
                raise UnknownNameError(f"value of AdaCLIP's option {option}", value, known)
        tapped = tapped_shares("AdaCLIP", "layers", layers)
        whole_number("AdaCLIP", "clusters", clusters, 1)
        whole_number("AdaCLIP", "cluster_seed", cluster_seed, 0, 2**32 - 1)
        number("AdaCLIP", "smoothing", smoothing, 0)
        self.require_suits(backbone)
        text = self._tower(backbone)
        whole_number("AdaCLIP", "length", length, 1, text.context_length - 1)
        whole_number("AdaCLIP", "depth", depth, 1)
        super().__init__(
            backbone,
            {
                "prompts": prompts,
                "towers": towers,
                "length": length,
                "depth": depth,
                "words": words,
                "layers": tapped,
                "clustering": clustering,
                "clusters": clusters,
                "cluster_seed": cluster_seed,
                "dice": dice,
                "smoothing": smoothing,
                "raw_names": raw_names,
            },
        )
        embed, width = backbone.embed_dim, backbone.width
        self.projections = nn.ModuleList(QuickLinear(width, embed) for _ in tapped)
        self.class_projection = QuickLinear(embed, embed)
        if "S" in prompts:
            if "V" in towers:
                self.static_visual = nn.Parameter(torch.empty(depth, length, width))
            if "L" in towers:
                self.static_text = nn.Parameter(torch.empty(depth, length, text.width))
        if "D" in prompts:
            self.dynamic_visual = QuickLinear(embed, length * width)
            self.dynamic_text = QuickLinear(embed, length * text.width)
        self._layers = [layer_at(backbone.depth, share) for share in tapped]
        self._sentences: Kept[PromptedSentences] = Kept()
        self.initialise(seed=0)

    @property
    def scores_are_probabilities(self) -> bool:
        return True

    @classmethod
    def cannot(cls, backbone: Backbone) -> str:
        return backbone.image.cannot.get("changed tokens", "") or backbone.text.cannot.get(LEARNED_WORDS, "")

    @staticmethod
    def _tower(backbone: Backbone) -> OpenClipText:
        return cast(OpenClipText, backbone.text)  # the only ones that learned words are put into

    @property
    def sentences_per_picture(self) -> int:
        if "L" not in self.options["towers"] or "D" not in self.options["prompts"]:
            return 0
        prompts = adaclip_prompts(NAMELESS)
        return len(prompts.normal) + len(prompts.abnormal)

    def reset_parameters(self) -> None:
        for child in self.children():
            if child is not self.backbone:
                for layer in child if isinstance(child, nn.ModuleList) else [child]:
                    cast(nn.Linear, layer).reset_parameters()
        for _, value in self.named_parameters(recurse=False):
            nn.init.normal_(value, std=SPREAD)

    def read_options(self) -> dict[str, object]:
        return {}

    def features(self, images: Float[Tensor, "batch 3 height width"], class_names: Sequence[str]) -> Features:
        start = self.backbone.embed_patches(images)
        begun = self.backbone.image.begun(start)
        whole, _ = self.backbone.image.pooled(start, (), begun)  # all blocks but the last, and of that the class token
        names = {"class name": spelled(class_names, start.device)}
        return {"start": start, "whole": whole, **names, **{BEGUN + part: values for part, values in begun.items()}}

    def _tokens(self, tower: str, whole: Tensor) -> Float[Tensor, "batch block token channel"] | None:
        """The learned tokens of each block of a tower, "visual" or "text"; None where it gets none."""
        if {"visual": "V", "text": "L"}[tower] not in self.options["towers"] or not self.options["prompts"]:
            return None
        tokens = whole.new_zeros(())
        if "S" in self.options["prompts"]:
            tokens = tokens + getattr(self, f"static_{tower}")
        if "D" in self.options["prompts"]:
            dynamic = getattr(self, f"dynamic_{tower}")(whole).unflatten(-1, (self.options["length"], -1))
            tokens = tokens + dynamic[:, None]
        shape = (len(whole), self.options["depth"], *tokens.shape[-2:])
        return tokens.expand(shape)

    def image_features(
        self, features: Features
    ) -> tuple[Float[Tensor, "batch layer patch embed"], Float[Tensor, "batch embed"]]:
        """Unit vectors of the patches of the tapped blocks and of each picture, by the image tower with its tokens."""
        start, count = features["start"], features["start"].shape[1]
        tokens = self._tokens("visual", features["whole"])

        def change(block: int, states: Tensor) -> Tensor:
            if tokens is None or block >= min(tokens.shape[1], self.backbone.depth):
                return states
            return torch.cat([states[:, :count], tokens[:, block]], 1)

        begun = {part.removeprefix(BEGUN): values for part, values in features.items() if part.startswith(BEGUN)}
        stream = self.backbone.image.changed_stream(start, change, begun)
        layers = [own(patches_of(self.backbone, stream[layer])) for layer, own in zip(self._layers, self.projections)]
        whole = self.class_projection(class_embedding(self.backbone, stream[-1]))
        return F.normalize(torch.stack(layers, 1), dim=-1), F.normalize(whole, dim=-1)

    def text_features(
        self, whole: Float[Tensor, "batch embed"], class_names: Sequence[str]
    ) -> Float[Tensor, "batch 2 embed"]:
        """Unit vectors of the two states of each picture's class, normal and abnormal: means of unit vectors."""
        tokens = self._tokens("text", whole)
        found: dict[int, Tensor] = {}
        for name in dict.fromkeys(class_names):
            prompts = adaclip_prompts(name, raw_names=self.options["raw_names"])
            places = [place for place, own in enumerate(class_names) if own == name]
            if tokens is None:
                rows = mean_embeddings(self.backbone, prompts).expand(len(places), -1, -1)
            else:
                sentences, keeps = (*prompts.normal, *prompts.abnormal), self.options["words"] == "kept"
                make = partial(PromptedSentences, self._tower(self.backbone), sentences, keeps)
                kept = self._sentences.of(name, make, self.backbone)
                own = tokens[:, 1:] if len(places) == len(tokens) else tokens[places, 1:]  # none enters block 1
                rows = kept.embeddings(own)
                states = rows.split((len(prompts.normal), len(prompts.abnormal)), dim=1)
                rows = F.normalize(torch.stack([state.mean(1) for state in states], 1), dim=-1)
            found |= zip(places, rows)
        return torch.stack([found[place] for place in range(len(class_names))])

    def logits(self, features: Features) -> tuple[Float[Tensor, "batch layer patch 2"], Float[Tensor, "batch 2"]]:
        """Of the patches of each tapped block, and of the pictures."""
        text = self.text_features(features["whole"], names_in(features["class name"]))
        patches, whole = self.image_features(features)
        logits = patches @ text[:, None].mT / TEMPERATURE
        if self.options["clustering"] != "off":
            margin = (logits[..., 1] - logits[..., 0]).mean(1)
            clustered = F.normalize(self._highest(patches, margin), dim=-1)
            whole = F.normalize(torch.lerp(whole, clustered.to(whole.dtype), CLUSTERED_SHARE), dim=-1)
        return logits, torch.einsum("be,bse->bs", whole, text) / TEMPERATURE

    def _highest(
        self, patches: Float[Tensor, "batch layer patch embed"], margin: Float[Tensor, "batch patch"]
    ) -> Float[Tensor, "batch embed"]:
        """The mean of the most anomalous patches, of their clusters' means with k-means."""
        count = min(margin.shape[1], PATCHES_A_CLUSTER * self.options["clusters"])
        index = margin.topk(count, dim=1).indices
        chosen = patches.transpose(1, 2)[torch.arange(len(patches), device=index.device)[:, None], index]
        means = chosen.mean(2)
        if self.options["clustering"] == "highest" or means.is_meta:
            return means.mean(1)
        labels = k_means(chosen.flatten(2), self.options["clusters"], self.options["cluster_seed"])
        members = (labels[..., None] == torch.arange(self.options["clusters"], device=labels.device)).to(means.dtype)
        sizes = members.sum(1)
        centres = members.mT @ means / sizes.clamp_min(1)[..., None]
        return centres.sum(1) / (sizes > 0).sum(1, keepdim=True)

    def compare(self, features: Features, size: Size) -> tuple[Tensor, Tensor]:
        logits, whole = self.logits(features)
        return two_state_maps(logits.mean(1), size, self.backbone.patches), whole.softmax(-1)[:, 1]

    def loss(
        self, features: Features, masks: Bool[Tensor, "batch height width"], is_anomalous: Bool[Tensor, " batch"]
    ) -> Tensor:
        """Focal loss of the picture, and focal loss and dice losses of the abnormal and the normal map, summed over the
        layers."""
        masks = self.covered(masks)
        logits, whole = self.logits(features)
        maps = two_state_maps(logits, tuple(masks.shape[1:]), self.backbone.patches).unbind(1)
        local = [focal_loss(map_, masks) + self._dice(map_, masks) + self._dice(1 - map_, ~masks) for map_ in maps]
        return focal_loss(whole.softmax(-1)[:, 1], is_anomalous) + reduce(add, local)

    def _dice(self, map_: Tensor, masks: Tensor) -> Tensor:
        if self.options["dice"] == "rows":
            map_, masks = (values.flatten(0, 1)[:, None] for values in (map_, masks))
        return dice_loss(map_, masks)
