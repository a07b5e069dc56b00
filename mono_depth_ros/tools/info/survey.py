# SPDX-License-Identifier: Apache-2.0
"""What is in a recording, as JSON values: docs/bags.md has their shape."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from mono_depth_ros.bags.reader import BagReader, TopicInfo
from mono_depth_ros.bags.topics import image_topic, image_topics, info_topic, sibling_info
from mono_depth_ros.bags.transforms import recorded_transforms
from mono_depth_ros.config import (
    ALIGNMENT,
    BagConfig,
    Config,
    ImageConfig,
)
from mono_depth_ros.errors import MonoDepthError, shown
from mono_depth_ros.messages.camera_info import camera_from_info, info_matrix
from mono_depth_ros.messages.kinds import CAMERA_INFO, COMPRESSED, IMAGE
from mono_depth_ros.streams.images import ImageReader
from mono_depth_ros.streams.usable import Usable

_SHORTEST_S = 1e-3  # of a recording that has rates
_FEW = 0.05  # of the pixels that have no ray: as the depth node's min_depth_fraction
_IMAGES = (IMAGE, COMPRESSED)


def survey(path: Path, check: bool = False) -> dict[str, Any]:
    """Of one recording.

    Args:
        check: read every message, so that all damage is found.

    Raises:
        DataError: there is none, or nothing in it can be read.
    """
    with BagReader(path) as reader:
        if check:
            for _ in reader.messages(reader.topics):
                pass
        duration_s = max(0, reader.end_ns - reader.start_ns) / 1e9
        kinds = (*_IMAGES, CAMERA_INFO)
        firsts = {item.name: _first(reader, item) for item in reader.topics.values() if item.kind in kinds}
        values: dict[str, Any] = {
            "path": str(path),
            "files": [{"name": file.name, "bytes": file.stat().st_size} for file in reader.files],
            "start_s": reader.start_ns / 1e9,
            "duration_s": duration_s,
            "messages": sum(item.count for item in reader.topics.values()),
            "topics": [_topic(item, duration_s, firsts.get(item.name)) for item in reader.topics.values()],
            "left_out": [
                {"name": item.name, "type": item.kind, "encoding": item.encoding, "messages": item.count}
                for item in reader.left_out.values()
            ],
            "chosen": _chosen(reader),
            "cameras": list(_cameras(reader, firsts)),
            "frames": _frames(reader),
        }
        return {**values, "notes": reader.notes, "damage": reader.damage, "checked": check}


def _first(reader: BagReader, item: TopicInfo) -> Any:
    """The first message of a topic, decoded; None where there is none, or a broken one."""
    for message in islice(reader.messages((item.name,)), 1):
        try:
            return reader.decode(message)
        except MonoDepthError:
            return None
    return None


def _topic(item: TopicInfo, duration_s: float, first: Any) -> dict[str, Any]:
    often = item.count > 1 and duration_s >= _SHORTEST_S
    found: dict[str, Any] = {
        "name": item.name,
        "type": item.kind,
        "messages": item.count,
        "hz": round((item.count - 1) / duration_s, 3) if often else None,
        "latched": item.stays,
    }
    if item.kind in _IMAGES and first is not None:
        size = _size(first)
        found |= {
            "size": list(size) if size else None,
            "encoding": shown(getattr(first, "encoding", "") or first.format),
        }
    return found


def _size(message: Any) -> tuple[int, int] | None:
    try:
        return ImageReader(ImageConfig, lambda _: None).size(message)
    except MonoDepthError:
        return None


def _chosen(reader: BagReader) -> dict[str, dict[str, str]]:
    """What `mono_depth bag` would take without options, each with `topic`, "" for none, and `why`."""
    config, words = BagConfig(), [""]
    image = info = ""
    others = image_topics(reader)
    try:
        image = image_topic(reader, config, words)
        passed = "".join(f"; {name}: {why}" for name, why in others.items() if why)
        why_image = f"the only topic with pictures of a camera{passed}"
    except MonoDepthError as error:
        why_image = str(error)
    try:
        candidates = [name for name, why in others.items() if not why]
        if image or len(candidates) == 1:
            info = info_topic(reader, config, image, words)
            why_info = words[-1].partition("(")[2].removesuffix(")")
        else:
            why_info = "there is no image topic that it could belong to"
    except MonoDepthError as error:
        why_info = str(error)
    return {
        "image": {"topic": image, "why": why_image},
        "camera_info": {"topic": info, "why": why_info},
        "reference": _reference(reader, image),
    }


def _reference(reader: BagReader, image: str) -> dict[str, str]:
    """What `--outputs aligned` would go by."""
    from mono_depth_ros.streams.references import REFERENCES
    from mono_depth_ros.tools.bag.places import Places
    from mono_depth_ros.tools.bag.references import RecordedReference

    configs: dict[type[Config], Config] = {cls: cls() for cls in (ImageConfig, *ALIGNMENT)}
    problem, possible = "", []
    for name in ("auto", *(name for name in REFERENCES if name not in ("lidar", "ground"))):
        try:
            if not image:
                return {"topic": "", "why": "there is no image to align"}
            places = Places(reader, image)
            found = RecordedReference(reader, replace(BagConfig(), reference=name), configs, places)
        except MonoDepthError as error:
            problem = problem or str(error)
            continue
        topics = ", ".join([*found.inputs, *sorted(places.topics)])
        if name == "auto":
            return {"topic": next(iter(found.inputs)), "why": found.words[-1]}
        possible.append(f"--align {name} would take {topics}")
    return {"topic": "", "why": "; ".join([problem, *possible])}


def _cameras(reader: BagReader, firsts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The first camera_info of each topic, and what is wrong with it."""
    for name, message in firsts.items():
        if reader.topics[name].kind != CAMERA_INFO or message is None:
            continue
        k = info_matrix(message, "k")
        places = {"fx": k[0], "fy": k[4], "cx": k[2], "cy": k[5]}
        siblings = (other for other in firsts if reader.topics[other].kind in _IMAGES and sibling_info(other) == name)
        image = next((other for other in siblings if firsts[other] is not None), "")
        yield {
            "topic": name,
            "image": image,
            "frame": shown(message.header.frame_id),
            "size": [int(message.width), int(message.height)],
            **{place: _finite(value) for place, value in places.items()},
            "distortion_model": shown(message.distortion_model),
            "distortion": [_finite(value) for value in info_matrix(message, "d")],
            "warnings": _warnings(message, image, firsts.get(image)),
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _warnings(message: Any, topic: str, image: Any) -> list[str]:
    found, usable = [], Usable()
    size = _size(image) if image is not None else None
    try:
        camera = camera_from_info(message, False, size)
        if size is not None:
            camera.check_size(*size)
        usable.lens(camera, message)
    except MonoDepthError as error:
        found.append(str(error))
    if image is not None:
        usable.camera_info(message, topic, image.header, False)
    if sentence := usable.concern(_FEW, math.inf):
        found.append(sentence)
    return found


def _frames(reader: BagReader) -> list[dict[str, Any]]:
    """The tree of frames: each child with its parent, static or not."""
    try:
        transforms = recorded_transforms(reader)
    except MonoDepthError as error:
        reader.notes.append(str(error))
        return []
    parents = {child: parent for child, (parent, _) in transforms.fixed.items()} | transforms.moving
    return [
        {"child": child, "parent": parent, "static": child in transforms.fixed}
        for child, parent in sorted(parents.items())
    ]
