# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models fetch NAME [--out DIR]`: weights from the hub, with a progress bar."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tqdm import tqdm

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import find, hub_name
from mono_depth_ros.models.weights.fetch import fetch, fetch_to


def run(args: argparse.Namespace) -> int:
    """Fetch and print the directory; 0.

    Raises:
        ModelError: the name is unknown or a path, or the weights cannot be fetched.
    """
    entry = find(args.name)
    if entry is not None and not entry.hub:
        return _shipped(args)
    licence = "not in the catalogue, see its page on the hub" if entry is None else entry.licence
    _say(args, fetch_weights(args.name, args.revision, args.out), licence)
    return 0


def fetch_weights(name: str, revision: str | None = None, out: Path | None = None) -> Path:
    """Fetch the weights of a catalogue or hub name, with a bar on a terminal; the directory or file that they are in.

    Args:
        revision: another one than the catalogue's. out: a new directory for them; None is the hub's cache.

    Raises:
        ModelError: as `run`.
    """
    entry = find(name)
    repository, named = hub_name(name)
    if entry is None and not repository:
        raise ModelError(f"'{name}' is a path, expected a catalogue name or a hub name organisation/repository")
    if named and revision not in (None, named):
        raise ModelError(f"'{name}' and --revision {revision} name two revisions, expected one")
    repository = repository if entry is None else entry.hub
    wanted, known, file = (named, {}, "") if entry is None else (entry.revision, entry.files, entry.hub_file)
    if revision not in (None, wanted):
        wanted, known = revision, {}  # what the catalogue knows is of its own revision
    # disable=None: a bar on a terminal, silence elsewhere
    with tqdm(unit="B", unit_scale=True, file=sys.stderr, disable=None, dynamic_ncols=True, desc=name) as bar:

        def show(here: int, total: int) -> None:
            bar.total = total
            bar.update(here - bar.n)

        try:
            if out is None:
                path = fetch(repository, wanted, known, show, file)
            else:
                path = fetch_to(repository, out, wanted, known, show, file)
        except KeyboardInterrupt:
            bar.close()
            print("\nWhat has come so far is kept: the same command goes on from there.", file=sys.stderr)
            raise
    return path / file


def _shipped(args: argparse.Namespace) -> int:
    if args.out is not None:
        raise ModelError(f"'{args.name}' ships with the package: there is nothing to fetch, it is there offline too")
    import mono_depth_ros

    _say(
        args,
        Path(mono_depth_ros.__file__).parent / "models" / "weights" / f"{args.name}.safetensors",
        "ships with the package",
    )
    return 0


def _say(args: argparse.Namespace, path: Path, licence: str) -> None:
    if args.json:
        files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        print(json.dumps({"name": args.name, "path": str(path), "bytes": size, "licence": licence}))
        return
    print(path)
    there = f"{path.parent.name}/{path.name}" if path.is_file() else path.name
    hint = f"; on the robot: model:=/path/to/{there}" if args.out is not None else ""
    print(f"licence of the weights: {licence}{hint}", file=sys.stderr)
