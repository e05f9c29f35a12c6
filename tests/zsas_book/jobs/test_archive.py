"""Archives of results: what is packed comes out the same, and what is damaged or foreign is refused with the reason."""

import json
import shutil
import zipfile
from hashlib import sha256
from pathlib import Path

import mini_project
import pandas as pd
import pytest

from zsas_book import provenance
from zsas_book.jobs.archive import MANIFEST, ArchiveError, pack, unpack
from zsas_lib.base import ledger
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.store.results import load_or_compute, read_result

WHY_STALE = """
from pathlib import Path
from zsas_book.project.chapters import load_pages
from zsas_book.pages.certificate import stale_reason
print(stale_reason(load_pages(Path.cwd(), "embedded")["first"], Path.cwd()))
"""
TABLE = pd.DataFrame({"pixel_auroc": [0.5, 0.75]}, index=pd.Index(["nut", "mean"], name="category"))


@pytest.fixture
def here(tmp_path) -> Path:
    """A store with three results of two kinds, and two computed pages, one with files."""
    for name, seed in (("evaluate", 0), ("evaluate", 1), ("sweep", 0)):
        load_or_compute(name, {"seed": seed}, lambda: TABLE + seed, sources="s", store=tmp_path / "here" / "results")
    computed = tmp_path / "here" / "computed"
    (computed / "one_files").mkdir(parents=True)
    (computed / "one_files" / "data.csv").write_text("a,b\n1,2\n")
    for page in ("one", "two"):
        (computed / f"{page}.ipynb").write_text(json.dumps({"cells": [], "page": page}))
        digest = sha256((computed / f"{page}.ipynb").read_bytes()).hexdigest()
        (computed / f"{page}.json").write_text(json.dumps({"digest": digest}))
    return tmp_path / "here"


