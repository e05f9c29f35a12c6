"""Archives of results: what is packed comes out the same, and what is damaged or foreign is refused with the reason."""

import json
import shutil
import subprocess
import zipfile
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import mini_project
import pandas as pd
import pytest

from zsas_book import provenance
from zsas_book.jobs.archive import WORK, ArchiveError, Moved, pack, unpack
from zsas_book.jobs.bag import BAGIT, INFO, MANIFEST, TAG_MANIFEST, TAGS
from zsas_book.pages.certificate import PageCertificate
from zsas_lib.base import ledger
from zsas_lib.base.errors import OptionError, UnknownNameError
from zsas_lib.base.work import LOCK, work_folder
from zsas_lib.store.results import load_or_compute, read_result

WHY_STALE = """
from pathlib import Path
from zsas_book.project.chapters import load_pages
from zsas_book.pages.certificate import stale_reason
print(stale_reason(load_pages(Path.cwd(), "embedded")["first"], Path.cwd()))
"""
TABLE = pd.DataFrame({"pixel_auroc": [0.5, 0.75]}, index=pd.Index(["nut", "mean"], name="category"))


def certificate(page: str, digest: str) -> PageCertificate:
    return PageCertificate(
        page=page,
        profile="embedded",
        given={},
        library={},
        data={},
        record={"commit": "abc", "device": "cpu", "versions": {}},
        notebook={"path": f"notebooks/{page}.ipynb", "digest": "0"},
        digest=digest,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("made")
    for name, seed in (("evaluate", 0), ("evaluate", 1), ("sweep", 0)):
        load_or_compute(name, {"seed": seed}, lambda: TABLE + seed, sources="s", store=root / "results")
    computed = root / "computed"
    (computed / "one_files").mkdir(parents=True)
    (computed / "one_files" / "data.csv").write_text("a,b\n1,2\n")
    for page in ("one", "two"):
        mini_project.write_notebook(computed / f"{page}.ipynb", f"print({page!r})")
        digest = sha256((computed / f"{page}.ipynb").read_bytes()).hexdigest()
        certificate(page, digest).write(computed / f"{page}.json")
    return root


@pytest.fixture
def here(made, tmp_path) -> Path:
    """A store with three results of two kinds, and two computed pages, one with files."""
    return shutil.copytree(made, tmp_path / "here")


@pytest.fixture
def packed(here, tmp_path) -> Path:
    pack(tmp_path / "all.zip", here / "results", here / "computed")
    return tmp_path / "all.zip"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rewritten(archive: Path, changed: dict[str, bytes | None], target: Path, relisted: bool = True) -> Path:
    """A copy of an archive with other or further files, by their names in the bag; None leaves one out.

    With `relisted`, digests and counts are those of its files; else the tag files stay as they were.
    """
    with zipfile.ZipFile(archive) as old:
        files = {name.partition("/")[2]: old.read(name) for name in old.namelist()}
    tags = {name: files.pop(name) for name in TAGS} | {name: changed[name] for name in TAGS if name in changed}
    files = {name: data for name, data in (files | changed).items() if data is not None and name not in TAGS}
    if relisted:
        tags[MANIFEST] = changed.get(MANIFEST, listed(files))
        octets = f"{sum(map(len, files.values()))}.{len(files)}"
        tags[INFO] = b"".join(
            f"Payload-Oxum: {octets}\n".encode() if line.startswith(b"Payload-Oxum") else line
            for line in changed.get(INFO, tags[INFO]).splitlines(keepends=True)
        )
        tags[TAG_MANIFEST] = listed({name: data for name, data in tags.items() if name != TAG_MANIFEST})
    with zipfile.ZipFile(target, "w") as new:
        for name, data in (tags | files).items():
            new.writestr(f"bag/{name}", data)
    return target


def listed(files: dict[str, bytes]) -> bytes:
    return "".join(f"{sha256(data).hexdigest()}  {name}\n" for name, data in files.items()).encode()


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
    names = [name.removeprefix("part/") for name in zipfile.ZipFile(tmp_path / "part.zip").namelist()]
    assert tuple(names[:4]) == TAGS
    assert {Path(name).parts[:3] for name in names[4:]} == {
        ("data", "results", "evaluate"),
        ("data", "pages", "one.ipynb"),
        ("data", "pages", "one.json"),
        ("data", "pages", "one_files"),
    }
    with pytest.raises(UnknownNameError, match="Unknown kind of result 'evalute'.*Did you mean 'evaluate'"):
        pack(tmp_path / "no.zip", here / "results", here / "computed", kinds=["evalute"])
    with pytest.raises(ArchiveError, match="Nothing to pack"):
        pack(tmp_path / "no.zip", here / "results", here / "computed", kinds=[], pages=[])
    (here / "results" / "trained").mkdir()
    (here / "results" / "trained" / "0.safetensors").touch()
    with pytest.raises(UnknownNameError, match="Unknown kind of result 'trained'; known: evaluate, sweep"):
        pack(tmp_path / "no.zip", here / "results", here / "computed", kinds=["trained"])
    assert not (tmp_path / "no.zip").exists()


def test_numbers_are_said_in_words_and_pages_by_their_names(packed, tmp_path):
    moved = unpack(packed, tmp_path / "there", tmp_path / "pages")
    assert moved.named == ("one", "two") and str(moved) == "3 results and 2 pages"
    assert str(Moved(1, 1)) == "1 result and 1 page"
    assert str(Moved(0, 1, 1)) == "0 results and 1 page; 1 was there already and stays"
    assert str(Moved(0, 0, 2)) == "0 results and 0 pages; 2 were there already and stay"


@pytest.mark.slow
def test_what_is_there_stays_and_what_is_damaged_there_is_mended(here, packed, tmp_path):
    before = contents(here)
    moved = unpack(packed, here / "results", here / "computed")
    assert (moved.results, moved.pages, moved.kept) == (0, 0, 5) and contents(here) == before
    damaged = next((here / "results" / "sweep").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:100])
    (here / "computed" / "one.json").unlink()
    moved = unpack(packed, here / "results", here / "computed")
    assert (moved.results, moved.pages, moved.kept) == (1, 1, 3) and contents(here) == before


