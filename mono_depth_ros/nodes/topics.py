# SPDX-License-Identifier: Apache-2.0
"""Topic names: camera_info is the sibling of its image, as image_transport has it."""

from __future__ import annotations

from rclpy.node import Node

_COMPRESSED = "/compressed"


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
    info_name = f"{camera}/camera_info" if camera else "camera_info"
    image = node.resolve_topic_name(image_name(camera)).removesuffix(_COMPRESSED)
    info = node.resolve_topic_name(info_name)
    if info == node.resolve_topic_name(info_name, only_expand=True):
        info = f"{image.rpartition('/')[0]}/camera_info"
    return (image + _COMPRESSED if transport == "compressed" else image), info
