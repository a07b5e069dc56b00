# SPDX-License-Identifier: Apache-2.0
"""Plays a recording on its topics, at its own pace or another, with /clock: `mono_depth play BAG`.

Nothing is ever left out to keep the pace: where the machine is too slow the playback is late, and says how late.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_profile_system_default
from rosbags.interfaces import QosReliability
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool

from mono_depth_ros.bags.reader import BagReader, Message, TopicInfo
from mono_depth_ros.config import PlayConfig
from mono_depth_ros.errors import SENTENCE, ConfigError, DataError, shown
from mono_depth_ros.messages.stamps import sec_nanosec
from mono_depth_ros.nodes.ros.guard import Fatal, GuardedNode
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.runtime import run
from mono_depth_ros.nodes.ros.topics import message_class
from mono_depth_ros.paths import expanded

_LOOK_S = 0.05  # between two looks at subscribers and the pause
_LATE_S = 0.1  # later than this is said
_TELL_S = 5.0  # between two sentences about it
_DEPTH = 10  # messages kept for a reliable subscriber that is slow
_KEPT = 100  # at most, for one that comes late to a latched topic
_EMPTY = "its topics have none in this part of the recording"


class PlayNode(GuardedNode):
    """Parameters: see PlayConfig. Publishes from a thread of its own; the executor serves ~/pause."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__("play", **arguments)
        self._reader: BagReader | None = None
        self._thread: threading.Thread | None = None
        self._stopping, self._going = threading.Event(), threading.Event()
        config = self._config = Parameters(self, (PlayConfig,)).get(PlayConfig)
        if not config.bag:
            raise ConfigError("bag is empty, expected the recording to play")
        self._reader = BagReader(expanded(config.bag))
        for words in (*self._reader.notes, self._reader.damage):
            if words:
                self.get_logger().warning(shown(words, SENTENCE))
        self._start_ns, self._end_ns = _part(self._reader, config)
        self._outputs: dict[str, Any] = {}
        skipped: dict[str, str] = {}
        for topic in _wanted(self._reader, _names(config.topics)):
            message = message_class(topic.kind)
            if message is None:
                skipped[topic.name] = f"{shown(topic.kind)} is not installed here"
                self.get_logger().warning(f"{shown(topic.name)} is not played: {skipped[topic.name]}")
                continue
            self._outputs[topic.name] = self.create_publisher(message, topic.name, _qos(topic))
        if not self._outputs:
            why = "; ".join(f"{topic}: {reason}" for topic, reason in skipped.items()) or "it has no topic of ROS"
            raise DataError(f"nothing of {config.bag} can be published: {why}")
        missing = [name for name in _names(config.wait_for) if name not in self._outputs]
        if missing:
            raise ConfigError(f"wait_for names {', '.join(missing)}, expected of: {', '.join(self._outputs)}")
        self._silent = set(self._outputs)  # until a message of theirs is played
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
        if self._reader is not None:
            self._reader.close()
        super().destroy_node()

    def _on_pause(self, request: Any, response: Any) -> Any:
        (self._going.clear if request.data else self._going.set)()
        response.success, response.message = True, "paused" if request.data else "playing"
        return response

    def _end(self) -> None:
        """In the executor, after the last message."""
        if self._error is not None:
            raise Fatal from self._error
        rclpy.try_shutdown()

    def _work(self) -> None:
        try:
            self._wait_for_subscribers()
            count = self._play()
            if not count and not self._stopping.is_set():
                assert self._reader is not None
                raise DataError(f"{self._config.bag}: no message was played; {self._reader.damage or _EMPTY}")
            while self._config.loop and not self._stopping.is_set():
                count += self._play()
            if not self._stopping.is_set():
                for publisher in self._outputs.values():
                    # Reliable subscribers may still be reading the last ones.
                    publisher.wait_for_all_acked(Duration(seconds=1))
                self.get_logger().info(f"played {count} messages")
                if silent := sorted(self._silent.intersection(_names(self._config.topics))):
                    self.get_logger().warning(f"nothing was played on {shown(', '.join(silent), SENTENCE)}")
                assert self._reader is not None
                if self._reader.damage:
                    raise DataError(f"{self._reader.damage}; the rest is played")
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
        assert self._reader is not None
        for message in self._latched():
            self._outputs[message.topic].publish(message.data)
        pace = _Pace(self._start_ns, self._config.rate)
        tick_ns = int(1e9 / self._config.clock * self._config.rate) if self._config.clock else 0
        next_tick_ns, count, told_s = self._start_ns, 0, 0.0
        for message in self._reader.messages(self._outputs, self._start_ns, self._end_ns):
            time_ns = message.log_ns
            while tick_ns and next_tick_ns <= time_ns:
                if not self._wait_until(pace, next_tick_ns):
                    return count
                self._clock_publisher.publish(_clock(next_tick_ns))
                next_tick_ns += tick_ns
            if not self._wait_until(pace, time_ns):
                return count
            self._outputs[message.topic].publish(message.data)
            self._silent.discard(message.topic)
            count += 1
            late_s = pace.late_s(time_ns)
            if late_s > _LATE_S and time.monotonic() - told_s > _TELL_S:
                told_s = time.monotonic()
                self.get_logger().warning(
                    f"{late_s:.1f} s late: this machine does not keep up with rate {self._config.rate:g}; "
                    "nothing is left out"
                )
        return count

    def _latched(self) -> Iterator[Message]:
        """What was latched before the part that is played, such as the static transforms."""
        assert self._reader is not None
        topics = [name for name in self._outputs if self._reader.topics[name].stays]
        if self._config.start and topics:
            yield from self._reader.messages(topics, None, self._start_ns)

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


def _part(reader: BagReader, config: PlayConfig) -> tuple[int, int]:
    """Begin and end of what is played, in the time of the recording, ns; the end is exclusive."""
    length_s = max(0, reader.end_ns + 1 - reader.start_ns) / 1e9
    if config.start >= length_s:
        raise ConfigError(f"start is {config.start:g} s, expected less than the recording's length, {length_s:g} s")
    start_ns = reader.start_ns + int(config.start * 1e9)
    end_ns = start_ns + int(config.duration * 1e9) if config.duration else reader.end_ns
    return start_ns, min(end_ns, reader.end_ns) + 1


def _wanted(reader: BagReader, names: tuple[str, ...]) -> list[TopicInfo]:
    missing = [name for name in names if name not in reader.topics]
    if foreign := [reader.left_out[name] for name in missing if name in reader.left_out]:
        found = f"{shown(foreign[0].name)}, whose messages are {shown(foreign[0].encoding or 'of no encoding')}"
        raise ConfigError(f"topics names {found}, expected those of ROS")
    if missing:
        there = ", ".join(sorted(reader.topics))
        raise ConfigError(f"{reader.path} has no topic {', '.join(missing)}; it has: {there}")
    return [topic for name, topic in reader.topics.items() if name in names or not names]


def _qos(topic: TopicInfo) -> QoSProfile:
    """As it was offered when it was recorded: latched topics stay latched. Unknown: reliable and volatile."""
    qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
    if any(profile.reliability == QosReliability.BEST_EFFORT for profile in topic.qos):
        qos.reliability = ReliabilityPolicy.BEST_EFFORT
    if topic.stays:
        qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        # Several nodes had published them, each with messages of its own that stayed.
        qos.depth = max(_DEPTH, *(profile.depth for profile in topic.qos), min(topic.count or 0, _KEPT))
    return qos


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def main() -> int:
    """Entry point of `ros2 run mono_depth_ros play_node`."""
    return run(PlayNode)
