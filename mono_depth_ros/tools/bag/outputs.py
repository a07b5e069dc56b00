# SPDX-License-Identifier: Apache-2.0
"""The messages that a frame becomes: the same contents as the depth node and the alignment node publish."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.bags.topics import CAMERA_INFO, CLOUD, IMAGE
from mono_depth_ros.config import BagConfig
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.camera_info import fill_camera_info
from mono_depth_ros.messages.cloud import XYZRGB, XYZRGBNORMAL, fill_cloud
from mono_depth_ros.messages.depth import encode_depth
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.tools.bag.frames import BagFrame

_NONE = np.empty(0, dtype=np.uint8)


@dataclass(frozen=True)
class Topics:
    """What is written: for each output the topics and their types."""

    kinds: dict[str, str]

    @classmethod
    def of(cls, config: BagConfig, spec: ModelSpec) -> Topics:
        """The topics of a conversion.

        Raises:
            ConfigError: an output that the model cannot give: relative depth never becomes metres by itself.
        """
        metric, wanted = spec.kind is DepthKind.METRIC, config.wanted
        if "confidence" in wanted and not spec.confidence:
            raise ConfigError(f"outputs holds confidence, which the model {spec.name} does not give")
        if not metric and "points" in wanted and "aligned" not in wanted:
            raise ConfigError(f"{spec.name} gives relative depth: points need --align-topic or a metric model")
        if not metric and "normals" in wanted and not spec.normals:
            raise ConfigError(f"{spec.name} gives relative depth and no normals: expected a metric model")
        names = {"depth/camera_info": CAMERA_INFO}
        if "depth" in wanted:
            names["depth/image" if metric else "depth/inverse"] = IMAGE
        if "points" in wanted and metric:
            names["depth/points"] = CLOUD
        for name in ("color", "normals", "confidence"):
            if name in wanted:
                names[f"depth/{name}"] = IMAGE
        if "aligned" in wanted:
            names |= {"aligned/image": IMAGE, "aligned/camera_info": CAMERA_INFO}
            names |= {"aligned/points": CLOUD} if "points" in wanted else {}
        prefix = f"/{config.namespace.strip('/')}/" if config.namespace.strip("/") else "/"
        return cls({prefix + name: kind for name, kind in names.items()})


class Encoder:
    """From frames to serialised messages.

    Args:
        topics: what is wanted. config: namespace and encoding.
    """

    def __init__(self, topics: Topics, config: BagConfig) -> None:
        self._encoding = config.depth_encoding
        skip = len(config.namespace.strip("/")) + 2 if config.namespace.strip("/") else 1
        self._topics = [(topic, topic[skip:], kind) for topic, kind in topics.kinds.items()]

    def encode(self, frame: BagFrame) -> Iterator[tuple[str, memoryview]]:
        """(topic, bytes) of every message of a frame; stamp and frame are those of its image.

        A frame without alignment has no messages of it.
        """
        for topic, name, kind in self._topics:
            source = frame.aligned if name.startswith("aligned/") else frame.result
            if source is not None:
                message = frame.camera_info if kind == CAMERA_INFO else self._fill(name, kind, source, frame.header)
                yield topic, TYPES.serialize_cdr(message, kind)

    def _fill(self, name: str, kind: str, frame: Frame, header: Any) -> Any:
        message = empty(kind, header)
        if kind == CLOUD:
            layout = XYZRGBNORMAL if frame.config.cloud_normals else XYZRGB
            fill_cloud(message, _host(frame.packed_cloud()), TYPES.types["sensor_msgs/msg/PointField"], layout)
        elif name in ("depth/image", "aligned/image"):
            fill_image(message, encode_depth(_host(frame.depth), self._encoding), self._encoding)
        elif name == "depth/inverse":
            fill_image(message, _host(frame.prediction.values), "32FC1")
        elif name == "depth/color":
            fill_image(message, _host(frame.color()), "bgr8")
        elif name == "depth/normals":
            fill_image(message, _host(frame.normals), "32FC3")
        else:
            assert frame.prediction.confidence is not None, "the model's spec says that it gives confidence"
            fill_image(message, _host(frame.prediction.confidence), "32FC1")
        return message


def header_of(source: Any) -> Any:
    """A ROS 2 header with the stamp and frame of one of ROS 1 or ROS 2."""
    stamp = source.stamp
    time = TYPES.types["builtin_interfaces/msg/Time"](int(stamp.sec), int(stamp.nanosec))
    return TYPES.types["std_msgs/msg/Header"](time, str(source.frame_id))


def info_of(source: Any, header: Any) -> Any:
    """A ROS 2 CameraInfo with the contents of one of ROS 1 or ROS 2."""
    message = empty(CAMERA_INFO, header)
    for name in vars(message):
        if name not in ("header", "roi"):
            setattr(message, name, getattr(source, name) if hasattr(source, name) else getattr(source, name.upper()))
    for name in vars(message.roi):
        setattr(message.roi, name, getattr(source.roi, name))
    return message


def info_from(camera: Camera, header: Any) -> Any:
    """A CameraInfo for a camera that was given."""
    message = empty(CAMERA_INFO, header)
    fill_camera_info(message, camera)
    return message


def empty(kind: str, header: Any) -> Any:
    """A message to fill."""
    make = TYPES.types[kind]
    if kind == IMAGE:
        return make(header, 0, 0, "", 0, 0, _NONE)
    if kind == CLOUD:
        return make(header, 0, 0, [], False, 0, 0, _NONE, False)
    roi = TYPES.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    k, p = np.zeros(9), np.zeros(12)
    return make(header, 0, 0, "", np.zeros(0), k, k, p, 0, 0, roi)


def _host(tensor: torch.Tensor) -> np.ndarray:
    return tensor.cpu().numpy()
