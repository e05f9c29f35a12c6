"""From computed pages to the rendered book."""

from ..parts import require

require("jupyter_book", "jupytext", "nbformat", "sphinx", "yaml")
