"""Write the model of a page: scripts that hold WinCLIP's few hundred lines, the weights, the words and some pictures.

Everything comes from the library when it is written: weights and configuration from the backbone, sentences from
`zsas_lib.models.prompts`, the embeddings of names from the model itself.
"""

import base64
import gzip
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from open_clip.tokenizer import default_bpe
from PIL import Image
from torch import Tensor

from zsas_lib.backbones.backbone import Backbone
from zsas_lib.base.errors import OptionError
from zsas_lib.base.work import remove_left, work_folder
from zsas_lib.data import official
from zsas_lib.models.prompts import ABNORMAL_STATES, NAMELESS, NORMAL_STATES, SPELLED_OUT, TEMPLATES, class_phrase
from zsas_lib.models.winclip import WinCLIP

from .form import page_alone
from .kernel import product_module
from .tensors import image_part, least_bytes, require_exportable, shape_of, text_part

SOURCES = Path(__file__).with_name("sources")
ENGINE = ("heap", "tensors", "tower", "picture", "perturb", "winclip", "words", "engine")
"""The scripts of the model, in this order, as one."""
PAGE = ("page_style", "page_model", "page_pictures", "page_drawing", "page")
"""Those of the page around it."""
LARGEST = 16_000_000
"""Bytes that a page loads at most, all told."""
MERGES = slice(1, 49152 - 256 - 2 + 1)
"""The lines of CLIP's vocabulary file that its tokenizer reads."""
PAGE_FILE, WORK = "index.html", "page"
"""The page around the scripts, and what a folder in the making is for."""
KNOWN_SETS = ("mvtec", "visa", "btad", "mpdd")


@dataclass(frozen=True)
class Example:
    """A picture that ships: RGB in [0, 1] at the backbone's size, what it shows, and where it is damaged."""

    image: Float[Tensor, "3 side side"]
    mask: Bool[Tensor, "side side"]
    name: str
    label: str


def require_page(backbone: Backbone, folder: Path, largest: int = LARGEST) -> None:
    """Judges, before there are weights, whether `export_page` can write the page of ``backbone``, of which the shapes
    are enough (`zsas_lib.backbones.registry.shapes_only`). Raises what it raises."""
    _require_place(backbone, folder)
    _require_light(backbone, least_bytes(backbone), largest, "at least ")


def export_page(
    backbone: Backbone,
    folder: Path,
    *,
    names: Sequence[str] = (),
    examples: Sequence[Example] = (),
    largest: int = LARGEST,
    title: str | None = None,
) -> dict[str, int]:
    """Write the scripts of ``backbone`` into ``folder``, which is new or empty; their sizes in bytes by name. With a
    ``title`` a page around them, index.html, stands beside them.

    ``names`` are class names that need no text tower in the page, those of the known data sets if none are given. The
    files take their names when all of them are written, so that what fails or is stopped leaves no page.

    Raises OptionError for a backbone that a page cannot run, and one larger than ``largest`` bytes; FileExistsError for
    a folder that is not empty.
    """
    _require_place(backbone, folder)
    scripts = page_scripts(backbone, names or known_names(), examples)
    sizes = {name: len(text.encode()) for name, text in scripts.items()}
    _require_light(backbone, sum(sizes.values()), largest)
    made = not folder.exists()
    try:
        with work_folder(folder, WORK) as work:
            for name, text in (scripts if title is None else scripts | {PAGE_FILE: page_alone(sizes, title)}).items():
                (work / name).write_text(text, encoding="utf-8")
            for file in sorted(work.iterdir(), key=lambda file: file.name == PAGE_FILE):
                file.rename(folder / file.name)
    except BaseException:
        if made:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return sizes


def _require_place(backbone: Backbone, folder: Path) -> None:
    require_exportable(backbone)
    if folder.is_dir():
        remove_left(folder, WORK)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is not an empty folder; expected one, or a name that is free.")


def _require_light(backbone: Backbone, size: int, largest: int, bound: str = "") -> None:
    if size > largest:
        raise OptionError(
            f"Backbone {backbone.name!r} would take {bound}{size / 1e6:.0f} MB, more than the {largest / 1e6:g} that a "
            "page may load; take a smaller one, or allow more (--megabytes)."
        )


def page_scripts(backbone: Backbone, names: Sequence[str], examples: Sequence[Example]) -> dict[str, str]:
    """The files by name, as text."""
    model = WinCLIP(backbone)
    words = {name: [_base64(row) for row in model.text_features(name).numpy()] for name in names}
    text = text_part(backbone)
    reader = _called("words", {"places": text.places, "base64": text.base64, "merges": merges()})
    about = {
        "config": configuration(model),
        "kernel": base64.b64encode(product_module()).decode(),
        "names": words,
        "examples": [_example(example) for example in examples],
        "wordsBytes": len(reader),
    }
    return {
        "page.js": f"(() => {{\n{_joined(PAGE)}}})();\n",
        "engine.js": engine_script(),
        "about.js": _called("about", about),
        "image.js": _called("image", image_part(backbone)._asdict()),
        "words.js": reader,
    }


def configuration(model: WinCLIP) -> dict[str, object]:
    """All that the page knows of the model besides its weights."""
    backbone, options = model.backbone, model.options
    text = backbone.text
    return {
        "backbone": backbone.name,
        "digest": backbone.digest,
        "side": backbone.image_size,
        "grid": backbone.grid,
        "patch": backbone.patch_size,
        "mean": backbone.mean.flatten().tolist(),
        "std": backbone.std.flatten().tolist(),
        "temperature": options["temperature"],
        "scales": list(options["scales"]),
        "reference_weight": options["reference_weight"],
        "image": shape_of(backbone.clip.visual.transformer, backbone.embed_dim),
        "text": shape_of(text.parts.transformer, backbone.embed_dim) | {"context": text.context_length},
        "prompts": {
            "normal": NORMAL_STATES,
            "abnormal": ABNORMAL_STATES,
            "templates": TEMPLATES[options["templates"]],
            "end": "." if options["full_stop"] else "",
            "spelled_out": SPELLED_OUT,
            "nameless": NAMELESS,
        },
    }


def engine_script() -> str:
    """The model's scripts as one function, whose text a worker is made from."""
    return f'self.zsasEngine = function () {{\n"use strict";\n{_joined(ENGINE)}\nreturn new Engine();\n}};\n'


def known_names() -> list[str]:
    """The class names of the benchmarks of photographs, one for each way in which they are said."""
    said = {class_phrase(name): name for dataset in KNOWN_SETS for name in official.categories(dataset)}
    return sorted(said.values(), key=str.lower)


@cache
def merges() -> str:
    """CLIP's merges, one a line, packed, as base64."""
    lines = gzip.decompress(Path(default_bpe()).read_bytes()).decode().split("\n")[MERGES]
    return base64.b64encode(gzip.compress("\n".join(lines).encode(), 9, mtime=0)).decode()


def _joined(names: Sequence[str]) -> str:
    return "\n".join((SOURCES / f"{name}.js").read_text(encoding="utf-8") for name in names)


def _called(part: str, value: Mapping[str, object]) -> str:
    return f"self.zsasPart({json.dumps(part)}, {json.dumps(value)});\n"


def _base64(row: np.ndarray) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def _example(example: Example) -> dict[str, str]:
    pixels = (example.image * 255).round().byte().permute(1, 2, 0).numpy()
    mask = np.where(example.mask.numpy(), 255, 0).astype(np.uint8)
    return {
        "picture": _png(Image.fromarray(pixels)),
        "mask": _png(Image.fromarray(mask).convert("1")),
        "name": example.name,
        "label": example.label,
    }


def _png(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
