"""Text that shows its own letters, whatever stands in it: names of categories, defects and files, parameters, captions.

The one place where text becomes HTML or Markdown. All other parts of the book hand text on as it is: tables by
`tables.shown`, sentences by `words.say`, sliders by `figures.frame_slider`; figures have formulas switched off
(`figures.use_style`).
"""

import html
import re
from collections.abc import Sequence

_HTML_DOLLAR = "<span>$</span>"  # MathJax reads no formula across the border of an element
_DOLLAR = r"<span>\$</span>"  # the same in Markdown, where a dollar by itself would begin a formula
_MEANT = re.compile(r"([\\`*_{}\[\]<>~|&])")
_AT_THE_START = re.compile(r"^(?:([#+\-:=%(!])|(\d+)([.)])(?=\s|$))")
_TICKS = re.compile("`+")


def in_html(text: str) -> str:
    """Text as HTML between tags. In an attribute, `html.escape` is enough."""
    return html.escape(text).replace("$", _HTML_DOLLAR)


def in_markdown(text: str) -> str:
    """Text as one paragraph of Markdown, a part of one or a cell of a table, as MyST and Jupyter read it; line breaks
    become spaces."""
    escaped = _MEANT.sub(r"\\\1", " ".join(text.splitlines()).strip()).replace("$", _DOLLAR)
    return _AT_THE_START.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\{found[3]}", escaped)


def in_code(text: str, *, cell: bool = False) -> str:
    """Text as code within a paragraph, or within the ``cell`` of a table; line breaks become spaces."""
    line = " ".join(text.splitlines())
    fence = _fence(line, 1)
    space = " " if not line.strip() or line.startswith(("`", " ")) or line.endswith(("`", " ")) else ""
    code = f"{fence}{space}{line}{space}{fence}"
    return code.replace("|", r"\|") if cell else code


def in_block(lines: Sequence[str], language: str) -> list[str]:
    """Lines as a block of code."""
    fence = _fence("\n".join(lines), 3)
    return [f"{fence}{language}", *lines, fence]


def _fence(text: str, least: int) -> str:
    return "`" * max(least, 1 + max(map(len, _TICKS.findall(text)), default=0))
