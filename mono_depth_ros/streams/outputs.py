# SPDX-License-Identifier: Apache-2.0
"""From a frame to messages: which topics a model gives, of which type, and how each is filled.

Written once for live and recorded: nodes add publishers, recordings serialisation. Adding an output is one row of
`OUTPUTS`. Messages are filled by attribute, so that those of rclpy and of rosbags are the same here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch

from mono_depth_ros.messages.camera_info import copy_camera_info, fill_camera_info
from mono_depth_ros.messages.cloud import XYZRGB, XYZRGBNORMAL, CloudLayout, fill_cloud
from mono_depth_ros.messages.depth import encode_depth
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, IMAGE
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.prediction import DepthKind

ALIGNED_POINTS = "aligned/points"
_COLOUR = [name for name, _ in XYZRGB.columns].index("rgb")


@dataclass(frozen=True, eq=False)
class Result:
    """A frame on its way out.

    Attributes:
        frame: image, camera and depth. header: of every message made of it: that of the image.
        camera_info: the message of the image's camera, given on as it is; None: `frame.camera` is written.
        encoding: of metric depth: 32FC1 or 16UC1. point_field: the PointField class that goes with the messages.
        coloured: `frame.rgb` is an image. If not, points have no colour: none is made up.
    """

    frame: Frame
    header: Any
    camera_info: Any
    encoding: str
    point_field: Any
    coloured: bool = True


@dataclass(frozen=True)
class Output:
    """One topic.

    Attributes:
        topic: relative. kind: the type of its messages.
        options: names that must all be wanted, as of `mono_depth bag --outputs`; none: it is always there.
        given_by: whether a model can serve it: relative depth never appears as metres.
        fill: writes a result into a message, all but the header.
    """

    topic: str
    kind: str
    options: tuple[str, ...]
    given_by: Callable[[ModelSpec], bool]
    fill: Callable[[Any, Result], None]


def depth_outputs(spec: ModelSpec, rectify: bool) -> list[Output]:
    """What the depth node publishes with a model: without `rectify` no images of its own."""
    without = {"aligned"} if rectify else {"aligned", "rectify"}
    return [output for output in OUTPUTS if without.isdisjoint(output.options) and output.given_by(spec)]


def aligned_outputs() -> list[Output]:
    """What the alignment node publishes."""
    return [output for output in OUTPUTS if "aligned" in output.options]


def is_metric(spec: ModelSpec) -> bool:
    """Whether a model gives metres."""
    return spec.kind is DepthKind.METRIC


def _depth(message: Any, result: Result) -> None:
    fill_image(message, encode_depth(_host(result.frame.depth), result.encoding), result.encoding)


def _inverse(message: Any, result: Result) -> None:
    fill_image(message, _host(result.frame.prediction.values), "32FC1")


def _points(message: Any, result: Result) -> None:
    layout = XYZRGBNORMAL if result.frame.config.cloud_normals else XYZRGB
    packed = _host(result.frame.packed_cloud())
    if not result.coloured:
        packed = np.delete(packed, _COLOUR, axis=-1)
        layout = CloudLayout(tuple(column for column in layout.columns if column[0] != "rgb"))
    fill_cloud(message, packed, result.point_field, layout)


def _normals(message: Any, result: Result) -> None:
    fill_image(message, _host(result.frame.normals), "32FC3")


def _confidence(message: Any, result: Result) -> None:
    assert result.frame.prediction.confidence is not None, "the model's spec says that it gives confidence"
    fill_image(message, _host(result.frame.prediction.confidence), "32FC1")


def _color(message: Any, result: Result) -> None:
    fill_image(message, cv2.cvtColor(_host(result.frame.picture()), cv2.COLOR_RGB2BGR), "bgr8")


def _rgb(message: Any, result: Result) -> None:
    fill_image(message, _host(result.frame.rgb), "rgb8")


def _camera_info(message: Any, result: Result) -> None:
    if result.camera_info is None:
        assert result.frame.camera is not None, "frames of topics have a camera"
        fill_camera_info(message, result.frame.camera)
    else:
        copy_camera_info(result.camera_info, message)


def _host(tensor: torch.Tensor) -> np.ndarray:
    return tensor.cpu().numpy()


# In the order of publishing: depth goes out before the cloud is computed.
OUTPUTS = (
    Output("depth/image", IMAGE, ("depth",), is_metric, _depth),
    Output("depth/inverse", IMAGE, ("depth",), lambda spec: not is_metric(spec), _inverse),
    Output("depth/camera_info", CAMERA_INFO, (), lambda _: True, _camera_info),
    Output("depth/points", CLOUD, ("points",), is_metric, _points),
    Output("depth/normals", IMAGE, ("normals",), lambda spec: spec.normals or is_metric(spec), _normals),
    Output("depth/confidence", IMAGE, ("confidence",), lambda spec: spec.confidence, _confidence),
    Output("depth/color", IMAGE, ("color",), lambda _: True, _color),
    Output("rgb/image_rect", IMAGE, ("rectify",), lambda _: True, _rgb),
    Output("rgb/camera_info", CAMERA_INFO, ("rectify",), lambda _: True, _camera_info),
    Output("aligned/image", IMAGE, ("aligned",), lambda _: True, _depth),
    Output("aligned/camera_info", CAMERA_INFO, ("aligned",), lambda _: True, _camera_info),
    Output(ALIGNED_POINTS, CLOUD, ("aligned", "points"), lambda _: True, _points),
)
