"""Check the rendered book: every page of the table of contents is there, from a whole run, and its pictures have words.

The table of contents is the one that was rendered. A page that failed or was not computed is rendered too, as one that
says so; it is a problem all the same.

Run in the project's folder; prints one line per problem and exits with 1 if there is any.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path

import yaml

from ..pages.certificate import CertificateError, PageCertificate
from ..project.chapters import COMPUTED
from ..project.notebooks import NotebookError, read_notebook

BOOK = Path("book")
HTML = BOOK / "_build" / "html"
CONTENTS = BOOK / "_build" / "source" / "_toc.yml"
FOLDER = Path(COMPUTED).name


class Pictures(HTMLParser):
    """The alternative texts of the pictures in a page's article, None where a picture has none."""

    def __init__(self):
        super().__init__()
        self.articles = 0
        self.texts: list[str | None] = []

    def handle_starttag(self, tag, attributes):
        self.articles += tag == "article"
        if tag == "img" and self.articles:
            self.texts.append(dict(attributes).get("alt"))

    def handle_endtag(self, tag):
        self.articles -= tag == "article"


def pages(contents: dict) -> list[str]:
    """The files that a table of contents names, in its order."""
    named = [contents[key] for key in ("root", "file") if key in contents]
    nested = [entry for key in ("parts", "chapters", "sections") for entry in contents.get(key, ())]
    return named + [name for entry in nested for name in pages(entry)]


def problems_of(page: str) -> list[str]:
    """What is wrong with one page, in sentences."""
    page = page.removesuffix(".md").removesuffix(".ipynb")
    html = HTML / f"{page}.html"
    if not html.is_file():
        return [f"{page} is in the table of contents, but there is no {html}."]
    pictures = Pictures()
    pictures.feed(html.read_text(encoding="utf-8"))
    found = [
        f"{html}: a picture's alternative text is {text!r}; say what it shows in words."
        for text in pictures.texts
        if _wordless(text)
    ]
    if page.startswith(f"{FOLDER}/"):
        found += _half_made(BOOK / f"{page}.ipynb")
    return found


def _half_made(notebook: Path) -> list[str]:
    if (trace := CONTENTS.parent / FOLDER / f"{notebook.stem}.log").is_file():
        log = notebook.parent / ".logs" / trace.name
        return [f"{notebook.stem} failed when it was last run; the trace is in {log if log.is_file() else trace}."]
    if not notebook.is_file():
        return [f"{notebook.stem} is not computed; its page only says so."]
    try:
        run = read_notebook(notebook).metadata.get("papermill", {})
    except NotebookError as error:
        return [f"{error} Compute {notebook.stem} again."]
    found = [] if run.get("duration") and not run.get("exception") else [f"{notebook} is not from a whole run."]
    certificate = notebook.with_suffix(".json")
    try:
        PageCertificate.read(certificate)
    except FileNotFoundError:
        found.append(f"{notebook} has no certificate {certificate.name} beside it.")
    except CertificateError as error:
        found.append(f"{error} Compute {notebook.stem} again.")
    return found


def _wordless(text: str | None) -> bool:
    return len((text or "").split()) < 2


def main() -> None:
    contents = yaml.safe_load(CONTENTS.read_text(encoding="utf-8"))
    listed = pages(contents)
    problems = [problem for page in listed for problem in problems_of(page)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"The book's {len(listed)} pages are all there.")


if __name__ == "__main__":
    main()