@pytest.fixture
def packed(here, tmp_path) -> Path:
    pack(tmp_path / "all.zip", here / "results", here / "computed")
    return tmp_path / "all.zip"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rewritten(archive: Path, changed: dict[str, bytes | None], target: Path, manifest: dict | None = None) -> Path:
    """A copy of an archive with other or further files, its manifest as it was or with other entries."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        told = json.loads(old.read(MANIFEST)) | (manifest or {})
        files = {name: old.read(name) for name in old.namelist() if name != MANIFEST} | changed
        new.writestr(MANIFEST, json.dumps(told))
        for name, data in files.items():
            if data is not None:
                new.writestr(name, data)
    return target


def listed(archive: Path, added: dict[str, bytes]) -> dict:
    with zipfile.ZipFile(archive) as old:
        files = json.loads(old.read(MANIFEST))["files"]
    return {
        "files": files
        | {name: {"bytes": len(data), "sha256": sha256(data).hexdigest()} for name, data in added.items()}
    }


def test_all_of_it_comes_out_the_same_elsewhere(here, packed, tmp_path):
    moved = unpack(packed, tmp_path / "there" / "results", tmp_path / "there" / "computed")
    assert (moved.results, moved.pages, moved.kept) == (3, 2, 0)
    assert contents(tmp_path / "there") == contents(here)
    for path in (tmp_path / "there" / "results").rglob("*.parquet"):
        pd.testing.assert_frame_equal(read_result(path), read_result(here / path.relative_to(tmp_path / "there")))


def test_a_result_that_travelled_is_found_and_says_where_it_was_made(here, packed, tmp_path):
    unpack(packed, tmp_path / "there", tmp_path / "pages")
    table = load_or_compute(
        "evaluate", {"seed": 1}, lambda: pytest.fail("computed again"), sources="s", store=tmp_path / "there"
    )
    (made,) = table.attrs["made"]
    assert table.loc["nut", "pixel_auroc"] == 1.5 and made["device"].startswith("cpu") and made["versions"]["torch"]


def test_a_part_of_it_can_be_packed(here, tmp_path):
    moved = pack(tmp_path / "part.zip", here / "results", here / "computed", kinds=["evaluate"], pages=["one"])
    assert (moved.results, moved.pages) == (2, 1)
    assert {Path(name).parts[:2] for name in zipfile.ZipFile(tmp_path / "part.zip").namelist()[1:]} == {
        ("results", "evaluate"),
        ("pages", "one.ipynb"),
        ("pages", "one.json"),
        ("pages", "one_files"),
    }
    with pytest.raises(UnknownNameError, match="Unknown kind of result 'evalute'.*Did you mean 'evaluate'"):
        pack(tmp_path / "no.zip", here / "results", here / "computed", kinds=["evalute"])
    with pytest.raises(ArchiveError, match="Nothing to pack"):
        pack(tmp_path / "no.zip", here / "results", here / "computed", kinds=[], pages=[])
    assert not (tmp_path / "no.zip").exists()


def test_what_is_there_stays_and_what_is_damaged_there_is_mended(here, packed, tmp_path):
    before = contents(here)
    moved = unpack(packed, here / "results", here / "computed")
    assert (moved.results, moved.pages, moved.kept) == (0, 0, 5) and contents(here) == before
    damaged = next((here / "results" / "sweep").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:100])
    (here / "computed" / "one.json").unlink()
    moved = unpack(packed, here / "results", here / "computed")
    assert (moved.results, moved.pages, moved.kept) == (1, 1, 3) and contents(here) == before


def first_result(archive: Path) -> str:
    return next(name for name in zipfile.ZipFile(archive).namelist() if name.startswith("results/"))


def test_a_damaged_or_foreign_archive_is_refused_and_nothing_is_written(here, packed, tmp_path):
    whole, name = packed.read_bytes(), first_result(packed)
    content = zipfile.ZipFile(packed).read(name)
    (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "flipped.zip").write_bytes(whole[:3000] + bytes([whole[3000] ^ 255]) + whole[3001:])
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as foreign:
        foreign.writestr("something.txt", "else")
    outside = {"../outside.parquet": b"x"}
    other = {"results/evaluate/" + "0" * 64 + ".parquet": content}
    cases = {
        tmp_path / "half.zip": "is damaged or no archive of results",
        tmp_path
        / "flipped.zip": "is damaged or no archive of results|is not what was packed|differ|no manifest.json of results",
        tmp_path / "foreign.zip": "has no manifest.json of results; name a file that `zsas results pack` wrote",
        rewritten(packed, {name: content[:-1] + b"!"}, tmp_path / "changed.zip"): "is not what was packed",
        rewritten(packed, {name: None}, tmp_path / "missing.zip"): "its manifest and its files differ, first in "
        + name,
        rewritten(packed, {"results/evaluate/more": b"x"}, tmp_path / "more.zip"): "its manifest and its files differ",
        rewritten(
            packed, outside, tmp_path / "out.zip", listed(packed, outside)
        ): "neither a stored result nor part of a page",
        rewritten(
            packed, {}, tmp_path / "version.zip", {"version": 2}
        ): "version 2; expected 'zsas results', version 1",
        rewritten(packed, {}, tmp_path / "format.zip", {"format": "other"}): "in format 'other'",
        rewritten(packed, {}, tmp_path / "files.zip", {"files": [1]}): "does not list its files",
        rewritten(
            packed, other, tmp_path / "renamed.zip", listed(packed, other)
        ): "does not hold the result that was written",
        rewritten(
            packed, {"pages/one.json": b"{}"}, tmp_path / "page.zip", listed(packed, {"pages/one.json": b"{}"})
        ): "no certificate one.json that fits",
    }
    for archive, message in cases.items():
        with pytest.raises(ArchiveError, match=message) as refused:
            unpack(archive, tmp_path / "there" / "results", tmp_path / "there" / "computed")
        assert archive.name in str(refused.value)
        assert contents(tmp_path / "there") == {} and not (tmp_path / "outside.parquet").exists()
    with pytest.raises(FileNotFoundError, match="No archive"):
        unpack(tmp_path / "nowhere.zip", tmp_path / "there", tmp_path / "there")


def test_every_truncation_is_refused(packed, tmp_path):
    whole = packed.read_bytes()
    for length in range(0, len(whole), len(whole) // 25):
        (tmp_path / "cut.zip").write_bytes(whole[:length])
        with pytest.raises(ArchiveError):
            unpack(tmp_path / "cut.zip", tmp_path / "there", tmp_path / "pages")
    assert contents(tmp_path / "there") == {}


def test_damaged_results_and_pages_are_not_packed(here, tmp_path):
    page = here / "computed" / "two.ipynb"
    page.write_text("{}")
    with pytest.raises(
        ArchiveError, match="two.ipynb has no certificate two.json that fits it; compute the page again"
    ):
        pack(tmp_path / "no.zip", here / "results", here / "computed")
    result = next((here / "results" / "sweep").iterdir())
    result.write_bytes(b"PAR1")
    with pytest.raises(ArchiveError, match="cannot be read as a stored result.*Remove it"):
        pack(tmp_path / "no.zip", here / "results", here / "computed")
    assert not (tmp_path / "no.zip").exists()


def test_a_page_of_another_machine_is_fresh_where_its_data_are_absent(tmp_path):
    made = mini_project.make(tmp_path / "made")
    other = Path(shutil.copytree(made, tmp_path / "other"))
    data = tmp_path / "data"
    data.mkdir()
    assert mini_project.run_in(made, "-m", "zsas_book.cli", "run", "first").returncode == 0
    certificate = made / "book" / "_computed" / "first.json"
    certificate.write_text(json.dumps(json.loads(certificate.read_text()) | {"data": {str(data): "as it was there"}}))
    pack(tmp_path / "book.zip", made / "results", made / "book" / "_computed")
    unpack(tmp_path / "book.zip", other / "results", other / "book" / "_computed")
    assert mini_project.run_in(other, "-c", WHY_STALE).stdout == f"the data in {data} changed\n"
    data.rmdir()
    assert mini_project.run_in(other, "-c", WHY_STALE).stdout == "\n"


def test_a_page_says_where_the_results_it_read_were_made(monkeypatch):
    monkeypatch.setattr(ledger, "results_used", {})
    made = {"device": "cuda:0 (NVIDIA H100)", "commit": "abc", "created": "2026-11-02T10:00:00+00:00"}
    for number, other in enumerate(({}, {"created": "2026-11-01T10:00:00+00:00"}, {"device": "cpu (Linux)"})):
        ledger.note_result({"file": f"{number}.parquet", **made, **other})
    facts = provenance.record().facts
    assert facts["results"] == [
        {"count": 2, "device": "cuda:0 (NVIDIA H100)", "commit": "abc", "days": "2026-11-01 to 2026-11-02"},
        {"count": 1, "device": "cpu (Linux)", "commit": "abc", "days": "2026-11-02"},
    ]
    assert (
        "| results | 2 made on cuda:0 (NVIDIA H100) at commit `abc`, 2026-11-01 to 2026-11-02 |"
        in provenance.record_table(facts)
    )
