"""Render the computed pages and the book's prose as HTML, execution off, warnings being errors, and check the result.

    python -m zsas_book.site.render [PROFILE]

Run in the project's folder. What is rendered is staged in book/_build/source first: see zsas_book/site/staging.py. A
page that failed or is not there is rendered as one that says so, and the exit status is 1. A failed build leaves no
cache of read pages behind: Sphinx does not repeat the warnings of a page that it finds there, so the next build would
pass.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from ..machine.warm import command
from ..pages.states import page_state
from ..project.chapters import load_pages
from . import check
from .benchmarks_page import write_benchmarks
from .claims import write_claims
from .findings import write_findings
from .reference import write_reference
from .results_index import write_results_index
from .staging import MADE, RUNNABLE, stage
from .status_page import write_status
from .towers_page import write_towers
from .try_it import write_try_it

SOURCE = Path("book/_build/source")
HTML = Path("book/_build/html")


def main(profile: str = "embedded") -> None:
    root = Path.cwd()
    states = [page_state(page, root) for page in load_pages(root, profile).values()]
    stage(root, SOURCE, states)
    write_results_index(root, SOURCE, states)
    write_status(root, SOURCE, states)
    write_claims(root, SOURCE, states)
    write_findings(root, SOURCE, states)
    write_benchmarks(root, SOURCE)
    write_towers(root, SOURCE)
    write_reference(root, SOURCE / MADE)
    write_try_it(root, SOURCE)
    options = ["--config", "_config.yml", "--path-output", "book", "--warningiserror", "--keep-going", "--quiet"]
    options += ["--all"]  # else Sphinx takes over a changed style sheet only where a page changed too
    built = subprocess.run([*command("zsas_book.site.build"), "build", SOURCE, *options], check=False)
    if built.returncode != 0:
        shutil.rmtree("book/_build/.doctrees", ignore_errors=True)
        sys.exit("The book could not be rendered; see the warnings above.")
    for state in states:  # what the theme's download button gives
        if (HTML / "_sources" / "_computed" / f"{state.page.name}.ipynb").is_file():
            shutil.copy(SOURCE / RUNNABLE / f"{state.page.name}.ipynb", HTML / "_sources" / "_computed")
    check.main()


if __name__ == "__main__":
    main(*sys.argv[1:2])
