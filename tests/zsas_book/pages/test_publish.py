"""Where a page may be put: nowhere that something is which no run of it made."""

from dataclasses import replace
from pathlib import Path

import pytest

from zsas_book.pages.certificate import PageCertificate
from zsas_book.pages.compute import check_output, compute_page
from zsas_book.pages.publish import OutputError, require_output
from zsas_book.project.chapters import COMPUTED, Page
from zsas_lib.base.digests import file_digest

CERTIFICATE = PageCertificate(
    page="one",
    profile="",
    given={},
    library={},
    data={},
    record={"commit": "abc", "device": "cpu", "versions": {}},
    notebook={"path": "one.ipynb", "digest": "0"},
    digest="",
)


def published(output: Path, **changed: object) -> Path:
    """A run of the page ``one`` with a table, as it was published."""
    output.write_text("a notebook")
    table = output.with_name(f"{output.stem}_files") / "table.csv"
    table.parent.mkdir()
    table.write_text("a,b\n1,2\n")
    made = replace(CERTIFICATE, digest=file_digest(output), files=[table.name], **changed)
    made.write(output.with_suffix(".json"))
    return output


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_name_and_an_earlier_run_of_the_page_may_be_taken(tmp_path):
    require_output(tmp_path / "new.ipynb", "one")
    require_output(tmp_path / "nowhere" / "new.ipynb", "one")
    require_output(published(tmp_path / "old.ipynb"), "one")


@pytest.mark.parametrize("name", ["out.json", "out", "out.ipynb.json", "folder", "folder.ipynb", ".", ""])
def test_what_is_no_notebooks_name_is_refused_with_one_that_is(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("folder", "folder.ipynb", "folder_files"):
        Path(folder).mkdir()
        Path(folder, "notes.txt").write_text("mine")
    Path("folder.json").write_text("mine too")
    before = contents(tmp_path)
    with pytest.raises(OutputError, match=r"expected the name of a file that ends in \.ipynb, such as .*one\.ipynb"):
        require_output(Path(name), "one")
    assert contents(tmp_path) == before


def changes():
    def write(path: Path, text: str) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    yield "a source", lambda out: out.with_suffix(".json").unlink()
    yield "edited", lambda out: write(out, "a notebook with a thought of mine")
    yield "a JSON file of somebody's", lambda out: write(out.with_suffix(".json"), '{"mine": 1}')
    yield "a file among the page's", lambda out: write(out.with_name("out_files") / "mine.txt", "mine")
    yield (
        "a file in place of the folder",
        lambda out: (
            (out.with_name("out_files") / "table.csv").unlink(),
            out.with_name("out_files").rmdir(),
            out.with_name("out_files").symlink_to(out.parent),
        ),
    )
    yield "a link", lambda out: (out.rename(out.with_name("real")), out.symlink_to(out.with_name("real")))
    yield "a link to nothing", lambda out: (out.unlink(), out.symlink_to(out.with_name("nothing")))
    yield "only the folder", lambda out: (out.unlink(), out.with_suffix(".json").unlink())
    yield "only the certificate", lambda out: out.unlink()


@pytest.mark.parametrize("change", [change for _, change in changes()], ids=[name for name, _ in changes()])
def test_nothing_else_is_replaced(tmp_path, change):
    out = published(tmp_path / "out.ipynb")
    change(out)
    before = contents(tmp_path)
    page = Page("one", Path("absent.ipynb"))
    with pytest.raises(OutputError, match=r"out.*: there already, and not a run of one as it was published"):
        compute_page(page, out, root=tmp_path)
    assert contents(tmp_path) == before


def test_another_pages_run_is_not_replaced(tmp_path):
    with pytest.raises(OutputError, match="not a run of two as it was published"):
        require_output(published(tmp_path / "out.ipynb"), "two")


def test_in_the_book_a_page_takes_its_own_place_and_no_other(tmp_path):
    folder = tmp_path / COMPUTED
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        (folder / f"{name}.json").write_text("{}")
    page = Page("one", Path("one.ipynb"))
    check_output(page, folder / "one.ipynb", tmp_path)
    check_output(page, folder / ".." / "_computed" / "one.ipynb", tmp_path)
    with pytest.raises(OutputError, match=r"two\.json: there already"):
        check_output(page, folder / "two.ipynb", tmp_path)
