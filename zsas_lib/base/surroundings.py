"""What a result was made with: the commit, the library's files, the device and the versions of packages."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

from .digests import PACKAGE, file_digest
from .ledger import opened

VERSIONS_OF = ("torch", "torchvision", "open_clip_torch", "kornia", "numpy", "zsas-lib")


def library_files(packages: Sequence[str] = (PACKAGE.name,)) -> dict[str, str]:
    """SHA-256 of every file of these top-level packages that this process depends on so far, by path from their parent
    folder.

    These are its loaded modules and, after `watch_files`, the data files it opened, but for what lies with compiled
    modules. Weights lie beside the file that describes them and are opened by safetensors unseen, so they count as
    opened with it.
    """
    modules = [module for name, module in sys.modules.copy().items() if name.split(".")[0] in packages]
    paths = {Path(file).resolve() for module in modules if (file := getattr(module, "__file__", None))}
    read = [path for path in opened if path.parent.name != "__pycache__" and path.suffix not in (".py", ".pyc", ".pyi")]
    data = {path for path in read if path.is_file()}
    weights = {file for folder in {path.parent for path in data} for file in folder.glob("*.safetensors")}
    return {path.relative_to(PACKAGE.parent).as_posix(): file_digest(path) for path in sorted(paths | data | weights)}


@cache
def commit() -> str:
    """The commit that the library is checked out at, ``+ changes`` where the work tree differs, else "unknown"; as it
    was when this process first asked, since what it has imported is no other."""
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


def device_of(subjects: Iterable[object]) -> str:
    holders = [getattr(subject, "backbone", subject) for subject in subjects]
    devices = {str(device) for holder in holders if (device := getattr(holder, "device", None))} or {"cpu"}
    return ", ".join(f"{device} ({_hardware(device)})" for device in sorted(devices))


def _hardware(device: str) -> str:
    if device.startswith("cuda"):
        return sys.modules["torch"].cuda.get_device_name(device)
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def versions() -> dict[str, str]:
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in VERSIONS_OF:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def digest_of_lines(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
