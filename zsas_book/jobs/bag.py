"""Zip archives laid out as BagIt bags (RFC 8493): payload in ``data/``, a digest for every file, and what the bag is.

Unpacked by any program, a bag is checked with ``sha256sum -c manifest-sha256.txt`` in its folder.
"""

import hashlib
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from zsas_lib.base.digests import file_digest

DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
BAGIT, INFO, MANIFEST, TAG_MANIFEST = "bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"
TAGS = (BAGIT, INFO, MANIFEST, TAG_MANIFEST)
PAYLOAD = "data/"
TAG_LIMIT = 100_000_000  # bytes of a tag file; a name in the manifest takes some 200
MOST_TIMES, MOST_BYTES = 100, 1_000_000  # how much larger than packed a file may be; below so many bytes as it likes
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1


class BagError(ValueError):
    """A zip archive that is no bag, or whose files are not those that it lists. The message names the file."""


@dataclass(frozen=True)
class Bag:
    """A bag in a zip archive: the folder ``base`` that holds it, its ``info``, the SHA-256 of every file of the payload
    by its name below ``data/``, and how many ``octets`` these files have together."""

    base: str
    info: Mapping[str, str]
    files: Mapping[str, str]
    octets: int


def write_bag(archive: zipfile.ZipFile, base: str, files: Mapping[str, Path], info: Mapping[str, str]) -> None:
    """Write ``files``, by their names below ``data/``, as the bag in the folder ``base`` of an archive that is open for
    writing; ``info`` is what else ``bag-info.txt`` says."""
    octets = sum(file.stat().st_size for file in files.values())
    tags = {
        BAGIT: DECLARATION,
        INFO: "".join(f"{k}: {v}\n" for k, v in {**info, "Payload-Oxum": f"{octets}.{len(files)}"}.items()),
        MANIFEST: "".join(f"{file_digest(file)}  {PAYLOAD}{name}\n" for name, file in files.items()),
    }
    tags[TAG_MANIFEST] = "".join(f"{_digest(text)}  {name}\n" for name, text in tags.items())
    for name, text in tags.items():
        archive.writestr(f"{base}/{name}", text)
    for name, file in files.items():
        archive.write(file, f"{base}/{PAYLOAD}{name}")


def read_bag(archive: zipfile.ZipFile) -> Bag:
    """The bag in an archive, whose tag files are checked and whose payload is there, but not read yet.

    Raises BagError.
    """
    names = [name for name in archive.namelist() if not name.endswith("/")]
    base = names[0].partition("/")[0] if names else ""
    tags = {name: _tag(archive, f"{base}/{name}") for name in TAGS}
    if tags[BAGIT] != DECLARATION:
        raise BagError(f"{BAGIT} is not that of a bag of version 1.0")
    for name, digest in _digests(tags[TAG_MANIFEST], TAG_MANIFEST).items():
        if name not in tags or _digest(tags[name]) != digest:
            raise BagError(f"{name} is not what was packed")
    info = dict(line.split(": ", 1) for line in tags[INFO].splitlines() if ": " in line)
    octets, _, count = info.get("Payload-Oxum", "").partition(".")
    files = _digests(tags[MANIFEST], MANIFEST)
    if not (octets.isdecimal() and count == str(len(files))):
        raise BagError(f"{INFO} does not count the {len(files)} files of {MANIFEST}")
    expected = [*TAGS, *files]
    if sorted(names) != sorted(f"{base}/{name}" for name in expected):
        odd = sorted({*names} ^ {f"{base}/{name}" for name in expected}) or ["a file twice"]
        raise BagError(f"its manifest and its files differ, first in {odd[0].removeprefix(f'{base}/')}")
    return Bag(base, info, {name.removeprefix(PAYLOAD): digest for name, digest in files.items()}, int(octets))


def payload_sizes(archive: zipfile.ZipFile, bag: Bag) -> dict[str, int]:
    """How many bytes each file of the payload has, by its name below ``data/``; nothing is unpacked.

    The sizes are what the archive says, which unpacking does not go beyond. Raises BagError for a file that no packing
    of results makes so small, that is encrypted or packed by another method, and for a payload of another size than
    the bag counts.
    """
    sizes = {name: _size(archive, _member(bag, name)) for name in bag.files}
    if (octets := sum(sizes.values())) > bag.octets:
        raise BagError(f"its files have more than the {bag.octets} bytes that {INFO} counts")
    if octets < bag.octets:
        raise BagError(f"its files have {bag.octets - octets} bytes less than {INFO} counts")
    return sizes


def extract_payload(archive: zipfile.ZipFile, bag: Bag, folder: Path) -> None:
    """Write the payload below ``folder``, as far as it is what the bag lists. Names and sizes are not checked.

    Raises BagError for a file that cannot be unpacked or is of another content.
    """
    for name, digest in bag.files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as target, _opened(archive, _member(bag, name)) as source:
            shutil.copyfileobj(source, target)  # no more than its file_size, which zipfile holds it to
        if file_digest(place) != digest:
            raise BagError(f"{name} is not what was packed")


@contextmanager
def _opened(archive: zipfile.ZipFile, member: str) -> Iterator[IO[bytes]]:
    try:
        with archive.open(member) as source:
            yield source
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BagError(f"{member} cannot be unpacked: {error}") from error


def _member(bag: Bag, name: str) -> str:
    return f"{bag.base}/{PAYLOAD}{name}"


def _size(archive: zipfile.ZipFile, member: str) -> int:
    """A file's size as the archive says. Raises BagError for one that is not to be unpacked."""
    info = archive.getinfo(member)
    if info.flag_bits & ENCRYPTED or info.compress_type not in METHODS:
        raise BagError(f"{member} is encrypted, or packed by a method other than deflate")
    if info.file_size > max(MOST_BYTES, MOST_TIMES * info.compress_size):
        raise BagError(
            f"{member} would grow from {info.compress_size} to {info.file_size} bytes; expected at most "
            f"{MOST_TIMES} times as many, as results and pages do not shrink so far"
        )
    return info.file_size


def _tag(archive: zipfile.ZipFile, name: str) -> str:
    try:
        if _size(archive, name) > TAG_LIMIT:
            raise BagError(f"{name} is too large")
        with _opened(archive, name) as file:
            return file.read().decode()
    except (KeyError, UnicodeDecodeError):
        raise BagError(f"it has no {name.rpartition('/')[2]}") from None


def _digests(manifest: str, name: str) -> dict[str, str]:
    lines = [line.split("  ", 1) for line in manifest.splitlines()]
    if not all(len(line) == 2 for line in lines) or len({line[1] for line in lines}) < len(lines):
        raise BagError(f"{name} is not one line of digest and name for each file")
    if name == MANIFEST and not all(line[1].startswith(PAYLOAD) for line in lines):
        raise BagError(f"{name} lists files outside {PAYLOAD}")
    return {line[1]: line[0] for line in lines}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
