# SPDX-License-Identifier: Apache-2.0
"""The recorder of the demo: every message of some topics into one MCAP file, with the moment each arrived.

It waits until all topics are connected and the chain has given its first results, records for a while, and ends. What
it does is said on stdout, one JSON object a line: {"event": "waiting", "for": [...]}, {"event": "frame", "count": n},
{"event": "done", "images": n}.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rclpy

from mono_depth_ros.bags.transforms import TF_STATIC, static_transform
from mono_depth_ros.bags.writer import BagFile, Channel
from mono_depth_ros.config import RecorderConfig
from mono_depth_ros.errors import ConfigError, MonoDepthError
from mono_depth_ros.geometry.rigid import rigid_from_text
from mono_depth_ros.messages.cdr import header_stamp_ns
from mono_depth_ros.nodes.ros.distributions import with_info
from mono_depth_ros.nodes.ros.guard import Fatal, GuardedNode
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.qos import fitting, requested
from mono_depth_ros.nodes.ros.runtime import run
from mono_depth_ros.nodes.ros.timers import every
from mono_depth_ros.nodes.ros.topics import message_class

_QUEUE = 20  # messages of a topic that wait while another is being written
_DRAIN_S = 3.0  # for the result of the last image, or twice as long as the slowest one took, if that is longer
_SLOW_S = 60.0  # a result that seems to take longer is of another clock
_SETTLE_S = 0.3  # after that result, for what else belongs to the image


class RecorderNode(GuardedNode):
    """Parameters: see RecorderConfig."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__("recorder", **arguments)
        self._config = Parameters(self, (RecorderConfig,)).get(RecorderConfig)
        if not self._config.output or not self._config.topics:
            raise ConfigError("the recorder has nothing to do: expected the parameters output and topics")
        topics = [name for name in self._config.topics.split(",") if name]
        self._image = self.resolve_topic_name(self._config.image)
        self._result = self.resolve_topic_name(self._config.result)
        self._wanted = [self.resolve_topic_name(name) for name in topics]
        self._bag = BagFile(Path(self._config.output), (), "mcap", "none")
        # What is written in a thread of its own makes no arrival late.
        self._thread = ThreadPoolExecutor(1, "bag")
        self._writes: list[Future[None]] = []
        self._closed = False
        self._static = [_static(text) for text in self._config.static_transform.split(";") if text.strip()]
        self._seen: dict[str, int] = {}  # messages of each topic before the recording
        self._newest_ns = 0
        self._window: list[int] = []  # first stamp, then last stamp
        self._images = self._last_stamp = 0
        self._start_s = self._last_image_s = self._deadline_s = self._slowest_s = 0.0
        every(self, 0.25, self._look)

    def destroy_node(self) -> None:
        self._close()
        super().destroy_node()

    def _look(self) -> None:
        """Four times a second: subscribe to what has appeared, say what is missing, end when it is time."""
        try:
            self._go_on()
        except (MonoDepthError, OSError) as error:
            raise Fatal from error  # half a recording is of no use

    def _go_on(self) -> None:
        if not self._window:
            self._subscribe()
            missing = self._missing()
            if missing:
                _say(event="waiting", **{"for": missing})
            else:
                self._window = [self._newest_ns + 1]
                if self._static:
                    self._bag.add(TF_STATIC)
                for one in self._static:
                    self._write(TF_STATIC.topic, time.time_ns(), static_transform(*one, self._window[0]))
                self._start_s = self._last_image_s = time.monotonic()
            return
        now_s = time.monotonic()
        if len(self._window) == 1 and now_s - self._last_image_s > self._config.source_timeout:
            self.get_logger().warning(f"no image for {self._config.source_timeout:g} s: the source has ended")
            self._end_images()
        if len(self._window) == 2 and now_s > self._deadline_s:
            self._finish()

    def _subscribe(self) -> None:
        types = dict(self.get_topic_names_and_types())
        for topic in self._wanted:
            publishers = self.get_publishers_info_by_topic(topic)
            if topic in self._seen or not publishers or topic not in types:
                continue
            qos = fitting(requested(self, topic, _QUEUE), [publisher.qos_profile for publisher in publishers])
            kind = types[topic][0]
            self._bag.add(Channel(topic, kind))
            self._seen[topic] = 0
            callback = with_info(partial(self._on_message, topic))
            self.create_subscription(message_class(kind), topic, callback, qos, raw=True)

    def _missing(self) -> list[str]:
        found = []
        for topic in self._wanted:
            least = self._config.warm_up if topic == self._result else 1
            if topic not in self._seen:
                found.append(f"{topic}: no publisher yet")
            elif self._seen[topic] < least:
                found.append(f"{topic}: {self._seen[topic]} of {least} messages")
        return found

    def _on_message(self, topic: str, data: bytes, info: Any) -> None:
        arrival_ns = info.get("received_timestamp") or time.time_ns()
        stamp = header_stamp_ns(data)
        self._newest_ns = max(self._newest_ns, stamp)
        if not self._window:
            self._seen[topic] += 1
        elif stamp >= self._window[0] and (len(self._window) == 1 or stamp <= self._window[1]):
            self._write(topic, arrival_ns, data)
            if topic == self._image:
                self._on_image(stamp)
        if topic == self._result and (arrival_ns - stamp) / 1e9 < _SLOW_S:
            self._slowest_s = max(self._slowest_s, (arrival_ns - stamp) / 1e9)
        if len(self._window) == 2 and topic == self._result and stamp >= self._window[1]:
            self._deadline_s = min(self._deadline_s, time.monotonic() + _SETTLE_S)

    def _on_image(self, stamp: int) -> None:
        self._images += 1
        self._last_image_s = time.monotonic()
        self._last_stamp = stamp
        _say(event="frame", count=self._images)
        enough = self._images >= self._config.frames > 0
        if enough or self._last_image_s - self._start_s >= self._config.duration:
            self._end_images()

    def _end_images(self) -> None:
        self._window.append(self._last_stamp if self._images else self._window[0])
        self._deadline_s = time.monotonic() + max(_DRAIN_S, 2 * self._slowest_s)

    def _write(self, topic: str, arrival_ns: int, data: bytes) -> None:
        if not self._closed:
            self._writes.append(self._thread.submit(self._bag.write, topic, arrival_ns, data))

    def _close(self) -> None:
        """Write what is waiting and finish the file; once. Raises what went wrong in the thread."""
        if self._closed:
            return
        self._closed = True
        self._thread.shutdown()
        self._bag.close()
        for write in self._writes:
            write.result()

    def _finish(self) -> None:
        self._close()
        _say(event="done", images=self._images)
        rclpy.try_shutdown()


def _static(text: str) -> tuple[str, str, np.ndarray]:
    """(parent, child, 4x4 parent_from_child) of one in the option."""
    parent, _, rest = text.strip().partition(" ")
    child, _, numbers = rest.strip().partition(" ")
    return parent, child, rigid_from_text(numbers)


def _say(**words: Any) -> None:
    print(json.dumps(words), flush=True)


def main() -> int:
    """Entry point of `python -m mono_depth_ros.nodes.recorder_node`."""
    return run(RecorderNode)
