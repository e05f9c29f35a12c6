"""How each page of the book stands at this moment: fresh, stale, failed or not there, and what its certificate says."""

from dataclasses import dataclass
from pathlib import Path

from ..project.chapters import COMPUTED, Page
from .certificate import CertificateError, PageCertificate, stale_reason

FRESH, STALE, FAILED, ABSENT = "fresh", "stale", "failed", "missing"


@dataclass(frozen=True)
class PageState:
    """One page: `word` is one of fresh, stale, failed, missing; `reason` says why it is not fresh.

    `certificate` is that of the run which is shown, None where none can be shown; `log` is the trace of a run that
    failed after it; `missing_data` names the folders of its data that are not on this machine.
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

    A log beside the computed pages means that the last run failed, as a run that ends well removes it; a page that is
    fresh all the same, because what failed was taken back, counts as fresh. A page whose certificate cannot be read is
    stale, and cannot be shown.
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
    if not (folder / f"{page.name}.ipynb").is_file():
        certificate = None
    if failure := failure_left(log, stands=not reason):
        return PageState(page, FAILED, failure, certificate, log)
    if certificate is None:
        return PageState(page, word, reason)
    missing = tuple(certificate.missing_data(root))
    return PageState(page, STALE if reason else FRESH, reason, certificate, None, missing)


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
