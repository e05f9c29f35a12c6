"""How far the book is: every page and shard as fresh, stale, missing or failed, with the reason and the run time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zsas_lib.base.work import killed_since
from zsas_lib.store.folder import results_folder

from ..machine.warm import KILLED
from ..pages.states import ABSENT, FAILED, FRESH, STALE, failure_left, page_state
from ..project.chapters import Page, load_pages, load_profile
from .receipts import read_receipt
from .shards import Shard, page_shards, stale_shards

STATES = (FRESH, STALE, ABSENT, FAILED)


@dataclass(frozen=True)
class State:
    """A page's or shard's `state`, one of `STATES`, why, and how long its last run took ("" if unknown).

    `reason` is "" where the state is fresh.
    """

    kind: str
    name: str
    state: str
    reason: str = ""
    duration: str = ""


def book_state(root: Path, profile: str) -> list[State]:
    """Pages in the book's order, each followed by its shards where the profile computes in shards or some have been.

    Where the last run failed (`failure_left`), the reason is the last line of its log, or that it was killed. Raises
    as `load_pages` and `page_shards`.
    """
    sharded = load_profile(root, profile).shards
    found = []
    for name, page in load_pages(root, profile).items():
        found.append(_page_state(page, root))
        shards = page_shards(page, root)
        folder = root / results_folder()
        if sharded or any((folder / shard.receipt.parent).is_dir() for shard in shards.values()):
            stale = stale_shards(shards.values(), root)
            found += [_shard_state(shard, stale.get((name, shard.name), ""), folder, root) for shard in shards.values()]
    return found


def state_lines(states: list[State]) -> Iterator[str]:
    """The states as lines of text, and a last line with how many there are of each."""
    width = max(len(state.name) for state in states) if states else 0
    for state in states:
        yield f"{state.kind:5}  {state.name:{width}}  {state.state:7}  {state.duration:>7}  {state.reason}".rstrip()
    counts = {
        kind: {state: sum(1 for s in states if (s.kind, s.state) == (kind, state)) for state in STATES}
        for kind in ("page", "shard")
    }
    for kind, numbers in counts.items():
        if any(numbers.values()):
            yield f"{sum(numbers.values())} {kind}s: " + ", ".join(
                f"{count} {state}" for state, count in numbers.items() if count
            )


def _page_state(page: Page, root: Path) -> State:
    found = page_state(page, root)
    reason = f"{found.reason} Log: {found.log.relative_to(root)}" if found.log else found.reason
    return State("page", page.name, found.word, reason, found.certificate.duration if found.certificate else "")


def _shard_state(shard: Shard, reason: str, store: Path, root: Path) -> State:
    name = f"{shard.page.name}/{shard.name}"
    path = store / shard.receipt
    receipt = read_receipt(path)
    log = path.with_suffix(".log")
    if not path.is_file() and killed_since(path.parent, shard.name):
        return State("shard", name, FAILED, KILLED)
    if failure := failure_left(log, stands=path.is_file()):
        where = log.relative_to(root) if log.is_relative_to(root) else log
        return State("shard", name, FAILED, f"{failure} Log: {where}")
    word = (STALE if path.is_file() else ABSENT) if reason else FRESH
    return State("shard", name, word, reason, receipt.duration if receipt else "")
