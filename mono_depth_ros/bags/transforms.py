# SPDX-License-Identifier: Apache-2.0
"""Transforms of a bag: how its frames lie to each other, and what is written of that into another one."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import numpy as np
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

from mono_depth_ros.bags.reader import TYPES, BagReader
from mono_depth_ros.bags.writer import Channel
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.rigid import quaternion
from mono_depth_ros.geometry.transforms import Transforms
from mono_depth_ros.messages.kinds import TF, bare
from mono_depth_ros.messages.pose import pose_matrix
from mono_depth_ros.messages.stamps import sec_nanosec

_FIRST = 500  # messages of /tf, in which every frame that moves is expected
_EVER = QosTime(2147483647, 4294967295)
# As tf2_ros::StaticTransformBroadcaster offers it.
_LATCHED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    _EVER,
    _EVER,
    QosLiveliness.AUTOMATIC,
    _EVER,
    False,
)
TF_STATIC = Channel("/tf_static", TF, qos=(_LATCHED,))
"""The topic of static transforms, in a bag that is written."""


def static_transform(parent: str, child: str, parent_from_child: np.ndarray, stamp_ns: int) -> bytes:
    """The message for TF_STATIC that says where a frame is, (4, 4), in its parent."""
    make = TYPES.types
    header = make["std_msgs/msg/Header"](make["builtin_interfaces/msg/Time"](*sec_nanosec(stamp_ns)), parent)
    transform = make["geometry_msgs/msg/Transform"](
        make["geometry_msgs/msg/Vector3"](*parent_from_child[:3, 3].tolist()),
        make["geometry_msgs/msg/Quaternion"](*quaternion(parent_from_child[:3, :3])),
    )
    stamped = make["geometry_msgs/msg/TransformStamped"](header, child, transform)
    return bytes(TYPES.serialize_cdr(make[TF]([stamped]), TF))


def recorded_transforms(reader: BagReader, frames: Iterable[str] = ()) -> Transforms:
    """What the bag says on /tf_static, where the last word counts, and which frames move, by the first messages of /tf.

    Args:
        frames: which have to be in one tree; /tf is read to its end before one is missed.
    """
    fixed = {}
    static, moving_too = static_topics(reader), moving_topics(reader)
    for message in reader.messages(static) if static else ():
        for item in reader.decode(message).transforms:
            fixed[bare(item.child_frame_id)] = (bare(item.header.frame_id), pose_matrix(item))
    moving: dict[str, str] = {}
    for number, message in enumerate(reader.messages(moving_too) if moving_too else (), 1):
        with suppress(DataError):  # the others tell of their frames
            for item in reader.decode(message).transforms:
                moving[bare(item.child_frame_id)] = bare(item.header.frame_id)
        if number % _FIRST == 0 and _joined(found := Transforms(fixed, moving), frames):
            return found
    return Transforms(fixed, moving)


def moving_topics(reader: BagReader) -> list[str]:
    """/tf, and those of the same type that are called otherwise."""
    static = static_topics(reader)
    return [item.name for item in reader.topics.values() if item.kind == TF and item.name not in static]


def static_topics(reader: BagReader) -> list[str]:
    """/tf_static, under any namespace."""
    return [
        item.name for item in reader.topics.values() if item.kind == TF and item.name.rpartition("/")[2] == "tf_static"
    ]


def _joined(transforms: Transforms, frames: Iterable[str]) -> bool:
    try:
        roots = {transforms.ancestors(bare(frame))[-1] for frame in frames}
    except DataError:
        return True
    return len(roots) < 2
