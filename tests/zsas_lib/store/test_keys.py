"""Cache keys: which edits of the sources change those of which results; whatever runs is part of them."""

import ast
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType

import pytest
from tiny_clip import tiny_backbone
from toy import toy_dataset

import zsas_lib as zsas
from zsas_lib.backbones.backbone import Backbone
from zsas_lib.base.graph import UNCOUNTED
from zsas_lib.base.sources import source_definitions, source_digest
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.models.vcpclip import VCPCLIP
from zsas_lib.models.winclip import WinCLIP
from zsas_lib.robustness.search.whole_sets import bounds

REPOSITORY = Path(__file__).resolve().parents[3]
RESULTS = {
    "evaluate": (zsas.evaluate, WinCLIP, Backbone, AnomalyDataset),
    "sweep": (zsas.uniform_sweep, WinCLIP, Backbone, AnomalyDataset),
    "worst case": (zsas.worst_case, WinCLIP, Backbone),
    "bounds": (bounds, VCPCLIP, Backbone, AnomalyDataset),
    "training": (zsas.fit, VCPCLIP, Backbone, AnomalyDataset),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The repository's two packages, for editing."""
    root = tmp_path_factory.mktemp("copy")
    for package in ("zsas_lib", "zsas_book"):
        shutil.copytree(
            REPOSITORY / package, root / package, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors")
        )
    return root


@pytest.fixture(scope="module")
def contents(copy) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}


@pytest.fixture
def library(copy, contents) -> Iterator[Path]:
    """The copied library, as it was again after each test."""
    yield copy / "zsas_lib"
    for path in copy.rglob("*"):
        if path.is_file() and path not in contents:
            path.unlink()
    for path, content in contents.items():
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)


def unchecked_sources():
    """`base.sources` once more, under a name that no run-time checks of types are installed for: six times faster."""
    place = REPOSITORY / "zsas_lib" / "base"
    spec = spec_from_file_location("unchecked_base", place / "__init__.py", submodule_search_locations=[str(place)])
    sys.modules["unchecked_base"] = module_from_spec(spec)
    return import_module("unchecked_base.sources")


@pytest.fixture(scope="module")
def keys(copy) -> Callable[[], dict[str, str]]:
    source_digest = unchecked_sources().source_digest
    return lambda: {name: source_digest(*s, package=copy / "zsas_lib") for name, s in RESULTS.items()}


@pytest.fixture(scope="module")
def before(keys) -> dict[str, str]:
    return keys()


@pytest.mark.slow
def test_the_keys_are_those_of_the_library(before):
    assert before == {name: source_digest(*subjects) for name, subjects in RESULTS.items()}
    assert len(set(before.values())) == len(before)


def edit(library: Path, file: str, old: str, new: str) -> None:
    text = (library / file).read_text()
    assert text.count(old) == 1
    (library / file).write_text(text.replace(old, new))


@pytest.mark.slow
@pytest.mark.parametrize(
    "file, old, new, changed",
    [
        ("metrics/ranking.py", "return f1 / (2 - f1)", "return f1 / (2 - f1) + 0", "evaluate, sweep, bounds, training"),
        ("metrics/aupro.py", "FPR_LIMIT = 0.3", "FPR_LIMIT = 0.4", "evaluate, sweep, bounds, training"),
        ("metrics/bootstrap.py", "ddof=1", "ddof=0", "evaluate, sweep, bounds, training"),
        ("metrics/pixel.py", "measure(auroc_of", "measure(f1_max_of", "evaluate, sweep, bounds, training"),
        ("metrics/pixel.py", "return iou_of(f1_max(", "return (f1_max(", "evaluate, sweep, bounds, training"),
        ("metrics/image.py", "def image_rates(", "def image_rates(*, ", ""),
        ("perturbations/displacement.py", "SEAM = 16", "SEAM = 17", "sweep, worst case, bounds, training"),
        ("perturbations/rotation.py", "rotate_masks(m", "rotate_masks(mm", "sweep, worst case, bounds, training"),
        ("perturbations/colour.py", "GREY = 1e-5", "GREY = 1e-4", "sweep, worst case, bounds, training"),
        ("robustness/search/objective.py", "EPSILON = 1e-8", "EPSILON = 1e-7", "worst case, bounds"),
        ("models/winclip.py", "TILE_STRIDE = 0.8", "TILE_STRIDE = 0.7", "evaluate, sweep, worst case"),
        ("models/vcpclip.py", "DROPOUT = ", "DROPOUT = 1 - ", "bounds, training"),
        ("models/april_gan.py", "rate=1e-3", "rate=1e-4", ""),
        ("training/selection.py", 'BY = "pixel_ap"', 'BY = "pixel_auroc"', "training"),
        ("store/results.py", 'RECORD = "zsas.record"', 'RECORD = "zsas.results"', ""),
        ("papers/__init__.py", '"""Every number', 'raise SystemExit\n"""Every number', ""),
    ],
)  # fmt: skip
def test_a_formula_changes_the_keys_of_the_results_that_use_it_and_of_no_others(
    library, keys, before, file, old, new, changed
):
    edit(library, file, old, new)
    after = keys()
    assert {name for name in before if after[name] != before[name]} == set(filter(None, changed.split(", ")))


class Reworded(ast.NodeTransformer):
    """Other docstrings and other words in every message; `ast.unparse` drops comments and formatting."""

    def visit_Raise(self, node):
        for part in ast.walk(node.exc) if node.exc else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                part.value += " in other words"
        return node

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Constant):
            node.value = ast.Constant("Says something else.")
        return node


