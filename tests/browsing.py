"""A rendered book opened in Chromium, from disk as a reader opens it, and what each visit of a page brings to light."""

from collections.abc import Iterator
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


def visit(browser, html: Path, page: str, width: int = DESKTOP, mode: str = "light") -> Visit:
    """Open ``page`` of the book in the folder ``html`` for the first time, in a window of its own."""
    seen = Visit(page, width)
    with browser.new_context(viewport={"width": width, "height": 844}, color_scheme=mode) as context:
        opened = context.new_page()
        opened.on("request", lambda request: seen.loaded.add(request.url))
        opened.on("pageerror", lambda error: seen.complaints.append(str(error)))
        opened.on("console", lambda said: said.type in ("error", "warning") and seen.complaints.append(said.text))
        opened.goto((html / page).as_uri(), wait_until="load")
        settle(opened)
        seen.beyond_the_edge = opened.evaluate(BEYOND_THE_EDGE)
        seen.scrolls_sideways = opened.evaluate("document.documentElement.scrollWidth > innerWidth")
        seen.sliders = opened.locator(".zsas-slider").count()
        seen.formulas = opened.locator("mjx-container").count()
    return seen
