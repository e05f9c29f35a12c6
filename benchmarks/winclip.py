"""WinCLIP's forward against anomalib's and against plain code, its peak memory, and what a GPU makes of it. Random
weights.

"Plain code" is open_clip's own transformer called on all windows of a scale at once. Every case has a process of its
own; its peak memory is that of loading the model and one batch of our forward. anomalib gets the same weights and
images, and ours the options that are anomalib's, so both maps must agree.
"""

import json
import resource
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

from zsas_lib import load_backbone, load_model
from zsas_lib.backbones.aliases import EMBEDDED
from zsas_lib.models.winclip import harmonic_map

from .peer import peer
from .processes import in_own_process
from .table import Measurement, Settings, compared, seconds_of

BIG, LABEL, ARCHITECTURE = "vit-b-16-plus-240", "ViT-B/16+", "ViT-B-16-plus-240"
TFLOP_PER_FORWARD = 0.673
"""Of one picture of 240 x 240 pixels with all its windows."""
AS_ANOMALIB = {"templates": 21, "raw_names": True, "text_mean": "raw"}
TOLERANCE = 1e-4
NAME = "metal_nut"

ANOMALIB = """
import sys, time, pathlib, numpy, torch, open_clip
from importlib.metadata import version
architecture, weights, pictures, result, device = sys.argv[1:]
create = open_clip.create_model_and_transforms
open_clip.create_model_and_transforms = lambda name, pretrained: create(name)
from anomalib.models.image.winclip import torch_model
open_clip.add_model_config(architecture)
torch_model.BACKBONE = pathlib.Path(architecture).stem
model = torch_model.WinClipModel()
model.clip.load_state_dict(torch.load(weights, weights_only=True))
images = torch.load(pictures, weights_only=True).to(device)
model = model.to(device).eval()
with torch.no_grad():
    model.setup(CLASS)
    print(version("anomalib"), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        found = model(images)
        if device != "cpu":
            torch.cuda.synchronize()
        print(time.perf_counter() - start, flush=True)
        numpy.save(result, found.anomaly_map.cpu().numpy())
""".replace("CLASS", repr(NAME))


def plain_forward(model, images, text):
    """The same map with every window through open_clip's unchanged transformer."""
    backbone, visual = model.backbone, model.backbone.clip.visual
    tokens = backbone.embed_patches(images)
    grid, kind = backbone.grid, visual.transformer.get_cast_dtype()

    def score(sequences):
        states = visual.transformer(sequences.to(kind))[:, 0].float()
        embeddings = F.normalize(visual.ln_post(states) @ visual.proj, dim=-1).unflatten(0, (len(images), -1))
        return torch.softmax(embeddings @ text.mT / 0.07, dim=-1)[..., 1]

    image_scores = score(tokens)
    reciprocals = 1 / image_scores[:, :, None]
    numbers = torch.arange(grid * grid).view(grid, grid)
    for side in (2, 3):
        windows = 1 + numbers.unfold(0, side, 1).unfold(1, side, 1).reshape(-1, side * side)
        kept = torch.cat([torch.zeros(len(windows), 1, dtype=torch.long), windows], 1)
        scores = score(tokens[:, kept].flatten(0, 1)).unflatten(1, (grid - side + 1, -1))
        reciprocals = reciprocals + 1 / harmonic_map(scores, grid, side)
    return F.interpolate((3 / reciprocals)[:, None], images.shape[-2:], mode="bilinear")[:, 0], image_scores[:, 0]


def measure(settings: Settings) -> Iterator[Measurement]:
    if settings.device != "cpu":
        yield from on_gpu(settings, BIG, LABEL, batch=16)  # first, as it needs no anomalib
        yield against_anomalib(settings, BIG, LABEL, open_clip.get_model_config(ARCHITECTURE), batch=16)
        return
    yield from in_own_process(against_plain, "embedded", "embedded", "float32", 16, settings)
    if settings.quick:
        yield against_anomalib(
            settings, "embedded", "embedded", json.loads((EMBEDDED / "backbone.json").read_text()), batch=2
        )
        return
    for precision in ("float32", "bfloat16"):
        yield from in_own_process(against_plain, BIG, LABEL, precision, 2, settings)
    yield against_anomalib(settings, BIG, LABEL, open_clip.get_model_config(ARCHITECTURE), batch=2)


