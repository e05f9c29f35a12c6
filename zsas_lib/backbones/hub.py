"""Files of the Hugging Face hub, and of open_clip's own addresses: in the cache, or downloaded by their own clients.

Resuming a download that broke off, comparing its size and keeping it is huggingface_hub's work. It compares no digests:
that is done here, once for each file that it has downloaded.
"""

import hashlib
import os
import re
import socket
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from urllib.parse import urlsplit

import huggingface_hub
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from open_clip.pretrained import download_pretrained_from_url

from ..base.errors import DataError
from ..base.places import expanded

HUB = "hf-hub:"
LOCAL = "local-dir:"
CONNECT_SECONDS = 5

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CREDENTIALS = "give a token that may read it, in HF_TOKEN or by `hf auth login`"
_FETCHES = ContextVar("fetches", default=True)


class NotInRepositoryError(DataError):
    """A repository of the hub is there, and the file that was asked for is not in it."""


@contextmanager
def nothing_fetched() -> Iterator[None]:
    """While it is entered, what is not in the cache is said to be missing, and no server is asked."""
    before = _FETCHES.set(False)
    try:
        yield
    finally:
        _FETCHES.reset(before)


def hub_file(repository: str, *names: str, revision: str | None = None) -> Path:
    """The first of `names` in a Hugging Face repository that is cached or can be downloaded, `revision` a commit.

    Raises NotInRepositoryError if there is none, and DataError, naming the file, where it cannot be had: at once, not
    after retries, where the hub cannot be reached, and for a download whose sha256 is not the one that the hub tells.
    """
    found = _in_cache(repository, names, revision)
    if cached := [path for path in found if isinstance(path, str)]:
        return Path(cached[0])
    wanted = f"{names[0]} of {HUB}{repository}"
    nowhere = NotInRepositoryError(str(_unavailable(wanted, f"the repository has none of {', '.join(names)}")))
    if reason := why_no_downloads():
        raise nowhere if all(it is huggingface_hub._CACHED_NO_EXIST for it in found) else _unavailable(wanted, reason)
    for name in names:
        try:
            return _whole(repository, name, Path(huggingface_hub.hf_hub_download(repository, name, revision=revision)))
        except DataError:
            raise
        except LocalEntryNotFoundError as error:  # the hub did not answer for this one
            raise _unavailable(wanted, _first_line(error.__cause__ or error)) from error
        except EntryNotFoundError:
            continue
        except Exception as error:
            raise _unavailable(wanted, _refused(error, repository)) from error
    raise nowhere


def cached_hub_file(repository: str, *names: str, revision: str | None = None) -> Path | None:
    """The first of `names` in a Hugging Face repository that is in the cache."""
    return next((Path(path) for path in _in_cache(repository, names, revision) if isinstance(path, str)), None)


def _in_cache(repository: str, names: Sequence[str], revision: str | None) -> list[object]:
    """What huggingface_hub knows of each file: its path, that there is none, or nothing."""
    try:
        return [huggingface_hub.try_to_load_from_cache(repository, name, revision=revision) for name in names]
    except HFValidationError:
        raise DataError(
            f"{HUB}{repository} names no repository of the hub, which is ORG/NAME; a folder of this machine is "
            f"{LOCAL}FOLDER."
        ) from None


def url_file(url: str) -> Path:
    """The file at an address that open_clip knows, downloaded by open_clip where it is not here."""
    if not downloaded(url).is_file() and (reason := _unreachable(url)):
        raise _unavailable(url, reason)
    try:
        return Path(download_pretrained_from_url(url))
    except Exception as error:
        raise _unavailable(url, _first_line(error)) from error


def downloaded(url: str) -> Path:
    """Where open_clip keeps what it downloads from an address."""
    return expanded("~/.cache/clip") / os.path.basename(url)


def why_no_downloads() -> str:
    """Why nothing can be downloaded from the Hugging Face hub now, "" where it can."""
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    return _unreachable(huggingface_hub.constants.ENDPOINT)


def _unreachable(url: str) -> str:
    """Why nothing can be asked of a server now, "" where it can: said at once, not after retries."""
    if not _FETCHES.get():
        return "nothing is to be fetched now"
    if urllib.request.getproxies():
        return ""
    address = urlsplit(url)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname, port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        return f"{address.hostname} cannot be reached: {error}"
    return ""


def _whole(repository: str, name: str, path: Path) -> Path:
    """What was downloaded, if it has the digest that the hub tells of large files; else it is taken from the cache."""
    commit = path.parents[name.count("/")].name
    address = huggingface_hub.hf_hub_url(repository, name, revision=commit)
    expected = huggingface_hub.get_hf_file_metadata(address).etag or ""
    if not _SHA256.fullmatch(expected):  # a small file, or a server of another kind
        return path
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == expected:
        return path
    for copy in dict.fromkeys((path.resolve(), path)):
        copy.unlink()
    raise DataError(
        f"{name} of {HUB}{repository} arrived with the sha256 {found[:12]}..., and the hub tells {expected[:12]}...: "
        "it was damaged on its way, or the server gives another file. It is not kept; try again."
    )


def _refused(error: Exception, repository: str) -> str:
    """Why the hub refused, in words."""
    page = f"{huggingface_hub.constants.ENDPOINT}/{repository}"
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, GatedRepoError):
        return f"it is gated: ask for access at {page} and {_CREDENTIALS}"
    if isinstance(error, RepositoryNotFoundError):
        return f"the hub has no such repository, or it is private: then {_CREDENTIALS}"
    if status in (401, 403):
        return f"the hub refuses the token that it was given ({status}): {_CREDENTIALS}"
    return _first_line(error)


def _unavailable(wanted: str, reason: str) -> DataError:
    return DataError(
        f"Cannot fetch {wanted} ({reason}). Download it where there is a network and pass the file as "
        "load_backbone(..., weights=PATH), or pass weights='random' to try the code without it."
    )


def _first_line(error: BaseException) -> str:
    return (_TERMINAL_CODE.sub("", str(error)).strip().splitlines() or [type(error).__name__])[0]
