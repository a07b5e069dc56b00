# SPDX-License-Identifier: Apache-2.0
"""A bag as batches of frames: each image with its camera_info and its reference, in the order of the recording.

What comes out depends on the bag and the options alone, never on time, threads or where a conversion was resumed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mono_depth_ros.bags.reader import BagReader, Message, stamp_ns
from mono_depth_ros.bags.topics import Chosen
from mono_depth_ros.errors import DataError, FrameError
from mono_depth_ros.pipeline import Frame, Shot

_WAIT_NS = 1_000_000_000  # of recording time, for what belongs to an image but was recorded after it
_WAITING_BYTES = 256 * 2**20
_BATCH_BYTES = 64 * 2**20  # of copied messages, where there are many between two images


@dataclass(eq=False)
class BagFrame:
    """One image and what goes with it.

    Attributes:
        index: of the image in the bag. message: as recorded. stamp_ns: of its header.
        camera_info: its message, decoded; None where a camera is given.
        reference: nearest in time, within the tolerance.
        shot: the decoded image with its camera. header: for everything made of it.
        problem: why there is no depth. result: of the network. aligned: the same in metres of the reference.
    """

    index: int
    message: Message
    stamp_ns: int
    camera_info: Any = None
    reference: Message | None = None
    reference_ns: int = 0
    shot: Shot | None = None
    header: Any = None
    problem: FrameError | None = None
    result: Frame | None = None
    aligned: Frame | None = None


@dataclass(eq=False)
class Batch:
    """What goes through the stages together: frames for one run of the network, and messages to be copied, in order."""

    index: int
    items: list[BagFrame | Message] = field(default_factory=list)

    @property
    def frames(self) -> list[BagFrame]:
        return [item for item in self.items if isinstance(item, BagFrame)]


def batches(
    reader: BagReader,
    chosen: Chosen,
    size: int,
    tolerance_ns: int,
    copied: tuple[str, ...],
    also: dict[str, Callable[[Message], None]],
) -> Iterator[Batch]:
    """The bag in batches of `size` frames; the last may be smaller.

    Args:
        tolerance_ns: between an image and its reference. copied: topics that are written as they are.
        also: further topics, and who gets their messages.
    """
    batch, frames, held = Batch(0), 0, 0
    for item in _items(reader, chosen, tolerance_ns, copied, also):
        batch.items.append(item)
        frames += isinstance(item, BagFrame)
        held += len(item.data) if isinstance(item, Message) else 0
        if frames == size or held > _BATCH_BYTES:
            yield batch
            batch, frames, held = Batch(batch.index + 1), 0, 0
    if batch.items:
        yield batch


def _items(
    reader: BagReader,
    chosen: Chosen,
    tolerance_ns: int,
    copied: tuple[str, ...],
    also: dict[str, Callable[[Message], None]],
) -> Iterator[BagFrame | Message]:
    """Frames, complete, and messages to copy. An image waits for what is recorded after it, and all behind it waits."""
    partners = Partners(reader, chosen, tolerance_ns)
    waiting: deque[BagFrame | Message] = deque()
    held = count = 0
    wanted = {chosen.image, chosen.camera_info, chosen.reference, *copied, *also} - {""}
    for message in reader.messages(wanted):
        if message.topic in also:
            also[message.topic](message)
        partners.add(message)
        fresh: list[BagFrame | Message] = [message] if message.topic in copied else []
        if message.topic == chosen.image:
            fresh.append(BagFrame(count, message, stamp_ns(message)))
            count += 1
        waiting.extend(fresh)
        held += len(message.data) * len(fresh)
        while waiting:
            first = waiting[0]
            late = held > _WAITING_BYTES
            if isinstance(first, BagFrame):
                late = late or message.log_ns - first.message.log_ns > _WAIT_NS
                if not (late or partners.complete(first)):
                    break
                partners.complete_frame(first)
            held -= len(_message(first).data)
            yield waiting.popleft()
    for item in waiting:
        if isinstance(item, BagFrame):
            partners.complete_frame(item)
        yield item


def _message(item: BagFrame | Message) -> Message:
    return item.message if isinstance(item, BagFrame) else item


class Partners:
    """The newest camera_info and reference messages, and which of them belong to an image."""

    def __init__(self, reader: BagReader, chosen: Chosen, tolerance_ns: int) -> None:
        self._reader, self._chosen, self._tolerance_ns = reader, chosen, tolerance_ns
        self._infos: deque[tuple[int, Message]] = deque()
        self._references: deque[tuple[int, Message]] = deque()

    def add(self, message: Message) -> None:
        for topic, kept in ((self._chosen.camera_info, self._infos), (self._chosen.reference, self._references)):
            if message.topic == topic:
                kept.append((stamp_ns(message), message))
                # At least one stays: a camera_info may be recorded once, long before its images.
                while len(kept) > 1 and kept[-1][0] - kept[0][0] > 2 * _WAIT_NS + self._tolerance_ns:
                    kept.popleft()

    def complete(self, frame: BagFrame) -> bool:
        """Whether nothing better can come."""
        streams = ((self._chosen.camera_info, self._infos), (self._chosen.reference, self._references))
        return all(not topic or any(stamp >= frame.stamp_ns for stamp, _ in kept) for topic, kept in streams)

    def complete_frame(self, frame: BagFrame) -> None:
        """Give it the camera_info nearest in time, and the reference, if one is near enough."""
        info = _nearest(self._infos, frame.stamp_ns)
        if info is not None:
            with suppress(DataError):
                frame.camera_info = self._reader.decode(info[1])
        reference = _nearest(self._references, frame.stamp_ns)
        if reference is not None and abs(reference[0] - frame.stamp_ns) <= self._tolerance_ns:
            frame.reference_ns, frame.reference = reference


def _nearest(kept: deque[tuple[int, Message]], stamp_ns: int) -> tuple[int, Message] | None:
    """The earlier of two that are equally near."""
    return min(kept, key=lambda item: abs(item[0] - stamp_ns), default=None)
