# SPDX-License-Identifier: Apache-2.0
"""A bag as batches of frames: each image with its camera_info and its reference, in the order of the recording.

What comes out depends on the bag and the options alone, never on time, threads or where a conversion was resumed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mono_depth_ros.bags.reader import BagReader, Message, stamp_ns
from mono_depth_ros.bags.topics import Chosen
from mono_depth_ros.errors import FrameError
from mono_depth_ros.pipeline import Frame, Shot
from mono_depth_ros.streams.cameras import KEPT, by_preference
from mono_depth_ros.tools.bag.places import Places

_WAIT_NS = 1_000_000_000  # of recording time, for what belongs to an image but was recorded after it
_WAITING_BYTES = 256 * 2**20
_DISORDER_NS = 200_000_000  # of stamps, within which poses are looked for that come late
_PLACES = 20_000  # messages on where things are, where there are no images for long
_BATCH_BYTES = 64 * 2**20  # of copied messages, where there are many between two images


@dataclass(eq=False)
class BagFrame:
    """One image and what goes with it.

    Attributes:
        index: of the image in the bag. message: as recorded. stamp_ns: of its header.
        infos: camera_info messages, by preference; empty where a camera is given.
        inputs: of the reference, by the names of its inputs: what came since the image before, in order.
        places: messages on where things are, likewise.
        shot: the decoded image with its camera. header: for everything made of it. camera_info: decoded; None where a
            camera is given.
        problem: why there is no depth. result: of the network. known: of the result, see `Frame.known`.
        aligned: the same in metres of the reference.
        messages: made of the result, with their types, by topic, where that was on a GPU and is gone.
    """

    index: int
    message: Message
    stamp_ns: int
    infos: list[Message] = field(default_factory=list)
    inputs: list[tuple[str, Message]] = field(default_factory=list)
    places: list[Message] = field(default_factory=list)
    shot: Shot | None = None
    header: Any = None
    camera_info: Any = None
    problem: FrameError | None = None
    result: Frame | None = None
    known: float | None = None
    aligned: Frame | None = None
    messages: dict[str, tuple[str, Any]] = field(default_factory=dict)


@dataclass(eq=False)
class Batch:
    """What goes through the stages together: frames for one run of the network, and messages to be copied, in order.

    Attributes:
        image_bits: see `BitDepth.found`, after the last of its images.
    """

    index: int
    items: list[BagFrame | Message] = field(default_factory=list)
    image_bits: int = 0

    @property
    def frames(self) -> list[BagFrame]:
        return [item for item in self.items if isinstance(item, BagFrame)]


def batches(
    reader: BagReader,
    chosen: Chosen,
    inputs: Mapping[str, str],
    places: Places,
    size: int,
    tolerance_ns: int,
    copied: tuple[str, ...],
    also: dict[str, Callable[[Message], None]],
) -> Iterator[Batch]:
    """The bag in batches of `size` frames; the last may be smaller.

    Args:
        inputs: topics of the reference, and the names of its inputs. places: says what else goes with each image.
        tolerance_ns: between an image and its reference.
        copied: topics that are written as they are.
        also: further topics, and who gets their messages.
    """
    batch, frames, held = Batch(0), 0, 0
    for item in _items(reader, chosen, inputs, places, tolerance_ns, copied, also):
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
    inputs: Mapping[str, str],
    places: Places,
    tolerance_ns: int,
    copied: tuple[str, ...],
    also: dict[str, Callable[[Message], None]],
) -> Iterator[BagFrame | Message]:
    """Frames, complete, and messages to copy. An image waits for what is recorded after it, and all behind it waits."""
    partners = Partners(chosen.camera_info, inputs, places, tolerance_ns)
    waiting: deque[BagFrame | Message] = deque()
    held = count = 0
    wanted = {chosen.image, chosen.camera_info, *inputs, *places.topics, *copied, *also} - {""}
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
    """The camera_info, reference and other messages that were read lately, and which of them belong to an image.

    Args:
        info: topic of camera_info, "" for none. inputs, places, tolerance_ns: as of `batches`.
    """

    def __init__(self, info: str, inputs: Mapping[str, str], places: Places, tolerance_ns: int) -> None:
        self._info, self._names, self._tolerance_ns = info, inputs, tolerance_ns
        self._places, self._place_topics = places, places.topics
        self._of_places: deque[Message] = deque(maxlen=_PLACES)
        self._infos: deque[tuple[int, Message]] = deque()
        self._inputs: deque[tuple[int, str, Message]] = deque()
        self._newest_ns = dict.fromkeys([*([info] if info else []), *inputs, *places.awaited], -1)

    def add(self, message: Message) -> None:
        if message.topic in self._place_topics and (stamps := self._places.stamps(message)):
            # Poses of one driver may be recorded in another order than that of their stamps.
            self._newest_ns |= {name: stamp - _DISORDER_NS for name, stamp in stamps.items()}
            self._of_places.append(message)
        if message.topic not in self._newest_ns or message.topic in self._place_topics:
            return
        self._newest_ns[message.topic] = stamp = stamp_ns(message)
        if message.topic in self._names:
            self._inputs.append((stamp, self._names[message.topic], message))
        if message.topic == self._info:
            self._infos.append((stamp, message))
            # At least one stays: a camera_info may be recorded once, long before its images.
            while len(self._infos) > 1 and stamp - self._infos[0][0] > 2 * _WAIT_NS:
                self._infos.popleft()

    def complete(self, frame: BagFrame) -> bool:
        """Whether nothing better can come."""
        return all(stamp >= frame.stamp_ns for stamp in self._newest_ns.values())

    def complete_frame(self, frame: BagFrame) -> None:
        """Give it the camera_info messages that suit it best, all on where things are, and what is there of the
        reference.

        That is what is not later than the image, and of each input the next one, within the tolerance: the rest is for
        later images, since a reference keeps no more than its newest messages.
        """
        frame.infos = by_preference(self._infos, frame.stamp_ns)[:KEPT]
        frame.places = list(self._of_places)
        self._of_places.clear()
        beyond: set[str] = set()
        while self._inputs:
            stamp, name, message = self._inputs[0]
            early = stamp > frame.stamp_ns + (0 if name in beyond else self._tolerance_ns)
            # A stamp of another clock must not hold up those behind it for ever.
            if early and message.log_ns > frame.message.log_ns - _WAIT_NS:
                break
            self._inputs.popleft()
            frame.inputs.append((name, message))
            if stamp >= frame.stamp_ns:
                beyond.add(name)
