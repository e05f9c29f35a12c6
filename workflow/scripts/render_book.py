"""Render the computed pages and the book's prose as HTML, execution off, warnings being errors, and check the result.

Run in the project's folder. A failed build leaves no cache of read pages behind: Sphinx does not repeat the warnings of
a page that it finds there, so the next build would pass.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import check_book


def main() -> None:
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    options = ["--config", "_config.yml", "--path-output", "book", "--warningiserror", "--keep-going", "--quiet"]
    options += ["--all"]  # else Sphinx takes over a changed style sheet only where a page changed too
    built = subprocess.run([jupyter_book, "build", "book", *options], check=False)
    if built.returncode != 0:
        shutil.rmtree("book/_build/.doctrees", ignore_errors=True)
        sys.exit("The book could not be rendered; see the warnings above.")
    check_book.main()


if __name__ == "__main__":
    main()
