"""AA-CLIP: small linear layers beside the first blocks of both towers, those of the text trained first.

Ma et al., "AA-CLIP: Enhancing Zero-Shot Anomaly Detection via Anomaly-Aware CLIP" (CVPR 2025), as released
(Mwxinnn/AA-CLIP).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from operator import add
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from kornia.filters import gaussian_blur2d
from torch import Tensor, nn

from ..backbones.families.sizes import Size, pair
from ..backbones.families.tower import ATTENDED
from ..backbones.image_tower import layer_at
from ..backbones.registry import Backbone
from ..backbones.text_tower import LEARNED_WORDS, OpenClipText
from ..base.errors import OptionError, UnknownNameError
from ..base.options import number, whole_number
from ..data.dataset import AnomalyDataset, stacked
from ..losses import dice_loss, focal_loss
from .enlarged import enlarged
from .kept import Kept
from .kinds import require_kinds
from .learned import Features, LearnedModel, Recipe, Stage, names_in, spelled, two_state_maps
from .prediction import AnomalyModel
from .prompts import aa_clip_prompts, mean_embeddings
from .references import image_digest

LAYERS = (0.25, 0.5, 0.75, 1.0)
ADAPTED = 0.25
"""The share of a tower's blocks that get an adapter: 6 of 24 and 3 of 12."""
TEMPERATURE = 0.01
TEXT_RATE = 1e-5
IMAGE_SCORES = ("inductive", "transductive", "transductive-map", "pooled", "map")
TRANSDUCTIVE = ("transductive", "transductive-map")
"""Those for which all that is tested of a category must be shown first."""
TEXTS = ("adapted", "plain")
TEXT_LOSSES = ("last", "all")
REMEMBERED_TOGETHER = 8


