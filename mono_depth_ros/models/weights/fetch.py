# SPDX-License-Identifier: Apache-2.0
"""A checkpoint from the hub, into the hub's cache or into a directory of its own, whole or not at all."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.weights.cache import (
    CONFIG,
    cache_folder,
    find_snapshot,
    other_snapshots,
    put_snapshot,
    repository_folder,
)
from mono_depth_ros.models.weights.client import FetchError, HubClient, Listing
from mono_depth_ros.models.weights.download import download, matches, partial_path, unwritable
from mono_depth_ros.models.weights.verify import SUMS, check_directory, check_file, checkpoint_files, write_sums
from mono_depth_ros.paths import expanded
from mono_depth_ros.progress import tell

LOGGER = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes that there are in total."""


def snapshot(
    repository: str,
    revision: str = "",
    known: Mapping[str, str] | None = None,
    file: str = "",
    check: Callable[[Path], object] | None = None,
) -> Path:
    """The local directory of a hub repository's checkpoint, fetched at first use.

    The cache is asked first, so a robot starts without network and with the weights it was tested with.

    Args:
        revision: a commit, branch or tag; "" is `main`.
        known: SHA-256 that files must have when they are fetched, by their names.
        file: the one file that is the checkpoint, where it is not in the format of transformers.
        check: raises ModelError for a config.json of a checkpoint that is of no use, before its weights are fetched.

    Raises:
        ModelError: neither cached nor to be fetched; says why, how to fetch it elsewhere and where to put it.
    """
    found = find_snapshot(repository, revision, file)
    return found or fetch(repository, revision, known, log_progress(repository), file, check)


def fetch(
    repository: str,
    revision: str = "",
    known: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    file: str = "",
    check: Callable[[Path], object] | None = None,
) -> Path:
    """The directory of a checkpoint in the hub's cache, fetched where it is not there.

    HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, HF_ENDPOINT and HF_TOKEN are honoured. An interrupted fetch goes on where it
    ended. Of a repository only config.json, the processor's and safetensors are fetched, or pytorch_model.bin where
    there are none.

    Args:
        revision: a commit, branch or tag; "" is the newest there is.
        known: SHA-256 that files must have when they are fetched, by their names.
        file: the one file that is the checkpoint, where it is not in the format of transformers. check: see `snapshot`.

    Raises:
        ModelError: it is not cached and cannot be fetched; says why, how to fetch it elsewhere and where to put it.
    """
    cached = find_snapshot(repository, revision, file)
    if cached is not None:
        return cached
    try:
        client = HubClient()
        listing = client.listing(repository, revision, known, file)
        blobs = repository_folder(repository) / "blobs"
        targets = {file.name: blobs / file.etag for file in listing.files}
        _download_all(client, listing, targets, cache_folder(), progress, check)
        return put_snapshot(repository, listing.commit, revision or "main", targets)
    except OSError as error:
        raise ModelError(f"{repository} cannot be fetched: {unwritable(error, cache_folder())}") from error
    except FetchError as error:
        raise ModelError(f"{repository} cannot be fetched: {error}. {advice(repository, revision, file)}") from error


def fetch_to(
    repository: str,
    directory: Path,
    revision: str = "",
    known: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    file: str = "",
) -> Path:
    """Make `directory` a checkpoint that can be given by path, from the cache if it is there, with a list of SHA-256.

    The directory appears when everything is in it; until then the files lie in `DIRECTORY.partial`, from where an
    interrupted fetch goes on.

    Raises:
        ModelError: something else is in the directory, or see `fetch`.
    """
    try:
        directory = expanded(directory).resolve()
    except RuntimeError as error:
        raise ModelError(f"{directory} is no path here: {error}") from error
    staging = directory.parent / f"{directory.name}.partial"
    cached = find_snapshot(repository, revision, file)
    try:
        if directory.exists() and not directory.is_dir():
            raise ModelError(f"{directory} is a file, expected a new or an empty directory")
        if cached is not None:
            files = [cached / file] if file else checkpoint_files(cached)
            if _has(directory, {path.name: path.stat().st_size for path in files}):
                return directory
            _must_be_empty(directory)
            _copy(files, staging, progress)
        else:
            client = HubClient()
            listing = client.listing(repository, revision, known, file)
            if _has(directory, {file.name: file.size for file in listing.files}):
                return directory
            _must_be_empty(directory)
            staging.mkdir(parents=True, exist_ok=True)
            targets = {remote.name: staging / remote.name for remote in listing.files}
            for remote in listing.files:  # what an earlier attempt has finished, perhaps of another revision
                if targets[remote.name].exists() and not matches(targets[remote.name], remote.etag):
                    targets[remote.name].unlink()
            _download_all(client, listing, targets, staging, progress)
            for path in set(staging.iterdir()) - set(targets.values()):
                path.unlink()
        write_sums(staging)
        staging.replace(directory)  # over an empty directory, too
        return directory
    except OSError as error:
        raise ModelError(f"{repository} cannot be fetched: {unwritable(error, directory.parent)}") from error
    except FetchError as error:
        raise ModelError(f"{repository} cannot be fetched: {error}. {advice(repository, revision, file)}") from error