def test_it_is_a_bag_that_sha256sum_checks(packed, tmp_path):
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "bags")
    bag = tmp_path / "bags" / "all"
    assert (bag / BAGIT).read_text() == "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    payload = [path for path in (bag / "data").rglob("*") if path.is_file()]
    info = dict(line.split(": ", 1) for line in (bag / INFO).read_text().splitlines())
    assert (
        info["Payload-Oxum"] == f"{sum(path.stat().st_size for path in payload)}.{len(payload)}" and len(payload) == 8
    )
    assert (info["Content-Format"], info["Content-Version"]) == ("zsas results", "2")
    for manifest, count in ((MANIFEST, 8), (TAG_MANIFEST, 3)):
        checked = subprocess.run(["sha256sum", "-c", manifest], cwd=bag, capture_output=True, text=True, check=True)
        assert checked.stdout.count(": OK\n") == count


def test_a_bag_packed_again_by_another_program_is_taken(packed, tmp_path):
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(tmp_path / "again.zip", "w") as new:
        new.mkdir("other")
        for name in sorted(old.namelist()):
            new.writestr(f"other/{name.partition('/')[2]}", old.read(name))
    moved = unpack(tmp_path / "again.zip", tmp_path / "there", tmp_path / "pages")
    assert (moved.results, moved.pages) == (3, 2)


def first_result(archive: Path) -> str:
    names = [name.partition("/")[2] for name in zipfile.ZipFile(archive).namelist()]
    return next(name for name in names if name.startswith("data/results/"))


