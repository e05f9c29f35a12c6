"""AnoVL: value-value patches against a domain-aware prompt ensemble, adapted to each picture before it is judged.

Deng et al., "AnoVL: Adapting Vision-Language Models for Unified Zero-shot Anomaly Localization" (arXiv 2308.15939,
later called AnoCLIP), as released (hq-deng/AnoVL), its script for MVTec AD.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..backbones.backbone import Backbone
from ..backbones.families.linear import linear, tanh_of_linear
from ..backbones.image_tower import class_embedding, local_embeddings, residual_stream
from ..base.devices import to_device
from ..base.errors import UnknownNameError
from ..base.options import several, whole_number
from .anovl_tiles import Tiles
from .anovl_views import views
from .enlarged import enlarged
from .kept import Kept
from .learned import of_whole_images
from .prediction import AnomalyModel, Prediction, names_of_images
from .prompts import TEXTURES, PromptEnsemble, anovl_prompts, mean_embeddings

AUTOCAST = ("cpu", "cuda")
"""Devices on which torch may compute in half precision by itself."""
ADAPTERS = ("text", "linear", "off")
OPTIMISERS = ("reset", "carried")
VIEWS = ("normalised", "pictures", "off")
RATE = 1e-3
NOISE = 0.05 * 1.1
"""Standard deviation of what is added to patches before they are made unit vectors."""
PUSHED = 0.5
"""What the loss of the pseudo-labels weighs beside that of the entropy."""


class AnoVL(AnomalyModel):
    """The probability of "abnormal" of every patch, by its cosines to the mean sentences of both states as they are.

    Patches are of the value-value path of the last 12 blocks, from the embedding on, without feed-forward parts. Before
    a picture is judged, an adapter is trained on its own patches: f' = (f + A(f)) / 2 with A(f) = tanh(W u + b) T, u
    the unit vector of f, T the ensemble's 924 unit sentences. W and b begin at random; `steps` of AdamW lower the
    entropy of the patches' states and half of -log p(abnormal) of noisy patches - log p(normal) of the patches as they
    are. The map is averaged over 3 x 3 patches and enlarged. The image's score is the probability of its class token,
    averaged over 22 views.

    The map is differentiable in the picture as if the adapter were given.

    Options, with the released code's choice as default but for the optimiser, the seed and names:
        adapter: "text", or "linear", A(f) = W u + b, which the released code has for VisA; "off" adapts nothing.
        steps: of adaptation.
        optimiser: "carried", as released, keeps AdamW's moments of a category from picture to picture when W and b
            begin anew, so that a map depends on the pictures before, and an evaluation begins with none; "reset"
            begins each picture with none.
        seed: of W, b and noise, the same for every picture; the released code draws on from picture to picture.
        views: made of "normalised" pictures, as released, where grey is a mean of channels less their means; or of
            "pictures"; "off" scores the picture alone.
        tiled: look at two tiles of the backbone's size, at both ends of the picture, whose shorter side is made as
            long as theirs. Maps are averaged where tiles overlap, and so is what adaptation lowers, which is then that
            of all pixels and not of patches. The score is the mean of both. Pictures are at most twice as long as wide.
        local_blocks: how many of the last blocks the value-value path runs through.
        textures: class names that are said to be surfaces.
        raw_names: as in `AprilGAN`.

    The script for VisA is ``adapter="linear", views="off", tiled=True``.

    Raises UnknownNameError or OptionError for an option's value, OptionError for a backbone without a value-value path
    (`cannot`).
    """

    name = "anovl"
    backbone: Backbone

    def __init__(
        self,
        backbone: Backbone,
        *,
        adapter: str = "text",
        steps: int = 5,
        optimiser: str = "reset",
        seed: int = 0,
        views: str = "normalised",
        tiled: bool = False,
        local_blocks: int = 12,
        textures: Sequence[str] = TEXTURES,
        raw_names: bool = False,
    ):
        for option, value, known in (
            ("adapter", adapter, ADAPTERS),
            ("optimiser", optimiser, OPTIMISERS),
            ("views", views, VIEWS),
        ):
            if value not in known:
                raise UnknownNameError(f"value of AnoVL's option {option}", value, known)
        whole_number("AnoVL", "steps", steps, 0)
        whole_number("AnoVL", "seed", seed, 0, 2**32 - 1)
        whole_number("AnoVL", "local_blocks", local_blocks, 1)
        surfaces = several("AnoVL", "textures", textures, str, "class names")
        super().__init__(
            backbone,
            {
                "adapter": adapter,
                "steps": steps,
                "optimiser": optimiser,
                "seed": seed,
                "views": views,
                "tiled": tiled,
                "local_blocks": local_blocks,
                "textures": surfaces,
                "raw_names": raw_names,
            },
        )
        self._banks: Kept[Tensor] = Kept()
        self._moments: dict[str, dict] = {}
        self._beginnings: dict[tuple, tuple[Tensor, Tensor, list[Tensor]]] = {}

    @property
    def scores_are_probabilities(self) -> bool:
        return True

    @classmethod
    def cannot(cls, backbone: Backbone) -> str:
        return backbone.image.cannot.get("value path", "")

    @property
    def hangs_on_order(self) -> bool:
        adapts = self.options["adapter"] != "off" and self.options["steps"] > 0
        return adapts and self.options["optimiser"] == "carried"

    def begin_anew(self) -> None:
        self._moments.clear()

    def _prompts(self, class_name: str) -> PromptEnsemble:
        surface = class_name in self.options["textures"]
        return anovl_prompts(class_name, surface=surface, raw_names=self.options["raw_names"])

    def text_features(self, class_name: str) -> Float[Tensor, "2 embed"]:
        """The unit vectors of the two states of a class: means of embeddings as they come. Kept."""
        return mean_embeddings(self.backbone, self._prompts(class_name), unit=False)

    def sentences(self, class_name: str) -> Float[Tensor, "sentence embed"]:
        """The unit vectors of all sentences about a class, the normal ones first. Kept."""
        prompts = self._prompts(class_name)
        sentences = [*prompts.normal, *prompts.abnormal]
        return self._banks.of(class_name, lambda: self.backbone.encode_text(sentences), self.backbone)

    def forward(self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]) -> Prediction:
        """Maps at the images' size and image scores, for one class name or one per image. Images are RGB in [0, 1], of
        any size, squashed to a square, or of any size up to twice as long as wide with ``tiled``. Raises ValueError if
        the number of names is not that of the images, and for longer ones."""
        names = names_of_images(class_names, len(images))
        if not self.options["tiled"]:
            return self._judged(images, names, None)
        tiles = Tiles.of(images, self.backbone)
        prediction = self._judged(tiles.cut(images), [name for name in names for _ in range(2)], tiles)
        maps = tiles.joined(prediction.anomaly_map)
        if maps.shape[-2:] != images.shape[-2:]:
            maps = enlarged(maps[:, None], images.shape[-2:])[:, 0]
        return Prediction(maps, prediction.image_score.unflatten(0, (-1, 2)).mean(1))

    def _judged(self, images: Tensor, names: Sequence[str], tiles: Tiles | None) -> Prediction:
        """Of pictures, or of tiles, two of each picture."""
        backbone = self.backbone
        normalised = backbone.normalised(images)
        stream = residual_stream(backbone, backbone.image.start(normalised))
        first = max(1, backbone.depth - self.options["local_blocks"] + 1)
        patches = local_embeddings(backbone, stream, backbone.depth, first, unit=False)
        text = torch.stack([self.text_features(name) for name in names])
        planes = self._abnormal(self._adapted(patches, text, names, tiles), text).unflatten(-1, backbone.patches)[
            :, None
        ]
        planes = F.avg_pool2d(F.pad(planes, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        maps = of_whole_images(self._enlarged(planes[:, 0]), backbone, 0.0, images.shape[-2:])
        return Prediction(maps, self._scores(images, normalised, stream[-1], text))

    def _enlarged(self, planes: Float[Tensor, "batch row column"]) -> Float[Tensor, "batch rows columns"]:
        """Numbers of patches at the size that patches cover."""
        return enlarged(planes[:, None], self.backbone.image.seen, corners_aligned=True)[:, 0]

    def _scores(self, images: Tensor, normalised: Tensor, last: Tensor, text: Tensor) -> Float[Tensor, " batch"]:
        whole = F.normalize(class_embedding(self.backbone, last), dim=-1)
        if self.options["views"] == "off":
            return self._abnormal(whole[:, None], text)[:, 0]
        if self.options["views"] == "normalised":
            others = views(normalised)[1:]
        else:
            pictures = normalised * self.backbone.std + self.backbone.mean
            others = (views(pictures)[1:] - self.backbone.mean) / self.backbone.std
        start = self.backbone.image.start(others.transpose(0, 1).flatten(0, 1))
        others = self.backbone.encode_tokens(start).unflatten(0, (len(images), -1))
        return self._abnormal(torch.cat([whole[:, None], others], 1), text).mean(1)

    def _abnormal(self, rows: Float[Tensor, "batch row embed"], text: Float[Tensor, "batch 2 embed"]) -> Tensor:
        """The probability of "abnormal" of each row, by cosines without a temperature."""
        cosines = F.normalize(rows, dim=-1) @ text.mT
        return (cosines[..., 1] - cosines[..., 0]).sigmoid()

    def _adapted(
        self,
        patches: Float[Tensor, "batch patch embed"],
        text: Float[Tensor, "batch 2 embed"],
        names: Sequence[str],
        tiles: Tiles | None,
    ) -> Float[Tensor, "batch patch embed"]:
        """The patches of each picture, or of both of its tiles, by an adapter that was trained on them."""
        if self.options["adapter"] == "off" or not self.options["steps"]:
            return patches
        found, precision, together = [], torch.promote_types(patches.dtype, torch.float32), 1 if tiles is None else 2
        of_pictures = patches.to(precision).unflatten(0, (-1, together)).flatten(1, 2)
        with _without_autocast(patches.device):
            for own, states, name in zip(of_pictures, text[::together].to(precision), names[::together]):
                bank = self.sentences(name).to(precision) if self.options["adapter"] == "text" else None
                with torch.inference_mode(False), torch.no_grad():
                    weight, bias = self._trained(own, states[1] - states[0], bank, name, tiles)
                adapter = _affinity(own / own.norm(dim=-1, keepdim=True), weight, bias, bank)
                found.append(torch.lerp(own, adapter if bank is None else linear(adapter, bank.T.contiguous()), 0.5))
        return torch.stack(found).view(patches.shape)

    def _trained(
        self,
        patches: Float[Tensor, "patch embed"],
        apart: Float[Tensor, " embed"],
        bank: Tensor | None,
        name: str,
        tiles: Tiles | None = None,
    ) -> tuple[Float[Tensor, "out embed"], Float[Tensor, " out"]]:
        """W and b of a picture's adapter after the steps; ``apart`` is the abnormal state less the normal one. With
        ``tiles`` the patches are those of both."""
        outputs = patches.shape[1] if bank is None else len(bank)
        weight, bias, noises = self._begun(patches, outputs)
        if patches.is_meta:
            return weight, bias
        weight, bias = weight.clone(), bias.clone()
        fused = patches.device.type in ("cpu", "cuda")
        optimiser = torch.optim.AdamW([weight, bias], RATE, fused=fused, foreach=False)
        if self.options["optimiser"] == "carried" and name in self._moments:
            optimiser.load_state_dict(self._moments[name])
        bank_of_columns = None if bank is None else bank.T.contiguous()
        for noise in noises:
            rows = torch.cat([patches, patches + noise])
            units = rows / rows.norm(dim=-1, keepdim=True)
            affinity = _affinity(units, weight, bias, bank)
            adapter = affinity if bank_of_columns is None else linear(affinity, bank_of_columns)
            slope = self._slope(torch.lerp(rows, adapter, 0.5), apart, tiles)
            if bank is not None:
                slope = torch.ops.aten.tanh_backward(linear(slope, bank), affinity)
            weight.grad = linear(slope.T.contiguous(), units.T.contiguous())
            bias.grad = slope.sum(0)
            optimiser.step()
        if self.options["optimiser"] == "carried":
            self._moments[name] = optimiser.state_dict()
        return weight, bias

    def _slope(
        self, mixed: Float[Tensor, "both embed"], apart: Float[Tensor, " embed"], tiles: Tiles | None
    ) -> Float[Tensor, "both embed"]:
        """The gradient of a step's loss in the adapter of the patches and, behind them, of the noisy patches; ``mixed``
        is the mean of both with their adapters."""
        norms = mixed.norm(dim=-1, keepdim=True)
        units = mixed / norms
        margins = units @ apart
        slopes = _slopes_of_patches(margins) if tiles is None else self._slopes_of_pixels(margins, tiles)
        return (0.5 * slopes[:, None] / norms) * (apart - margins[:, None] * units)

    def _slopes_of_pixels(self, margins: Float[Tensor, " both"], tiles: Tiles) -> Float[Tensor, " both"]:
        """The gradient of the mean loss of the pixels of the joined tiles in the margins of their patches."""
        with torch.enable_grad():
            margins = margins.detach().requires_grad_()
            planes = torch.stack([(-margins).sigmoid(), margins.sigmoid()]).unflatten(1, (4, *self.backbone.patches))
            normal, abnormal = (tiles.joined(self._enlarged(own)) for own in planes)
            entropy = -(normal[0] * normal[0].log() + abnormal[0] * abnormal[0].log()).mean()
            loss = entropy + PUSHED * (-abnormal[1].log() - normal[0].log()).mean()
            (slopes,) = torch.autograd.grad(loss, margins)
        return slopes

    def _begun(self, patches: Float[Tensor, "patch embed"], outputs: int) -> tuple[Tensor, Tensor, list[Tensor]]:
        """W and b before the steps, and the noise of each. The same for all pictures, and kept for the last kind."""
        key = outputs, patches.shape, patches.device, patches.dtype
        if key not in self._beginnings:
            with torch.random.fork_rng(devices=[]), torch.device("meta" if patches.is_meta else "cpu"):
                torch.default_generator.manual_seed(self.options["seed"])
                layer = nn.Linear(patches.shape[1], outputs)
                noises = [torch.normal(0.0, NOISE, patches.shape) for _ in range(self.options["steps"])]
            moved = (to_device(values.detach(), patches.device) for values in (layer.weight, layer.bias, *noises))
            weight, bias, *noises = (values.to(patches.dtype) for values in moved)
            self._beginnings = {key: (weight, bias, noises)}
        return self._beginnings[key]


def _without_autocast(device: torch.device) -> AbstractContextManager:
    """W and b are learned in single precision whatever the rest is computed in."""
    return torch.autocast(device.type, enabled=False) if device.type in AUTOCAST else nullcontext()


def _affinity(
    units: Float[Tensor, "patch embed"], weight: Tensor, bias: Tensor, bank: Tensor | None
) -> Float[Tensor, "patch out"]:
    """What the layer says of the patches: of each sentence with a bank, else the adapter itself."""
    return linear(units, weight, bias) if bank is None else tanh_of_linear(units, weight, bias)


def _slopes_of_patches(margins: Float[Tensor, " both"]) -> Float[Tensor, " both"]:
    """The gradient of the mean loss of the patches in the margins of the patches and, behind them, the noisy ones."""
    clean, noisy = margins.sigmoid().chunk(2)
    of_entropy = -margins[: len(clean)] * clean * (1 - clean)
    return torch.cat([of_entropy + PUSHED * clean, PUSHED * (noisy - 1)]) / len(clean)
