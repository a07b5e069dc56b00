# SPDX-License-Identifier: Apache-2.0
"""Everything that can go wrong with a fetch is one sentence that says what to do."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path
from urllib.error import URLError

import pytest
from huggingface_hub import constants

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.weights import client, fetch
from mono_depth_ros.models.weights.client import unreachable, wanted


def error_of(repository: str = "org/depth", revision: str = "") -> str:
    with pytest.raises(ModelError) as caught:
        fetch.fetch(repository, revision)
    message = str(caught.value)
    assert message.startswith(f"{repository} cannot be fetched: ") and "\n" not in message
    assert f"mono_depth models fetch {repository} --out depth" in message
    return message.removeprefix(f"{repository} cannot be fetched: ")


def test_offline_with_nothing_cached_says_what_to_do_and_where_to_put_it(cache, monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert error_of(revision="a" * 40) == (
        "HF_HUB_OFFLINE is set. Where there is network run `mono_depth models fetch org/depth --out depth` (or `hf "
        f"download org/depth --revision {'a' * 40} --local-dir depth`), then copy the folder depth to this machine and "
        "give its path as the model (model:=/path/to/depth), or fetch it there without --out and copy its cache folder "
        f"to {cache / 'models--org--depth'}"
    )


def test_a_model_of_the_catalogue_is_called_by_its_name(cache, monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for entry in CATALOGUE.values():
        if entry.hub:
            with pytest.raises(ModelError, match=f"run `mono_depth models fetch {entry.name} --out "):
                fetch.fetch(entry.hub, entry.revision, file=entry.hub_file)


def test_offline_with_another_revision_cached_says_where_it_is(hub, monkeypatch) -> None:
    directory = fetch.fetch("org/depth")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert error_of(revision="a" * 40).endswith(f"; another revision of it is here: model:={directory}")


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "", "says 401: there is no such repository, or it is private or gated: log in with `hf auth login`"),
        (401, "GatedRepo", "says 401: access must be granted first"),
        (403, "", "or set HF_TOKEN, unless it is a proxy that says so. Where"),
        (404, "RepoNotFound", "says 404: there is no such repository"),
        (404, "RevisionNotFound", "says 404: there is no such revision"),
        (418, "", "says 418: "),
        (429, "", "says 429: too many requests, try again later"),
        (503, "", "says 503: it has trouble of its own, try again later"),
    ],
)
def test_refusals_of_the_hub(hub, status: int, code: str, said: str) -> None:
    hub.faults.status = {"/api/": (status, code)}
    assert said in error_of()


def test_trouble_in_the_middle_is_tried_again(hub) -> None:
    hub.faults.status = {"/store/": (503, "")}
    assert "says 503" in error_of()
    assert len(hub.asked("model.safetensors")) == 5


def test_an_absent_file_is_not_tried_again(hub) -> None:
    hub.faults.status = {"/store/": (404, "EntryNotFound")}
    assert "there is no such file" in error_of()
    assert len(hub.asked("model.safetensors")) == 1


@pytest.mark.parametrize("page", [b"<html>log in to the airport</html>", b"[]", b'{"sha": "main", "siblings": []}'])
def test_a_login_page_is_no_hub(hub, page: bytes) -> None:
    hub.faults.page = page
    assert "answers with something that is no hub's: a proxy, a login page, or a wrong HF_ENDPOINT" in error_of()


def test_a_mirror_with_another_commit(hub) -> None:
    wrong = b'{"sha": "%s", "siblings": []}' % (b"d" * 40)
    hub.faults.page = wrong
    assert f"answers with the commit {'d' * 40}, expected {'a' * 40}" in error_of(revision="a" * 40)


def test_redirects_to_nowhere(hub) -> None:
    hub.faults.elsewhere = "/circle"
    assert "sends us around in circles" in error_of()
    hub.faults.elsewhere = "file:///etc/passwd"
    assert f"127.0.0.1:{hub.port} sends us to file:///etc/passwd, expected http or https" in error_of()


def test_a_silent_hub(hub, monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    hub.faults.silent = True
    assert f"127.0.0.1:{hub.port} does not answer within 0.2 s" in error_of()


def test_a_hub_that_falls_silent_is_asked_for_the_rest(hub, monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    hub.faults.stall_at = 1000
    fetch.fetch("org/depth")
    assert [request.range for request in hub.asked("model.safetensors")] == ["", "bytes=1000-"]


def test_nobody_listens(hub, monkeypatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    assert f"127.0.0.1:{port} refuses connections" in error_of()


def test_a_name_that_cannot_be_resolved(hub, monkeypatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://hub.invalid")
    assert "the name hub.invalid cannot be resolved: no network here, or no DNS" in error_of()


def test_an_endpoint_that_is_no_address(hub, monkeypatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "hf-mirror.com")
    assert "unknown url type" in error_of()


def test_certificates() -> None:
    error = ssl.SSLCertVerificationError(1, "failed")
    error.verify_message = "self-signed certificate"
    found = unreachable(URLError(error), "hub.local", 10)
    assert str(found) == "the certificate of hub.local is not trusted (self-signed certificate)" and not found.passing


def test_a_full_disk_is_found_before(hub, monkeypatch) -> None:
    usage = type("Usage", (), {"free": 100_000})
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: usage)
    assert "0 MB more are needed in" in error_of() and not hub.asked("model.safetensors")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_fills_up_on_the_way(hub, cache, files, hub_module) -> None:
    blobs = cache / "models--org--depth" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{hub_module.etag_of(files['model.safetensors'])}.partial").symlink_to("/dev/full")
    assert f"the disk of {blobs} is full: make room and fetch again, what has come so far is kept" in error_of()


def test_a_cache_that_cannot_be_written(hub, cache) -> None:
    cache.write_text("a file where the cache should be")
    assert f"{cache}" in error_of() and "cannot be written (Not a directory)" in error_of()


def test_a_cache_that_cannot_be_read(hub, cache) -> None:
    reference = cache / "models--org--depth" / "refs" / "main"
    reference.mkdir(parents=True)
    with pytest.raises(ModelError, match=r"refs/main cannot be read \(Is a directory\): HF_HOME names another folder"):
        fetch.fetch("org/depth")


@pytest.mark.parametrize("place", ["/", "/dev/null/weights"])
def test_places_that_cannot_be(hub, place: str) -> None:
    with pytest.raises(ModelError, match=r"expected a new or an empty|no path here|cannot be written") as caught:
        fetch.fetch_to("org/depth", Path(place))
    assert "\n" not in str(caught.value)


def test_a_repository_without_safetensors(hub, files) -> None:
    del files["model.safetensors"]
    files["model.ckpt.pth"] = files.pop("pytorch_model.bin")
    expected = "the repository has only model.ckpt.pth, which can run code when loaded, expected model.safetensors"
    assert expected in error_of()


def test_a_family_that_is_not_supported_is_said_before_its_weights_are_fetched(hub, files) -> None:
    files["config.json"] = json.dumps({"model_type": "llama"}).encode()
    with pytest.raises(ModelError, match="says model_type 'llama', expected one of: depth_anything"):
        load_model(ModelConfig(model="org/depth"))
    assert not hub.asked("model.safetensors")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "no weights, expected model.safetensors"),
        (["config.json", "model.onnx"], "only model.onnx, expected model.safetensors"),
        (["config.json", "onnx/model.safetensors", "../model.safetensors"], "no weights"),
        (["config.json", "vits_fp32.safetensors"], "only vits_fp32.safetensors, expected model.safetensors"),
        (["model.safetensors"], "no config.json"),
    ],
)
def test_other_repositories(names: list[str], said: str) -> None:
    with pytest.raises(client.FetchError, match=said):
        wanted(names)


def test_unsafe_names_are_never_written() -> None:
    names = ["config.json", "model.safetensors", "../x.safetensors", "/etc/x.safetensors", ".x.safetensors"]
    assert wanted(names) == ["config.json", "model.safetensors"]