@pytest.mark.slow
def test_a_damaged_or_foreign_archive_is_refused_and_nothing_is_written(here, packed, tmp_path):
    whole, name = packed.read_bytes(), first_result(packed)
    content = zipfile.ZipFile(packed).read(f"all/{name}")
    info = zipfile.ZipFile(packed).read(f"all/{INFO}")
    (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "flipped.zip").write_bytes(whole[:3000] + bytes([whole[3000] ^ 255]) + whole[3001:])
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as foreign:
        foreign.writestr("something.txt", "else")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(tmp_path / "flat.zip", "w") as flat:
        for member in old.namelist():
            flat.writestr(member.partition("/")[2], old.read(member))
    number = 0

    def changed(files: dict[str, bytes | None], relisted: bool = True) -> Path:
        nonlocal number
        number += 1
        return rewritten(packed, files, tmp_path / f"changed{number}.zip", relisted)

    cases = {
        tmp_path / "half.zip": "is damaged or no archive of results",
        tmp_path / "flipped.zip": r"no whole archive of results \(all/data/results/.* cannot be unpacked: ",
        tmp_path / "foreign.zip": r"\(it has no bagit.txt\); .*name a file that `zsas results pack` wrote",
        tmp_path / "empty.zip": "it has no bagit.txt",
        tmp_path / "flat.zip": "it has no bagit.txt",
        changed({name: content[:-1] + b"!"}, False): "is not what was packed",
        changed({name: content + b"!"}, False): "is not what was packed|more than the",
        changed({name: None}, False): f"its manifest and its files differ, first in {name}",
        changed({"data/results/evaluate/more": b"x"}, False): "its manifest and its files differ",
        changed({"extra.txt": b"x"}, False): "its manifest and its files differ, first in extra.txt",
        changed({MANIFEST: b"no digest\n"}): "manifest-sha256.txt is not one line of digest and name for each file",
        changed({MANIFEST: b"0  out.txt\n"}): "manifest-sha256.txt lists files outside data/",
        changed({INFO: info + b"More: x\n"}, False): "bag-info.txt is not what was packed",
        changed({BAGIT: b"BagIt-Version: 0.97\n"}): "bagit.txt is not that of a bag of version 1.0",
        changed({"data/../../outside.parquet": b"x"}): "neither a stored result nor part of a page",
        changed({"data//outside.parquet": b"x"}): "neither a stored result nor part of a page",
        changed({INFO: info.replace(b"Version: 2", b"Version: 3")}): "version 3; expected 'zsas results', version 2",
        changed({INFO: info.replace(b"Format: zsas results", b"Format: other")}): "in format 'other'",
        changed({f"data/results/evaluate/{'0' * 64}.parquet": content}): "does not hold the result that was written",
        changed({"data/pages/one.json": b"{}"}): "no certificate one.json that fits",
        changed({"data/pages/three.json": b"{}"}): "It lacks three.ipynb",
    }
    for archive, message in cases.items():
        with pytest.raises(ArchiveError, match=message) as refused:
            unpack(archive, tmp_path / "there" / "results", tmp_path / "there" / "computed")
        assert archive.name in str(refused.value)
        assert contents(tmp_path / "there") == {} and not (tmp_path / "outside.parquet").exists()
    with pytest.raises(FileNotFoundError, match="No archive"):
        unpack(tmp_path / "nowhere.zip", tmp_path / "there", tmp_path / "there")


def test_sizes_other_than_counted_are_refused(packed, tmp_path):
    info = zipfile.ZipFile(packed).read(f"all/{INFO}")
    octets = int(info.partition(b"Payload-Oxum: ")[2].partition(b".")[0])
    for other, message in ((octets - 1, f"more than the {octets - 1} bytes"), (octets + 5, "5 bytes less than")):
        text = info.replace(f"{octets}.".encode(), f"{other}.".encode())
        with zipfile.ZipFile(packed) as old:
            tags = {name: old.read(f"all/{name}") for name in (BAGIT, MANIFEST)} | {INFO: text}
        changed = {INFO: text, TAG_MANIFEST: listed(tags)}
        with pytest.raises(ArchiveError, match=message):
            unpack(rewritten(packed, changed, tmp_path / f"{other}.zip", False), tmp_path / "there", tmp_path / "pages")
    assert contents(tmp_path / "there") == {}


def page_of(notebook: bytes, **changed: object) -> dict[str, bytes]:
    """A page ``one`` as an archive holds it, with a certificate that fits the notebook."""
    made = asdict(certificate("one", sha256(notebook).hexdigest())) | changed
    return {"data/pages/one.ipynb": notebook, "data/pages/one.json": json.dumps(made).encode()}


@pytest.mark.slow
def test_a_page_must_be_a_notebook_and_its_certificate_that_of_this_page(packed, tmp_path):
    whole = zipfile.ZipFile(packed).read("all/data/pages/one.ipynb")
    empty = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": json.loads(whole)["metadata"], "cells": []})
    cases = {
        "cannot be read as a notebook .*expected a JSON object": page_of(b"[]"),
        "cannot be read as a notebook": page_of(b"{"),
        "the notebook is empty": page_of(empty.encode()),
        "it is that of two": page_of(whole, page="two"),
        "it lacks record.device": page_of(whole, record={"commit": "abc", "versions": {}}),
        "of another type than expected: record.duration": page_of(
            whole, record={"commit": "abc", "device": "cpu", "versions": {}, "duration": 3}
        ),
        "is no JSON": page_of(whole, title="\ud800"),
    }
    for number, (why, changed) in enumerate(cases.items()):
        archive = rewritten(packed, changed, tmp_path / f"page{number}.zip")
        with pytest.raises(ArchiveError, match=rf"{archive.name}, pages/one.ipynb: .*{why}"):
            unpack(archive, tmp_path / "there", tmp_path / "pages")
        assert contents(tmp_path / "there") == contents(tmp_path / "pages") == {}
    assert unpack(rewritten(packed, page_of(whole), tmp_path / "page.zip"), tmp_path / "there", tmp_path / "pages")