def advice(repository: str, revision: str = "", file: str = "") -> str:
    """How to get a checkpoint on a machine with network, and how to use it here: one sentence."""
    folder = repository.rpartition("/")[2]
    at = f" --revision {revision}" if revision else ""
    others = [str(path / file) for path in other_snapshots(repository, file)[:1]]
    other = f"; another revision of it is here: model:={others[0]}" if others else ""
    one, path = (f" {file}", f"/path/to/{folder}/{file}") if file else ("", f"/path/to/{folder}")
    command = f"mono_depth models fetch {_name(repository, file)} --out {folder}"
    return (
        f"Where there is network run `{command}` (or `hf download {repository}{one}{at} --local-dir {folder}`), then "
        f"copy the folder {folder} to this machine and give its path as the model (model:={path}), or fetch it there "
        f"without --out and copy its cache folder to {repository_folder(repository)}{other}"
    )


def log_progress(repository: str) -> Progress:
    """Progress as log lines, one for each tenth, and for whoever waits for the model."""
    tenths = 0

    def told(here: int, total: int) -> None:
        nonlocal tenths
        tell(f"fetching weights, {100 * here // max(total, 1)} % of {total // 10**6} MB")
        now = 10 * here // max(total, 1)
        if now != tenths:
            tenths = now
            LOGGER.info("fetching %s: %d of %d MB", repository, here // 10**6, total // 10**6)

    return told


def _name(repository: str, file: str) -> str:
    """What the catalogue calls a checkpoint."""
    entries = CATALOGUE.items()
    return next((name for name, e in entries if (e.hub, e.hub_file) == (repository, file)), repository)


def _download_all(
    client: HubClient,
    listing: Listing,
    targets: Mapping[str, Path],
    folder: Path,
    progress: Progress | None,
    check: Callable[[Path], object] | None = None,
) -> None:
    total, here = sum(file.size for file in listing.files), 0

    def add(count: int) -> None:
        nonlocal here
        here += count
        if progress is not None:
            progress(here, total)

    absent = [file for file in listing.files if not targets[file.name].exists()]
    _check_room(sum(file.size - _size(partial_path(targets[file.name])) for file in absent), folder)
    LOGGER.info("fetching %s, commit %s, %.0f MB", listing.repository, listing.commit, total / 1e6)
    for file in listing.files:
        if file in absent:
            download(client, listing, file, targets[file.name], add)
        else:
            add(file.size)
        if check is not None and file.name == CONFIG:
            check(targets[file.name])


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _check_room(needed: int, folder: Path) -> None:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise FetchError(f"{needed / 1e6:.0f} MB more are needed in {folder}, where {free / 1e6:.0f} MB are free")


def _has(directory: Path, sizes: Mapping[str, int]) -> bool:
    """Whether the directory is already what would be made, by the list of digests that a fetch leaves."""
    if not (directory / SUMS).is_file() or any(_size(directory / name) != size for name, size in sizes.items()):
        return False
    return all(check.good for check in check_directory(directory))


def _must_be_empty(directory: Path) -> None:
    if directory.is_dir() and (there := sorted(path.name for path in directory.iterdir())):
        found = ", ".join(there[:5])
        raise ModelError(f"{directory} holds {found}, expected a new or an empty directory to fetch into")


def _copy(files: list[Path], staging: Path, progress: Progress | None) -> None:
    bad = [check for check in map(check_file, files) if not check.good]
    if bad:
        folder = files[0].parents[2]
        raise ModelError(f"the cache has a damaged copy ({bad[0]}): delete {folder} and fetch again")
    total, here = sum(path.stat().st_size for path in files), 0
    _check_room(total, staging.parent)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for path in files:
        shutil.copyfile(path, staging / path.name)
        here += path.stat().st_size
        if progress is not None:
            progress(here, total)