class AACLIP(LearnedModel):
    """Behind each of the first blocks of a tower a bias-free linear layer and a leaky ReLU, made as long as the token
    it is of, take a tenth of the token's place. The text's own projection is replaced by such a layer. Linear heads
    take the patches of four blocks to the sentences, and one those of the last block, whose mean tells of the picture.

    Training has two stages. The adapters of the text are trained first, against patches of the frozen image tower that
    attends by values, to which its embedding of the picture is added. Then they are frozen, and the image's are
    trained. `fit`'s ``epochs`` are those of the second; the first has a quarter.

    The map is the sum over the blocks of (100 cosine to abnormal + 1 - 100 cosine to normal) / 2, blurred on the grid
    of patches: no probability.

    Options, with the released code's choice as default but for the score and names:
        image_score: "transductive", as released, is half the map's maximum and half the picture's own (cosine to
            abnormal + 1) / 2, each from its least to its greatest value in all that is tested of a category, which must
            be shown first (`remember`, `remember_tested`). "inductive" scores one picture: the same halves, the map's
            maximum by the range that it could have. "pooled" and "map" are one half of it alone, "transductive-map"
            is one of the released score, which the released code takes of medical pictures. What is the same in all
            that is tested counts 0.
        attended: "batch", as released, where what is meant for the tokens of a picture runs over the pictures of the
            training batch at one place; "tokens" as the paper has it.
        text_loss: "last", as released, where each tapped block's loss takes the place of the one before; "all" sums
            them.
        values_from: the share of the depth from which on the frozen tower of the text's stage attends by values: block
            6 of 24.
        orthogonal: what the loss of the text weighs the squared mean cosine of its two states.
        text: "plain" leaves CLIP's own text tower, as the released code does without a file of the text's.
        text_blocks, image_blocks: how many blocks get adapters; None for a quarter.
        text_weight, image_weight: the adapters' share.
        relu: whether the heads of the image end in a leaky ReLU.
        blur: sigma in patches; 1.5 for medical pictures.
        descriptions: by class name, what is said in its place. The released code has phrases that were written looking
            at the pictures that are tested ("metal nut" is said to have four notches); without any the name is said.
        raw_names: as in `AprilGAN`.

    Not taken over: its changes of training pictures, and a test of every epoch on the data that are tested. Raises
    UnknownNameError or OptionError for an option's value, OptionError for a backbone whose image tower has stages or
    whose text tower takes no learned tokens (`cannot`).
    """

    name = "aa-clip"
    recipe = Recipe(
        rate=5e-4,
        training_batch_size=2,
        epochs=20,
        augment=False,
        stages=(Stage("text", 0.25, 16), Stage("image", 1.0, 2, halved_after=(16_000, 32_000))),
    )

    def __init__(
        self,
        backbone: Backbone,
        *,
        image_score: str = "inductive",
        attended: str = "batch",
        text_loss: str = "last",
        values_from: float = 0.25,
        orthogonal: float = 0.1,
        text: str = "adapted",
        text_blocks: int | None = None,
        image_blocks: int | None = None,
        text_weight: float = 0.1,
        image_weight: float = 0.1,
        relu: bool = False,
        blur: float = 1.0,
        smoothing: float = 0.0,
        descriptions: Mapping[str, str] | None = None,
        raw_names: bool = False,
    ):
        for option, value, known in (
            ("image_score", image_score, IMAGE_SCORES),
            ("attended", attended, ATTENDED),
            ("text_loss", text_loss, TEXT_LOSSES),
            ("text", text, TEXTS),
        ):
            if value not in known:
                raise UnknownNameError(f"value of AA-CLIP's option {option}", value, known)
        for option, value in (("text_weight", text_weight), ("image_weight", image_weight)):
            number("AA-CLIP", option, value, 0, 1, expected="a share")
        said = {} if descriptions is None else descriptions
        if not isinstance(said, Mapping) or not all(isinstance(text, str) for pair_ in said.items() for text in pair_):
            raise OptionError(f"AA-CLIP got descriptions={descriptions!r}; expected what is said, by class name.")
        number("AA-CLIP", "values_from", values_from, 0, 1, above=True, expected="a share of the depth")
        number("AA-CLIP", "orthogonal", orthogonal, 0)
        number("AA-CLIP", "blur", blur, 0, above=True)
        number("AA-CLIP", "smoothing", smoothing, 0)
        self.require_suits(backbone)
        tower = self._tower(backbone)
        for option, value, depth in (
            ("text_blocks", text_blocks, tower.depth),
            ("image_blocks", image_blocks, backbone.depth),
        ):
            if value is not None:
                whole_number("AA-CLIP", option, value, 0, depth)
        super().__init__(
            backbone,
            {
                "image_score": image_score,
                "attended": attended,
                "text_loss": text_loss,
                "values_from": values_from,
                "orthogonal": orthogonal,
                "text": text,
                "text_blocks": layer_at(tower.depth, ADAPTED) if text_blocks is None else text_blocks,
                "image_blocks": layer_at(backbone.depth, ADAPTED) if image_blocks is None else image_blocks,
                "text_weight": text_weight,
                "image_weight": image_weight,
                "relu": relu,
                "blur": blur,
                "smoothing": smoothing,
                "descriptions": dict(said),
                "raw_names": raw_names,
            },
        )
        width, embed = backbone.width, backbone.embed_dim
        if text == "adapted":
            self.text_adapters = _square(tower.width, self.options["text_blocks"])
            self.text_projection = nn.Linear(tower.width, embed, bias=False)
        self.image_adapters = _square(width, self.options["image_blocks"])
        self.projections = nn.ModuleList(nn.Linear(width, embed, bias=False) for _ in LAYERS)
        self.detection = nn.Linear(width, embed, bias=False)
        stages = self.recipe.stages if text == "adapted" else self.recipe.stages[1:]
        self.recipe = replace(
            self.recipe, stages=stages, rates={name: TEXT_RATE for name in self.learnable() if _of_text(name)}
        )
        self._layers = [layer_at(backbone.depth, share) for share in LAYERS]
        self._texts: Kept[Tensor] = Kept()
        self.initialise(seed=0)

    @classmethod
    def cannot(cls, backbone: Backbone) -> str:
        return backbone.image.cannot.get("changed tokens", "") or backbone.text.cannot.get(LEARNED_WORDS, "")

    @staticmethod
    def _tower(backbone: Backbone) -> OpenClipText:
        return cast(OpenClipText, backbone.text)  # the only ones whose blocks are run one by one

    def reset_parameters(self) -> None:
        for value in self.learnable().values():
            nn.init.xavier_uniform_(value)

    def freeze(self) -> None:
        super().freeze()
        self._forget()
        self._stage = "image"

    def enter(self, stage: str) -> None:
        self._stage = stage
        self._forget()
        for name, value in self.learnable().items():
            value.requires_grad_(_of_text(name) == (stage == "text"))

    def _forget(self) -> None:
        """What follows from parameters that may be others now."""
        self._ranges: dict[str, tuple[Tensor, str]] = {}

    def read_options(self) -> dict[str, object]:
        return {name: self.options[name] for name in ("attended", "text_loss", "values_from")}

    def features(self, images: Float[Tensor, "batch 3 height width"], class_names: Sequence[str]) -> Features:
        start = self.backbone.embed_patches(images)
        found = {"start": start, "class name": spelled(class_names, start.device)}
        if self.training:
            found["whole"] = self.backbone.image.encoded(start)
            if self.options["attended"] == "tokens":
                found["by values"] = self._by_values(start)
        return found

    def _by_values(self, start: Tensor) -> Float[Tensor, "batch layer patch embed"]:
        """Unit vectors of the patches of the frozen tower that attends by values, of the blocks that the text's loss
        reads."""
        image = self.backbone.image
        with torch.no_grad():
            stream = image.value_stream(
                start, layer_at(image.depth, self.options["values_from"]), self.options["attended"]
            )
            layers = self._layers[-1:] if self.options["text_loss"] == "last" else self._layers
            return F.normalize(torch.stack([image.dense(stream[layer]) for layer in layers], 1), dim=-1)

    def text_features(self, class_names: Sequence[str]) -> Float[Tensor, "batch 2 embed"]:
        """Unit vectors of the two states of each class. Encoded once per class and kept, but where they are trained."""
        known, learned = {}, ()
        if self.options["text"] == "adapted":
            learned = (*self.text_adapters.parameters(), self.text_projection.weight)
        for name in dict.fromkeys(class_names):
            if self.options["text"] == "adapted" and self.text_projection.weight.requires_grad:
                known[name] = self._encoded(name)
                continue
            known[name] = self._texts.of(name, partial(self._encoded, name), self.backbone, learned)
        return torch.stack([known[name] for name in class_names])

    def _encoded(self, class_name: str) -> Float[Tensor, "2 embed"]:
        said = self.options["descriptions"].get(class_name)
        prompts = aa_clip_prompts(said or class_name, raw_names=self.options["raw_names"] or said is not None)
        if self.options["text"] == "plain":
            return mean_embeddings(self.backbone, prompts)
        tower, count = self._tower(self.backbone), len(self.text_adapters)
        words = tower.plain((*prompts.normal, *prompts.abnormal))

        def before(block: int, tokens: Tensor) -> Tensor:
            return self._adapted("text", block - 2, tokens) if 1 < block <= count + 1 else tokens

        tokens = tower.run_blocks(tower.with_positions(words.tokens), words.ids, before)
        if count == tower.depth:
            tokens = self._adapted("text", count - 1, tokens)
        rows = F.normalize(F.leaky_relu(self.text_projection(tower.normed(tokens, words.ends))), dim=-1)
        states = rows.split((len(prompts.normal), len(prompts.abnormal)))
        return F.normalize(torch.stack([state.mean(0) for state in states]), dim=-1)

    def _adapted(self, tower: str, block: int, tokens: Tensor) -> Tensor:
        """Tokens with the share of the adapter behind a block (from 0) of a tower, "text" or "image"."""
        own = F.leaky_relu(getattr(self, f"{tower}_adapters")[block](tokens))
        own = own * tokens.norm(dim=-1, keepdim=True) / own.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        return torch.lerp(tokens, own, self.options[f"{tower}_weight"])

    def image_features(
        self, start: Float[Tensor, "batch token channel"]
    ) -> tuple[Float[Tensor, "batch layer patch embed"], Float[Tensor, "batch embed"]]:
        """Unit vectors of the patches of the tapped blocks, and the mean of the last ones' for the picture."""

        def change(block: int, tokens: Tensor) -> Tensor:
            return self._adapted("image", block - 1, tokens) if 0 < block <= len(self.image_adapters) else tokens

        stream = self.backbone.image.changed_stream(start, change)
        tapped = [self.backbone.image.normed(stream[layer]) for layer in self._layers]
        heads = [*self.projections, self.detection]
        read = [head(patches) for head, patches in zip(heads, [*tapped, tapped[-1]])]
        read = [F.normalize(F.leaky_relu(own) if self.options["relu"] else own, dim=-1) for own in read]
        return torch.stack(read[:-1], 1), read[-1].mean(1)

    def compare(self, features: Features, size: Size) -> tuple[Tensor, Tensor]:
        names = names_in(features["class name"])
        maps, pooled = self._parts(features, names, size)
        return maps, self._scores(maps.amax((1, 2)), pooled, names)

    def maps(self, features: Features, size: Size) -> Tensor:
        return self._parts(features, names_in(features["class name"]), size)[0]

    def show_tested(self, dataset: AnomalyDataset) -> None:
        if self.options["image_score"] in TRANSDUCTIVE:
            sized = dataset.squashed(max(self.backbone.size))
            for category in sized.categories:
                part = sized.select([category])
                self.remember(category, stacked([part[place] for place in range(len(part))]).images)

    def _parts(self, features: Features, names: Sequence[str], size: Size) -> tuple[Tensor, Tensor]:
        """Maps, and (cosine to abnormal + 1) / 2 of the pictures."""
        text = self.text_features(names)
        patches, whole = self.image_features(features["start"])
        cosines = patches @ text[:, None].mT
        planes = ((cosines[..., 1] - cosines[..., 0]) / TEMPERATURE + 1).sum(1) / 2
        planes = planes.unflatten(-1, self.backbone.patches)[:, None]
        reach = [min(int(3 * self.options["blur"]), side - 1) for side in planes.shape[-2:]]
        sigma = self.options["blur"]
        planes = gaussian_blur2d(planes, (2 * reach[0] + 1, 2 * reach[1] + 1), (sigma, sigma))
        maps = enlarged(planes, pair(size), corners_aligned=True)[:, 0]
        return maps, (torch.einsum("be,be->b", whole, text[:, 1]) + 1) / 2

    def _scores(self, highest: Tensor, pooled: Tensor, names: Sequence[str]) -> Tensor:
        if self.options["image_score"] in TRANSDUCTIVE:
            ranges = torch.stack([self._range(name) for name in names]).to(pooled)
            extents = ranges[:, :, 1] - ranges[:, :, 0]
            halves = (torch.stack([highest, pooled], 1) - ranges[:, :, 0]) / extents.where(extents > 0, 1)
            halves = halves * (extents > 0)
            return halves.mean(1) if self.options["image_score"] == "transductive" else halves[:, 0]
        possible = len(LAYERS) / TEMPERATURE
        highest = (highest - len(LAYERS) / 2 + possible) / (2 * possible)
        return {"inductive": (highest + pooled) / 2, "pooled": pooled, "map": highest}[self.options["image_score"]]

    def _range(self, class_name: str) -> Float[Tensor, "2 2"]:
        if class_name not in self._ranges:
            raise ValueError(
                f"{self.name} with image_score={self.options['image_score']!r} scores a picture by all that are tested "
                f"of its category, and has not been shown those of {class_name!r}; expected "
                f"model.remember({class_name!r}, images), or zsas.remember_tested(model, dataset) for all categories, "
                "after training or loading. image_score='inductive' needs none."
            )
        return self._ranges[class_name][0]

    @torch.no_grad()
    def remember(self, class_name: str, images: Float[Tensor, "tested 3 height width"]) -> None:
        """Take these pictures for all that are tested of a category: "transductive" scores range over them. Raises
        UntrainedModelError before training or loading; what was shown before that is forgotten."""
        self.require_trained()
        least = torch.full((2,), torch.inf)
        greatest = -least
        for part in images.split(REMEMBERED_TOGETHER):
            names = [class_name] * len(part)
            maps, pooled = self._parts(self.features(part, names), names, self.backbone.image.seen)
            least = torch.minimum(least, torch.stack([maps.min(), pooled.min()]).cpu())
            greatest = torch.maximum(greatest, torch.stack([maps.max(), pooled.max()]).cpu())
        self._ranges[class_name] = torch.stack([least, greatest], 1), image_digest(images)

    def identity(self, class_names: Sequence[str]) -> Mapping[str, object]:
        if self.options["image_score"] not in TRANSDUCTIVE:
            return {}
        return {"tested": {name: self._ranges[name][1] for name in sorted(set(class_names)) if name in self._ranges}}

    def loss(
        self, features: Features, masks: Bool[Tensor, "batch height width"], is_anomalous: Bool[Tensor, " batch"]
    ) -> Tensor:
        """Of the stage: focal loss and dice losses of the abnormal and the normal map, summed over the blocks; and of
        the text a tenth of the squared mean cosine of its two states for each, of the image a cross-entropy."""
        masks = self.covered(masks)
        text = self.text_features(names_in(features["class name"]))
        if self._stage == "text":
            patches = features["by values"] if "by values" in features else self._by_values(features["start"])
            patches = patches + F.normalize(features["whole"], dim=-1)[:, None, None]
            upright = torch.einsum("be,be->b", text[:, 0], text[:, 1]).mean() ** 2
            rest = self.options["orthogonal"] * upright * patches.shape[1]
        else:
            patches, whole = self.image_features(features["start"])
            rest = F.cross_entropy(torch.einsum("be,bse->bs", whole, text), is_anomalous.long())
        logits = patches @ text[:, None].mT / TEMPERATURE
        maps = two_state_maps(logits, tuple(masks.shape[1:]), self.backbone.patches).unbind(1)
        local = [focal_loss(map_, masks) + dice_loss(map_, masks) + dice_loss(1 - map_, ~masks) for map_ in maps]
        return rest + reduce(add, local)


def _of_text(name: str) -> bool:
    return name.startswith("text_")


def _square(width: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(count))


def remember_tested(model: AnomalyModel, dataset: AnomalyDataset) -> None:
    """Show a model with transductive scores all that is tested of each category. Raises what `AACLIP.remember` does,
    TypeError for what is no model or no data set, and OptionError for another model.

    >>> model = zsas.load_model("aa-clip", zsas.load_backbone("embedded"), image_score="transductive")
    >>> pictures = zsas.load_dataset("embedded-a", categories="ceramic_disc").select(per_category=4)
    >>> log = zsas.fit(model, pictures, epochs=1)
    >>> zsas.remember_tested(model, pictures)
    >>> model(torch.rand(1, 3, 144, 144), "ceramic_disc").image_score.shape
    torch.Size([1])
    """
    require_kinds((model, AnomalyModel), (dataset, AnomalyDataset))
    if not isinstance(model, AACLIP):
        raise OptionError(f"remember_tested got {type(model).__name__}; expected an AA-CLIP.")
    model.show_tested(dataset)
