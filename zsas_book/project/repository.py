"""Where the book's sources are published, as ``_config.yml`` names it."""

from pathlib import Path

import yaml


def repository(root: Path) -> dict[str, str]:
    """``url`` and ``branch`` of the repository as ``_config.yml`` names it; an empty ``url`` where it names none."""
    path = root / "_config.yml"
    found = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("repository") or {} if path.is_file() else {}
    return {"url": (found.get("url") or "").rstrip("/"), "branch": found.get("branch") or "main"}
