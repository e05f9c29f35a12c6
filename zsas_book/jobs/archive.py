"""Results that travel: the store, or a part of it, and the pages computed from it, as one file.

The file is a zip archive with a BagIt bag in it (`bag`): results and pages lie in its ``data/``, every file with its
SHA-256 in ``manifest-sha256.txt``, and ``bag-info.txt`` names the format and its version, the day and the commit.
`unpack` trusts nothing before it has checked everything, and writes nothing outside the store and the folder of
computed pages.
"""

import re
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from zsas_lib.base.digests import file_digest
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.base.files import require_new_file, write_atomically
from zsas_lib.base.surroundings import commit
from zsas_lib.base.work import work_folder
from zsas_lib.store.results import DamagedResultError, read_result

from ..pages.certificate import CertificateError, PageCertificate
from ..project.notebooks import NotebookError, read_notebook
from .bag import BagError, extract_payload, payload_sizes, read_bag, write_bag

FORMAT, VERSION = "zsas results", "2"
WORK = "unpacking"
SPARE_BYTES = 50_000_000  # of the disk, to be left free
RESULT = re.compile(r"results/(\w+)/([0-9a-f]{64})\.parquet")
PAGE = re.compile(r"pages/((\w+)(?:\.ipynb|\.json|_files/\w[\w.+-]*))")


class ArchiveError(ValueError):
    """An archive that cannot be packed or is not to be trusted. The message names it, what is wrong and what to do."""


