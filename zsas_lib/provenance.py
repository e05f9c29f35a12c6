"""What a notebook's numbers come from: recorded by its last cell, shown as a table, and kept machine-readable."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .digests import PACKAGE, file_digest

RECORD_TYPE = "application/vnd.zsas.record+json"
VERSIONS_OF = ("torch", "torchvision", "open_clip_torch", "kornia", "numpy", "zsas-lib")

_opened: set[Path] = set()
_weights: dict[str, str] = {}
_results: dict[str, Mapping[str, object]] = {}


@dataclass(frozen=True)
class Record:
    """What `record` found out; a notebook shows it as a table, and carries `facts` as JSON in the same output."""

    facts: Mapping[str, object]

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {RECORD_TYPE: self.facts, "text/markdown": record_table(self.facts), "text/plain": repr(self)}


def record(**subjects: object) -> Record:
    """What this notebook's numbers come from; a notebook's last line: ``record(dataset=dataset, model=model)``.

    Each subject is a data set, a model, a backbone, or a plain fact that JSON can hold, under whatever name the table
    shall show. The commit, the library files loaded so far, the device and the versions are found out here. Without
    git the commit is "unknown"; nothing else is needed either, so this works wherever the notebook runs.
    """
    files = library_files()
    return Record(
        {
            "commit": commit(),
            "library": {"digest": _digest(f"{name} {digest}" for name, digest in files.items()), "files": files},
            "subjects": {name: _describe(subject) for name, subject in subjects.items()},
            "weights": dict(_weights),
            "results": _where_made(_results.values()),
            "device": _device(subjects.values()),
            "versions": _versions(),
        }
    )


def record_table(facts: Mapping[str, object]) -> str:
    """The Markdown table that stands for recorded `facts` on a page."""
    rows = [("commit", f"`{facts['commit']}`"), ("library", _short(facts["library"]["digest"]))]
    rows += [(name, _in_words(described)) for name, described in facts["subjects"].items()]
    rows += [("results", f"{made['count']} made on {made['device']} at commit `{made['commit']}`, {made['days']}") for made in facts.get("results", ())]
    rows += [("device", facts["device"]), ("versions", ", ".join(f"{k} {v}" for k, v in facts["versions"].items()))]
    rows += [(name, facts[name]) for name in ("computed", "duration") if name in facts]
    return "\n".join(["| what | which |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def note_result(made: Mapping[str, object]) -> None:
    """From now on, `record` says where this result of the store was made: its device, commit and day."""
    _results[str(made["file"])] = made


def _where_made(results: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """One entry for each device and commit that stored results were made with, most results first."""
    groups: dict[tuple, list[str]] = {}
    for made in results:
        groups.setdefault((made["device"], made["commit"]), []).append(str(made["created"])[:10])
    entries = [
        {"count": len(days), "device": device, "commit": commit, "days": " to ".join(sorted({min(days), max(days)}))}
        for (device, commit), days in groups.items()
    ]
    return sorted(entries, key=lambda entry: -entry["count"])


def watch_files() -> None:
    """From now on, note which of the library's data files this process opens, for `library_files`."""

    def note(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str | os.PathLike):
            path = Path(arguments[0])
            if path.is_relative_to(PACKAGE):
                _opened.add(path)

    sys.addaudithook(note)


def note_weights(path: Path) -> None:
    """Note that this process read its weights from a file, for `record`; those in the library are `library_files`."""
    if not path.is_relative_to(PACKAGE):
        _weights[str(path.absolute())] = file_fingerprint(path)


def file_fingerprint(path: Path) -> str:
    """Size and time of a file, other whenever its content is."""
    status = path.stat()
    return f"{status.st_size} bytes of {status.st_mtime_ns}"


def library_files() -> dict[str, str]:
    """SHA-256 of every library file this process depends on so far, by path from the library's parent folder.

    These are its loaded modules and, after `watch_files`, the data files it opened. Weights lie beside the file that
    describes them and are opened by safetensors unseen, so they count as opened with it.
    """
    name = PACKAGE.name
    modules = [m for key, m in sys.modules.copy().items() if key == name or key.startswith(f"{name}.")]
    paths = {Path(module.__file__).resolve() for module in modules if getattr(module, "__file__", None)}
    data = {path for path in _opened if path.is_file() and path.suffix not in (".py", ".pyc", ".pyi")}
    weights = {file for folder in {path.parent for path in data} for file in folder.glob("*.safetensors")}
    return {path.relative_to(PACKAGE.parent).as_posix(): file_digest(path) for path in sorted(paths | data | weights)}


def commit() -> str:
    """The commit that the library is checked out at, ``+ changes`` where the work tree differs, else "unknown"."""
    if _git("rev-parse", "--show-toplevel") != str(PACKAGE.parent):
        return "unknown"
    head = _git("rev-parse", "--short=12", "HEAD")
    return head + (" + changes" if _git("status", "--porcelain", "--untracked-files=no") else "") if head else "unknown"


def _git(*arguments: str) -> str:
    try:
        run = subprocess.run(["git", "-C", str(PACKAGE), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


def _describe(subject: object) -> object:
    if hasattr(subject, "records") and hasattr(subject, "digest"):
        described = {"data set": subject.name, "pictures": len(subject), "categories": list(subject.categories)}
        return described | {"root": str(subject.root), "digest": subject.digest}
    if hasattr(subject, "backbone"):
        return {"model": subject.name, "options": dict(subject.options), "backbone": _describe(subject.backbone)}
    if hasattr(subject, "embed_dim") and hasattr(subject, "digest"):
        described = {"backbone": subject.name, "precision": subject.precision}
        return described | {"image size": subject.image_size, "digest": subject.digest}
    return subject


def _in_words(described: object) -> str:
    if not isinstance(described, Mapping):
        return str(described)
    parts = []
    for name, value in described.items():
        if name == "root" or value in ({}, []):
            continue
        if name == "digest":
            parts.append(_short(value))
        elif isinstance(value, Mapping):
            parts.append(_in_words(value) if name == "backbone" else f"{name} {_in_words(value)}")
        elif name == "categories":
            parts.append("1 category" if len(value) == 1 else f"{len(value)} categories")
        else:
            parts.append(f"{name} {value}")
    return ", ".join(parts)


def _device(subjects: Iterable[object]) -> str:
    holders = [getattr(subject, "backbone", subject) for subject in subjects]
    devices = {str(holder.device) for holder in holders if hasattr(holder, "device")} or {"cpu"}
    return ", ".join(f"{device} ({_hardware(device)})" for device in sorted(devices))


def _hardware(device: str) -> str:
    if device.startswith("cuda"):
        return sys.modules["torch"].cuda.get_device_name(device)
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in VERSIONS_OF:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _short(digest: str) -> str:
    return f"`sha256:{digest[:12]}`"
