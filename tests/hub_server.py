"""A Hugging Face hub of a test's own: its files by HTTP on the loopback address, for the real client."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RESOLVE = re.compile(r"/([\w.-]+/[\w.-]+)/resolve/([\w.-]+)/(.+)")
LISTED = re.compile(r"/api/models/([\w.-]+/[\w.-]+)(/revision/\w+|/tree/[^?]+)?(\?.*)?")
TOKEN = "hf_of_the_test"
PROXIES = [f"{name}_proxy" for name in ("http", "https", "all")]


@dataclass
class Hub:
    """What a server has, and what was asked of it.

    :param files: content by repository and name; :param private: repositories for whoever shows `TOKEN`;
        :param gated: those for nobody yet; :param damaged: files whose content is not what the digest tells;
        :param cut: files that break off in the middle, once; :param down: whether it answers 503 to everything;
        :param seen: method, name and first byte asked for, of each request.
    """

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    down: bool = False
    seen: list[tuple[str, str, int]] = field(default_factory=list)

    def fetched(self) -> list[str]:
        """The names of which content was asked for, in order."""
        return [name for method, name, _ in self.seen if method == "GET"]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._answer(False)

    def do_GET(self):
        self._answer(True)

    def log_message(self, *arguments):
        pass

    def _answer(self, with_content: bool) -> None:
        hub, found = self.hub, RESOLVE.fullmatch(self.path)
        repository, revision, name = found.groups() if found else ("", "", self.path)
        first = int(re.sub(r"\D", "", self.headers.get("Range", "") or "0"))
        if found:  # the client asks for more, once, where it runs under an assistant
            hub.seen.append((self.command, name, first))
        content = hub.files.get((repository, name))
        if listed := LISTED.fullmatch(self.path):
            return self._list(*listed.groups()[:2])
        if hub.down:
            return self._refuse(503)
        if repository in hub.gated:
            return self._refuse(403, "GatedRepo")
        known = any(own == repository for own, _ in hub.files)
        if not known or (repository in hub.private and TOKEN not in self.headers.get("Authorization", "")):
            return self._refuse(401, "RepoNotFound")
        if revision not in ("main", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        if content is None:
            return self._refuse(404, "EntryNotFound")
        digest = hashlib.sha256(content).hexdigest()
        if name in hub.damaged:
            content = content[:-1] + bytes([content[-1] ^ 1])
        part = content[first:]
        self.send_response(206 if first else 200)
        self.send_header("ETag", f'"{digest}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Accept-Ranges", "bytes")
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if with_content and name in hub.cut:
            hub.cut.remove(name)
            self.wfile.write(part[: len(part) // 2])
            self.close_connection = True
        elif with_content:
            self.wfile.write(part)

    def _list(self, repository: str, part: str | None) -> None:
        """What is in a repository, as transformers asks where it looks for a tokenizer's files."""
        names = [name for own, name in self.hub.files if own == repository]
        files = [{"type": "file", "path": name, "oid": COMMIT, "size": 1} for name in names]
        told = {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
        if "/tree/" in (part or ""):
            told = [] if part.count("/") > 2 else files  # no folder has any
        content = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, status: int, code: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("X-Repo-Commit", COMMIT)
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()


@contextmanager
def serving() -> Iterator[tuple[Hub, str]]:
    """A server, and its address."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def use(address: str, cache: str, patch: pytest.MonkeyPatch) -> None:
    """The client asks this server, with an empty cache of its own and no token."""
    for name in PROXIES:
        patch.delenv(name, raising=False)
        patch.delenv(name.upper(), raising=False)
    patch.delenv("HF_TOKEN", raising=False)
    constants = huggingface_hub.constants
    patch.setattr(constants, "ENDPOINT", address)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    patch.setattr(constants, "HF_HUB_CACHE", cache)
    patch.setattr(constants, "HF_TOKEN_PATH", f"{cache}/token")
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