@pytest.mark.slow
def test_the_wording_of_messages_and_docstrings_and_formatting_change_no_key(library, keys, before):
    for path in library.rglob("*.py"):
        text = path.read_text()
        path.write_text(ast.unparse(Reworded().visit(ast.parse(text))) + "\n")
        assert path.read_text() != text or not text
    assert keys() == before


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["zsas_book", "zsas_lib/base", "zsas_lib/store"])
def test_the_book_and_the_machinery_change_no_key(library, keys, before, folder):
    for path in (library.parent / folder).rglob("*.py"):
        path.write_text("raise SystemExit\n" + path.read_text())
    assert keys() == before


@pytest.mark.slow
def test_moving_a_module_changes_no_key(library, keys, before):
    (library / "metrics" / "aupro.py").rename(library / "metrics" / "region_overlap.py")
    (library / "perturbations" / "smoothing.py").rename(library / "losses_of_smoothness.py")
    for path in [*library.rglob("*.py"), *library.rglob("*.pyi")]:
        text = path.read_text().replace("from .aupro import", "from .region_overlap import")
        text = text.replace("perturbations.smoothing import", "losses_of_smoothness import")
        path.write_text(text)
    assert keys() == before


@pytest.mark.slow
def test_a_definition_that_moves_to_another_module_changes_no_key(library, keys, before):
    text = (library / "evaluation" / "evaluate.py").read_text()
    begin, end = text.index("def labels_of"), text.index("def _of_picture")
    (library / "evaluation" / "evaluate.py").write_text(
        text[:begin].replace("from .tables", "from .labels import labels_of as labels_of\nfrom .tables") + text[end:]
    )
    head = "import torch\nfrom jaxtyping import Bool\nfrom torch import Tensor\n"
    head += "from ..data.dataset import AnomalyDataset\n"
    (library / "evaluation" / "labels.py").write_text(head + text[begin:end])
    assert keys() == before


@pytest.mark.slow
def test_a_table_of_the_package_counts_where_it_is_read(library):
    from zsas_lib.data.groups import type_mapping
    from zsas_lib.studies.defects import defect_table

    def digests():
        return [source_digest(function, package=library) for function in (type_mapping, defect_table)]

    before = digests()
    with (library / "data" / "tables" / "defect_types.csv").open("a") as file:
        file.write("mvtec,grid,bent,multiple\n")
    assert [now == then for now, then in zip(digests(), before)] == [False, True]


def test_public_functions_are_called_by_their_public_names():
    """What the store writes down, `__qualname__`, is the name in the public stub."""
    public = {name: getattr(zsas, name) for name in zsas.__all__}
    assert all(value.__qualname__ == name for name, value in public.items() if callable(value))


class Executed:
    """The definitions of the library that run inside the block, as `source_definitions` names them."""

    def __enter__(self):
        self.found: set[str] = set()
        self.seen: set[CodeType] = set()
        self.root = Path(zsas.__file__).parent
        self.before = sys.getprofile()
        sys.setprofile(self.note)
        return self

    def __exit__(self, *_):
        sys.setprofile(self.before)

    def note(self, frame, event, argument):
        code = frame.f_code
        if event != "call" or code in self.seen:
            return
        self.seen.add(code)
        if not code.co_filename.startswith(str(self.root)):
            return
        is_function = code.co_flags & 0x1  # CO_OPTIMIZED: no module and no body of a class
        place = Path(code.co_filename).relative_to(self.root).with_suffix("")
        name = code.co_qualname.split(".")[0]
        if is_function and not name.startswith("<") and place.parts[0] not in UNCOUNTED:
            parts = place.parent.parts if place.name == "__init__" else place.parts
            self.found.add(f"{'.'.join(['zsas_lib', *parts])}:{name}")


@pytest.fixture(scope="module")
def tower():
    return tiny_backbone()


def run_evaluate(model, data):
    zsas.evaluate(model, data, resamples=3)


def run_sweep(model, data):
    for perturbation in ("rotation", "hue", "saturation"):
        zsas.uniform_sweep(model, data, perturbation, [0.4], derotation=["zero", "valid", "mask"], resamples=3)


def run_worst_case(model, data):
    batch = next(data.batches(1))
    for search, fill in (("adam", "zero"), ("grid", "valid"), ("random", "zero")):
        options = {"search": search, "steps": 8, "restarts": 2, "fill": fill}
        zsas.worst_case(model, batch.images, batch.masks, batch.categories, **options)


def run_bounds(model, data):
    bounds(model, data, combinations=[("rotation", "hue")], search="random", steps=2, restarts=1, resamples=2)


def run_fit(model, data):
    zsas.fit(model, data, epochs=1, training_batch_size=4, augment=True, zoom=0.5, held_out=data.categories[:1])


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    "run, function, name",
    [
        (run_evaluate, zsas.evaluate, "winclip"),
        (run_sweep, zsas.uniform_sweep, "winclip"),
        (run_worst_case, zsas.worst_case, "winclip"),
        (run_bounds, bounds, "winclip"),
        (run_fit, zsas.fit, "vcpclip+"),
        (run_fit, zsas.fit, "anomalyclip"),
        (run_fit, zsas.fit, "april-gan"),
    ],
)
def test_whatever_runs_is_part_of_the_key(tower, tmp_path, monkeypatch, run: Callable, function: Callable, name: str):
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "results"))
    data = toy_dataset(tmp_path / "toy", {"nut": 1, "ring": 1}, normal=1)
    model = zsas.load_model(name, tower)
    with Executed() as executed:
        run(model, data)
    assert len(executed.found) > 20
    assert executed.found <= set(source_definitions(function, type(model), type(tower), type(data)))
