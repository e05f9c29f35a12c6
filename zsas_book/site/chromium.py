"""Debian's Chromium, driven by Playwright: for the tests in a browser, the PDF and the picture in the README."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome")


class NoBrowserError(RuntimeError):
    """There is no browser here. The message says what to install."""


@contextmanager
def chromium() -> Iterator:
    """A running browser, a `playwright.sync_api.Browser`.

    Raises NoBrowserError where Playwright or Chromium is missing.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise NoBrowserError(
            "Playwright is not installed; install zsas-lib[browser], or the whole of requirements.lock."
        ) from None
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise NoBrowserError(f"No Chromium here (looked for {', '.join(NAMES)}); on Debian: apt-get install chromium.")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def settle(page) -> None:
    """Wait until a page's formulas are set and its fonts are there."""
    page.evaluate("async () => { await window.MathJax?.startup?.promise; await document.fonts.ready; }")