@pytest.mark.slow
def test_what_grows_beyond_reason_is_refused_before_anything_of_it_is_written(packed, tmp_path, monkeypatch):
    name = f"data/results/evaluate/{'0' * 64}.parquet"
    rewritten(packed, {name: bytes(2_000_000)}, tmp_path / "stored.zip")
    with zipfile.ZipFile(tmp_path / "stored.zip") as stored:
        for method, archive, refusal in (
            (zipfile.ZIP_DEFLATED, "bomb.zip", rf"bag/{name} would grow from \d+ to 2000000 bytes"),
            (zipfile.ZIP_LZMA, "lzma.zip", f"bag/{BAGIT} is encrypted, or packed by a method other than deflate"),
        ):
            with zipfile.ZipFile(tmp_path / archive, "w", method) as other:
                for member in stored.namelist():
                    other.writestr(member, stored.read(member))
            monkeypatch.setattr("zsas_book.jobs.archive.extract_payload", lambda *_: pytest.fail("it is unpacked"))
            with pytest.raises(ArchiveError, match=f"{archive} is no whole archive of results .*{refusal}"):
                unpack(tmp_path / archive, tmp_path / "there", tmp_path / "pages")


def test_an_encrypted_file_is_refused_by_its_name(packed, tmp_path):
    whole = bytearray(packed.read_bytes())
    name = f"all/{first_result(packed)}".encode()
    whole[whole.rindex(name) - 46 + 8] |= 1  # the flags of its entry in the archive's directory
    (tmp_path / "locked.zip").write_bytes(whole)
    with pytest.raises(ArchiveError, match=f"{name.decode()} is encrypted, or packed by a method"):
        unpack(tmp_path / "locked.zip", tmp_path / "there", tmp_path / "pages")


@pytest.mark.parametrize("full", ["there", "pages"])
def test_too_full_a_disk_is_said_before_anything_is_written(packed, tmp_path, monkeypatch, full):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        shutil,
        "disk_usage",
        lambda folder: usage._replace(free=40_000_000 if full in Path(folder).relative_to(tmp_path).parts else 10**12),
    )
    monkeypatch.setattr("zsas_book.jobs.archive.extract_payload", lambda *_: pytest.fail("it is unpacked"))
    with pytest.raises(ArchiveError, match=rf"all.zip needs 50 MB in .*/{full}, where 40 MB are free; make room"):
        unpack(packed, tmp_path / "there", tmp_path / "pages")


def test_what_a_killed_one_left_is_removed_and_what_a_running_one_holds_is_not(packed, tmp_path):
    store = tmp_path / "there"
    left = store / f".{WORK}.{'0' * 32}"
    left.mkdir(parents=True)
    (left / "half").touch()
    left.with_suffix(f".{'0' * 32}{LOCK}").touch()
    with work_folder(store, "other") as running:
        unpack(packed, store, tmp_path / "pages")
        assert [path.name for path in store.iterdir() if path.name.startswith(f".{WORK}.")] == []
        assert running.is_dir()


def test_an_archive_is_a_new_file(here, tmp_path):
    (tmp_path / "notes.zip").write_text("mine")
    for path, refusal in (
        (tmp_path / "notes.zip", "notes.zip is there already; remove it first, or name another file"),
        (tmp_path, "is a folder; expected the name of a file"),
        (tmp_path / "notes.zip" / "all.zip", "notes.zip is no folder, so that all.zip cannot be written into it"),
    ):
        with pytest.raises(OptionError, match=refusal):
            pack(path, here / "results", here / "computed")
    assert (tmp_path / "notes.zip").read_text() == "mine"


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
    refusal = r"two.ipynb has no certificate two.json that fits it \({}.*\); compute the page again"
    with pytest.raises(ArchiveError, match=refusal.format("the notebook is not what was computed")):
        pack(tmp_path / "no.zip", here / "results", here / "computed")
    digest = sha256(page.read_bytes()).hexdigest()
    page.with_suffix(".json").write_text(json.dumps({"digest": digest}))
    with pytest.raises(ArchiveError, match=refusal.format(".*two.json is no certificate: it lacks page")):
        pack(tmp_path / "no.zip", here / "results", here / "computed")
    result = next((here / "results" / "sweep").iterdir())
    result.write_bytes(b"PAR1")
    with pytest.raises(ArchiveError, match="cannot be read as a stored result.*Remove it"):
        pack(tmp_path / "no.zip", here / "results", here / "computed")
    assert not (tmp_path / "no.zip").exists()


@pytest.mark.kernel
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


@pytest.mark.slow
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
