"""A rendered book opened in Chromium, from disk as a reader opens it, and what each visit of a page brings to light."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from zsas_book.site import chromium
from zsas_book.site.chromium import settle

DESKTOP, PHONE = 1280, 390  # pixels across

BEYOND_THE_EDGE = """() => {
  const wide = (part) => part.getBoundingClientRect().right > innerWidth + 1;
  const scrolls = (part) => getComputedStyle(part).overflowX !== "visible";
  const held = (part) => part !== document.body && (scrolls(part) || held(part.parentElement));
  const beyond = [...document.querySelectorAll("article *")].filter((part) => wide(part) && !held(part));
  return beyond.map((part) => part.outerHTML.slice(0, 80));
}"""


@dataclass
class Visit:
    """One page opened once: what it loaded, what it complained of, and what stood out to the right of the window."""

    page: str
    width: int
    loaded: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    beyond_the_edge: list[str] = field(default_factory=list)
    scrolls_sideways: bool = False
    sliders: int = 0
    formulas: int = 0

    @property
    def elsewhere(self) -> set[str]:
        """The addresses on other machines that it asked for."""
        return {address for address in self.loaded if urlsplit(address).scheme not in ("file", "data", "blob", "about")}

    @property
    def bytes(self) -> int:
        """The size of the page with all files that it loaded."""
        files = {Path(unquote(urlsplit(address).path)) for address in self.loaded if address.startswith("file:")}
        return sum(file.stat().st_size for file in files)


@contextmanager
def a_browser() -> Iterator:
    """A browser; skips the test, saying so, where there is none."""
    running = chromium.chromium()
    try:
        browser = running.__enter__()
    except chromium.NoBrowserError as error:
        pytest.skip(str(error))
    yield browser
    running.__exit__(None, None, None)


def visits(browser, pages: Iterable[tuple[Path, str]], width: int = DESKTOP, mode: str = "light") -> list[Visit]:
    """Open pages, each of a folder, one after the other in one tab, as a reader does, so scripts are read once; but
    nothing that a page stores is there for the next."""
    with browser.new_context(viewport={"width": width, "height": 844}, color_scheme=mode) as window:
        tab = window.new_page()
        return [_visit(tab, html, page, width) for html, page in pages]


def _visit(tab, html: Path, page: str, width: int) -> Visit:
    seen = Visit(page, width)
    notes = {
        "request": lambda request: seen.loaded.add(request.url),
        "pageerror": lambda error: seen.complaints.append(str(error)),
        "console": lambda said: said.type in ("error", "warning") and seen.complaints.append(said.text),
    }
    for event, note in notes.items():
        tab.on(event, note)
    tab.goto((html / page).as_uri(), wait_until="load")
    settle(tab)
    seen.beyond_the_edge = tab.evaluate(BEYOND_THE_EDGE)
    seen.scrolls_sideways = tab.evaluate("document.documentElement.scrollWidth > innerWidth")
    seen.sliders = tab.locator(".zsas-slider").count()
    seen.formulas = tab.locator("mjx-container").count()
    tab.evaluate("localStorage.clear(), sessionStorage.clear()")
    for event, note in notes.items():
        tab.remove_listener(event, note)
    return seen
