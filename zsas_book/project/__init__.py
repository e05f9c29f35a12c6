"""The files that make a book: chapters.yaml, notebooks and their parameters."""

from ..parts import require

require("jsonschema", "nbformat", "yaml")
