"""The place in a page where the model runs: a button until it is pressed, and nothing is loaded before."""

import html
from collections.abc import Mapping
from pathlib import Path

TEMPLATE = Path(__file__).with_name("form.html").read_text(encoding="utf-8")
"""A text for `str.format`, so that braces of script stand twice."""
FORMS = ("full", "windows", "rotation")
"""All of it; the map and its windows; rotation and the worst angle."""
ALONE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 70rem; padding: 0 1rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
{form}
</body>
</html>
"""


def form(scripts: str, sizes: Mapping[str, int], kind: str = "full", label: str = "Load the model") -> str:
    """HTML of one of `FORMS`, whose scripts lie in the folder ``scripts``, seen from the page; ``sizes`` are those that
    `export_page` gave."""
    loaded = sum(size for name, size in sizes.items() if name != "words.js")
    return TEMPLATE.format(
        form=kind, scripts=html.escape(scripts), label=html.escape(label), megabytes=f"{loaded / 1e6:.1f}"
    )


def page_alone(sizes: Mapping[str, int], title: str) -> str:
    """A page of its own, beside the scripts."""
    return ALONE.format(title=html.escape(title), form=form("", sizes))
