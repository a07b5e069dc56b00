# SPDX-License-Identifier: Apache-2.0
"""Where the camera and its sensors were over time, as a recording has it: /tf, /tf_static, and poses of the camera."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

import numpy as np

from mono_depth_ros.bags.reader import BagReader, Message, stamp_ns
from mono_depth_ros.bags.transforms import moving_topics, recorded_transforms
from mono_depth_ros.errors import DataError, MonoDepthError, SamplesError, shown
from mono_depth_ros.geometry.transforms import Transforms
from mono_depth_ros.messages.kinds import bare
from mono_depth_ros.messages.pose import pose_matrix
from mono_depth_ros.messages.stamps import stamp_ns as header_ns
from mono_depth_ros.streams.reasons import Reasons
from mono_depth_ros.streams.references.base import Poses


class Places:
    """Gets the messages of `topics` in their order, and answers for the stamps of images.

    Args:
        reader: an open bag. image: the topic of the images. tell: gets sentences for people.

    Attributes:
        awaited: frames of /tf, and the topic of poses, which an image waits for until they reach its stamp.
        poses: of the camera; None where nobody asks for them. pose_topic: gives them messages, "" for none.
        file: that holds them. unusable: why messages are not used.
    """

    def __init__(self, reader: BagReader, image: str, tell: Callable[[str], None] = lambda _: None) -> None:
        self._reader, self._image, self._tell = reader, image, tell
        self.awaited: set[str] = set()
        self.poses: Poses | None = None
        self.pose_topic = ""
        self.file: Path | None = None
        self.unusable = Reasons()

    @property
    def topics(self) -> set[str]:
        """Whose messages are wanted; as few as serve what was asked for so far."""
        moving = moving_topics(self._reader) if self.awaited - {self.pose_topic} else []
        return {*moving, *filter(None, [self.pose_topic])}

    def need(self, target: str, source: str, otherwise: str = "") -> str:
        """How two frames lie to each other, in words; from now on /tf is read, if it is by that.

        Raises:
            DataError: no chain joins them; the sentence ends with what to do `otherwise`.
        """
        target, source = bare(target), bare(source)
        try:
            moving = self.transforms.moves(target, source)
        except DataError:
            self.reread(target, source)
            try:
                moving = self.transforms.moves(target, source)
            except DataError as error:
                raise DataError(f"{error}{otherwise and ': '}{otherwise}") from error
        if not moving:
            x, y, z = self.transforms.lookup(target, source)[:3, 3]
            return f"by /tf_static, {x:.3f} {y:.3f} {z:.3f} m away"
        self.awaited |= moving
        return f"by /tf, in which {', '.join(map(shown, sorted(moving)))} moves"

    def lookup(self, target: str, source: str, stamp: int) -> np.ndarray:
        """(4, 4) target_from_source at a stamp in nanoseconds. Raises SamplesError."""
        try:
            return self.transforms.lookup(bare(target), bare(source), stamp)
        except DataError as error:
            raise SamplesError(str(error), "transform_missing") from error

    def stamps(self, message: Message) -> dict[str, int]:
        """What is awaited that a message brings, and its stamp; empty: the message is not needed."""
        if message.topic == self.pose_topic:
            return {self.pose_topic: stamp_ns(message)}
        try:
            transforms = self._reader.decode(message).transforms
        except MonoDepthError:
            return {}
        found = {bare(item.child_frame_id): header_ns(item.header.stamp) for item in transforms}
        return {child: stamp for child, stamp in found.items() if child in self.awaited}

    def take(self, messages: Iterable[Message]) -> None:
        """Keep where things were; what cannot be used is counted, and the first is told."""
        for message in messages:
            self._take(message)

    def _take(self, message: Message) -> None:
        try:
            decoded = self._reader.decode(message)
            if message.topic == self.pose_topic and self.poses is not None:
                pose_matrix(decoded)
                self.poses.add(decoded)
                return
            for item in decoded.transforms:
                parent, child = bare(item.header.frame_id), bare(item.child_frame_id)
                if child in self.awaited:
                    self.transforms.add(parent, child, header_ns(item.header.stamp), pose_matrix(item))
        except MonoDepthError as error:
            sentence = f"{message.topic}: {error}"
            if not len(self.unusable):
                self._tell(f"warning: a message is not used: {sentence}")
            self.unusable.add(sentence)

    def reread(self, *frames: str) -> None:
        """Look for frames in all of /tf, which the first messages do not name."""
        self.transforms = recorded_transforms(self._reader, frames)

    def images_ns(self) -> tuple[int, int]:
        """Stamp of the first image, and about how long they go on: that is as long as they were recorded."""
        first = next(iter(self._reader.messages((self._image,))), None)
        if first is None:
            return 0, 0
        return stamp_ns(first), max(self._reader.end_ns - first.log_ns, 0)

    def sentence(self) -> str:
        """On messages that could not be used; "" where there are none."""
        count = len(self.unusable)
        return f"{count} messages with poses or transforms are not used: {self.unusable.first}" if count else ""

    @cached_property
    def camera(self) -> str:
        """The frame of the images."""
        return bare(first_frame(self._reader, self._image))

    @cached_property
    def transforms(self) -> Transforms:
        """All that were seen so far."""
        return recorded_transforms(self._reader)


def first_frame(reader: BagReader, topic: str) -> str:
    """frame_id of the first message of a topic. Raises DataError where there is none."""
    message = next(iter(reader.messages((topic,))), None)
    if message is None:
        raise DataError(f"{reader.path} holds no message on {topic}")
    return str(reader.decode(message).header.frame_id)
