# SPDX-License-Identifier: Apache-2.0
"""Which poses of the camera a recording goes by: a topic, recorded transforms, or a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mono_depth_ros.bags.reader import BagReader, TopicInfo
from mono_depth_ros.bags.topics import counted, named, only
from mono_depth_ros.config import BagConfig, Config, MotionConfig
from mono_depth_ros.errors import ConfigError, DataError, shown
from mono_depth_ros.geometry.trajectory import Trajectory
from mono_depth_ros.media.trajectory import read_trajectory
from mono_depth_ros.messages.kinds import ODOMETRY, POSES, TF, bare
from mono_depth_ros.streams.references.base import Context
from mono_depth_ros.streams.references.poses import CameraPoses
from mono_depth_ros.tools.bag.places import Places

_ODOM = "odom"  # REP 105: continuous, while map may jump
_UNCOVERED_S = 1.0  # of the images without poses, which is told
_GIVE = "give --camera-from-pose 'x y z qx qy qz qw', from the poses' frame to the camera"


def open_poses(
    reader: BagReader,
    config: BagConfig,
    configs: Mapping[type[Config], Any],
    places: Places,
    given: np.ndarray | None,
    tell: Callable[[str], None],
) -> PoseSource:
    """Have `places` get the poses of the camera that are asked for.

    Args:
        configs: of the alignment, by class. given: (4, 4) camera_from_pose where MotionConfig does not say it.

    Raises:
        ConfigError, DataError: as PoseSource.
    """
    motion = configs[MotionConfig]
    source = PoseSource(reader, config, motion, places, given is not None or bool(motion.camera_from_pose.strip()))
    options = {**configs, MotionConfig: source.motion}
    context = Context(
        options=lambda cls: options[cls],
        given=given,
        transform=places.lookup,
        topic=lambda _: source.topic,
        published=lambda _: True,
        tell=tell,
    )
    places.poses, places.pose_topic, places.file = CameraPoses(context, source.trajectory), source.topic, source.file
    places.awaited |= {source.topic} if source.topic else set()
    return source


class PoseSource:
    """The poses that are asked for.

    Args:
        reader: an open bag. config: names given. motion: frames given. places: learns what is needed of the bag.
        given: where the camera is on what the poses are of is said by a transform.

    Attributes:
        motion: with the frames that were found: the odom_frame for transforms, the pose_frame for a file.
        topic: of the messages with poses, "" for none. file, trajectory: what a file holds. words: all that in words.

    Raises:
        ConfigError: options that do not go together. DataError: there are no such poses, or nothing leads from them to
            the camera.
    """

    def __init__(self, reader: BagReader, config: BagConfig, motion: MotionConfig, places: Places, given: bool) -> None:
        self._reader, self._places, self._given = reader, places, given
        self.motion, self.topic = motion, ""
        self.file: Path | None = None
        self.trajectory: Trajectory | None = None
        name = config.poses
        topic = reader.topics.get(name) or reader.topics.get(f"/{name}")
        by_transforms = name.rpartition("/")[2] == "tf" or (topic is not None and topic.kind == TF)
        if motion.odom_frame and name and not by_transforms:
            raise ConfigError(f"odom_frame is '{motion.odom_frame}' and poses '{name}': expected one of them, or /tf")
        if by_transforms or motion.odom_frame:
            self.words = self._by_transforms()
        elif name and topic is None:
            self.words = self._by_file(Path(name).expanduser())
        else:
            self.words = self._by_topic(self._topic(config))

    def _by_transforms(self) -> str:
        if self._given:
            raise ConfigError(
                "the transforms lead to the camera themselves: camera_from_pose and cam_from_reference are for poses "
                "of a topic or a file"
            )
        frame, camera = bare(self.motion.odom_frame) or self._fixed_frame(), self._places.camera
        self.motion = replace(self.motion, odom_frame=frame)
        return f"poses: '{shown(camera)}' in '{shown(frame)}' {self._places.need(frame, camera)}"

    def _fixed_frame(self) -> str:
        """The frame above the camera that does not move: odom, or the only one beyond a frame that moves."""
        camera = self._places.camera
        if _ODOM not in self._places.transforms.ancestors(camera):
            self._places.reread(camera, _ODOM)
        transforms = self._places.transforms
        above = transforms.ancestors(camera)
        first = next((n for n, frame in enumerate(above, 1) if frame in transforms.moving), len(above))
        beyond = above[first:]
        if _ODOM in beyond:
            return _ODOM
        if not beyond:
            there = transforms.words() or "none at all"
            raise DataError(f"no transform on /tf moves the camera '{shown(camera)}'; there is {there}")
        if len(beyond) > 1:
            raise DataError(
                f"the camera '{shown(camera)}' is in the frames {', '.join(map(shown, beyond))}: say which of them "
                "does not move with --odom-frame"
            )
        return beyond[0]

    def _by_file(self, path: Path) -> str:
        if not path.is_file():
            there = [item.name for item in self._reader.topics.values() if item.kind in (*POSES, TF)]
            raise DataError(
                f"--poses is {path}, which is no file and no topic of {self._reader.path}; it has the topics with "
                f"poses {', '.join(map(shown, there)) or 'none'}"
            )
        self.file, self.trajectory = path, read_trajectory(path)
        begin_ns, duration_ns = self._places.images_ns()
        first_ns, last_ns = self.trajectory.span_ns
        if last_ns < begin_ns or begin_ns + duration_ns < first_ns:
            raise DataError(
                f"the poses of {path} are from {first_ns / 1e9:.3f} to {last_ns / 1e9:.3f} s, and the images begin at "
                f"{begin_ns / 1e9:.3f} s: they are of another recording or another clock"
            )
        words = f"poses: {path} ({len(self.trajectory)} poses{self._of(self._places.camera)})"
        without_s = (max(first_ns - begin_ns, 0) + max(begin_ns + duration_ns - last_ns, 0)) / 1e9
        if without_s > _UNCOVERED_S:
            words += f"; warning: none for {without_s:.1f} of the {duration_ns / 1e9:.1f} s of the images"
        return words

    def _by_topic(self, topic: TopicInfo) -> str:
        first = next(iter(self._reader.messages((topic.name,))), None)
        if first is None:
            raise DataError(f"{self._reader.path} holds no message on {topic.name}")
        child = getattr(self._reader.decode(first), "child_frame_id", "")
        self.topic = topic.name
        return f"poses: {topic.name} ({counted(topic)}{self._of(child)})"

    def _of(self, frame: str) -> str:
        """What the poses are of: what is given, else a frame."""
        camera = self._places.camera
        frame = bare(self.motion.pose_frame) or bare(frame)
        if self._given:
            return ", camera_from_pose as given"
        if not frame:
            raise DataError(
                f"{self.topic} does not say which frame its poses are of: give --pose-frame, '{shown(camera)}' "
                f"where they are the camera's, or {_GIVE}"
            )
        self.motion = replace(self.motion, pose_frame=frame) if self.file else self.motion
        if frame == camera:
            return f", of the camera '{shown(camera)}'"
        return f", '{shown(frame)}' to '{shown(camera)}' {self._places.need(camera, frame, _GIVE)}"

    def _topic(self, config: BagConfig) -> TopicInfo:
        topics = self._reader.topics
        if config.poses:
            return topics[named(self._reader, config.poses, POSES, "--poses")]
        given = topics.get(config.align_topic) or topics.get(f"/{config.align_topic}")
        if given is not None and given.kind in POSES:
            return given
        there = [item for item in topics.values() if item.kind == ODOMETRY and item.count != 0]
        return only(there, f"{self._reader.path} holds %s Odometry topics with poses", "--poses")
