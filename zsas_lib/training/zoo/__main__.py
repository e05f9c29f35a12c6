"""``python -m zsas_lib.training.zoo``: train the networks of the zoo that are not there yet, and write their weights.

Each is a file of at most 2 MB in half precision, whose metadata are its card. A run that was stopped goes on from its
last checkpoints, and ends as if it had not been. Two minutes on one core each, the ViT four; the pictures, which are
drawn once, one more.
"""

import json
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ...backbones.configuration import build, named_configuration
from ...backbones.precision import fast_autocast
from ...backbones.zoo import CARD, NAMES_FILE, WEIGHTS_FILE, ZOO
from ...base.files import locked
from ...base.sources import source_digest
from ...data.cache import cache_folder
from ...data.embedded import naming
from .learn import TOKENIZER, Member, claimed_names, learn, normalised
from .recipes import BATCH, PICTURES, RECIPES, SEEDS, WORDLESS, Recipe

TUNING_PICTURES = 4000
"""Of the embedded data sets' own camera and lamp, which fine-tuning learns from."""
LEFT_OUT = 0.2
"""The share of pictures that filtering leaves out: those whose captions the noisy member finds least likely."""
DRAWING_SEED = 0


def likely(member: Member, pictures: naming.NamedPictures, claimed: torch.Tensor) -> np.ndarray:
    """The numbers of the pictures that filtering keeps, as data filtering networks do: by the cosine of a picture and
    the caption that it came with."""
    cosines = []
    with torch.no_grad(), fast_autocast(torch.device("cpu")):
        texts = member.text(TOKENIZER([f"a {name}" for name in naming.TRAINED]))
        for start in range(0, len(claimed), 500):
            image = member.image(normalised(pictures.pictures[start : min(start + 500, len(claimed))]))
            cosines.append((image * texts[claimed[start : start + 500]]).sum(1))
    found = torch.cat(cosines)
    return np.flatnonzero((found > found.quantile(LEFT_OUT)).numpy())


def card(recipe: Recipe, seed: int, member: Member) -> dict[str, object]:
    """What is known of a member: what it saw, what it cost, what made it."""
    return {
        "name": recipe.name,
        "seed": seed,
        "axis": recipe.axis,
        "value": recipe.value,
        "baseline": recipe.baseline,
        "source": recipe.style,
        "captions wrong": recipe.wrong,
        "loss": recipe.loss,
        "begins": recipe.begins,
        "pictures": TUNING_PICTURES if recipe.begins else recipe.pictures,
        "pictures seen": recipe.steps * BATCH,
        "parameters": sum(p.numel() for p in member.clip.visual.parameters()),
        "core seconds": round(member.core_seconds, 1),
        "architecture": recipe.architecture if recipe.reads else {**recipe.architecture, "text_cfg": WORDLESS},
        "torch": torch.__version__,
        "drawing": source_digest(naming)[:12],
    }


def save(recipe: Recipe, seed: int, member: Member, folder: Path) -> None:
    """The member's files: weights, unless they are another's, and the rows of names where they are no sentences."""
    metadata = {CARD: json.dumps(card(recipe, seed, member))}
    named = member.named(recipe)
    parts = {}
    if named is not None:
        parts[NAMES_FILE] = {"names": named.half().contiguous()}
    if recipe.loss != "prompt":
        state = member.clip.state_dict()
        parts[WEIGHTS_FILE] = kept({name: own.half() for name, own in state.items() if own.is_floating_point()}, recipe)
    for pattern, tensors in parts.items():
        path = folder / pattern.format(recipe.name, seed)
        save_file(tensors, path.with_suffix(".part"), metadata=metadata)
        path.with_suffix(".part").replace(path)


def kept(weights: Mapping[str, Tensor], recipe: Recipe) -> dict[str, Tensor]:
    """What of a member's weights its file has: all but what follows from the configuration; of one that does not read
    zeros in the place of a text tower (`WORDLESS`)."""
    found = {name: tensor.contiguous() for name, tensor in weights.items() if name != "attn_mask"}
    if recipe.reads:
        return found
    nothing = build(recipe.name, named_configuration({**recipe.architecture, "text_cfg": WORDLESS})).state_dict()
    image = {name: tensor for name, tensor in found.items() if name.startswith("visual.") or not tensor.ndim}
    return {name: torch.zeros_like(nothing[name]).half() for name in found if name in nothing} | image


def main(members: list[str], seeds: list[int], folder: Path | None, output: Path) -> None:
    """Train the networks of the zoo and write their weights."""
    folder = folder or cache_folder() / f"zoo-{source_digest(naming)[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # else the numbers depend on how many there are
    for seed in seeds:
        for recipe in (RECIPES[name] for name in members if seed in RECIPES[name].seeds):
            own = folder / f"{recipe.name}-{seed}"
            done = output / (NAMES_FILE if recipe.loss == "prompt" else WEIGHTS_FILE).format(recipe.name, seed)
            if not done.exists():
                with locked(own):  # several processes share the work
                    if not done.exists():
                        save(recipe, seed, made(recipe, seed, folder), output)


def made(recipe: Recipe, seed: int, folder: Path) -> Member:
    """A member, trained on its pictures, which are drawn where they are not there yet."""
    if recipe.begins:
        pictures = naming.named_pictures(folder / "tuning", TUNING_PICTURES, DRAWING_SEED + 1, wide=False)
        return learn(recipe, pictures, seed, folder, begin=trained(RECIPES[recipe.begins], seed, folder))
    pictures = naming.named_pictures(folder / recipe.style, PICTURES, DRAWING_SEED, recipe.style)
    kept = None
    if recipe.filtered:
        claimed = claimed_names(recipe, pictures, seed)
        kept = likely(trained(RECIPES["noisy"], seed, folder), pictures, claimed)
    return learn(recipe, pictures, seed, folder, kept=kept)


def trained(recipe: Recipe, seed: int, folder: Path) -> Member:
    """A member that was trained before, from its last checkpoint. Raises FileNotFoundError where it was not."""
    member = Member(recipe)
    member.load_state_dict(torch.load(folder / f"{recipe.name}-{seed}" / "checkpoint.pt", weights_only=True)["member"])
    return member.in_channels_last().eval()


if __name__ == "__main__":
    parser = ArgumentParser(description=main.__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--members", nargs="+", default=list(RECIPES), choices=list(RECIPES), help="in this order")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="of weights and steps")
    parser.add_argument("--folder", type=Path, help="pictures and checkpoints; the cache folder by default")
    parser.add_argument("--output", type=Path, default=ZOO, help="the folder of weights")
    main(**vars(parser.parse_args()))
