# SPDX-License-Identifier: Apache-2.0
"""Image topics as image_transport has them: raw or compressed, and camera_info the sibling of its image."""

from __future__ import annotations

import importlib
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from mono_depth_ros.errors import shown

IMAGES: dict[str, type] = {"raw": Image, "compressed": CompressedImage}
"""The message type by transport."""

_COMPRESSED = "/compressed"
_TRANSPORTS = (_COMPRESSED, "/zstd")  # suffixes of the topics beside the raw image


def type_name(kind: Any) -> str:
    """The name of a message class in the graph, such as sensor_msgs/msg/Image."""
    package = kind.__module__.partition(".")[0]
    return f"{package}/msg/{kind.__name__}"


def publishers_of(node: Node, topic: str, kind: Any) -> int:
    """How many publishers a resolved topic has for messages of this class."""
    return len(endpoints(node, topic, kind))


def endpoints(node: Node, topic: str, kind: Any) -> list[Any]:
    """What the graph knows of a resolved topic's publishers for messages of this class."""
    return [item for item in node.get_publishers_info_by_topic(topic) if item.topic_type == type_name(kind)]


def other_than(node: Node, topic: str, kind: Any) -> str:
    """For a resolved topic without publishers of this class: what is there instead, as a clause; "" for nothing."""
    base = next((topic.removesuffix(end) for end in _TRANSPORTS if topic.endswith(end)), topic)
    if kind is Image:
        for name in (topic, base + _COMPRESSED):
            if publishers_of(node, name, CompressedImage):
                return f"{name} has compressed images: set image_transport:=compressed"
    if kind is CompressedImage:
        for name in (topic, base):
            if publishers_of(node, name, Image):
                return f"{name} has raw images: set image_transport:=raw"
        for end in _TRANSPORTS:
            if publishers_of(node, base + end, CompressedImage):
                return f"{base}{end} has compressed images: name that one"
    types = sorted({shown(item.topic_type) for item in node.get_publishers_info_by_topic(topic)})
    return f"it has messages of {', '.join(types[:3])}, expected {type_name(kind)}" if types else ""


def message_class(kind: str) -> type | None:
    """The Python class of a type such as sensor_msgs/msg/Image, or None where its package is not installed."""
    package, _, name = kind.partition("/msg/")
    try:
        found: type = getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError, TypeError):  # the last of names that are no name of a module
        return None
    return found


def image_name(camera: str = "") -> str:
    """What the image topic is called in remappings."""
    return f"{camera}/image_raw" if camera else "image"


def input_topics(node: Node, transport: str, camera: str = "") -> tuple[str, str, str]:
    """The resolved image and camera_info topics of a node, remappings applied, and another name for the image.

    They are called `image` and `camera_info`, or for one `camera` of several `CAMERA/image_raw`, as drivers publish it,
    and `CAMERA/camera_info`. Unless it is remapped itself, camera_info is taken from beside the image:
    `image:=/front/image_raw` also means `/front/camera_info`. With the transport "compressed" the image topic gets
    image_transport's suffix; the name without it is the other one, for drivers that publish CompressedImage under a
    name of their own. Else there is none, "".
    """
    name = node.resolve_topic_name(image_name(camera))
    image = name.removesuffix(_COMPRESSED)
    info = sibling_info(node, image_name(camera), f"{camera}/camera_info" if camera else "camera_info")
    if transport == "raw":
        return image, info, ""
    return image + _COMPRESSED, info, name if name == image else ""


def sibling_info(node: Node, image: str, info: str) -> str:
    """The resolved camera_info of an image, both given by name: beside the image, where that alone is remapped."""
    resolved_info, resolved = node.resolve_topic_name(info), node.resolve_topic_name(image)
    moved = resolved != node.resolve_topic_name(image, only_expand=True)
    if not moved or resolved_info != node.resolve_topic_name(info, only_expand=True):
        return resolved_info
    beside = next((resolved.removesuffix(end) for end in _TRANSPORTS if resolved.endswith(end)), resolved)
    return f"{beside.rpartition('/')[0]}/camera_info"
