"""From a notebook to a computed page, with the certificate that says what it was made from."""

from ..parts import require

require("ipykernel", "nbclient", "nbformat", "papermill")
