# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models verify [NAME|PATH ...]`: are the weights on this disk what they should be?"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import find
from mono_depth_ros.models.catalogue import CATALOGUE, CatalogueEntry
from mono_depth_ros.models.weights.cache import cache_folder, repository_folder, snapshot_folder
from mono_depth_ros.models.weights.verify import FileCheck, check_directory, check_file
from mono_depth_ros.paths import expanded


def run(args: argparse.Namespace) -> int:
    """Print a line for each file, or JSON; 0 where all are good.

    Raises:
        ModelError: a name is unknown, or a file is missing, cut off or changed.
    """
    names = args.names or [name for name, entry in CATALOGUE.items() if not entry.hub or _cached(entry)]
    checks = {name: check(name) for name in dict.fromkeys(names)}
    rows = [row(name, item) for name, items in checks.items() for item in items]
    if args.json:
        print(json.dumps(rows))
    else:
        for values in rows:
            print(line(values))
        if not args.names:
            print(f"of the cache {cache_folder()} and the package itself", file=sys.stderr)
    bad = [item for items in checks.values() for item in items if not item.good]
    if bad:
        cached = any(cache_folder() in item.path.parents for item in bad)
        what = "delete its models--* folder there and fetch again" if cached else "fetch or copy it again"
        raise ModelError(f"{len(bad)} of {len(rows)} files are not what they should be ({bad[0]}): {what}")
    return 0


def check(name: str) -> list[FileCheck]:
    """The files of a catalogue name, hub name, directory or file.

    Raises:
        ModelError: the name is unknown or nothing of it is in the cache.
    """
    entry = find(name)
    if entry is not None and not entry.hub:
        import mono_depth_ros

        return [check_file(Path(mono_depth_ros.__file__).parent / "models" / "weights" / f"{name}.safetensors")]
    path = expanded(name)
    if entry is None and path.is_file():
        return [_recognised(check_file(path, _known(path)))]
    if entry is None and path.is_dir():
        return [_recognised(item) for item in check_directory(path)]
    hub, revision, file = (name, "", "") if entry is None else (entry.hub, entry.revision, entry.hub_file)
    directory = snapshot_folder(hub, revision)
    if directory is None or (file and not (directory / file).is_symlink() and not (directory / file).exists()):
        where = repository_folder(hub)
        raise ModelError(f"{name} is not in the cache ({where}): `mono_depth models fetch {name}` puts it there")
    known = {} if entry is None else entry.files
    if file:  # the repository has other models' files too
        return [check_file(directory / file, known.get(file, ""))]
    return check_directory(directory, {name: value for name, value in known.items() if not name.endswith(".pth")})


def _known(path: Path) -> str:
    """What the catalogue knows of a file by its name: of the authors' files, whose names are their own."""
    return next((entry.files.get(path.name, "") for entry in CATALOGUE.values() if entry.official == path.name), "")


def _recognised(item: FileCheck) -> FileCheck:
    """The catalogue's word on a good file that somebody gave by its path."""
    for name, entry in CATALOGUE.items():
        if item.good and item.sha256 in entry.files.values():
            return replace(item, state="ok", expected=item.sha256, source=f"the catalogue, {name}")
    return item


def _cached(entry: CatalogueEntry) -> bool:
    directory = snapshot_folder(entry.hub, entry.revision)
    return directory is not None and (not entry.hub_file or (directory / entry.hub_file).is_symlink())


def row(name: str, item: FileCheck) -> dict[str, Any]:
    """What became of a file, as plain values."""
    return {
        "name": name,
        "path": str(item.path),
        "state": item.state,
        "good": item.good,
        "sha256": item.sha256,
        "expected": item.expected,
        "source": item.source,
    }


def line(values: dict[str, Any]) -> str:
    """A row for eyes."""
    by = f" by {values['source']}" if values["source"] and values["good"] else ""
    return f"{values['state'] + by:18}  {values['path']}"
