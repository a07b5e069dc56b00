# SPDX-License-Identifier: Apache-2.0
"""Plays a recording on its topics, at its own pace or another, with /clock: `mono_depth play BAG`.

Nothing is ever left out to keep the pace: where the machine is too slow the playback is late, and says how late.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import qos_profile_system_default
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool

from mono_depth_ros.config import PlayConfig
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.messages.stamps import sec_nanosec
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.runtime import run
from mono_depth_ros.nodes.sources.bag_source import BagSource

_LOOK_S = 0.05  # between two looks at subscribers and the pause
_LATE_S = 0.1  # later than this is said
_TELL_S = 5.0  # between two sentences about it


class PlayNode(Node):
    """Parameters: see PlayConfig. Publishes from a thread of its own; the executor serves ~/pause."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__("play", **arguments)
        self._source: BagSource | None = None
        self._thread: threading.Thread | None = None
        self._stopping, self._going = threading.Event(), threading.Event()
        config = self._config = Parameters(self, (PlayConfig,)).get(PlayConfig)
        if not config.bag:
            raise ConfigError("bag is empty, expected the recording to play")
        self._source = BagSource(Path(config.bag).expanduser(), _names(config.topics), config.start, config.duration)
        for topic, why in self._source.skipped.items():
            self.get_logger().warning(f"{topic} is not played: {why}")
        self._outputs = {
            topic.name: self.create_publisher(topic.message, topic.name, topic.qos) for topic in self._source.topics
        }
        missing = [name for name in _names(config.wait_for) if name not in self._outputs]
        if missing:
            raise ConfigError(f"wait_for names {', '.join(missing)}, expected of: {', '.join(self._outputs)}")
        self._clock_publisher = self.create_publisher(Clock, "/clock", qos_profile_system_default)
        self.create_service(SetBool, "~/pause", self._on_pause)
        if not config.paused:
            self._going.set()
        self._error: Exception | None = None
        self._guard = self.create_guard_condition(self._end)
        self._thread = threading.Thread(target=self._work, name="play", daemon=True)
        self._thread.start()

    def destroy_node(self) -> None:
        self._stopping.set()
        self._going.set()
        if self._thread is not None:
            self._thread.join(2.0)
        if self._source is not None:
            self._source.close()
        super().destroy_node()

    def _on_pause(self, request: Any, response: Any) -> Any:
        (self._going.clear if request.data else self._going.set)()
        response.success, response.message = True, "paused" if request.data else "playing"
        return response

    def _end(self) -> None:
        """In the executor, after the last message."""
        if self._error is not None:
            raise self._error
        rclpy.try_shutdown()

    def _work(self) -> None:
        try:
            self._wait_for_subscribers()
            count = self._play()
            while self._config.loop and not self._stopping.is_set():
                count += self._play()
            if not self._stopping.is_set():
                for publisher in self._outputs.values():
                    # Reliable subscribers may still be reading the last ones.
                    publisher.wait_for_all_acked(Duration(seconds=1))
                self.get_logger().info(f"played {count} messages")
        except Exception as error:
            self._error = error
        if not self._stopping.is_set():
            self._guard.trigger()

    def _wait_for_subscribers(self) -> None:
        wanted = [self._outputs[name] for name in _names(self._config.wait_for)]
        while not self._stopping.is_set() and any(p.get_subscription_count() == 0 for p in wanted):
            self._stopping.wait(_LOOK_S)

    def _play(self) -> int:
        """The recording once; how many messages were published."""
        assert self._source is not None
        pace = _Pace(self._source.start_ns, self._config.rate)
        tick_ns = int(1e9 / self._config.clock * self._config.rate) if self._config.clock else 0
        next_tick_ns, count, told_s = self._source.start_ns, 0, 0.0
        for topic, time_ns, data in self._source.messages():
            while tick_ns and next_tick_ns <= time_ns:
                if not self._wait_until(pace, next_tick_ns):
                    return count
                self._clock_publisher.publish(_clock(next_tick_ns))
                next_tick_ns += tick_ns
            if not self._wait_until(pace, time_ns):
                return count
            self._outputs[topic].publish(data)
            count += 1
            late_s = pace.late_s(time_ns)
            if late_s > _LATE_S and time.monotonic() - told_s > _TELL_S:
                told_s = time.monotonic()
                self.get_logger().warning(
                    f"{late_s:.1f} s late: this machine does not keep up with rate {self._config.rate:g}; "
                    "nothing is left out"
                )
        return count

    def _wait_until(self, pace: _Pace, time_ns: int) -> bool:
        """Until the moment of a time of the recording; False when the node stops."""
        while not self._stopping.is_set():
            if not self._going.is_set():
                began_s = time.monotonic()
                self._going.wait()
                pace.paused(time.monotonic() - began_s)
            left_s = -pace.late_s(time_ns)
            if left_s <= 0:
                return True
            self._stopping.wait(min(left_s, _LOOK_S))
        return False


class _Pace:
    """Times of the recording as moments of the machine's clock."""

    def __init__(self, start_ns: int, rate: float) -> None:
        self._start_ns, self._rate, self._began_s = start_ns, rate, time.monotonic()

    def late_s(self, time_ns: int) -> float:
        """How long ago the moment was; negative: it comes."""
        return time.monotonic() - self._began_s - (time_ns - self._start_ns) / 1e9 / self._rate

    def paused(self, for_s: float) -> None:
        self._began_s += for_s


def _clock(time_ns: int) -> Clock:
    message = Clock()
    message.clock.sec, message.clock.nanosec = sec_nanosec(time_ns)
    return message


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def main() -> int:
    """Entry point of `ros2 run mono_depth_ros play_node`."""
    return run(PlayNode)
