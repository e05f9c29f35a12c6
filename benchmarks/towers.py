"""Every architecture of open_clip's that fits 20 GB: are our embeddings open_clip's own, and what do they cost beside
its forward pass? Random weights, one architecture at a time, each in a process of its own.

A row of ``benchmarks/towers.csv`` for each, which a page of the book shows: what is known without weights, the
relative errors (L2) of image embeddings, as its towers give them and at the end of the stream, and of sentence
embeddings, against open_clip's with torch's own products, and for image towers of less than 200 million parameters
times in turn with open_clip's forward pass of the picture, which has this library's products there. A row is written
as soon as it is found; those that this machine has measured are not measured again, unless named by ``--only``. Where
Hugging Face's tokenizer or text tower cannot be had, CLIP's ids with the right end, or CLIP's text tower, stand in.
The table of benchmarks gets each family's largest errors, the times of one name of each kind, and WinCLIP's against
those of the commit before the families.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from statistics import median
from subprocess import run
from tarfile import open as tar
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import open_clip
import pandas as pd
import torch
from open_clip.tokenizer import SimpleTokenizer

from zsas_book.site.towers_page import (
    BETWEEN,
    BY,
    COLUMNS,
    FACTS,
    FOUND,
    NUMBERS,
    TOWERS,
    models_on_towers,
    towers_table,
)
from zsas_lib import load_model, why_not
from zsas_lib.backbones import text_tower
from zsas_lib.backbones.backbone import Backbone
from zsas_lib.backbones.families.linear import QuickLinear
from zsas_lib.backbones.image_tower import class_embedding, residual_stream
from zsas_lib.backbones.registry import load_backbone
from zsas_lib.backbones.text_tower import LEARNED_WORDS, NOT_OPEN_CLIPS
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.base.files import write_atomically
from zsas_lib.evaluation.complexity import shapes_only
from zsas_lib.evaluation.speed import milliseconds, peak_memory

from .peer import peer
from .processes import in_own_process
from .table import Measurement, NotRun, Settings, compared, machine, seconds_of

LARGEST_GB, LARGEST_TIMED_M = 20, 200
ROOM_GB = 1.5
"""What a process takes beside its weights, about."""
TIMED = (
    "ViT-B-16",
    "EVA02-B-16",
    "ViT-B-16-SigLIP",
    "PE-Core-B-16",
    "ViTamin-B",
    "convnext_base",
    "MobileCLIP2-S2",
    "RN50",
)
"""One of each kind, whose times have bars."""
QUICK = ("ViT-S-32", "vit_medium_patch16_gap_256")
SENTENCES = ["a photo of a damaged metal nut", "a flawless pill"]
SIDES = (2, 3)
OLD = "af2242f"
OLD_FORWARD = """
import sys, time, numpy, torch
folder, backbone, device, pictures, result = sys.argv[1:]
sys.path.insert(0, folder)
import zsas_lib
assert zsas_lib.__file__.startswith(folder)
model = zsas_lib.load_model("winclip", zsas_lib.load_backbone(backbone, "random", device=device))
images = torch.load(pictures, weights_only=True).to(device)
with torch.no_grad():
    print("OLD", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        found = model(images, "metal_nut").anomaly_map.cpu()
        print(time.perf_counter() - start, flush=True)
        numpy.save(result, found.numpy())
"""


def measure(settings: Settings) -> Iterator[Measurement]:
    root, here = Path.cwd(), machine(settings.device)
    if settings.quick:
        found = [facts_of(name) | in_own_process(of_tower, name, settings) for name in QUICK]
        yield from summary(pd.DataFrame(found, columns=[*FACTS, *FOUND]), QUICK)
        yield against_old("ViT-S-32", "ViT-S/32", settings)
        return
    for name in settings.only:
        if name not in open_clip.list_models():
            raise UnknownNameError("open_clip architecture", name, open_clip.list_models())
    table = with_facts(towers_table(root), root)
    same = [(table[column] == str(here[column])) for column in ("processor", "cores", "torch")]
    done = set(table.name[same[0] & same[1] & same[2] & table.image_error.notna()])
    for name in settings.only or [name for name in table.name if name not in done]:
        row = measured_row(name, float(table.set_index("name").weights_gb[name]), settings)
        made = {**here, "rounds": settings.rounds, "open_clip": open_clip.__version__}
        table = with_row(table, row | {column: made[column] for column in BY}, root)
        print(f"[towers] {name}: {row.get('image_error', float('nan')):.0e} {row['note']}", flush=True)
    yield from summary(table[table.image_error.notna()], TIMED)
    if not settings.only:
        yield against_old("vit-b-16-plus-240", "ViT-B/16+", settings)


def measured_row(name: str, weights: float, settings: Settings) -> dict[str, object]:
    """What was found of one architecture, or a note that says why nothing was."""
    if weights > LARGEST_GB:
        return {"name": name, "note": f"not run: {weights:.1f} GB of weights"}
    if (room := available_gb()) is not None and 1.1 * weights + ROOM_GB > room:
        return {"name": name, "note": f"not run: {weights:.1f} GB of weights and {room:.1f} GB of memory left"}
    try:
        return {"name": name, **in_own_process(of_tower, name, settings)}
    except RuntimeError as error:
        return {"name": name, "note": f"not run to its end: {str(error).partition(';')[0]}"}


def available_gb() -> float | None:
    """Memory that is left, where the system tells."""
    path = Path("/proc/meminfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((int(line.split()[1]) / 1e6 for line in lines if line.startswith("MemAvailable")), None)


def with_facts(table: pd.DataFrame, root: Path) -> pd.DataFrame:
    """The table with a row for every architecture, and what is known of each without weights: a minute for all."""
    facts = pd.DataFrame([facts_of(name) for name in open_clip.list_models()])
    kept = table.drop(columns=FACTS[1:])
    return written(facts.merge(kept, on="name", how="left"), root)


def with_row(table: pd.DataFrame, row: dict[str, object], root: Path) -> pd.DataFrame:
    """The table with what was found of one architecture in the place of what was there."""
    found = pd.DataFrame([{column: row.get(column) for column in ["name", *FOUND, *BY]}])
    facts = table[table.name == row["name"]][FACTS]
    parts = [table[table.name != row["name"]].astype(object), facts.merge(found, on="name").astype(object)]
    return written(pd.concat(parts, ignore_index=True), root)


def written(table: pd.DataFrame, root: Path) -> pd.DataFrame:
    """The table as it is read again."""
    order = {name: number for number, name in enumerate(open_clip.list_models())}
    table = table.sort_values("name", key=lambda names: names.map(order))[COLUMNS]
    table = table.astype(dict.fromkeys(NUMBERS, float))
    with write_atomically(root / TOWERS) as file:
        file.write(table.to_csv(index=False, float_format="%.4g").encode())
    return towers_table(root)


def summary(table: pd.DataFrame, timed: Sequence[str]) -> Iterator[Measurement]:
    """What the table of benchmarks has of the towers."""
    against = f"open_clip {open_clip.__version__}"
    for row in table[table.name.isin(timed) & table.ms.notna()].itertuples():
        told = {"unit": "ms", "against": against, "peer": row.open_clip_ms, "rounds": int(getattr(row, "rounds", 1))}
        yield Measurement(f"embedding of a picture, {row.name}", row.ms, ratio=row.ratio, **told)
        pooled = row.open_clip_ms / row.pooled_ratio
        yield Measurement(f"picture and its pooled windows, {row.name}", pooled, ratio=row.pooled_ratio, **told)
    for kind in ("image", "text"):
        for family, rows in table.groupby("family"):
            worst = float(rows[f"{kind}_error"].max())
            yield Measurement(f"{kind} embeddings, {family}", worst, "rel. error", note=f"{len(rows)} names")


def facts_of(name: str) -> dict[str, object]:
    """What is known of an architecture without weights."""
    with without_hugging_face():
        backbone = shapes_only(name)
    if "hf_model_name" in CONFIGURATION(name)["text_cfg"]:
        backbone.text.cannot = {LEARNED_WORDS: NOT_OPEN_CLIPS.format("one of Hugging Face's")}
    refused = {model: why for model in models_on_towers() if (why := why_not(model, backbone))}
    (height, width), grid = backbone.size, backbone.patches
    return {
        "name": name,
        "family": backbone.family,
        "parameters_m": sum(value.numel() for value in backbone.clip.visual.parameters()) / 1e6,
        "weights_gb": sum(value.numel() for value in backbone.clip.parameters()) * 4 / 1e9,
        "size": str(height) if height == width else f"{height} x {width}",
        "grid": " x ".join(map(str, grid)),
        "runs": " ".join(model for model in models_on_towers() if model not in refused),
        "why_not": BETWEEN.join(f"{model}: {why}" for model, why in refused.items()),
    }


def of_tower(name: str, settings: Settings) -> dict[str, object]:
    """The errors of one architecture and, where it is small enough, what it takes."""
    with without_hugging_face(), torch.no_grad():
        backbone = load_backbone(name, "random", device=settings.device)
        parameters = sum(value.numel() for value in backbone.clip.visual.parameters()) / 1e6
        found: dict[str, object] = {"image_error": image_error(backbone), "text_error": text_error(backbone)}
        if parameters < LARGEST_TIMED_M:
            found |= times(backbone, settings)
    stand_in = "hf_model_name" in CONFIGURATION(name)["text_cfg"]
    return found | {"note": "CLIP's text tower stands in" if stand_in else ""}


def times(backbone: Backbone, settings: Settings) -> dict[str, float]:
    images = torch.rand(1, 3, *backbone.size, generator=torch.Generator().manual_seed(0)).to(backbone.device)

    def against_open_clip(own) -> Measurement:
        def theirs() -> float:
            return seconds_of(lambda: forward(backbone, images), settings.device)

        ours = (lambda: seconds_of(own, settings.device)), theirs
        return compared("", *ours, "", settings.rounds, unit="ms", scale=1000)

    plain = against_open_clip(lambda: backbone.encode_image(images))
    pooled = against_open_clip(lambda: backbone.pooled_embeddings(backbone.embed_patches(images), SIDES))
    model = load_model("winclip", backbone)
    return {
        "ms": plain.ours,
        "open_clip_ms": plain.peer,
        "ratio": plain.ratio,
        "pooled_ratio": pooled.ratio,
        "winclip_ms": median(milliseconds(model, images, "metal_nut", min(settings.rounds, 3))),
        "winclip_mb": peak_memory(model, images, "metal_nut"),
    }


@contextmanager
def torchs_products(backbone: Backbone) -> Iterator[None]:
    """While it is entered, open_clip's model computes its products as it does without this library."""
    frozen = [part for part in backbone.clip.modules() if isinstance(part, QuickLinear)]
    for part in frozen:
        part.__class__ = torch.nn.Linear
    try:
        yield
    finally:
        for part in frozen:
            part.__class__ = QuickLinear


def image_error(backbone: Backbone) -> float:
    images = torch.rand(2, 3, *backbone.size, generator=torch.Generator().manual_seed(0)).to(backbone.device)
    with torchs_products(backbone):
        expected = forward(backbone, images)
    start = backbone.embed_patches(images)
    found = backbone.image.encoded(start), class_embedding(backbone, residual_stream(backbone, start, last=1)[-1])
    return max(_relative(own, expected) for own in found)


def text_error(backbone: Backbone) -> float:
    ids = backbone.tokenizer(SENTENCES).to(backbone.device)
    arguments = {"normalize": False} if type(backbone.clip).__name__ == "CoCa" else {}
    with torchs_products(backbone):
        expected = backbone.clip.encode_text(ids, **arguments)
    return _relative(backbone.encode_text(SENTENCES, normalise=False), expected)


def forward(backbone: Backbone, images: torch.Tensor) -> torch.Tensor:
    """open_clip's own embedding of pictures, not of unit length."""
    found = backbone.clip.visual((images - backbone.mean) / backbone.std)
    return found[0] if isinstance(found, tuple) else found


@torch.no_grad()
def against_old(backbone: str, called: str, settings: Settings) -> Measurement:
    """WinCLIP's forward with windows encoded, against the library as it was at `OLD`, with the same random weights.

    Raises NotRun where that commit is not in the clone, RuntimeError where the maps differ.
    """
    packed = run(["git", "archive", OLD, "zsas_lib"], capture_output=True, check=False)
    if packed.returncode != 0:
        raise NotRun(f"commit {OLD} is not in this clone; `git fetch --unshallow` brings it.")
    model = load_model("winclip", load_backbone(backbone, "random", device=settings.device))
    images = torch.rand(1, 3, *model.backbone.size, generator=torch.Generator().manual_seed(0))
    images = images.to(model.backbone.device)
    with TemporaryDirectory() as folder:
        with tar(fileobj=BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        pictures, result = Path(folder, "pictures.pt"), Path(folder, "map.npy")
        torch.save(images.cpu(), pictures)
        own = replace(settings, peer_python=Path(sys.executable))
        arguments = folder, backbone, settings.device, pictures, result
        with peer(own, OLD_FORWARD.replace("OLD", OLD), *arguments) as other:
            row = compared(
                f"WinCLIP on {called} against commit {OLD}",
                lambda: seconds_of(lambda: model(images, "metal_nut"), settings.device),
                lambda: float(other.ask()[0]),
                other.version,
                settings.rounds,
                unit="ms",
                scale=1000,
            )
            other.ask()
            difference = float(
                (model(images, "metal_nut").anomaly_map.cpu() - torch.tensor(np.load(result))).abs().max()
            )
    if not difference <= 1e-5:
        raise RuntimeError(f"The map was another at {OLD}: they differ by up to {difference:.1e}.")
    return replace(row, note=f"maps differ by at most {difference:.0e}")


def _relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def without_hugging_face() -> ExitStack:
    """While it is entered, CLIP's tokenizer and text tower stand in for Hugging Face's."""
    stack = ExitStack()
    stack.enter_context(patch.object(text_tower, "tokenizer_of", _tokenizer))
    stack.enter_context(patch("open_clip.get_model_config", _without_hugging_face))
    return stack


def _tokenizer(name: str, text: dict) -> object:
    """Ids of CLIP's tokenizer, in the vocabulary of this tower and with its end token."""
    ids = SimpleTokenizer(context_length=text.get("context_length", 77))
    end = text["eos_id"] if text.get("pool_type") == "eos" else 49407

    def tokens(sentences: list[str]) -> torch.Tensor:
        found = ids(sentences)
        words = found.clamp(max=text.get("vocab_size", 49408) - 1)
        return torch.where(found == 49407, min(end, text.get("vocab_size", 49408) - 1), words)

    return tokens


CONFIGURATION = open_clip.get_model_config


def _without_hugging_face(name: str) -> dict:
    model = deepcopy(CONFIGURATION(name))
    if "hf_model_name" in model["text_cfg"]:
        given = model["text_cfg"].get("output_tokens", False)  # CoCa's model asks its text tower for its tokens too
        model["text_cfg"] = {"context_length": 77, "output_tokens": given}
    return model
