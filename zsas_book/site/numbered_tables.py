"""Sphinx extension of the book: what a cell shows under a label ``tab-NAME`` is a table, numbered and captioned as one.

MyST-NB puts a caption under any output of a cell, with ``mystnb: figure:`` in the cell's metadata, and calls it a
figure. Here the ones that hold tables are counted on their own, have their caption above, and are "Table 3" where text
refers to them with ``{numref}``.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

LABEL = re.compile(r"(?:^|-)tab-")


class TableFigure(nodes.figure):
    """A figure that is a table."""


class TablesAreNoFigures(SphinxTransform):
    """Exchange each figure whose label says that it is a table, before labels are gathered and numbers given."""

    default_priority = 500

    def apply(self) -> None:
        for figure in list(self.document.findall(lambda node: type(node) is nodes.figure)):
            if any(LABEL.search(name) for name in figure["names"]):
                captions = [child for child in figure.children if isinstance(child, nodes.caption)]
                shown = [child for child in figure.children if child not in captions]
                table = TableFigure(figure.rawsource, *captions, *shown, **figure.attributes)
                figure.replace_self(table)
                self.document.ids.update({label: table for label in table["ids"]})  # where {numref} looks


def setup(app: Sphinx) -> dict[str, bool]:
    visits = (lambda writer, node: writer.visit_figure(node), lambda writer, node: writer.depart_figure(node))
    app.add_enumerable_node(TableFigure, "table", html=visits, latex=visits)
    app.add_transform(TablesAreNoFigures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
