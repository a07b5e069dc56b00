# SPDX-License-Identifier: Apache-2.0
"""`demo.mcap`: the recording of a run as people keep it, a fifth of the size of its messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mono_depth_ros.bags.messages import empty
from mono_depth_ros.bags.reader import TYPES, BagReader, Message, TopicInfo
from mono_depth_ros.bags.writer import BagFile, Channel, copied_channel
from mono_depth_ros.config import CameraTopicsConfig
from mono_depth_ros.messages.compressed import fill_jpeg
from mono_depth_ros.messages.depth import decode_depth, encode_depth
from mono_depth_ros.messages.image import decode_image, fill_image
from mono_depth_ros.messages.kinds import COMPRESSED, IMAGE
from mono_depth_ros.tools.demo.recording import Topics


def compact(source: Path, folder: Path, topics: Topics) -> Path:
    """Write the messages of a recording once more, in the same order and at the same times, into a new `folder`.

    The images become JPEG, on their topic + /compressed, and depth becomes 16UC1 millimetres, of which 0 is unknown or
    beyond 65.5 m. The clouds are left out: each follows from the depth, the camera_info and the image of its stamp.

    Returns:
        The storage file.
    """
    with BagReader(source) as reader:
        images, depths = {topics.image}, {topics.depth, topics.aligned, topics.motion, topics.truth}
        kept = [item for name, item in reader.topics.items() if name != topics.cloud]
        bag = BagFile(folder, [_channel(item, images) for item in kept], "mcap", "zstd")
        try:
            for message in reader.messages({item.name for item in kept}):
                if message.topic in images:
                    bag.write(f"{message.topic}/compressed", message.log_ns, _jpeg(reader.decode(message)))
                elif message.topic in depths:
                    bag.write(message.topic, message.log_ns, _millimetres(message))
                else:
                    bag.write(message.topic, message.log_ns, message.data)
            return bag.close()
        except BaseException:
            bag.abort()
            raise


def _channel(item: TopicInfo, images: set[str]) -> Channel:
    if item.name in images:
        return Channel(f"{item.name}/compressed", COMPRESSED, qos=item.qos)
    found = copied_channel(item)
    assert found is not None, "the recorder writes types that we know"
    return found


def _jpeg(image: Any) -> memoryview:
    message = empty(COMPRESSED, image.header)
    fill_jpeg(message, decode_image(image), "bgr8", CameraTopicsConfig.jpeg_quality)
    return TYPES.serialize_cdr(message, COMPRESSED)


def _millimetres(message: Message) -> memoryview:
    depth = BagReader.decode(message)
    small = empty(IMAGE, depth.header)
    fill_image(small, encode_depth(decode_depth(depth), "16UC1"), "16UC1")
    return TYPES.serialize_cdr(small, IMAGE)
