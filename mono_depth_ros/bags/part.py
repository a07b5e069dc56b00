# SPDX-License-Identifier: Apache-2.0
"""What the readers of storage files have in common."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol, cast

import yaml
from rosbags.interfaces import Connection, MessageDefinitionFormat, Qos
from rosbags.rosbag2.metadata import parse_qos

from mono_depth_ros.config.yaml_text import load_yaml

FORMATS = {
    "ros1msg": MessageDefinitionFormat.MSG,
    "ros2msg": MessageDefinitionFormat.MSG,
    "ros2idl": MessageDefinitionFormat.IDL,
    "omgidl": MessageDefinitionFormat.IDL,
}
"""Of definitions, by the names that recorders give them."""

_TIME = {"sec": 0, "nsec": 0}
_QOS: dict[str, Any] = {"history": 3, "depth": 0, "reliability": 0, "durability": 0, "liveliness": 0}
_QOS |= {"deadline": _TIME, "lifespan": _TIME, "liveliness_lease_duration": _TIME}
_QOS |= {"avoid_ros_namespace_conventions": False}


class Damage(Exception):
    """Why nothing can be read of a file, or of a piece of it; the sentence goes on from its name."""


class Part(Protocol):
    """One storage file that is open.

    Attributes:
        connections: its topics. start_time, end_time: of its messages, ns, the end exclusive.
        claimed: messages by connection, as the file itself says. counted: it says so in a place of its own.
        places: of damage, each as a sentence that goes on from the file's name; complete after the last message.
        notes: what is odd and costs no message, likewise.
    """

    connections: list[Connection]
    start_time: int
    end_time: int
    claimed: Mapping[int, int]
    counted: bool
    places: dict[Hashable, str]
    notes: list[str]

    def messages(
        self, connections: Collection[Connection], start: int | None, stop: int | None
    ) -> Iterator[tuple[Connection, int, bytes | memoryview]]:
        """Those that can be read, recorded from `start` on and before `stop`, in the order of their recording."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def offered(profiles: Any) -> tuple[Qos, ...]:
    """What publishers offered: YAML as a text, as until Iron, or its contents, as since then; () for anything else."""
    try:
        found = load_yaml(profiles) if isinstance(profiles, str) else profiles
    except yaml.YAMLError:
        return ()
    kept: list[Qos] = []
    for item in found if isinstance(found, list) else ():
        with suppress(Exception):  # rosbags raises what odd values make it raise
            kept += parse_qos(cast(Any, [{**_QOS, **item}]))
    return tuple(kept)


def messages(count: int) -> str:
    """How many, in words."""
    return f"{count} message{'s' * (count != 1)}"


def recorded(start_ns: int, end_ns: int) -> str:
    """A span of the recording, in words."""
    begin, end = f"{start_ns / 1e9:.3f}", f"{end_ns / 1e9:.3f}"
    return f"recorded at {begin} s" if begin == end else f"recorded from {begin} to {end} s"
