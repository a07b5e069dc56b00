# SPDX-License-Identifier: Apache-2.0
"""`mono_depth info`: topics, cameras and frames of a recording, its damage, and what `mono_depth bag` would choose."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from mono_depth_ros.errors import SENTENCE, DataError, shown
from mono_depth_ros.startup import importing
from mono_depth_ros.tools.parser import path


def add_parser(subparsers: Any) -> None:
    """Add the subcommand `info`."""
    parser = subparsers.add_parser(
        "info",
        help="what is in a recording, and what `mono_depth bag` would choose of it",
        description="Shows the topics of a recording with their rates, the cameras with what is wrong with them, the "
        "frames, what is damaged or not of ROS, and what `mono_depth bag` would choose and why. Of a folder with many "
        "bags it shows one line each. No ROS is needed. Exit code 1 where a bag is damaged or cannot be read.",
        examples=("mono_depth info drive.mcap", "mono_depth info recordings/ --check"),
    )
    parser.add_argument(
        "bag", type=path, metavar="BAG", help="ROS 2 bag folder, .mcap or .db3 file, ROS 1 .bag, or a folder with many"
    )
    parser.add_argument(
        "--check", action="store_true", help="Read every message, which finds damage that the index does not show."
    )
    parser.add_argument("--json", action="store_true", help="Print the result as JSON on stdout.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show it; 0, or 1 where a bag is damaged or cannot be read.

    Raises:
        DataError: there is no bag, or nothing of it can be read.
    """
    with importing():
        from mono_depth_ros.bags.storage import bag_path
        from mono_depth_ros.tools.bag.manifest import find_bags, is_one_bag
        from mono_depth_ros.tools.info.survey import survey

    if is_one_bag(bag_path(args.bag)):
        found = survey(args.bag, args.check)
        print(json.dumps(found, allow_nan=False) if args.json else "\n".join(_lines(found)))
        return 1 if found["damage"] else 0
    bags = []
    for name, where in find_bags(args.bag).items():
        try:
            bags.append(survey(where, args.check))
        except DataError as error:
            bags.append({"path": str(where), "error": str(error)})
        if not args.json:
            print(_line(name, bags[-1]), flush=True)
    if args.json:
        print(json.dumps({"path": str(args.bag), "bags": bags}, allow_nan=False))
    return 1 if any(bag.get("damage") or "error" in bag for bag in bags) else 0


def _line(name: str, bag: dict[str, Any]) -> str:
    """One of many bags."""
    if "error" in bag:
        return f"{shown(name)}: {bag['error']}"
    image = bag["chosen"]["image"]["topic"]
    words = [f"{bag['duration_s']:.1f} s", f"messages: {bag['messages']}", image or "no image topic to choose"]
    words += [shown(bag["damage"], SENTENCE)] if bag["damage"] else []
    return f"{shown(name)}: {', '.join(words)}"


def _lines(bag: dict[str, Any]) -> Iterator[str]:
    """One bag."""
    size = sum(file["bytes"] for file in bag["files"])
    files = bag["files"][0]["name"] if len(bag["files"]) == 1 else f"{len(bag['files'])} files"
    yield f"{shown(bag['path'], SENTENCE)}: {shown(files)}, {size / 1e6:.1f} MB, {bag['messages']} messages"
    if bag["messages"]:
        begin = datetime.fromtimestamp(bag["start_s"], timezone.utc)
        yield f"recorded: {begin:%Y-%m-%d %H:%M:%S} UTC, {bag['duration_s']:.3f} s ({bag['start_s']:.3f} on)"
    yield "topics:"
    rows = [
        (
            shown(item["name"]),
            shown(item["type"]),
            f"{item['messages']}",
            "" if item["hz"] is None else f"{item['hz']:.2f} Hz",
            " ".join(filter(None, (_size(item), item.get("encoding"), "latched" if item["latched"] else ""))),
        )
        for item in bag["topics"]
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for name, kind, count, rate, more in rows:
        yield f"  {name:{widths[0]}}  {kind:{widths[1]}}  {count:>{widths[2]}}  {rate:>{widths[3]}}  {more}".rstrip()
    yield "chosen by `mono_depth bag`:"
    for what, choice in bag["chosen"].items():
        yield f"  {what}: {shown(choice['topic']) or 'none'} ({choice['why']})"
    if bag["cameras"]:
        yield "cameras, by their first camera_info:"
    for camera in bag["cameras"]:
        places = ", ".join(f"{name} {_number(camera[name])}" for name in ("fx", "fy", "cx", "cy"))
        lens = " ".join((camera["distortion_model"] or "no distortion_model", *map(_number, camera["distortion"])))
        yield f"  {shown(camera['topic'])}: {_size(camera)}, {places}, {lens}, frame '{camera['frame']}'"
        yield from (f"    warning: {sentence}" for sentence in camera["warnings"])
    if bag["frames"]:
        yield "frames:"
        yield from _tree(bag["frames"])
    yield from (f"note: {shown(note, SENTENCE)}" for note in bag["notes"])
    unknown = "" if bag["checked"] else ", by the index; --check reads every message"
    yield f"damage: {shown(bag['damage'], SENTENCE) or f'none{unknown}'}"


def _size(item: dict[str, Any]) -> str:
    return "x".join(map(str, item["size"])) if item.get("size") else ""


def _number(value: float | None) -> str:
    return "not a number" if value is None else f"{value:g}"


def _tree(frames: list[dict[str, Any]]) -> Iterator[str]:
    """The frames under their parents, each once, also where they go in a circle."""
    children: dict[str, list[dict[str, Any]]] = {}
    for item in frames:
        children.setdefault(item["parent"], []).append(item)
    seen: set[str] = set()
    tops = [parent for parent in children if parent not in {item["child"] for item in frames}]
    for top in [*sorted(tops), *sorted(children)]:
        todo = [(top, 1, "")] if top not in seen else []
        while todo:
            name, depth, how = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            yield f"{'  ' * depth}{shown(name)}{how}"
            below = sorted(children.get(name, ()), key=lambda item: str(item["child"]), reverse=True)
            todo += [(item["child"], depth + 1, "" if item["static"] else " (moves)") for item in below]
