"""The embedded default: procedural pictures of parts with pixel-exact defects, and a small CLIP trained on others of
their kind. Neither needs a download.

``products`` and ``scene`` draw sound parts from ``shapes``, ``materials`` and ``fields``; ``defects`` damages them,
``render`` puts a picture together, ``write`` and ``write_twins`` make the data sets; ``zsas_lib.training.backbone``
makes ``backbone.safetensors``.
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from ...base.files import locked
from ...base.sources import source_digest
from ...base.work import work_folder
from ...base.writable import UnwritableError, why_unwritable
from ..cache import cache_folder
from . import write, write_twins

WEIGHTS = Path(__file__).with_name("backbone.safetensors")
"""The embedded backbone's weights; their metadata say what made them."""


def writer_of(name: str) -> tuple[ModuleType, Callable[..., None]]:
    """The module and its function that draw an embedded data set into a folder, and by default how much of it."""
    return {
        "embedded-a": (write, write.write_embedded_a),
        "embedded-b": (write, write.write_embedded_b),
        "embedded-c": (write_twins, write_twins.write_embedded_c),
        "embedded-d": (write_twins, write_twins.write_embedded_d),
    }[name]


def written(name: str) -> Path:
    """The root of an embedded data set in the cache folder, drawn first if it is not there yet.

    The folder's name holds a digest of the drawing code, so a changed generator draws anew; the folder is locked while
    it is drawn. Raises UnwritableError where it cannot be.
    """
    drawing, writer = writer_of(name)
    root = cache_folder() / f"{name}-{source_digest(drawing)[:12]}"
    if not root.is_dir():
        if reason := why_unwritable(root.parent):
            raise UnwritableError(
                f"The embedded pictures cannot be made in {root.parent} ({reason}). Name a folder that can be written "
                "in $ZSAS_CACHE."
            )
        root.parent.mkdir(parents=True, exist_ok=True)
        with locked(root):  # several that need it at once draw it once
            if not root.is_dir():
                with work_folder(root.parent, root.name) as work:
                    writer(work / name)
                    try:
                        (work / name).rename(root)
                    except OSError:
                        if not root.is_dir():  # else another has drawn it meanwhile, on a file system without locks
                            raise
    return root
