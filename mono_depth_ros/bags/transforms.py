# SPDX-License-Identifier: Apache-2.0
"""Static transforms of a bag: how two frames lie to each other. Nothing is guessed: no chain, no transform."""

from __future__ import annotations

import numpy as np
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

from mono_depth_ros.bags.reader import TYPES, BagReader
from mono_depth_ros.bags.writer import Channel
from mono_depth_ros.errors import DataError, shown
from mono_depth_ros.geometry.rigid import compose, inverse, quaternion, rigid_from_pose
from mono_depth_ros.messages.kinds import bare
from mono_depth_ros.messages.stamps import sec_nanosec

_KIND = "tf2_msgs/msg/TFMessage"
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
TF_STATIC = Channel("/tf_static", _KIND, qos=(_LATCHED,))
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
    return bytes(TYPES.serialize_cdr(make[_KIND]([stamped]), _KIND))


class StaticTransforms:
    """A tree of frames.

    Attributes:
        parents: of each child frame its parent, and (4, 4) parent_from_child.
    """

    def __init__(self, parents: dict[str, tuple[str, np.ndarray]]) -> None:
        self.parents = parents

    @classmethod
    def of(cls, reader: BagReader) -> StaticTransforms:
        """All that the bag says on /tf_static; the last word counts."""
        topics = [
            item.name
            for item in reader.topics.values()
            if item.kind == _KIND and item.name.rpartition("/")[2] == "tf_static"
        ]
        parents = {}
        for message in reader.messages(topics) if topics else ():
            for item in reader.decode(message).transforms:
                t, q = item.transform.translation, item.transform.rotation
                parent_from_child = rigid_from_pose((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
                parents[bare(item.child_frame_id)] = (bare(item.header.frame_id), parent_from_child)
        return cls(parents)

    def lookup(self, target: str, source: str) -> np.ndarray:
        """(4, 4) target_from_source.

        Raises:
            DataError: no chain joins them; the sentence names both frames and what there is.
        """
        target, source = bare(target), bare(source)
        to_target, to_source = self._ancestors(target), self._ancestors(source)
        common = next((frame for frame in to_source if frame in to_target), None)
        if common is None:
            there = ", ".join(f"{parent} to {child}" for child, (parent, _) in sorted(self.parents.items()))
            raise DataError(
                f"the static transforms of the bag do not join '{shown(source)}' and '{shown(target)}'; there is "
                f"{there or 'none at all'}: give --cam-from-reference 'x y z qx qy qz qw', reference to camera"
            )
        return compose(inverse(to_target[common]), to_source[common])

    def _ancestors(self, frame: str) -> dict[str, np.ndarray]:
        """Ancestor frames, the frame itself first, and (4, 4) ancestor_from_frame."""
        found, ancestor_from_frame = {frame: np.eye(4)}, np.eye(4)
        at = frame
        while at in self.parents:
            at, parent_from_child = self.parents[at]
            if at in found:
                raise DataError(f"the static transforms of the bag go in a circle at '{at}'")
            ancestor_from_frame = compose(parent_from_child, ancestor_from_frame)
            found[at] = ancestor_from_frame
        return found
