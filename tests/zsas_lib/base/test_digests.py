"""Digests: the import closure of a toy package and of the library, files, configurations."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from zsas_lib import perturbations
from zsas_lib.base import digests
from zsas_lib.base.digests import configuration_digest, file_digest
from zsas_lib.base.sources import source_digest, source_files

FILES = {
    "__init__.py": "import lazy",
    "__init__.pyi": "from .top import public as public\nfrom . import leaf as leaf",
    "top.py": "from .middle import thing\n\ndef public():\n    from .late import later\n",
    "middle.py": "import os\nimport book.leaf as tree\nfrom numpy import array\n",
    "leaf.py": "",
    "late.py": "later = 1",
    "unused.py": "from . import top",
    "models/__init__.py": "from ..leaf import a\nPrediction = 1",
    "models/plain.py": "from ..late import later",
    "models/named.py": "from . import Prediction\nfrom .plain import fit",
    "models/sibling.py": "from . import plain\nfrom .. import leaf",
    "round.py": "from .trip import a",
    "trip.py": "from .round import b",
    "absolute.py": "import book\nbook.leaf.grow()\nbook.public()\nother.late\n",
    "aliased.py": "import book as b\nb.public()\n",
    "named_public.py": "from book import public",
    "star.py": "from .late import *",
}


@pytest.fixture
def package(tmp_path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "book" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "book"


@pytest.mark.parametrize(
    "module, expected",
    [
        ("leaf", "leaf"),
        ("middle", "leaf middle"),
        ("top", "late leaf middle top"),
        ("models.plain", "late models/plain"),
        ("models.named", "late leaf models/__init__ models/named models/plain"),
        ("models.sibling", "late leaf models/plain models/sibling"),
        ("models", "leaf models/__init__"),
        ("round", "round trip"),
        ("absolute", "absolute late leaf middle top"),
        ("aliased", "aliased late leaf middle top"),
        ("named_public", "late leaf middle named_public top"),
        ("star", "late star"),
    ],
)
def test_imports_are_followed_within_the_package(package, module, expected):
    found = source_files(f"book.{module}", package=package)
    assert [path.relative_to(package).with_suffix("").as_posix() for path in found] == expected.split()


@pytest.mark.parametrize("changed, same", [("leaf.py", False), ("late.py", False), ("unused.py", True)])
def test_source_digest_changes_with_any_file_that_counts(package, changed, same):
    before = source_digest("book.top", package=package)
    with (package / changed).open("a") as file:
        file.write("\n# changed\n")
    assert (source_digest("book.top", package=package) == before) is same


def test_source_digest_does_not_depend_on_the_place(package, tmp_path):
    copy = tmp_path / "elsewhere" / "book"
    copy.parent.mkdir()
    package.rename(copy)
    moved = source_digest("book.top", package=copy)
    copy.rename(package)
    assert source_digest("book.top", package=package) == moved


def test_modules_functions_and_classes_stand_for_their_files():
    home = Path(perturbations.__file__)
    by_module = source_files(perturbations)
    assert home in by_module and digests.PACKAGE / "errors.py" in by_module
    assert source_files(perturbations.rotate) == source_files(perturbations.Range) == by_module


def test_the_library_closure_holds_what_a_result_depends_on_and_no_more():
    closure = {
        path.relative_to(digests.PACKAGE).with_suffix("").as_posix()
        for path in source_files("zsas_lib.robustness.sweeps")
    }
    assert {
        "sweeps",
        "evaluation",
        "metrics",
        "perturbations",
        "data/dataset",
        "models/prediction",
        "errors",
    } <= closure
    assert not {"__init__", "data/__init__", "data/mvtec", "models/winclip", "results", "cli"} & closure
    model = {
        path.relative_to(digests.PACKAGE).with_suffix("").as_posix() for path in source_files("zsas_lib.models.winclip")
    }
    assert {"models/winclip", "backbones", "towers"} <= model and "models/__init__" not in model


def test_a_module_outside_counts_with_what_it_imports():
    files = source_files(test_a_module_outside_counts_with_what_it_imports)
    assert Path(__file__) in files and Path(perturbations.__file__) in files
    assert Path(np.__file__) not in files


def test_a_module_without_a_file_is_refused():
    cell = eval("lambda: 0", {"__name__": "cells_of_a_notebook"})
    with pytest.raises(ValueError, match="'cells_of_a_notebook', which has no source file; put it into a module"):
        source_digest(cell)


def test_file_digest_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_equal_configurations_have_equal_digests():
    first = {"values": (0, 45.0), "seed": 1, "path": Path("a/b"), "none": None, "flag": True}
    second = {"flag": True, "none": None, "path": "a/b", "seed": np.int64(1), "values": np.array([0.0, 45.0])}
    assert configuration_digest(first) == configuration_digest(second)


@pytest.mark.parametrize("change", [{"seed": 2}, {"values": [45, 0]}, {"flag": 1}, {"none": "None"}, {"more": 0}])
def test_other_configurations_have_other_digests(change):
    first = {"values": [0, 45], "seed": 1, "none": None, "flag": True}
    assert configuration_digest(first) != configuration_digest(first | change)


@pytest.mark.parametrize("value, error", [(float("nan"), ValueError), (Fraction(1, 2), TypeError), ({1, 2}, TypeError)])
def test_what_has_no_canonical_form_is_refused(value, error):
    with pytest.raises(error, match="Expected"):
        configuration_digest({"a": [{"b": value}]})
