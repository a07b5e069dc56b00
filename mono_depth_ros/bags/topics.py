# SPDX-License-Identifier: Apache-2.0
"""Which topics of a bag are meant: by name where one is given, else by type, and said in words either way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mono_depth_ros.bags.part import messages
from mono_depth_ros.bags.reader import BagReader, TopicInfo
from mono_depth_ros.config import BagConfig
from mono_depth_ros.errors import DataError, MonoDepthError, shown
from mono_depth_ros.messages.kinds import CAMERA_INFO, COMPRESSED, IMAGE, POSES

TRANSPORTS = ("/compressed", "/zstd")
"""Suffixes of the topics that image_transport publishes beside the raw image."""

_DEPTH_ENCODINGS = ("32FC1", "16UC1", "64FC1", "32FC3")


@dataclass(frozen=True)
class Chosen:
    """Topics by name, "" where there is none and none is needed. `words` says what was chosen and why."""

    image: str
    camera_info: str = ""
    poses: str = ""
    words: list[str] = field(default_factory=list)


def choose(reader: BagReader, config: BagConfig) -> Chosen:
    """Choose the topics that a conversion needs.

    Args:
        reader: an open bag. config: names given, outputs wanted; poses are looked for with --export tum.

    Raises:
        DataError: a topic that is not there or of another type, none to be found, or several: the sentence lists them
            and says which option decides.
    """
    words: list[str] = []
    image = image_topic(reader, config, words)
    return Chosen(
        image=image,
        camera_info="" if config.camera or config.hfov else info_topic(reader, config, image, words),
        poses=_poses(reader, config, words) if config.export_tum else "",
        words=words,
    )


def image_topic(reader: BagReader, config: BagConfig, words: list[str]) -> str:
    """The topic of the images; `words` gets which. Raises DataError as `choose`."""
    if config.image_topic:
        return named(reader, config.image_topic, (IMAGE, COMPRESSED), "--image-topic")
    topics = image_topics(reader)
    if not topics:
        raise DataError(f"{reader.path} holds no image topic, it has: {listed(reader.topics.values()) or 'no topics'}")
    found = [reader.topics[name] for name, why in topics.items() if not why]
    if "stereo" in config.references:  # the right image of a pair is matched, the left one gets depth
        found = [item for item in found if (left := _left_of(item.name)) == item.name or left not in topics]
    seen = [reader.topics[name] for name in topics]
    chosen = only(found, f"{reader.path} holds %s image topics", "--image-topic", seen)
    words.append(f"images: {chosen.name} ({counted(chosen)})")
    return chosen.name


def _left_of(name: str) -> str:
    """The topic of the left image of a pair; that of an image which is not the right one is its own."""
    return "left".join(name.rsplit("right", 1))


def image_topics(reader: BagReader) -> dict[str, str]:
    """Every image topic, and why it is not the one with a camera's pictures; "" for those that may be."""
    found = {item.name: "" for item in reader.topics.values() if item.kind in (IMAGE, COMPRESSED)}
    for name in found:
        item = reader.topics[name]
        found[name] = "empty" if item.count == 0 else "" if has_colour(reader, item) else "depth"
    # The raw topic and its compressed twins are one camera.
    pictures = {name for name, why in found.items() if not why}
    for name in pictures:
        twins = (f"{without_transport(name)}{end}" for end in ("", *TRANSPORTS))
        first = next(twin for twin in twins if twin in pictures)
        found[name] = "" if first == name else f"the same as {first}"
    return found


def without_transport(name: str) -> str:
    """The topic of the raw image that one of image_transport's topics belongs to."""
    return next((name.removesuffix(end) for end in TRANSPORTS if name.endswith(end)), name)


def sibling_info(image: str) -> str:
    """image_transport: camera_info is the sibling of the image topic; compressed images have one name more."""
    return f"{without_transport(image).rpartition('/')[0]}/camera_info"


def has_colour(reader: BagReader, item: TopicInfo) -> bool:
    """By its first message: an Image may be depth, which no type tells."""
    if item.name.endswith("/depth/color"):
        return False  # what the depth node draws for eyes
    message = next(iter(reader.messages((item.name,))), None)
    if message is None:
        return False
    try:
        decoded = reader.decode(message)
    except MonoDepthError:
        return True  # the image is broken, not the topic
    if item.kind == COMPRESSED:
        return "compresseddepth" not in str(decoded.format).lower()
    return decoded.encoding not in _DEPTH_ENCODINGS


def info_topic(reader: BagReader, config: BagConfig, image: str, words: list[str]) -> str:
    """The camera_info of an image topic; `words` gets which, and why. Raises DataError as `choose`."""
    if config.camera_info_topic:
        return named(reader, config.camera_info_topic, (CAMERA_INFO,), "--camera-info-topic")
    sibling = sibling_info(image)
    found = [item for item in reader.topics.values() if item.kind == CAMERA_INFO and item.count != 0]
    if not found:
        raise DataError(
            f"{reader.path} holds no camera_info for {image}: give --camera fx,fy,cx,cy, --camera FILE, or --hfov DEG"
        )
    chosen = next((item for item in found if item.name == sibling), None)
    why = "the image's sibling"
    if chosen is None:
        chosen = only(found, f"{reader.path} holds no {sibling} but %s other camera_info topics", "--camera-info-topic")
        why = f"the only one; there is no {sibling}"
    words.append(f"camera_info: {chosen.name} ({why})")
    return chosen.name


def _poses(reader: BagReader, config: BagConfig, words: list[str]) -> str:
    if config.pose_topic:
        return named(reader, config.pose_topic, POSES, "--pose-topic")
    found = [item for item in reader.topics.values() if item.kind in POSES and item.count != 0]
    if not found:
        words.append("poses: none in the bag, so no groundtruth.txt")
        return ""
    chosen = only(found, f"{reader.path} holds %s topics with poses", "--pose-topic")
    words.append(f"poses: {chosen.name}")
    return chosen.name


def named(reader: BagReader, name: str, kinds: tuple[str, ...], flag: str) -> str:
    """A topic that was given by a flag. Raises DataError where it is not there, or of another type."""
    item = reader.topics.get(name) or reader.topics.get(f"/{name}")
    if item is None:
        raise DataError(
            f"{flag} is {name}, which {reader.path} does not hold; it has: {listed(reader.topics.values())}"
        )
    if item.kind not in kinds:
        raise DataError(f"{flag} is {name}, a {shown(item.kind)}, expected {' or '.join(kinds)}")
    return item.name


def only(found: list[TopicInfo], sentence: str, flag: str, seen: Iterable[TopicInfo] = ()) -> TopicInfo:
    """The only one; else DataError with what there is, under a sentence with %s for the number."""
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(f"{sentence % len(found)}: {listed(found)}; choose one with {flag}")
    others = f", only {listed(seen)}" if seen else ""
    raise DataError(f"{sentence % 'no'}{others}; name one with {flag}")


def listed(topics: Iterable[TopicInfo]) -> str:
    return ", ".join(f"{shown(item.name)} ({shown(item.kind)}, {counted(item)})" for item in topics)


def counted(item: TopicInfo) -> str:
    """How many messages a topic has, in words."""
    return messages(item.count)
