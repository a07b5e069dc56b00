# SPDX-License-Identifier: Apache-2.0
"""Image topics as image_transport has them: raw or compressed, and camera_info the sibling of its image."""

from __future__ import annotations

import importlib

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

IMAGES: dict[str, type] = {"raw": Image, "compressed": CompressedImage}
"""The message type by transport."""

_COMPRESSED = "/compressed"


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


def input_topics(node: Node, transport: str, camera: str = "") -> tuple[str, str]:
    """The resolved image and camera_info topics of a node, remappings applied.

    They are called `image` and `camera_info`, or for one `camera` of several `CAMERA/image_raw`, as drivers publish it,
    and `CAMERA/camera_info`. Unless it is remapped itself, camera_info is taken from beside the image:
    `image:=/front/image_raw` also means `/front/camera_info`. With the transport "compressed" the image topic gets
    image_transport's suffix.
    """
    image = node.resolve_topic_name(image_name(camera)).removesuffix(_COMPRESSED)
    info = sibling_info(node, image_name(camera), f"{camera}/camera_info" if camera else "camera_info")
    return (image + _COMPRESSED if transport == "compressed" else image), info


def sibling_info(node: Node, image: str, info: str) -> str:
    """The resolved camera_info of an image, both given by name: beside the image, where that alone is remapped."""
    resolved_info, resolved = node.resolve_topic_name(info), node.resolve_topic_name(image)
    moved = resolved != node.resolve_topic_name(image, only_expand=True)
    if not moved or resolved_info != node.resolve_topic_name(info, only_expand=True):
        return resolved_info
    return f"{resolved.removesuffix(_COMPRESSED).rpartition('/')[0]}/camera_info"
