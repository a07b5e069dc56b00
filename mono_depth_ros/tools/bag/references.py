# SPDX-License-Identifier: Apache-2.0
"""References of `streams.references` in a recording: which of its topics they are, and how they lie to the camera."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mono_depth_ros.bags.reader import BagReader, TopicInfo
from mono_depth_ros.bags.topics import counted, has_colour, named, only, sibling_info
from mono_depth_ros.config import BagConfig, Config, GroundConfig, MotionConfig
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.rigid import rigid_from_text
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, IMAGE, IMU, SCAN, bare
from mono_depth_ros.streams.outputs import OUTPUTS
from mono_depth_ros.streams.references import REFERENCES, make_reference
from mono_depth_ros.streams.references.base import Context, Reference
from mono_depth_ros.tools.bag.camera_poses import open_poses
from mono_depth_ros.tools.bag.places import Places, first_frame

_GIVE = "give --cam-from-reference 'x y z qx qy qz qw', reference to camera"
_OURS = tuple(f"/{output.topic}" for output in OUTPUTS if output.kind in (CLOUD, SCAN))


class RecordedReference:
    """The reference that a conversion is to go by, which may be made of several.

    Args:
        reader: an open bag. config: names given. configs: of the alignment, by class. places: where things are in it.
        tell: gets sentences for people.

    Attributes:
        names: of the references. reference: gets the messages of `inputs`, which are its inputs' names by topic.
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
        places: Places,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._reader, self._places = reader, places
        self._given = rigid_from_text(config.cam_from_reference) if config.cam_from_reference else None
        self.names = _names(reader, config)
        self.inputs: dict[str, str] = {}
        self.words: list[str] = []
        configs, topics = dict(configs), dict[str, str]()
        if "motion" in self.names or configs[MotionConfig].fuse:
            given = self._given if self.names == ("motion",) else None
            source = open_poses(reader, config, configs, places, given, tell)
            self.words.append(source.words)
            configs[MotionConfig] = source.motion
        for name, own in _of_each(reader, config, self.names):
            found = _topics(reader, own, name)
            self.inputs |= {topic: input_name for input_name, topic in found.items()}
            counts = [f"{topic} ({counted(reader.topics[topic])})" for topic in found.values()]
            where = [] if name in ("motion", "memory") else [self._place(name, found, configs)]
            self.words += [f"reference: {', '.join(counts) or name}", *where]
            topics |= found
        context = Context(
            options=lambda cls: configs[cls],
            given=self._given,
            transform=places.lookup,
            topic=lambda name: topics.get(name) or _expected(self.names, name, topics),
            published=topics.__contains__,
            tell=tell,
            poses=places.poses,
        )
        self.reference: Reference = make_reference(self.names, context)

    def _place(self, name: str, topics: Mapping[str, str], configs: Mapping[type[Config], Any]) -> str:
        """Where a reference is, in words; raises where it is not known, before anything is converted."""
        camera, ground = self._places.camera, configs[GroundConfig]
        if name == "ground" and ground.base_from_camera and ground.base_frame:
            return f"camera above '{ground.base_frame}': as given by --base-from-camera"
        if name == "ground" and ground.base_frame:
            return f"camera above '{ground.base_frame}': {self._places.need(ground.base_frame, camera)}"
        if not topics:
            return f"camera above the floor: {ground.camera_height:g} m, as given"
        if self._given is not None:
            return "reference to camera: as given by --cam-from-reference"
        frame = first_frame(self._reader, next(iter(topics.values())))
        if bare(frame) == bare(camera):
            return f"reference: {name} in the frame of the images, '{camera}'"
        if fixed := configs[MotionConfig].odom_frame:
            self._places.need(fixed, frame)  # where it was at its own stamp
        return f"reference to camera: '{frame}' to '{camera}' {self._places.need(camera, frame, _GIVE)}"


def _names(reader: BagReader, config: BagConfig) -> tuple[str, ...]:
    """Which references; `auto` goes by the type of align_topic."""
    if config.references != ("auto",):
        return config.references
    # Stereo, whose first input is an image too, has to be asked for.
    kinds = {kind: name for name in REFERENCES if name != "stereo" for kind in _kinds(name)}
    given = named(reader, config.align_topic, tuple(kinds), "--align-topic") if config.align_topic else ""
    return (kinds[reader.topics[given].kind] if given else "lidar",)


def _of_each(reader: BagReader, config: BagConfig, names: tuple[str, ...]) -> Iterator[tuple[str, BagConfig]]:
    """Each reference with the options that are its own: of several, align_topic is for the one of its type."""
    if len(names) == 1 or not config.align_topic:
        yield from ((name, config) for name in names)
        return
    every = tuple(kind for name in names for kind in _kinds(name))
    kind = reader.topics[named(reader, config.align_topic, every, "--align-topic")].kind
    for name in names:
        yield name, config if kind in _kinds(name) else replace(config, align_topic="")


def _kinds(reference: str) -> tuple[str, ...]:
    """The types of the first input of a reference; none where it needs no messages."""
    first = REFERENCES[reference].inputs[:1] if reference not in ("ground", "memory") else ()
    return tuple(kind for item in first for kind in (item.kind, *item.others))


def _topics(reader: BagReader, config: BagConfig, name: str) -> dict[str, str]:
    """The topics of a reference's inputs, by their names; those of poses are opened elsewhere."""
    if name in ("motion", "memory"):
        return {}
    if name == "ground":
        return _imu(reader, config)
    own = REFERENCES[name].inputs[0]
    images = _pair(reader, config) if name == "stereo" else {own.name: _first(reader, config, own.kind)}
    return images | _infos(reader, config, name, images)


def _first(reader: BagReader, config: BagConfig, kind: str) -> str:
    """The topic of a reference that has one: by its type."""
    if config.align_topic:
        return named(reader, config.align_topic, (kind,), "--align-topic")
    found = [item for item in _of_kind(reader, kind) if not item.name.endswith(_OURS)]
    if kind == IMAGE:
        found = [item for item in found if not has_colour(reader, item)]
    sentence = f"{reader.path} holds %s {kind.rpartition('/')[2]} topics to align with"
    return only(found, sentence, "--align-topic").name


def _expected(references: Iterable[str], name: str, topics: Mapping[str, str]) -> str:
    """Where an input that the bag does not hold would be."""
    inputs = (item for reference in references for item in REFERENCES[reference].inputs)
    image = next((item.info_of for item in inputs if item.name == name), "")
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
