"""The model in the page: how soon it answers in headless Chromium, and the library and ONNX Runtime on one picture.

    python -m benchmarks browser     # needs Chromium and, for the native graph, zsas-lib[onnx]

Bars: the first map at most 2 s after the click, then 150 ms a picture; a step of the rotation slider 200 ms; 16 MB in
all. In the library a picture by itself takes at most 1.2 times what ONNX Runtime takes.
"""

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

import zsas_lib as zsas
from zsas_book.browser.export import Example, export_page
from zsas_book.browser.form import page_alone
from zsas_book.browser.onnx import Embeddings, export_onnx, session
from zsas_book.parts import MissingPartError
from zsas_book.site.chromium import NoBrowserError, chromium
from zsas_lib.backbones.backbone import Backbone

from .table import Measurement, NotRun, Settings, compared, seconds_of

TURN = """async (degrees) => {
  const page = window.box.zsasTry;
  const begin = performance.now();
  page.amounts.degrees = degrees;
  await page.look();
  return performance.now() - begin;
}"""
STEPS = 12


def measure(settings: Settings) -> Iterator[Measurement]:
    backbone = zsas.load_backbone("embedded")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        yield from in_browser(backbone, folder / "page", settings)
        yield from natively(backbone, folder / "graph.onnx", settings)


def in_browser(backbone: Backbone, folder: Path, settings: Settings) -> Iterator[Measurement]:
    side = backbone.image_size
    example = Example(torch.rand(3, side, side), torch.zeros(side, side, dtype=torch.bool), "bottle", "bottle")
    sizes = export_page(backbone, folder, names=["bottle"], examples=[example])
    (folder / "index.html").write_text(page_alone(sizes, "Benchmark"), encoding="utf-8")
    first, still, turned = [], [], []
    try:
        with chromium() as browser:
            for _ in range(1 if settings.quick else settings.rounds):
                page = browser.new_page()
                page.goto((folder / "index.html").as_uri())
                page.evaluate("window.box = document.querySelector('.zsas-try')")
                first.append(
                    page.evaluate(
                        """async () => {
                          const begin = performance.now();
                          window.box.querySelector("button").click();
                          while (!window.box.zsasTry?.found) await new Promise((done) => setTimeout(done, 5));
                          return performance.now() - begin;
                        }"""
                    )
                )
                still += [page.evaluate(TURN, 0) for _ in range(STEPS)][3:]
                turned += [page.evaluate(TURN, 7 * step + 3) for step in range(STEPS)]
                page.close()
    except NoBrowserError as error:
        raise NotRun(str(error)) from None
    rounds = len(first)
    yield Measurement("first map after the click", statistics.median(first), "ms", rounds=rounds)
    yield Measurement("a picture, in the page", statistics.median(still), "ms", rounds=rounds)
    yield Measurement("a step of the rotation slider", statistics.median(turned), "ms", rounds=rounds)
    yield Measurement("loaded in all", sum(sizes.values()) / 1e6, "MB")


def natively(backbone: Backbone, path: Path, settings: Settings) -> Iterator[Measurement]:
    """What WinCLIP reads of a picture, by torch and by ONNX Runtime, with as many threads."""
    try:
        difference = export_onnx(backbone, path)
    except MissingPartError as error:
        raise NotRun(str(error)) from None
    side, model = backbone.image_size, Embeddings(backbone)
    one, many = torch.rand(1, 3, side, side), torch.rand(16, 3, side, side)
    graph, given = session(path, torch.get_num_threads()), {"images": one.numpy()}
    repeats, rounds = (1, 1) if settings.quick else (20, 2 * settings.rounds + 1)

    def read(images: torch.Tensor, times: int) -> None:
        with torch.inference_mode():
            for _ in range(times):
                model(images)

    def asked() -> None:
        for _ in range(repeats):
            graph.run(None, given)

    yield compared(
        "a picture by itself, in the library",
        lambda: seconds_of(lambda: read(one, repeats)),
        lambda: seconds_of(asked),
        "ONNX Runtime",
        rounds,
        unit="ms",
        scale=1000 / repeats,
        note=f"embeddings differ by at most {difference:.0e}",
    )
    taken = [seconds_of(lambda: read(many, 1)) for _ in range(rounds)]
    yield Measurement("a picture of 16, in the library", 1000 * statistics.median(taken) / 16, "ms", rounds=rounds)
