"""The graph of what WinCLIP reads of a picture, for native runtimes: ONNX, one file, checked against the library."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zsas_lib.backbones.backbone import Backbone
from zsas_lib.base.errors import OptionError
from zsas_lib.base.files import require_new_file

from ..parts import require

OPSET = 18
TOLERANCE = 1e-5
SCALES = (2, 3)


class Embeddings(nn.Module):
    """The unit vectors of one picture and of its windows of each side, of pictures at the backbone's own size."""

    def __init__(self, backbone: Backbone, scales: Sequence[int] = SCALES):
        super().__init__()
        self.backbone, self.scales = backbone, tuple(scales)

    def forward(self, images: Float[Tensor, "1 3 height width"]) -> tuple[Tensor, ...]:
        backbone = self.backbone
        start = backbone.image.start((images - backbone.mean) / backbone.std)
        whole, windows = backbone.encoded_embeddings(start, self.scales)
        return whole, *windows


def require_graph(backbone: Backbone, path: Path) -> None:
    """Judges, before there are weights, whether `export_onnx` can write the graph of ``backbone``, of which the shapes
    are enough (`zsas_lib.backbones.registry.shapes_only`). Raises what it raises."""
    require("onnx", "onnxscript", "onnxruntime", extra="onnx")
    require_new_file(path)
    backbone.image.require("encoded")


def export_onnx(backbone: Backbone, path: Path, scales: Sequence[int] = SCALES) -> float:
    """Write the graph images (1, 3, height, width) in [0, 1] -> whole (1, embed), windows_SIDE (1, window, embed) into
    a new file, and return by how much ONNX Runtime's numbers differ from the library's, at most `TOLERANCE`.

    Raises MissingPartError without the extra ``zsas-lib[onnx]``; OptionError for a tower whose windows cannot be
    encoded by themselves, a file that is there or cannot be written, or numbers that differ by more.
    """
    require_graph(backbone, path)
    model = Embeddings(backbone, scales).eval()
    images = torch.rand(1, 3, *backbone.size, generator=torch.Generator().manual_seed(0))
    names = ["whole", *(f"windows_{side}" for side in scales)]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter's own deprecations
        program = torch.onnx.export(
            model,
            (images,),
            dynamo=True,
            input_names=["images"],
            output_names=names,
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    part = path.with_name(f".{path.name}.part")
    try:
        program.save(str(part), external_data=False)
        difference = differs(part, model, images)
        if difference > TOLERANCE:
            raise OptionError(
                f"The graph of backbone {backbone.name!r} gives embeddings that differ by {difference:.1e} from the "
                f"library's; expected at most {TOLERANCE:g}. It was not written."
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return difference


def differs(path: Path, model: Embeddings, images: Tensor) -> float:
    """The largest difference between ONNX Runtime's numbers and the library's, of one picture."""
    found = session(path).run(None, {"images": images.numpy()})
    with torch.no_grad():
        wanted = model(images)
    return max(float((torch.from_numpy(own) - other).abs().max()) for own, other in zip(found, wanted, strict=True))


def session(path: Path, threads: int | None = None):
    """ONNX Runtime on a graph, on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    if threads:
        options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
