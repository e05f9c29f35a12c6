"""How each page of the book stands at this moment: fresh, stale, failed or not there, and what its certificate says."""

from dataclasses import dataclass
from pathlib import Path

from zsas_lib.base.work import killed_since

from ..machine.warm import KILLED
from ..project.chapters import COMPUTED, Page
from ..project.notebooks import NotebookError, read_notebook
from .certificate import CertificateError, PageCertificate, stale_reason

FRESH, STALE, FAILED, ABSENT = "fresh", "stale", "failed", "missing"


@dataclass(frozen=True)
class PageState:
    """One page: `word` is one of fresh, stale, failed, missing; `reason` says why it is not fresh.

    `certificate` is that of the run which is shown, None where none can be shown; `log` is the trace of a run that
    failed after it, None where it was killed and left none; `missing_data` names the folders of its data that are not
    on this machine.
    """

    page: Page
    word: str
    reason: str = ""
    certificate: PageCertificate | None = None
    log: Path | None = None
    missing_data: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The title in chapters.yaml, else the one that its notebook has."""
        return self.page.title or self.page.name.replace("_", " ")


def page_state(page: Page, root: Path) -> PageState:
    """How `page` of the project at `root` stands; nothing is computed.

    A log beside the computed pages means that the last run failed, as a run that ends well removes it, and a work
    folder without a process that it was killed; a page that is fresh all the same, because what failed was taken back,
    counts as fresh. A page whose certificate or notebook cannot be read is stale, and cannot be shown.
    """
    folder = root / COMPUTED
    log = folder / ".logs" / f"{page.name}.log"
    reason = stale_reason(page, root)
    certificate, word = None, ABSENT
    try:
        certificate = PageCertificate.read(folder / f"{page.name}.json")
    except FileNotFoundError:
        pass
    except CertificateError:
        word = STALE
    if reason and certificate and not _is_notebook(notebook := folder / f"{page.name}.ipynb"):
        certificate, word = None, STALE if notebook.is_file() else ABSENT
    if reason and killed_since(folder, page.name):
        return PageState(page, FAILED, KILLED, certificate)
    if failure := failure_left(log, stands=not reason):
        return PageState(page, FAILED, failure, certificate, log)
    if certificate is None:
        return PageState(page, word, reason)
    missing = tuple(certificate.missing_data(root))
    return PageState(page, STALE if reason else FRESH, reason, certificate, None, missing)


def failure_since(page: Page, root: Path, when: float) -> str:
    """Why a run of `page` that began after the time `when` failed, and where its trace is; "" where none did."""
    log = root / COMPUTED / ".logs" / f"{page.name}.log"
    if killed_since(root / COMPUTED, page.name, when):
        return KILLED
    if log.is_file() and log.stat().st_mtime > when:
        return f"{failure_cause(log)} The whole trace is in {log.relative_to(root)}"
    return ""


def failure_left(log: Path, *, stands: bool) -> str:
    """Why the last run of a page or a shard failed, "" where it did not.

    It failed where it left a log and what it was to make does not stand: a page that is not fresh, a shard without its
    receipt, which a failure takes away. File times are not looked at, as they do not survive a copy.
    """
    return "" if stands or not log.is_file() else failure_cause(log)


def failure_cause(log: Path) -> str:
    """The last line of a failed run's log, which names the error."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it ended without a word.")


def _is_notebook(path: Path) -> bool:
    try:
        return bool(read_notebook(path).cells)
    except NotebookError:
        return False
