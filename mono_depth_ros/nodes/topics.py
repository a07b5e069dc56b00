# SPDX-License-Identifier: Apache-2.0
"""Topic names: camera_info is the sibling of its image, as image_transport has it."""

from __future__ import annotations

from rclpy.node import Node

_COMPRESSED = "/compressed"


def input_topics(node: Node, transport: str) -> tuple[str, str]:
    """The resolved image and camera_info topics of a node, remappings of `image` and `camera_info` applied.

    Unless it is remapped itself, camera_info is taken from beside the image: `image:=/front/image_raw` also means
    `/front/camera_info`. With the transport "compressed" the image topic gets image_transport's suffix.
    """
    image = node.resolve_topic_name("image").removesuffix(_COMPRESSED)
    info = node.resolve_topic_name("camera_info")
    if info == node.resolve_topic_name("camera_info", only_expand=True):
        info = f"{image.rpartition('/')[0]}/camera_info"
    return (image + _COMPRESSED if transport == "compressed" else image), info