@torch.no_grad()
def against_plain(backbone: str, label: str, precision: str, batch: int, settings: Settings) -> list[Measurement]:
    model = load_model("winclip", load_backbone(backbone, "random", device="cpu", precision=precision))
    images, text = _pictures(model, batch), torch.stack([model.text_features(NAME)] * batch)
    ours = model(images, NAME).anomaly_map
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    difference = (ours - plain_forward(model, images, text)[0]).abs().max()
    row = compared(
        f"{label} forward against plain code, {precision}",
        lambda: seconds_of(lambda: model(images, NAME)),
        lambda: seconds_of(lambda: plain_forward(model, images, text)),
        "plain code",
        settings.rounds,
        unit="ms per image",
        scale=1000 / batch,
        note=f"batch {batch}, maps differ by at most {difference:.0e}",
    )
    peak = Measurement(
        f"{label} peak memory, {precision}", memory, "GB", note=f"batch {batch}, with the model and torch itself"
    )
    return [row, peak]


@torch.no_grad()
def against_anomalib(settings: Settings, backbone: str, label: str, architecture: dict, batch: int) -> Measurement:
    """The same weights, images and options in both, `architecture` being open_clip's configuration of the backbone.

    Raises NotRun where there is no anomalib, RuntimeError where the maps differ.
    """
    model = load_model("winclip", load_backbone(backbone, "random", device=settings.device), **AS_ANOMALIB)
    images = _pictures(model, batch)
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD))
    with tempfile.TemporaryDirectory() as folder:
        form, weights, pictures, result = (
            Path(folder, name) for name in ("peer-vit.json", "weights.pt", "pictures.pt", "map.npy")
        )
        form.write_text(json.dumps(architecture))
        torch.save({name: values.cpu() for name, values in model.backbone.clip.state_dict().items()}, weights)
        torch.save((images.cpu() - mean) / deviation, pictures)
        with peer(settings, ANOMALIB, form, weights, pictures, result, settings.device) as other:
            row = compared(
                f"{label} forward against anomalib, float32",
                lambda: seconds_of(lambda: model(images, NAME), settings.device),
                lambda: float(other.ask()[0]),
                f"anomalib {other.version}",
                min(settings.rounds, 5),
                unit="ms per image",
                scale=1000 / batch,
            )
            other.ask()
            difference = abs(model(images, NAME).anomaly_map.cpu().numpy() - np.load(result)).max()
    if not difference <= TOLERANCE:
        raise RuntimeError(f"anomalib's map is another: they differ by up to {difference:.1e}.")
    return Measurement(**{**vars(row), "note": f"batch {batch}, maps differ by at most {difference:.0e}"})


def on_gpu(settings: Settings, backbone: str, label: str, batch: int) -> Iterator[Measurement]:
    """Pictures in a second: compiled in bfloat16 against plain code in float32, one picture after the other; and how
    much of what the same device does in a large matrix product of that precision is reached. Runs on a CPU too, for the
    tests."""
    fast = load_model("winclip", load_backbone(backbone, "random", device=settings.device, precision="bfloat16"))
    slow = load_model("winclip", load_backbone(backbone, "random", device=settings.device))
    images, text = _pictures(fast, batch), slow.text_features(NAME)[None]
    fast.text_features(NAME)
    compiled = torch.compile(lambda pictures: fast(pictures, NAME).anomaly_map, disable=settings.quick)

    def loop(pictures):
        return torch.cat([plain_forward(slow, picture[None], text)[0] for picture in pictures])

    def timed(forward: Callable, gradient: bool) -> Callable[[], float]:
        def call():
            pictures = images.clone().requires_grad_(gradient)
            maps = forward(pictures)
            if gradient:
                maps.sum().backward()

        return lambda: seconds_of(call, settings.device)

    rows = []
    for name, gradient in (("forward", False), ("forward and backward", True)):
        with torch.set_grad_enabled(gradient):
            row = compared(
                f"{label} {name}, compiled bfloat16 against plain float32",
                timed(compiled, gradient),
                timed(loop, gradient),
                "plain code, one picture after the other",
                settings.rounds,
                note=f"batch {batch}",
            )
        rows.append(
            Measurement(**{**vars(row), "unit": "pictures/s", "ours": batch / row.ours, "peer": batch / row.peer})
        )
    yield from rows
    side = 256 if settings.quick else 8192
    matrix = torch.rand(side, side, device=settings.device, dtype=torch.bfloat16)
    seconds = min(seconds_of(lambda: matrix @ matrix, settings.device) for _ in range(settings.rounds + 2))
    peak = 2 * side**3 / seconds / 1e12
    reached = rows[0].ours * TFLOP_PER_FORWARD
    yield Measurement(
        f"{label} forward, share of the matrix peak",
        reached,
        "TFLOP/s",
        "a product of two matrices",
        peak,
        reached / peak,
        note=f"sides {side}, bfloat16",
    )


def _pictures(model, batch: int) -> torch.Tensor:
    size = model.backbone.image_size
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0)).to(model.backbone.device)