@dataclass(frozen=True)
class Moved:
    """What `pack` or `unpack` moved: numbers of results and pages, how many were there already and were kept, and the
    names of all pages of an unpacked archive."""

    results: int
    pages: int
    kept: int = 0
    named: tuple[str, ...] = ()

    def __str__(self) -> str:
        moved = f"{_count(self.results, 'result')} and {_count(self.pages, 'page')}"
        return moved + (
            f"; {self.kept} {'was' if self.kept == 1 else 'were'} there already and stay{'s' * (self.kept == 1)}"
            if self.kept
            else ""
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def pack(
    path: Path, store: Path, computed: Path, *, kinds: Sequence[str] | None = None, pages: Sequence[str] | None = None
) -> Moved:
    """Write an archive of the results in ``store`` and of the pages in ``computed``, whole or not at all.

    ``kinds`` are the functions whose results are wanted, such as ``["evaluate"]``, ``pages`` the pages; None takes
    all, an empty list none. Raises UnknownNameError for a kind or page that is not there, ArchiveError for a result or
    page that is damaged and where there is nothing to pack, OptionError as `require_new_file`.
    """
    require_new_file(path)
    results = _chosen("kind of result", kinds, {folder.name: folder for folder in _folders(store)})
    notebooks = _chosen("computed page", pages, {file.stem: file for file in sorted(computed.glob("*.ipynb"))})
    sources = {
        f"results/{folder.name}/{file.name}": file for folder in results for file in sorted(folder.glob("*.parquet"))
    }
    for name, file in sources.items():
        if not RESULT.fullmatch(name):
            raise ArchiveError(f"{file} is no stored result; move it out of the store.")
        _intact(file)
    for notebook in notebooks:
        _certified(notebook)
        files = [
            notebook,
            notebook.with_suffix(".json"),
            *sorted(notebook.with_name(f"{notebook.stem}_files").glob("*")),
        ]
        sources |= {f"pages/{file.relative_to(computed).as_posix()}": file for file in files}
    if not sources:
        raise ArchiveError(f"Nothing to pack: no result in {store} and no page in {computed} was chosen.")
    info = {
        "Bag-Software-Agent": "zsas results pack",
        "Bagging-Date": datetime.now(UTC).date().isoformat(),
        "Content-Format": FORMAT,
        "Content-Version": VERSION,
        "Content-Commit": commit(),
    }
    with write_atomically(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        write_bag(archive, path.stem, sources, info)
    return _counted(sources)


def unpack(path: Path, store: Path, computed: Path) -> Moved:
    """Check an archive as a whole, then bring its results into ``store`` and its pages into ``computed``.

    What is there already and intact stays as it is. Raises FileNotFoundError, or ArchiveError for a file that is
    truncated, changed, packed in another format or version, holds a file that belongs in neither folder or is not what
    it should be, or is too large for the disk; then nothing is written. What killed ones left is removed first.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No archive {path}; name a file that `zsas results pack` wrote.")
    for folder in (store, computed):
        folder.mkdir(parents=True, exist_ok=True)
    with work_folder(store, WORK) as work:
        try:
            names = _extracted(path, work, computed)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise ArchiveError(f"{path} is damaged or no archive of results ({error}); copy it again.") from error
        return _brought_in(work, names, store, computed)


def _extracted(path: Path, work: Path, computed: Path) -> list[str]:
    """The names of the archive's files, all of them checked and written below ``work``."""
    with zipfile.ZipFile(path) as archive:
        try:
            bag = read_bag(archive)
            _require_format(path, bag.info)
            for name in bag.files:
                if not (RESULT.fullmatch(name) or PAGE.fullmatch(name)):
                    raise ArchiveError(
                        f"{path} holds {name!r}, which is neither a stored result nor part of a page; nothing of it is "
                        "unpacked."
                    )
            _require_room(path, payload_sizes(archive, bag), work, computed)
            extract_payload(archive, bag, work)
        except BagError as error:
            raise ArchiveError(
                f"{path} is no whole archive of results ({error}); copy it again, or name a file that "
                "`zsas results pack` wrote."
            ) from error
    for name in bag.files:
        try:
            _check(work, name)
        except ArchiveError as error:
            raise ArchiveError(f"{path}, {name}: {error}") from error
    return list(bag.files)


def _require_room(path: Path, sizes: Mapping[str, int], work: Path, computed: Path) -> None:
    """Room for all files in ``work``, beside the one that is being moved from there, and for pages in ``computed``."""
    pages = sum(size for name, size in sizes.items() if PAGE.fullmatch(name))
    for folder, needed in ((work, sum(sizes.values()) + max(sizes.values(), default=0)), (computed, pages)):
        if (free := shutil.disk_usage(folder).free) < needed + SPARE_BYTES:
            raise ArchiveError(
                f"{path} needs {(needed + SPARE_BYTES) / 1e6:,.0f} MB in {folder.parent if folder == work else folder}"
                f", where {free / 1e6:,.0f} MB are free; make room, or name a folder with more in $ZSAS_RESULTS."
            )


def _check(work: Path, name: str) -> None:
    """Whether a file of the archive is what its place says, beyond being what was packed."""
    if RESULT.fullmatch(name):
        _intact(work / name)
    elif name.endswith(".ipynb"):
        _certified(work / name)
    elif not (notebook := work / f"pages/{PAGE.fullmatch(name)[2].removesuffix('_files')}.ipynb").is_file():
        raise ArchiveError(f"It lacks {notebook.name}, which this file belongs to; pack it again.")


def _require_format(path: Path, info: Mapping[str, str]) -> None:
    named, version = info.get("Content-Format", "unknown"), info.get("Content-Version", "unknown")
    if (named, version) != (FORMAT, VERSION):
        raise ArchiveError(
            f"{path} is in format {named!r}, version {version}; expected {FORMAT!r}, version {VERSION}. "
            "Unpack it with the version of zsas_book that packed it."
        )


def _brought_in(work: Path, names: Iterable[str], store: Path, computed: Path) -> Moved:
    moved, kept = [], []
    for name in names:
        if match := RESULT.fullmatch(name):
            target = store / match[1] / f"{match[2]}.parquet"
            if _is_intact(target):
                kept.append(name)
            else:
                _placed(work / name, target)
                moved.append(name)
    notebooks = sorted((work / "pages").glob("*.ipynb"))
    for notebook in notebooks:
        name = f"pages/{notebook.name}"
        if not _why_uncertified(computed / notebook.name):
            kept.append(name)
            continue
        moved.append(name)
        certificate = computed / f"{notebook.stem}.json"
        certificate.unlink(missing_ok=True)
        shutil.rmtree(computed / f"{notebook.stem}_files", ignore_errors=True)
        for part in sorted(work.glob(f"pages/{notebook.stem}_files/*")):
            _placed(part, computed / part.parent.name / part.name)
        _placed(notebook, computed / notebook.name)
        _placed(notebook.with_suffix(".json"), certificate)  # last: a page without its certificate is none
    counted = _counted(moved)
    return Moved(counted.results, counted.pages, len(kept), tuple(notebook.stem for notebook in notebooks))


def _placed(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as read, write_atomically(target) as written:
        shutil.copyfileobj(read, written)
    source.unlink()


def _intact(file: Path) -> None:
    try:
        read_result(file)
    except DamagedResultError as error:
        raise ArchiveError(f"{error} Remove it; it is computed again when it is needed.") from error


def _is_intact(file: Path) -> bool:
    try:
        read_result(file)
    except (FileNotFoundError, DamagedResultError):
        return False
    return True


def _certified(notebook: Path) -> None:
    if why := _why_uncertified(notebook):
        raise ArchiveError(
            f"{notebook.name} has no certificate {notebook.stem}.json that fits it ({why}); compute the page again."
        )


def _why_uncertified(notebook: Path) -> str:
    """What of a computed notebook, or of what the certificate beside it says, is not as it should be; "" if nothing."""
    try:
        certificate = PageCertificate.read(notebook.with_suffix(".json"))
        if certificate.page != notebook.stem:
            return f"it is that of {certificate.page}"
        if certificate.digest != file_digest(notebook):
            return "the notebook is not what was computed"
        return "" if read_notebook(notebook).cells else "the notebook is empty"
    except FileNotFoundError:
        return "there is none"
    except (CertificateError, NotebookError) as error:
        return str(error)


def _counted(names: Iterable[str]) -> Moved:
    names = list(names)
    return Moved(sum(name.startswith("results/") for name in names), sum(name.endswith(".ipynb") for name in names))


def _folders(store: Path) -> Iterator[Path]:
    """Of results, which travel; what models have learned does not."""
    yield from sorted({file.parent for file in store.glob("[!.]*/*.parquet")})


def _chosen(what: str, wanted: Sequence[str] | None, known: Mapping[str, Path]) -> list[Path]:
    for name in wanted or ():
        if name not in known:
            raise UnknownNameError(what, name, known)
    return [path for name, path in known.items() if wanted is None or name in wanted]
