"""Print the rendered book as one PDF, ``book/_build/book.pdf``, page by page with Chromium.

Run in the project's folder when the book is rendered. Pages follow the table of contents. Formulas and figures are as
on the screen, in light colours; hidden code stays hidden. The outline of the PDF has each part and page.
"""

import io
import sys
from pathlib import Path

import yaml
from pypdf import PdfReader, PdfWriter

from . import check
from .chromium import NoBrowserError, chromium, settle

PDF = Path("book/_build/book.pdf")
PAPER = {"format": "A4", "print_background": True, "margin": dict.fromkeys(("top", "bottom", "left", "right"), "15mm")}


def parts(contents: dict) -> list[tuple[str, list[str]]]:
    """The captions of the table of contents, "" where there is none, each with its pages."""
    root = ("", [contents["root"]])
    if "parts" not in contents:
        return [root, ("", check.pages({"chapters": contents.get("chapters", [])}))]
    return [root, *((part.get("caption", ""), check.pages(part)) for part in contents["parts"])]


def printed(tab, html: Path) -> tuple[str, bytes]:
    """The page's title and the page as PDF, opened in this tab of a browser."""
    tab.goto(html.resolve().as_uri())
    settle(tab)
    title = tab.locator("article h1").first.evaluate("(heading) => heading.firstChild.textContent.trim()")
    return title, tab.pdf(**PAPER)


def main() -> None:
    contents = yaml.safe_load((check.BOOK / "_toc.yml").read_text(encoding="utf-8"))
    absent = [html for name in check.pages(contents) if not (html := check.HTML / f"{name}.html").is_file()]
    if absent:
        sys.exit(f"{absent[0]} is not rendered; run `make book` first.")
    book, count = PdfWriter(), 0
    with chromium() as browser, browser.new_context(color_scheme="light") as window:
        tab = window.new_page()
        for caption, pages in parts(contents):
            above = None
            for name in pages:
                title, content = printed(tab, check.HTML / f"{name}.html")
                sheets, start = PdfReader(io.BytesIO(content)), len(book.pages)
                book.append(sheets, import_outline=False)
                if caption and above is None:
                    above = book.add_outline_item(title=caption, page_number=start)
                book.add_outline_item(title=title, page_number=start, parent=above)
                count += 1
    book.compress_identical_objects()
    book.write(PDF)
    print(f"{PDF}: {count} pages of the book on {len(book.pages)} sheets, {PDF.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    try:
        main()
    except NoBrowserError as error:
        sys.exit(str(error))
