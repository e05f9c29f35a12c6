"""Many pages: shards, estimates, the plan, the status, the archive of results."""

from ..parts import require

require("nbformat")
