# SPDX-License-Identifier: Apache-2.0
"""A hub on this machine: as much of the real one's interface as a fetch uses, and its faults on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

LARGE = 1000
"""Files from this size on lie in a store of their own, as the hub's large files do."""


@dataclass
class Request:
    method: str
    path: str
    range: str
    token: str


@dataclass
class Faults:
    """What goes wrong.

    Attributes:
        cut: the connection ends after so many bytes of a large file, as many times as there are numbers.
        stall_at: a large file stops coming after so many bytes until `go_on` is set.
        ranges: False ignores Range and sends everything.
        status: answers to paths that contain the key: a status, and an X-Error-Code.
        token: without it, everything is 401.
        page: every answer is this web page.
        spoil: the first byte of a large file is wrong, so many times.
        silent: nothing is answered until `go_on` is set.
        elsewhere: every request is sent there.
    """

    cut: list[int] = field(default_factory=list)
    stall_at: int | None = None
    go_on: threading.Event = field(default_factory=threading.Event)
    ranges: bool = True
    status: dict[str, tuple[int, str]] = field(default_factory=dict)
    token: str = ""
    page: bytes = b""
    spoil: int = 0
    silent: bool = False
    elsewhere: str = ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that leave are what these tests are about."""


class HubServer:
    """`repositories[name]` is a dict of files; the commit of all of them is `commit`."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.commit = "c" * 40
        self.requests: list[Request] = []
        self.faults = Faults()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> str:
        """Where large files lie: another host, as far as a client can tell."""
        return f"http://localhost:{self.port}"

    def close(self) -> None:
        self.faults.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def asked(self, name: str, method: str = "GET") -> list[Request]:
        """The requests for a file that were answered with its content."""
        return [
            request
            for request in self.requests
            if request.method == method and request.path.endswith("/" + name) and "/resolve/" not in request.path
        ] or [request for request in self.requests if request.method == method and request.path.endswith("/" + name)]


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def etag_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if len(content) >= LARGE else git_sha1(content)


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = unquote(self.path.partition("?")[0])
            token = self.headers.get("Authorization", "")
            hub.requests.append(Request(self.command, path, self.headers.get("Range", ""), token))
            faults = hub.faults
            if faults.silent:
                faults.go_on.wait(30)
                self.close_connection = True
                return None
            for part, (status, code) in faults.status.items():
                if part in path:
                    return self._send(status, b"trouble", {"X-Error-Code": code})
            if faults.elsewhere:
                return self._send(302, b"", {"Location": faults.elsewhere})
            if faults.page:
                return self._send(200, faults.page, {"Content-Type": "text/html"})
            if path.startswith("/store/"):
                return self._large(path)
            if faults.token and token != f"Bearer {faults.token}":
                return self._send(401, b"", {})
            if path.startswith("/api/models/"):
                return self._api(path.removeprefix("/api/models/"))
            repository, _, rest = path.removeprefix("/").partition("/resolve/")
            content = hub.repositories.get(repository, {}).get(rest.partition("/")[2])
            if content is None:
                return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            headers = {"X-Repo-Commit": hub.commit}
            if len(content) < LARGE:
                return self._send(200, content, {**headers, "ETag": f'W/"{etag_of(content)}"'})
            place = f"{hub.store}/store/{repository}/{rest.partition('/')[2]}"
            linked = {"X-Linked-Etag": f'"{etag_of(content)}"', "X-Linked-Size": str(len(content)), "Location": place}
            return self._send(302, b"", {**headers, **linked})

        def _api(self, rest: str) -> None:
            repository, _, revision = rest.partition("/revision/")
            if repository not in hub.repositories:
                return self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
            if revision not in ("main", "refs/pr/7", hub.commit):
                return self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
            names = [{"rfilename": name} for name in hub.repositories[repository]]
            return self._send(200, json.dumps({"sha": hub.commit, "siblings": names}).encode(), {})

        def _large(self, path: str) -> None:
            organisation, name, file = path.removeprefix("/store/").split("/", 2)
            content = hub.repositories[f"{organisation}/{name}"][file]
            faults, asked, start = hub.faults, self.headers.get("Range"), 0
            if faults.spoil and not asked:
                faults.spoil -= 1
                content = bytes([content[0] ^ 1]) + content[1:]
            self.send_response(206 if asked and faults.ranges else 200)
            if asked and faults.ranges:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = min([len(content), *([start + faults.cut.pop(0)] if faults.cut else [])])
            if faults.stall_at is not None and start < faults.stall_at < end:
                self.wfile.write(content[start : faults.stall_at])
                self.wfile.flush()
                faults.go_on.wait(30)
                self.close_connection = True
                return
            self.wfile.write(content[start:end])
            self.close_connection = end < len(content)

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if value:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler
