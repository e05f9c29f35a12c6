"""AnomalyCLIP: two learned sentences that name no product, compared with value-value patch embeddings.

Zhou et al., "AnomalyCLIP: Object-agnostic Prompt Learning for Zero-shot Anomaly Detection" (ICLR 2024), as released
(zqhang/AnomalyCLIP); paper K compares it with WinCLIP. Where paper K describes something else, an option names it.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..backbones.families.sizes import Size, pair
from ..backbones.image_tower import LOCAL_PATHS, class_embedding, layer_at, local_embeddings, residual_stream
from ..backbones.registry import Backbone
from ..backbones.text_tower import LEARNED_WORDS, PLACEHOLDER, OpenClipText
from ..base.errors import OptionError, UnknownNameError
from ..base.options import number, several, whole_number
from ..losses import dice_loss, focal_loss
from .enlarged import enlarged
from .in_windows import SCALES, SentenceModel, window_options
from .kept import Kept
from .learned import Features, Recipe, highest_mean

TEMPERATURE = 0.07
SPREAD = 0.02
"""Standard deviation of the parameters at the start."""
LOCAL_WEIGHT = 4
"""The released code taps one layer and weighs its loss as it weighed four."""
IMAGE_SCORES = ("text", "map", "text+map")
SENTENCES = tuple(f"{PLACEHOLDER} {ending}" for ending in ("object.", "damaged object."))
WORDS = 5
"""Tokens of the longer sentence beside its context: start, "damaged", "object", ".", end."""


class AnomalyCLIP(SentenceModel):
    """Object-agnostic prompts: two sentences that name no product, learned through the frozen text tower, with more
    learned tokens before its blocks (compound prompts), and compared with patches of the value-value path beside the
    frozen image tower (`local_embeddings`). The map is the probability of "abnormal" of every patch, enlarged and
    smoothed; the image's score is that of the class token. The chapter winclip_vs_anomalyclip explains the method.

    Options, with the released code's choice as default:
        local: the path of the patches, see `local_embeddings`; "diagonal" is paper K's description.
        local_from: share of the depth at which that path begins: block 6 of 24.
        layers: shares of the depth that are tapped; (0.25, 0.5, 0.75, 1.0) is what the papers write.
        context: learned tokens a sentence; compound: learned tokens a block, in the first `compound_depth` of the
            depth (9 of 12 blocks) but for the first block, in the place of as many of the context, and of the words
            where it has fewer.
        smoothing: sigma in pixels at 518.
        image_score: "text" is the image's own probability; "map" the mean of the map's highest `top_k` pixels at 518
            (paper V's Tables 6 to 8); "text+map" their sum.
        class_norm: whether the class token goes through the last norm.
        compared: "patches", or "windows" for the sentences in WinCLIP's windows (`in_windows`), whose options are
            ``scales``, their sides in patches, and ``damaged_share``, from which on a window is damaged in training.
            Map and image score are then WinCLIP's: context and compound prompts are all that is left of the above.

    Raises UnknownNameError or OptionError for an option's value, OptionError for a backbone without a value-value path
    (`cannot`), or whose text tower takes no learned tokens.
    """

    name = "anomalyclip"
    recipe = Recipe(rate=1e-3, training_batch_size=8, epochs=15, augment=False)

    def __init__(
        self,
        backbone: Backbone,
        *,
        local: str = "value",
        local_from: float = 0.25,
        layers: Sequence[float] = (1.0,),
        context: int = 12,
        compound: int = 4,
        compound_depth: float = 0.75,
        smoothing: float = 4.0,
        image_score: str = "text",
        top_k: int = 2000,
        class_norm: bool = False,
        compared: str = "patches",
        scales: Sequence[int] = SCALES,
        damaged_share: float = 0.0,
    ):
        for option, value, known in (("local", local, LOCAL_PATHS), ("image_score", image_score, IMAGE_SCORES)):
            if value not in known:
                raise UnknownNameError(f"value of AnomalyCLIP's option {option}", value, known)
        number("AnomalyCLIP", "local_from", local_from, 0, 1, above=True, expected="a share of the depth")
        tapped = several("AnomalyCLIP", "layers", layers, (int, float), "shares of the depth")
        if not tapped or not all(local_from <= share <= 1 for share in tapped):
            raise OptionError(
                f"AnomalyCLIP got local_from={local_from}, layers={tuple(layers)}; expected shares of the depth in "
                "0..1, and layers where the local path has begun."
            )
        self.require_suits(backbone)
        longest = self._tower(backbone).context_length
        whole_number("AnomalyCLIP", "context", context, 1, longest - WORDS)
        whole_number("AnomalyCLIP", "compound", compound, 0, longest - 1)
        number("AnomalyCLIP", "compound_depth", compound_depth, 0, 1, above=True, expected="a share of the depth")
        number("AnomalyCLIP", "smoothing", smoothing, 0)
        whole_number("AnomalyCLIP", "top_k", top_k, 1)
        super().__init__(
            backbone,
            {
                "local": local,
                "local_from": local_from,
                "layers": tapped,
                "context": context,
                "compound": compound,
                "compound_depth": compound_depth,
                "smoothing": smoothing,
                "image_score": image_score,
                "top_k": top_k,
                "class_norm": class_norm,
                **window_options("AnomalyCLIP", backbone, compared, scales, damaged_share),
            },
        )
        text = self._tower(backbone)
        depth = layer_at(text.depth, compound_depth)
        self.contexts = nn.Parameter(torch.empty(2, context, text.width))
        self.compound = nn.Parameter(torch.empty(depth - 1, compound, text.width))
        text.words(SENTENCES, context)
        self._encoded: Kept[Tensor] = Kept()
        self._first = layer_at(backbone.depth, local_from)
        self._layers = [layer_at(backbone.depth, share) for share in tapped]
        self.initialise(seed=0)

    @property
    def scores_are_probabilities(self) -> bool:
        return self.in_windows or self.options["image_score"] == "text"

    @classmethod
    def cannot(cls, backbone: Backbone) -> str:
        return backbone.image.cannot.get("value path", "") or backbone.text.cannot.get(LEARNED_WORDS, "")

    @staticmethod
    def _tower(backbone: Backbone) -> OpenClipText:
        return cast(OpenClipText, backbone.text)  # the only ones that learned words are put into

    def reset_parameters(self) -> None:
        for prompts in (self.contexts, self.compound):
            if prompts.numel():
                nn.init.normal_(prompts, std=SPREAD)

    def text_features(self) -> Float[Tensor, "2 embed"]:
        """Unit vectors of the two learned sentences, normal and abnormal."""
        if self.contexts.requires_grad:
            return self._encode_sentences()
        return self._encoded.of(None, self._encode_sentences, self.backbone, (self.contexts, self.compound))

    def _encode_sentences(self) -> Tensor:
        text, context, compound = self._tower(self.backbone), self.options["context"], self.options["compound"]
        words = text.words(SENTENCES, context)
        first = words.gap
        tokens = torch.cat([words.tokens[:, :first], self.contexts, words.tokens[:, first + context :]], 1)

        def with_compound(block: int, tokens: Tensor) -> Tensor:
            if not 2 <= block <= len(self.compound) + 1:
                return tokens
            ours = self.compound[block - 2].expand(len(tokens), -1, -1)
            return torch.cat([tokens[:, :first], ours, tokens[:, first + compound :]], 1)

        tokens = text.run_blocks(text.with_positions(tokens), words.ids, with_compound)
        return F.normalize(text.read(tokens, words.ends), dim=-1)

    def features(self, images: Float[Tensor, "batch 3 height width"], class_names: Sequence[str]) -> Features:
        if self.in_windows:
            return self.window_features(images)
        return self._of_stream(residual_stream(self.backbone, self.backbone.embed_patches(images)))

    def _of_stream(self, stream: Sequence[Tensor]) -> Features:
        whole = class_embedding(self.backbone, stream[-1], normed=self.options["class_norm"])
        local = [
            local_embeddings(self.backbone, stream, layer, self._first, self.options["local"]) for layer in self._layers
        ]
        return {"class": F.normalize(whole, dim=-1), "patches": torch.stack(local, 1)}

    @property
    def glances(self) -> bool:
        return super().glances and self.options["local"] == "value"

    def glance(
        self, images: Float[Tensor, "batch 3 height width"], class_names: Sequence[str], places: Int[Tensor, "batch _"]
    ) -> Features:
        return self._of_stream(self.backbone.image.stream_of(self.backbone.embed_patches(images), places))

    def scored(self, features: Features) -> Float[Tensor, "batch patch"]:
        return self._of_patches(features, self.text_features()).mean(1)

    def read_options(self) -> dict[str, Any]:
        if self.in_windows:
            return {"scales": self.options["scales"]}
        return {name: self.options[name] for name in ("local", "local_from", "layers", "class_norm")}

    def sentences(self, features: Features) -> Float[Tensor, "batch 2 embed"]:
        return self.text_features().expand(len(features["whole"]), -1, -1)

    def _of_patches(self, features: Features, text: Float[Tensor, "2 embed"]) -> Float[Tensor, "batch layer patch"]:
        return (features["patches"] @ text.mT / TEMPERATURE).softmax(-1)[..., 1]

    def probabilities(
        self, features: Features, size: Size, text: Float[Tensor, "2 embed"] | None = None
    ) -> Float[Tensor, "batch layer height width"]:
        """The probability of "abnormal" of every pixel, per tapped layer; ``text`` is what `text_features` gives."""
        text = self.text_features() if text is None else text
        patches = self._of_patches(features, text).unflatten(-1, self.backbone.patches)
        return enlarged(patches, pair(size))

    def compare(self, features: Features, size: Size) -> tuple[Tensor, Tensor]:
        if self.in_windows:
            return self.compare_windows(features, size)
        text = self.text_features()
        maps = self.probabilities(features, size, text).mean(1)
        whole = (features["class"] @ text.mT / TEMPERATURE).softmax(-1)[:, 1]
        of_map = highest_mean(maps, self.options["top_k"])
        return maps, {"text": whole, "map": of_map, "text+map": whole + of_map}[self.options["image_score"]]

    def loss(
        self, features: Features, masks: Bool[Tensor, "batch height width"], is_anomalous: Bool[Tensor, " batch"]
    ) -> Tensor:
        """Cross-entropy of the image plus 4 (focal + dice of the abnormal + dice of the normal map), layers, or sides
        of windows, averaged."""
        masks, text = self.covered(masks), self.text_features()
        if self.in_windows:
            image = F.normalize(features["whole"], dim=-1)
            maps = self.scored_windows(features, masks, text.expand(len(image), -1, -1))
        else:
            image = features["class"]
            maps = [(map_, masks) for map_ in self.probabilities(features, tuple(masks.shape[1:]), text).unbind(1)]
        whole = F.cross_entropy(image @ text.mT / TEMPERATURE, is_anomalous.long())
        local = [
            focal_loss(map_, damaged) + dice_loss(map_, damaged) + dice_loss(1 - map_, ~damaged)
            for map_, damaged in maps
        ]
        return whole + LOCAL_WEIGHT * torch.stack(local).mean()
