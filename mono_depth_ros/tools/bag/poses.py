# SPDX-License-Identifier: Apache-2.0
"""Recorded poses of the camera, as the ground truth of an exported trajectory: groundtruth.txt of --export tum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.bags.reader import BagReader, Message
from mono_depth_ros.bags.topics import Chosen
from mono_depth_ros.bags.transforms import recorded_transforms
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.geometry.rigid import compose, quaternion
from mono_depth_ros.messages.kinds import bare
from mono_depth_ros.messages.pose import pose_matrix
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.streams.reasons import Reasons
from mono_depth_ros.tools.bag.exports import stamp_text
from mono_depth_ros.tools.bag.places import first_frame

LINES = "groundtruth.txt"
"""The poses in a summary."""


@dataclass(eq=False)
class PoseLines:
    """Attributes: count: of the lines. unusable: why the other messages are none."""

    count: int = 0
    unusable: Reasons = field(default_factory=Reasons)

    def sentence(self) -> str:
        """On messages that are no lines; "" where there are none."""
        return self.unusable.sentence(f"{LINES} has", self.count, self.count + len(self.unusable), "poses")


@contextmanager
def ground_truth(
    reader: BagReader, chosen: Chosen, folder: str, lines: PoseLines
) -> Iterator[dict[str, Callable[[Message], None]]]:
    """Who gets the messages with poses, by topic; each becomes a line, or is counted as unusable.

    Raises:
        DataError: as Poses.
    """
    if not chosen.poses:
        yield {}
        return
    poses = Poses(reader, chosen)
    path = Path(folder) / LINES
    with atomic_path(path) as temporary, temporary.open("w", encoding="ascii") as stream:
        stream.write("# ground truth trajectory\n# timestamp tx ty tz qx qy qz qw\n")

        def add(message: Message) -> None:
            try:
                stream.write(poses.line(message))
                lines.count += 1
            except MonoDepthError as error:
                lines.unusable.add(str(error))

        yield {chosen.poses: add}


class Poses:
    """Turns messages into poses world from camera.

    A PoseStamped has no name for what it is the pose of: it is taken for the camera's optical frame. Odometry and
    TransformStamped name a child frame, from which the static transforms of the bag lead to the camera.

    Raises:
        DataError: the first message names a child frame that nothing static joins to the camera.
    """

    def __init__(self, reader: BagReader, chosen: Chosen) -> None:
        self._reader, self._camera = reader, bare(first_frame(reader, chosen.image))
        self._transforms = recorded_transforms(reader)
        first = reader.decode(next(iter(reader.messages((chosen.poses,)))))
        if hasattr(first, "child_frame_id"):
            self._child_from_camera(first.child_frame_id)

    def line(self, message: Message) -> str:
        """`timestamp tx ty tz qx qy qz qw`. Raises MonoDepthError where the message cannot be used."""
        decoded = self._reader.decode(message)
        world_from_camera = self._pose(decoded)
        numbers = (*world_from_camera[:3, 3].tolist(), *quaternion(world_from_camera[:3, :3]))
        return f"{stamp_text(stamp_ns(decoded.header.stamp))} {' '.join(f'{value:.9g}' for value in numbers)}\n"

    def _child_from_camera(self, child: str) -> np.ndarray:
        return self._transforms.lookup(bare(child), self._camera)

    def _pose(self, decoded: Any) -> np.ndarray:
        world_from_child = pose_matrix(decoded)
        if not hasattr(decoded, "child_frame_id"):
            return world_from_child
        return compose(world_from_child, self._child_from_camera(decoded.child_frame_id))
