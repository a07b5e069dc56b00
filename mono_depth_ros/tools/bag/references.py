# SPDX-License-Identifier: Apache-2.0
"""A reference of `streams.references` in a recording: which of its topics it is, and how it lies to the camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from mono_depth_ros.bags.reader import BagReader, TopicInfo
from mono_depth_ros.bags.topics import counted, has_colour, named, only, sibling_info
from mono_depth_ros.bags.transforms import StaticTransforms
from mono_depth_ros.config import BagConfig, Config, GroundConfig
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.rigid import rigid_from_text
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, IMAGE, IMU, bare
from mono_depth_ros.streams.references import REFERENCES
from mono_depth_ros.streams.references.base import Context, Reference

_OURS = ("/depth/points", "/aligned/points")


class RecordedReference:
    """The reference that a conversion is to go by.

    Args:
        reader: an open bag. config: names given. configs: of the alignment, by class. image: topic of the images.
        tell: gets sentences for people.

    Attributes:
        reference: gets the messages of `inputs`. inputs: the names of its inputs, by topic.
        words: what was chosen, and how it lies to the camera.

    Raises:
        ConfigError: options that do not go together. DataError: a topic that is not there, of another type, or one of
            several; the transforms of the bag do not join two frames.
    """

    def __init__(
        self,
        reader: BagReader,
        config: BagConfig,
        configs: Mapping[type[Config], Any],
        image: str,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._reader, self._image = reader, image
        self._given = rigid_from_text(config.cam_from_reference) if config.cam_from_reference else None
        self.name, topics = _choose(reader, config)
        self.inputs = {topic: name for name, topic in topics.items()}
        context = Context(
            options=lambda cls: configs[cls],
            given=self._given,
            transform=lambda target, source, _: self._transforms.lookup(target, source),
            topic=lambda name: topics.get(name) or _expected(self.name, name, topics),
            published=topics.__contains__,
            tell=tell,
        )
        self.reference: Reference = REFERENCES[self.name](context)
        counts = [f"{topic} ({counted(reader.topics[topic])})" for topic in topics.values()]
        self.words = [f"reference: {', '.join(counts) or self.name}", self._place(topics, configs[GroundConfig])]

    @cached_property
    def _transforms(self) -> StaticTransforms:
        return StaticTransforms.of(self._reader)

    def _place(self, topics: Mapping[str, str], ground: GroundConfig) -> str:
        """Where the reference is, in words; raises where it is not known, before anything is converted."""
        camera = first_frame(self._reader, self._image)
        if self.name == "ground" and ground.base_frame:
            matrix = self._transforms.lookup(ground.base_frame, camera)
            return f"camera above '{ground.base_frame}': by /tf_static, {_distance(matrix)}"
        if not topics:
            return f"camera above the floor: {ground.camera_height:g} m, as given"
        if self._given is not None:
            return "reference to camera: as given by --cam-from-reference"
        frame = first_frame(self._reader, next(iter(topics.values())), child=self.name == "motion")
        if bare(frame) == bare(camera):
            return f"reference: {self.name} in the frame of the images, '{camera}'"
        matrix = self._transforms.lookup(camera, frame)
        return f"reference to camera: '{frame}' to '{camera}' by /tf_static, {_distance(matrix)}"


def first_frame(reader: BagReader, topic: str, child: bool = False) -> str:
    """frame_id of the first message of a topic, or its child_frame_id. Raises DataError where there is none."""
    message = next(iter(reader.messages((topic,))), None)
    if message is None:
        raise DataError(f"{reader.path} holds no message on {topic}")
    decoded = reader.decode(message)
    return str(decoded.child_frame_id if child else decoded.header.frame_id)


def _choose(reader: BagReader, config: BagConfig) -> tuple[str, dict[str, str]]:
    """Which reference, and the topics of its inputs by their names."""
    # Stereo, whose first input is an image too, has to be asked for.
    kinds = {cls.inputs[0].kind: name for name, cls in REFERENCES.items() if cls.inputs and name != "stereo"}
    name = config.reference
    if name == "auto":
        given = named(reader, config.align_topic, tuple(kinds), "--align-topic") if config.align_topic else ""
        name = kinds[reader.topics[given].kind] if given else "lidar"
    if name == "ground":
        return name, _imu(reader, config)
    own = REFERENCES[name].inputs[0]
    images = _pair(reader, config) if name == "stereo" else {own.name: _first(reader, config, own.kind)}
    return name, images | _infos(reader, config, name, images)


def _first(reader: BagReader, config: BagConfig, kind: str) -> str:
    """The topic of a reference that has one: by its type."""
    if config.align_topic:
        return named(reader, config.align_topic, (kind,), "--align-topic")
    found = [item for item in _of_kind(reader, kind) if not (kind == CLOUD and item.name.endswith(_OURS))]
    if kind == IMAGE:
        found = [item for item in found if not has_colour(reader, item)]
    sentence = f"{reader.path} holds %s {kind.rpartition('/')[2]} topics to align with"
    return only(found, sentence, "--align-topic").name


def _expected(reference: str, name: str, topics: Mapping[str, str]) -> str:
    """Where an input that the bag does not hold would be."""
    image = next((item.info_of for item in REFERENCES[reference].inputs if item.name == name), "")
    return sibling_info(topics[image]) if image in topics else name


def _pair(reader: BagReader, config: BagConfig) -> dict[str, str]:
    """Left and right: given, or the only two images whose names differ in these words alone."""
    if config.align_topic:
        left = named(reader, config.align_topic, (IMAGE,), "--align-topic")
    else:
        images = {item.name: item for item in _of_kind(reader, IMAGE)}
        lefts = [images[name] for name in images if "left" in name and _other(name) in images]
        rectified = [item for item in lefts if "rect" in item.name]
        left = only(rectified or lefts, f"{reader.path} holds %s left images with a right one", "--align-topic").name
    right = config.right_topic or _other(left)
    if right == left:
        raise DataError(f"{left} has no 'left' in its name, expected it there: give the right image with --right-topic")
    return {"left": left, "right": named(reader, right, (IMAGE,), "--right-topic")}


def _other(left: str) -> str:
    return "right".join(left.rsplit("left", 1))


def _infos(reader: BagReader, config: BagConfig, name: str, images: Mapping[str, str]) -> dict[str, str]:
    """camera_info of images: given, or their siblings; a disparity's beside the left camera's."""
    found: dict[str, str] = {}
    for item in REFERENCES[name].inputs:
        if item.kind != CAMERA_INFO:
            continue
        image = images[item.info_of or next(iter(images))]
        left = sibling_info(f"{image.rpartition('/')[0]}/left/image")
        beside = [sibling_info(image)] if item.info_of else [left, sibling_info(image)]
        topic = next((topic for topic in beside if topic in reader.topics), "")
        if config.reference_info_topic and not item.needed:
            topic = named(reader, config.reference_info_topic, (CAMERA_INFO,), "--reference-info-topic")
        if item.needed and not topic:
            raise DataError(f"{reader.path} holds no {beside[0]}, expected the camera_info of {image}")
        found |= {item.name: topic} if topic else {}
    return found


def _imu(reader: BagReader, config: BagConfig) -> dict[str, str]:
    if config.imu_topic:
        return {"imu": named(reader, config.imu_topic, (IMU,), "--imu-topic")}
    return {}


def _of_kind(reader: BagReader, kind: str) -> list[TopicInfo]:
    return [item for item in reader.topics.values() if item.kind == kind and item.count != 0]


def _distance(matrix: np.ndarray) -> str:
    x, y, z = matrix[:3, 3]
    return f"{x:.3f} {y:.3f} {z:.3f} m away"
