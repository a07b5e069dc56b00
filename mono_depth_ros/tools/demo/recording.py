# SPDX-License-Identifier: Apache-2.0
"""What the recorder kept: arrivals and frames, read back from its MCAP file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mono_depth_ros.bags.reader import BagReader, Message, stamp_ns
from mono_depth_ros.errors import DataError
from mono_depth_ros.messages.camera_info import camera_from_info
from mono_depth_ros.messages.depth import decode_depth
from mono_depth_ros.messages.image import decode_image
from mono_depth_ros.messages.points import read_points
from mono_depth_ros.tools.demo.course import Course
from mono_depth_ros.tools.demo.frames import DemoFrame, Timing


@dataclass(frozen=True)
class Topics:
    """Names of the topics; those that a source does not have are empty."""

    image: str = "/camera/image_raw"
    camera_info: str = "/camera/camera_info"
    depth: str = "/depth/image"
    cloud: str = "/depth/points"
    truth: str = ""
    lidar: str = ""
    pose: str = ""
    aligned: str = ""
    motion: str = ""
    odom: str = ""
    diagnostics: str = ""

    def present(self) -> list[str]:
        """All of them that there are."""
        return [name for name in vars(self).values() if name]


class Recording:
    """The messages of one run.

    Args:
        path: the MCAP file. topics: what is in it.

    Attributes:
        timing: stamps of the images and arrivals of the results.
        course: of the alignment, as its diagnostics tell it; empty where there is none.

    Raises:
        DataError: there is no image in it.
    """

    def __init__(self, path: Path, topics: Topics) -> None:
        self._path, self._topics = path, topics
        self._arrivals: dict[str, dict[int, int]] = defaultdict(dict)
        diagnostics = []
        for message in self._messages():
            if message.topic == topics.diagnostics:
                diagnostics.append(BagReader.decode(message))
            else:
                self._arrivals[message.topic][stamp_ns(message)] = message.log_ns
        self.course = Course.of(diagnostics)
        # An image that the recorder itself missed was published all the same: its results tell.
        images = sorted({stamp for name in (topics.image, topics.depth) for stamp in self._arrivals[name]})
        if not images:
            raise DataError("the recording holds no image")
        self.timing = Timing(
            np.array(images, dtype=np.int64),
            self._arrivals_of(topics.depth),
            self._arrivals_of(topics.aligned),
        )

    def complete(self) -> int:
        """How many frames `frames` gives: those with both image and depth."""
        return len(self._complete())

    def frames(self) -> Iterator[DemoFrame]:
        """The frames that have both image and depth, in the order in which they became complete.

        One pass over the file: no more than the messages of a few frames are in memory.
        """
        names = {
            name: key for key, name in vars(self._topics).items() if name and key not in ("pose", "odom", "diagnostics")
        }
        expected = {stamp: {topic for topic in names if stamp in self._arrivals[topic]} for stamp in self._complete()}
        index = {int(stamp): k for k, stamp in enumerate(self.timing.image_ns)}
        waiting: dict[int, dict[str, Any]] = defaultdict(dict)
        info: Any = None
        for message in self._messages():
            stamp, topic = stamp_ns(message), message.topic
            if topic == self._topics.camera_info and info is None:
                info = BagReader.decode(message)
            if topic not in expected.get(stamp, ()):
                continue
            waiting[stamp][topic] = BagReader.decode(message)
            if waiting[stamp].keys() == expected[stamp]:
                parts = {names[topic]: message for topic, message in waiting.pop(stamp).items()}
                yield _frame(index[stamp], stamp, parts, info)

    def _complete(self) -> set[int]:
        return self._arrivals[self._topics.image].keys() & self._arrivals[self._topics.depth].keys()

    def _arrivals_of(self, topic: str) -> np.ndarray:
        """(N, 2) int64 stamp and arrival."""
        return np.array(list(self._arrivals[topic].items()), dtype=np.int64).reshape(-1, 2)

    def _messages(self) -> Iterator[Message]:
        with BagReader(self._path) as reader:
            yield from reader.messages(reader.topics.keys() - {"/tf_static"})


def _frame(index: int, stamp: int, parts: dict[str, Any], info: Any) -> DemoFrame:
    camera_info = parts.get("camera_info", info)
    if camera_info is None:
        raise DataError("the recording holds no camera_info before its first frame")
    cloud = parts.get("cloud")
    return DemoFrame(
        index=index,
        stamp_ns=stamp,
        camera=camera_from_info(camera_info, rectified=False),
        rgb=decode_image(parts["image"]),
        depth=decode_depth(parts["depth"]),
        truth=decode_depth(parts["truth"]) if "truth" in parts else None,
        cloud=_organised(cloud) if cloud is not None else None,
        lidar=read_points(parts["lidar"]) if "lidar" in parts else None,
        aligned=decode_depth(parts["aligned"]) if "aligned" in parts else None,
        motion=decode_depth(parts["motion"]) if "motion" in parts else None,
    )


def _organised(message: Any) -> np.ndarray:
    """(h, w, 4) float32 of the cloud that the depth node publishes: x, y, z, rgb without gaps."""
    return np.frombuffer(message.data, dtype="<f4").reshape(message.height, message.width, 4)
