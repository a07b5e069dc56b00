# SPDX-License-Identifier: Apache-2.0
"""The hub's cache on this disk, in the layout that huggingface_hub shares with every program that uses the hub.

`models--ORG--NAME/blobs/ETAG` are the files, `snapshots/COMMIT/FILE` links to them, `refs/main` holds a commit:
https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.errors import ModelError

CONFIG, PROCESSORS = "config.json", ("preprocessor_config.json", "processor_config.json")
WEIGHTS, INDEX, PICKLE = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"

COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def cache_folder() -> Path:
    """The cache of this machine: HF_HUB_CACHE, or `hub` in HF_HOME, or ~/.cache/huggingface/hub."""
    from huggingface_hub import constants  # asked every time: programs and tests may set it

    return Path(constants.HF_HUB_CACHE)


def repository_folder(repository: str) -> Path:
    """Where the cache keeps a repository, whether it is there or not."""
    return cache_folder() / f"models--{repository.replace('/', '--')}"


def find_snapshot(repository: str, revision: str = "", file: str = "") -> Path | None:
    """The directory of a whole checkpoint in the cache, None where there is none.

    Args:
        revision: a commit, branch or tag; "" is the branch `main`. A commit is never replaced by another one.
        file: the one file that is the checkpoint; "" for the format of transformers.

    Raises:
        ModelError: the cache cannot be read.
    """
    try:
        directory = snapshot_folder(repository, revision)
        return directory if directory is not None and is_whole(directory, file) else None
    except OSError as error:
        reason = f"{error.filename or cache_folder()} cannot be read ({error.strerror})"
        raise ModelError(f"{reason}: HF_HOME names another folder for the cache of weights") from error


def snapshot_folder(repository: str, revision: str = "") -> Path | None:
    """The directory of a checkpoint in the cache, whole or not; None where nothing of it is there."""
    folder = repository_folder(repository)
    commit = revision or "main"
    if not COMMIT.fullmatch(commit):
        try:
            commit = (folder / "refs" / commit).read_text(encoding="ascii").strip()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
    directory = folder / "snapshots" / commit
    return directory if commit and directory.is_dir() else None


def other_snapshots(repository: str, file: str = "") -> list[Path]:
    """Whole checkpoints of a repository in the cache, of whatever revision, the newest first."""
    found = [path for path in (repository_folder(repository) / "snapshots").glob("*") if is_whole(path, file)]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def is_whole(directory: Path, file: str = "") -> bool:
    """Whether a directory has `file`, or config.json and all files of weights.

    Files appear in a snapshot only when they are complete.
    """
    if file:
        return (directory / file).is_file()
    return (directory / CONFIG).is_file() and not missing_weights(directory)


def missing_weights(directory: Path) -> list[str]:
    """The names of files of weights that a directory should have and has not."""
    if (directory / WEIGHTS).is_file() or not (directory / INDEX).is_file():
        whole = any((directory / name).is_file() for name in (WEIGHTS, PICKLE))
        return [] if whole else [WEIGHTS]
    try:
        names = set(json.loads((directory / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, RecursionError, KeyError, AttributeError, TypeError):
        return [WEIGHTS]
    return sorted(name for name in names if not (directory / str(name)).is_file())


def blob_digest(path: Path) -> str:
    """The digest that the cache keeps of a file in a snapshot, "" where there is none.

    The cache names a file by its ETag: 64 digits are the SHA-256 of a large file, 40 git's SHA-1 of a small one.
    """
    if not path.is_symlink():
        return ""
    name = Path(os.readlink(path)).name
    return name if _SHA256.fullmatch(name) or COMMIT.fullmatch(name) else ""


def put_snapshot(repository: str, commit: str, revision: str, blobs: dict[str, Path]) -> Path:
    """Make a snapshot of files that lie in the cache's `blobs`, and then the reference to it; its directory.

    Args:
        revision: the name that the commit was asked for under; nothing is noted where it is the commit itself.
        blobs: of each file name, its blob.
    """
    folder = repository_folder(repository)
    directory = folder / "snapshots" / commit
    directory.mkdir(parents=True, exist_ok=True)
    # config.json comes last: other programs take a snapshot with it for a whole one.
    for name in sorted(blobs, key=lambda name: (name == CONFIG, name)):
        path = directory / name
        if path.exists():
            continue
        path.unlink(missing_ok=True)  # a link to nowhere
        try:
            path.symlink_to(os.path.relpath(blobs[name], directory))
        except FileExistsError:
            continue  # another process was faster, with the same content
        except OSError:  # a file system without links
            with atomic_path(path) as temporary:
                shutil.copyfile(blobs[name], temporary)
    if revision != commit:
        with atomic_path(folder / "refs" / revision) as temporary:
            temporary.write_text(commit, encoding="ascii")
    return directory
