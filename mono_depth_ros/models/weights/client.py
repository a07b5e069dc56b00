# SPDX-License-Identifier: Apache-2.0
"""The few requests to the hub that a fetch takes, and what goes wrong with them in plain words.

Plain HTTP by the standard library: huggingface_hub from 2.0 on starts an interrupted file again from nothing, and a
robot's link seldom carries 1.3 GB in one piece.
"""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.weights.cache import COMMIT, CONFIG, INDEX, PICKLE, PROCESSORS, WEIGHTS

LOGGER = logging.getLogger(__name__)

_REDIRECTS = (301, 302, 303, 307, 308)
_SAFE_NAME = re.compile(r"[\w-][\w.-]*")


class FetchError(ModelError):
    """A fetch that failed; the message is a clause, such as "huggingface.co does not answer within 10 s".

    Attributes:
        passing: True where the same request may go well a moment later.
    """

    def __init__(self, message: str, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository: its name, size in bytes, and digest, which the hub calls ETag.

    64 hexadecimal digits are the SHA-256 of the content, 40 git's SHA-1 of it. `sha256` is what we expect, "" where
    nothing is known.
    """

    name: str
    size: int
    etag: str
    sha256: str = ""


@dataclass(frozen=True)
class Listing:
    """What is to be fetched of a repository at one commit."""

    repository: str
    commit: str
    files: tuple[RemoteFile, ...]


class HubClient:
    """The hub that HF_ENDPOINT names, or huggingface.co, with the token of HF_TOKEN or `hf auth login`."""

    def __init__(self) -> None:
        """Raises FetchError where HF_HUB_OFFLINE is set."""
        from huggingface_hub import constants, get_token

        if constants.HF_HUB_OFFLINE:
            raise FetchError("HF_HUB_OFFLINE is set")
        self.endpoint: str = constants.ENDPOINT
        self.timeout_s = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
        token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
        self._headers = {"User-Agent": "mono_depth_ros", "Accept-Encoding": "identity"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._opener = _opener()

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint).netloc

    def listing(
        self, repository: str, revision: str = "", known: Mapping[str, str] | None = None, file: str = ""
    ) -> Listing:
        """The files of a checkpoint: config.json, the processor's, and safetensors with their index, nothing else.

        Args:
            known: SHA-256 that files must have, by their names.
            file: the one file that is the checkpoint, instead of all these.

        Raises:
            FetchError: the hub cannot be reached, has no such repository, wants a token, or offers no safetensors or
                others than those that are known.
        """
        where = f"{self.endpoint}/api/models/{repository}/revision/{quote(revision or 'main', safe='')}"
        with self._request("GET", where) as response:
            body = response.read(1 << 24)
        try:
            found = json.loads(body)
            commit, names = found["sha"], [item["rfilename"] for item in found["siblings"]]
            if not COMMIT.fullmatch(commit):
                raise ValueError(commit)
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            raise FetchError(
                f"{self.endpoint} answers with something that is no hub's: a proxy, a login page, or a wrong "
                "HF_ENDPOINT"
            ) from error
        if COMMIT.fullmatch(revision) and commit != revision:
            raise FetchError(f"{self.endpoint} answers with the commit {commit}, expected {revision}")
        files = tuple(self._file(repository, commit, name, (known or {}).get(name, "")) for name in wanted(names, file))
        return Listing(repository, commit, files)

    def open(self, listing: Listing, name: str, offset: int = 0) -> Any:
        """A response with the content of a file from the byte `offset` on: 206, or 200 with all of it.

        Raises:
            FetchError: see `listing`.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        return self._request("GET", self._url(listing.repository, listing.commit, name), headers)

    def _url(self, repository: str, commit: str, name: str) -> str:
        return f"{self.endpoint}/{repository}/resolve/{commit}/{quote(name)}"

    def _file(self, repository: str, commit: str, name: str, sha256: str) -> RemoteFile:
        with self._request("HEAD", self._url(repository, commit, name)) as response:
            headers = response.headers
        etag = headers.get("X-Linked-Etag") or headers.get("ETag") or ""
        etag = etag.removeprefix("W/").strip('"')
        size = headers.get("X-Linked-Size") or headers.get("Content-Length") or ""
        if not _SAFE_NAME.fullmatch(etag) or not size.isdigit():
            raise FetchError(f"{self.endpoint} gives no size and ETag of {name}: no hub, or a proxy that drops them")
        if sha256 and len(etag) == 64 and etag != sha256:
            raise FetchError(f"{self.host} offers {name} with the SHA-256 {etag}, expected {sha256}: another file")
        return RemoteFile(name, int(size), etag, sha256)

    def _request(self, method: str, url: str, extra: dict[str, str] | None = None) -> Any:
        headers = {**self._headers, **(extra or {})}
        for _ in range(6):
            try:
                return self._opener.open(Request(url, headers=headers, method=method), timeout=self.timeout_s)
            except HTTPError as error:
                target = error.headers.get("Location")
                if error.code not in _REDIRECTS or not target:
                    raise self._refused(error, url) from error
                if method == "HEAD" and error.headers.get("X-Linked-Etag"):
                    return error  # the hub's own word on a file that lies elsewhere
                error.close()
                target = urljoin(url, target)
                if urlsplit(target).scheme not in ("http", "https"):
                    raise FetchError(f"{urlsplit(url).netloc} sends us to {target}, expected http or https") from error
                if urlsplit(target)[:2] != urlsplit(url)[:2]:
                    headers.pop("Authorization", None)  # not for the store of the files
                url = target
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise unreachable(error, urlsplit(url).netloc, self.timeout_s) from error
        raise FetchError(f"{urlsplit(url).netloc} sends us around in circles")

    def _refused(self, error: HTTPError, url: str) -> FetchError:
        code, host = error.headers.get("X-Error-Code") or "", urlsplit(url).netloc
        said = f"{host} says {error.code}"
        login = "log in with `hf auth login` or set HF_TOKEN"
        if code == "GatedRepo" or error.code == 403:
            page = f"ask for it on the model's page at {self.host} and {login}"
            doubt = "" if code == "GatedRepo" else ", unless it is a proxy that says so"
            return FetchError(f"{said}: access must be granted first: {page}{doubt}")
        if error.code == 401:
            return FetchError(f"{said}: there is no such repository, or it is private or gated: {login}")
        if error.code == 404:
            missing = {"RevisionNotFound": "revision", "EntryNotFound": "file"}.get(code, "repository")
            return FetchError(f"{said}: there is no such {missing}")
        if error.code == 429:
            return FetchError(f"{said}: too many requests, try again later", passing=True)
        if error.code >= 500:
            return FetchError(f"{said}: it has trouble of its own, try again later", passing=True)
        return FetchError(f"{said}: {error.reason}")


def wanted(names: list[str], file: str = "") -> list[str]:
    """Of a repository's files those that are fetched: `file`, or a checkpoint of transformers.

    Of that never code, nothing from folders, and a pickle, of which only tensors are read, where there is nothing else.

    Raises:
        FetchError: they are not there; says what there is.
    """
    if file:
        if file not in names:
            raise FetchError(f"the repository has no {file}, expected it there")
        return [file]
    names = sorted(name for name in names if isinstance(name, str) and _SAFE_NAME.fullmatch(name))
    if WEIGHTS in names:
        weights = [WEIGHTS]
    elif INDEX in names:
        weights = [INDEX, *(name for name in names if name.endswith(".safetensors"))]
    elif PICKLE in names:
        weights = [PICKLE]
    else:
        kinds = (".safetensors", ".bin", ".pth", ".pt", ".onnx", ".h5", ".msgpack")
        there = [name for name in names if name.endswith(kinds)]
        found = f"only {', '.join(there[:5])}" if there else "no weights"
        pickles = any(name.endswith((".bin", ".pth", ".pt")) for name in there)
        why = ", which can run code when loaded" if pickles else ""
        pull = "; a pull request of the hub's converter may have it: --revision refs/pr/NUMBER" if pickles else ""
        raise FetchError(f"the repository has {found}{why}, expected {WEIGHTS}{pull}")
    if CONFIG not in names:
        raise FetchError(f"the repository has no {CONFIG}, expected a checkpoint of transformers")
    return [CONFIG, *(name for name in PROCESSORS if name in names), *weights]


def unreachable(error: Exception, host: str, timeout_s: float) -> FetchError:
    """A failed connection in plain words."""
    reason = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    if isinstance(reason, socket.gaierror):
        return FetchError(f"the name {host} cannot be resolved: no network here, or no DNS")
    if isinstance(reason, TimeoutError):
        return FetchError(f"{host} does not answer within {timeout_s:g} s", passing=True)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return FetchError(f"the certificate of {host} is not trusted ({reason.verify_message})")
    if isinstance(reason, ConnectionRefusedError):
        return FetchError(f"{host} refuses connections")
    said = getattr(reason, "strerror", None) or str(reason).strip().partition("\n")[0] or type(reason).__name__
    passing = isinstance(reason, (ConnectionError, http.client.HTTPException, ssl.SSLError))
    return FetchError(f"the connection to {host} failed ({said})", passing)


class _Stay(HTTPRedirectHandler):
    """Redirects are followed by hand, so that the token does not go along."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _opener() -> OpenerDirector:
    context = ssl.create_default_context()
    try:
        import certifi  # containers often have no certificates of their own

        context.load_verify_locations(certifi.where())
    except (ImportError, OSError):
        LOGGER.debug("no certifi: the system's certificates alone")
    return build_opener(_Stay, HTTPSHandler(context=context))
