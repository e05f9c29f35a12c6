"""What models with learnable parts share: who may predict, what is trained, and files of what was learned."""

import inspect
import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..backbones.families.sizes import Size, pair
from ..backbones.registry import Backbone
from ..base.devices import to_device
from ..base.errors import DataError, UnknownNameError
from ..base.files import require_place, write_atomically
from ..base.tensors import finite_floats
from ..data.dataset import AnomalyDataset
from ..perturbations.smoothing import gaussian_smoothed
from . import MODELS, list_models
from .enlarged import enlarged
from .prediction import AnomalyModel, Prediction, names_of_images
from .read_once import said_once

REFERENCE_SIZE = 518
"""The image size in pixels that the papers' widths and pixel counts are meant for; at other sizes they are scaled."""
HIGHEST = 2000
"""Pixels of such an image whose mean is paper V's image score (`highest_mean`)."""
RECORD = "zsas.model"
LONGEST_NAME = 255
"""Of a class, in bytes: that of a folder."""

Features = Mapping[str, Tensor]


@dataclass(frozen=True)
class Stage:
    """A part of a training that has parameters of its own to learn (`LearnedModel.enter`).

    ``epochs`` are a share of the recipe's, at least one; the rate is halved after each of ``halved_after`` steps.
    """

    name: str
    epochs: float
    training_batch_size: int
    halved_after: tuple[int, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How a paper trains: Adam's rate, betas and decoupled weight decay, pictures per training step, epochs, and
    whether pictures are augmented.

    ``rates`` are those of parameters with another rate, by name. A training in ``stages`` goes through them in turn,
    and the epochs are those of the last.
    """

    rate: float
    training_batch_size: int
    epochs: int
    augment: bool
    betas: tuple[float, float] = (0.5, 0.999)
    rates: Mapping[str, float] = field(default_factory=dict)
    weight_decay: float = 0.0
    stages: tuple[Stage, ...] = ()


class UntrainedModelError(RuntimeError):
    """A model with learnable parts was asked to predict before it was trained or loaded."""


class NothingToLearnError(TypeError):
    """A model without learnable parts was asked to train."""


def require_learner(name: str) -> None:
    """Raises UnknownNameError if there is no such model, NothingToLearnError if it learns nothing."""
    if name not in list_models():
        raise UnknownNameError("model", name, list_models())
    if not MODELS[name].learns:
        raise _nothing_to_learn(name)


def require_learnable(model: AnomalyModel) -> "LearnedModel":
    """The model itself. Raises NothingToLearnError where there is nothing in it to train, as in WinCLIP or a trivial
    map."""
    if isinstance(model, LearnedModel):
        return model
    raise _nothing_to_learn(getattr(model, "name", type(model).__name__))


def _nothing_to_learn(name: str) -> NothingToLearnError:
    return NothingToLearnError(f"{name} learns nothing; expected a model such as vcpclip+.")


def of_whole_images(
    maps: Float[Tensor, "batch rows columns"], backbone: Backbone, smoothing: int | float, size: Sequence[int]
) -> Float[Tensor, "batch height width"]:
    """Maps of what the patches of a picture cover (`ImageTower.seen`), at the images' ``size``: what lies beyond gets
    the nearest value, and all is smoothed by ``smoothing`` pixels at 518."""
    whole, seen = backbone.size, backbone.image.seen
    if seen != whole:
        maps = F.pad(maps, (0, whole[1] - seen[1], 0, whole[0] - seen[0]), mode="replicate")
    maps = gaussian_smoothed(maps, smoothing * max(whole) / REFERENCE_SIZE)
    if tuple(size) != whole:
        maps = enlarged(maps[:, None], size)[:, 0]
    return maps


class LearnedModel(AnomalyModel):
    """A model that learns a few parameters beside a frozen backbone.

    A subclass has a `name` and a `recipe` and says, in `features`, what it reads of the frozen towers (cacheable:
    no learned parameter takes part), in `compare` what it makes of that, in `loss` what it is trained for, and in
    `reset_parameters` how its parameters begin. `trained` records what trained it, None before;
    `history` has a row per step of that training.
    """

    recipe: Recipe
    backbone: Backbone

    def __init__(self, backbone: Backbone, options: Mapping[str, object]):
        super().__init__(backbone, options)
        self.trained: dict | None = None
        self.history: pd.DataFrame | None = None

    def features(self, images: Float[Tensor, "batch 3 height width"], class_names: Sequence[str]) -> Features:
        """What the frozen towers say, one row per image in every tensor. Differentiable in the images."""
        raise NotImplementedError

    def said(self, images: Float[Tensor, "batch 3 height width"], class_names: Sequence[str]) -> Features:
        """`features`, from what is kept where these pictures were read before inside `towers_read_once`."""
        what = self.reads, self.read_options()
        return said_once(self.backbone, what, images, class_names, lambda: self.features(images, class_names))

    @property
    def reads(self) -> str:
        """What reads: models of one name, with the same `read_options`, have the same `features`."""
        return type(self).__qualname__

    def read_options(self) -> dict[str, Any]:
        """The options that `features` depends on: all, unless a subclass knows better."""
        return self.options

    def compare(
        self, features: Features, size: Size
    ) -> tuple[Float[Tensor, "batch height width"], Float[Tensor, " batch"]]:
        """Maps of ``size`` in pixels, one number or (height, width), of what the patches cover; not yet smoothed. And
        image scores."""
        raise NotImplementedError

    def maps(self, features: Features, size: Size) -> Float[Tensor, "batch height width"]:
        """The maps of `compare` alone."""
        return self.compare(features, size)[0]

    def show_tested(self, dataset: AnomalyDataset) -> None:
        """Take these pictures for all that are tested of their categories, where scores depend on that."""

    @property
    def glances(self) -> bool:
        """Whether there are `glance` and `scored`."""
        return False

    def glance(
        self,
        images: Float[Tensor, "batch 3 height width"],
        class_names: Sequence[str],
        places: Int[Tensor, "batch place"],
    ) -> Features:
        """`features` of some patches of each picture, by their numbers, read without the others: a cheap look, for
        about as small a share of a pass as they are of the patches."""
        raise NotImplementedError(f"{self.name} does not glance at pictures; glances says so.")

    def scored(self, features: Features) -> Float[Tensor, "batch patch"]:
        """The probability of "abnormal" of each patch that `features` or `glance` has read, in the mean over layers:
        what `compare` enlarges."""
        raise NotImplementedError(f"{self.name} does not glance at pictures; glances says so.")

    def loss(
        self, features: Features, masks: Bool[Tensor, "batch height width"], is_anomalous: Bool[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        """What training lowers."""
        raise NotImplementedError

    def covered(self, masks: Bool[Tensor, "batch height width"]) -> Bool[Tensor, "batch rows columns"]:
        """The part of masks that the backbone's patches cover: all of it, unless the patch size does not divide."""
        rows, columns = (round(pixels * share) for pixels, share in zip(masks.shape[1:], self.backbone.covered))
        return masks[:, :rows, :columns]

    def reset_parameters(self) -> None:
        """Draw the parameters as the paper begins, from torch's global random numbers."""
        raise NotImplementedError

    def enter(self, stage: str) -> None:
        """Learn what this stage of the recipe learns, and nothing else, until another is entered."""
        raise NotImplementedError

    def watched(self) -> dict[str, Float[Tensor, ""]]:
        """Single learned numbers worth a curve over the training, by name, where they lie."""
        return {}

    def initialise(self, seed: int) -> None:
        """The parameters that training from ``seed`` begins with, drawn in single precision, the same on every device,
        on the backbone's and in its precision; the global random state is left alone."""
        device = self.backbone.device
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self._move_learned("meta" if device.type == "meta" else "cpu", torch.float32)
            self.reset_parameters()
        self._move_learned(device, self.backbone.mean.dtype)
        self.trained = self.history = None
        self.freeze()

    def _move_learned(self, device: torch.device | str, dtype: torch.dtype) -> None:
        """Put all but the backbone on a device, in a precision."""
        for child in self.children():
            if child is not self.backbone:
                child.to(device, dtype)
        for name, value in self.named_parameters(recurse=False):
            setattr(self, name, nn.Parameter(value.detach().to(device, dtype), value.requires_grad))

    def freeze(self) -> None:
        """No parameter takes a gradient, dropout is off: how a model predicts."""
        self.eval()
        self.requires_grad_(False)

    def forward(self, images: Float[Tensor, "batch 3 height width"], class_names: str | Sequence[str]) -> Prediction:
        """Maps at the images' size and image scores, for one class name or one per image (read by models whose
        sentences name the class: APRIL-GAN, CoOp, AdaCLIP, AA-CLIP, and AF-CLIP for its references).

        Images are RGB in [0, 1], of any size, squashed to a square. Raises UntrainedModelError before training or
        loading, ValueError if the number of names is not that of the images.
        """
        self.require_trained()
        features = self.said(images, names_of_images(class_names, len(images)))
        maps, scores = self.compare(features, self.backbone.image.seen)
        return Prediction(of_whole_images(maps, self.backbone, self.options["smoothing"], images.shape[-2:]), scores)

    def require_trained(self) -> None:
        """Raises UntrainedModelError before training or loading."""
        if self.trained is None:
            raise UntrainedModelError(
                f"{self.name} has nothing learned yet: train it with zsas.fit(model, dataset), load what was "
                f"saved with zsas.load_model({self.name!r}, backbone, checkpoint=PATH), or the authors' file with "
                f"zsas.load_official_checkpoint({self.name!r}, PATH, backbone)."
            )

    def save(self, path: str | Path) -> None:
        """Write what was learned, whole or not at all: a safetensors file that says model, options and backbone.

        Raises UntrainedModelError if there is nothing to write, OptionError if nothing can be written there.
        """
        if self.trained is None:
            raise UntrainedModelError(
                f"{self.name} has nothing learned yet to write to {path}; train it with zsas.fit."
            )
        require_place(Path(path))
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.learnable().items()}
        history = None if self.history is None else self.history.to_dict("list")
        description = self.description() | {"trained": self.trained, "history": history}
        with write_atomically(Path(path)) as file:
            file.write(save(tensors, metadata={RECORD: json.dumps(description)}))

    def description(self) -> dict[str, object]:
        """What a file of learned parameters must agree with."""
        return {"model": self.name, "options": self.options, "backbone": self.backbone.digest}

    def _defaults(self) -> dict[str, Any]:
        """What a file says of an option that there was not when it was written."""
        parameters = inspect.signature(type(self)).parameters.values()
        return json.loads(json.dumps({p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}))

    def load(self, path: str | Path) -> None:
        """Take what `save` wrote. Raises DataError for a file that is none of these, or of another model, other
        options, another backbone or shapes, or with NaN; it says which."""
        path = Path(path)
        try:
            with safe_open(path, "pt") as file:
                made = json.loads(file.metadata()[RECORD])
                tensors = {name: file.get_tensor(name) for name in file.keys()}
            own = json.loads(json.dumps(self.description()))
            history = made["history"] if made["history"] is None else pd.DataFrame(made["history"])
            made = {key: made[key] for key in (*own, "trained")}
            made["options"] = self._defaults() | made["options"]
        except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} holds nothing that model.save wrote ({' '.join(str(error).split())}); the authors' files are "
                "read by zsas.load_official_checkpoint."
            ) from error
        if other := unlike(made, own):
            raise DataError(f"{path} was learned with {other}; load it with what it was learned with.")
        assign_learned(self, finite_floats(path, tensors, double=True), path)
        self.trained, self.history = made["trained"], history


def saved_by(path: Path) -> str:
    """The name of the model whose `save` wrote a file; "" where none did."""
    try:
        with safe_open(path, "pt") as file:
            return str(json.loads(file.metadata()[RECORD])["model"])
    except (OSError, SafetensorError, LookupError, TypeError, ValueError):
        return ""


def unlike(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """What a file's description says otherwise than that of what is here, in words; "" where all agrees. Of options
    only those that differ are named, and of a digest only that it does."""
    for key in ours:
        their, our = theirs.get(key), ours[key]
        if their == our:
            continue
        if isinstance(their, Mapping) and isinstance(our, Mapping):
            names = [name for name in our if their.get(name) != our[name]] or sorted(their.keys() - our.keys())
            their, our = ({name: own.get(name) for name in names} for own in (their, our))
        if key == "backbone":
            return "another backbone (other weights, image size, activation or precision)"
        if key == "data":
            (their, *_), (our, *_) = (own or [None] for own in (their, our))
            return f"other data ({their}{' with other pictures' if their == our else f', not {our}'})"
        return f"{key} {_said(their)}, not {_said(our)}"
    return ""


def _said(value: Any) -> str:
    short = reprlib.Repr()
    short.maxstring = 80
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={short.repr(own)}" for name, own in value.items())
    return value if isinstance(value, str) else short.repr(value)


def assign_learned(model: LearnedModel, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put tensors into a model's learnable parameters. Raises DataError, naming keys and shapes that differ."""
    wanted = model.learnable()
    missing, unexpected = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    other = [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    problems = (
        [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has {', '.join(unexpected)}"] * bool(unexpected) + other
    )
    if problems:
        raise DataError(
            f"{path} does not fit {model.name} with {model.options} on {model.backbone.name!r}: {'; '.join(problems)}."
        )
    assign_values(model, tensors)


def assign_values(model: LearnedModel, tensors: Mapping[str, Tensor]) -> None:
    """The same for tensors that are known to fit."""
    with torch.no_grad():
        for name, value in model.learnable().items():
            value.copy_(tensors[name])
    model.freeze()


def spelled(class_names: Sequence[str], device: torch.device) -> UInt8[Tensor, "batch byte"]:
    """Class names as numbers, a row each, for `LearnedModel.features` of a model that reads them later: `names_in`."""
    rows = torch.zeros(len(class_names), LONGEST_NAME, dtype=torch.uint8)
    for row, name in zip(rows, class_names):
        letters = name.encode()[:LONGEST_NAME]
        row[: len(letters)] = torch.tensor(list(letters), dtype=torch.uint8)
    return to_device(rows, device)


def names_in(rows: UInt8[Tensor, "batch byte"]) -> list[str]:
    """The class names that `spelled` wrote; of shapes without numbers "object" each."""
    if rows.is_meta:
        return ["object"] * len(rows)
    return [bytes(row).rstrip(b"\0").decode(errors="ignore") for row in rows.cpu().numpy()]


def highest_mean(maps: Float[Tensor, "batch height width"], count: int) -> Float[Tensor, " batch"]:
    """Mean of the highest pixels, ``count`` of a 518 x 518 map, as large a share of another size; at least one."""
    pixels = maps.flatten(1)
    return pixels.topk(highest_share(count, pixels.shape[1]), dim=1).values.mean(1)


def highest_share(count: int, pixels: int) -> int:
    """As large a share of so many pixels as ``count`` are of a 518 x 518 map; at least one."""
    return max(1, round(count * pixels / REFERENCE_SIZE**2))


def two_state_maps(
    logits: Float[Tensor, "*planes patch 2"], size: Size, grid: tuple[int, int] | None = None
) -> Float[Tensor, "*planes height width"]:
    """The probability of "abnormal" (1) against "normal" (0), logits enlarged bilinearly (corners aligned) before the
    softmax. Of two states that is the sigmoid of their difference, which is enlarged alone. Without a ``grid`` it is
    square."""
    margin = logits[..., 1] - logits[..., 0]
    planes = margin.reshape(-1, 1, *(grid or pair(math.isqrt(margin.shape[-1]))))
    return enlarged(planes, pair(size), corners_aligned=True).sigmoid().view(*margin.shape[:-1], *pair(size))
