"""A picture of a method's steps: boxes and arrows, from top to bottom, so that it fits a narrow page."""

import textwrap
from collections.abc import Collection, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch

from .style import INK, SERIES, use_style

WIDTH = 7.0  # inches
LINE, SPACE = 0.17, 0.42  # inches: a line of text, and the room for the arrows between two steps
CHARACTERS = 13  # to an inch of a box
EDGE = 0.02  # inches above the first box and below the last, for their lines


def steps(stages: Sequence[str | Sequence[str]], learned: Collection[str] = ()) -> Figure:
    """Boxes with arrows between them, one row a step, several boxes where things run side by side.

    As many boxes below as many are joined one by one, one box to all of its neighbours, other numbers each to all.
    Boxes whose text is among ``learned`` are drawn in colour and explained by a legend. Text is wrapped to its box, and
    may hold matplotlib's formulas where it needs no wrapping. Raises ValueError for no step, or a learned one that is
    no box.
    """
    rows = [[stage] if isinstance(stage, str) else list(stage) for stage in stages]
    boxes = [text for row in rows for text in row]
    if not boxes or set(learned) - set(boxes):
        raise ValueError(f"Expected steps, and learned ones among them; got {boxes} and {sorted(learned)}.")
    use_style()
    widths = [min(WIDTH / len(row) - 0.25, 4.6) for row in rows]
    wrapped = [[_wrapped(text, width) for text in row] for row, width in zip(rows, widths)]
    heights = [LINE * (1.2 + max(text.count("\n") + 1 for text in row)) for row in wrapped]
    total = sum(heights) + SPACE * (len(rows) - 1)
    figure, axes = plt.subplots(figsize=(WIDTH, total + (0.4 if learned else 0.1)))
    axes.set(xlim=(0, WIDTH), ylim=(-total - EDGE, EDGE))
    axes.set_axis_off()
    top, above = 0.0, []
    for row, texts, width, height in zip(rows, wrapped, widths, heights):
        middles = [WIDTH * (place + 0.5) / len(row) for place in range(len(row))]
        for name, text, middle in zip(row, texts, middles):
            colour = SERIES[1] if name in learned else INK
            shape = FancyBboxPatch(
                (middle - width / 2, top - height), width, height, boxstyle="round,pad=0,rounding_size=0.08"
            )
            shape.set(facecolor="none", edgecolor=colour, linewidth=1.8 if name in learned else 1.2)
            axes.add_patch(shape)
            place = {"ha": "center", "va": "center", "fontsize": 9, "color": INK}
            axes.text(middle, top - height / 2, text, parse_math=True, **place)
        for start, end in _joined(above, middles):
            arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.2, "shrinkA": 1, "shrinkB": 1}
            axes.annotate("", (end, top), (start, top + SPACE), arrowprops=arrow)
        above, top = middles, top - height - SPACE
    if learned:
        kinds = [
            Patch(facecolor="none", edgecolor=SERIES[1], label="learned"),
            Patch(facecolor="none", edgecolor=INK, label="fixed"),
        ]
        for patch in kinds:
            patch.set_linewidth(1.5)
        figure.legend(handles=kinds, loc="outside upper center", ncols=2)
    return figure


def _wrapped(text: str, width: float) -> str:
    lines = text.split("\n")
    return (
        text
        if "$" in text
        else "\n".join(part for line in lines for part in textwrap.wrap(line, int(CHARACTERS * width)))
    )


def _joined(above: list[float], below: list[float]) -> list[tuple[float, float]]:
    if len(above) == len(below):
        return list(zip(above, below))
    return [(start, end) for start in above for end in below]
