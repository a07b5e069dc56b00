# SPDX-License-Identifier: Apache-2.0
"""From a frame to messages: which topics a model gives, of which type, and how each is filled.

Written once for live and recorded: nodes add publishers, recordings serialisation. Adding an output is one row of
`OUTPUTS`. Messages are filled by attribute, so that those of rclpy and of rosbags are the same here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch

from mono_depth_ros.messages.camera_info import copy_camera_info, fill_camera_info
from mono_depth_ros.messages.cloud import XYZ, XYZRGB, XYZRGBNORMAL, CloudLayout, fill_cloud
from mono_depth_ros.messages.compressed import fill_jpeg
from mono_depth_ros.messages.compressed_depth import fill_compressed_depth
from mono_depth_ros.messages.depth import depth_in_mm, encode_depth
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, CLOUD, COMPRESSED, IMAGE, SCAN
from mono_depth_ros.messages.scan import fill_scan
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.streams.obstacles import Finding, Placed
from mono_depth_ros.transfer import Download, download

ALIGNED_POINTS, ALIGNED_UNCERTAINTY = "aligned/points", "aligned/uncertainty"
DEPTH_TOPICS = {
    DepthKind.METRIC: "depth/image",
    DepthKind.INVERSE_AFFINE: "depth/inverse",
    DepthKind.AFFINE: "depth/relative",
    DepthKind.SCALE: "depth/relative",
}
"""What a prediction comes on, by its kind."""

FIRST = frozenset(
    {
        *(*DEPTH_TOPICS.values(), "depth/confidence", "depth/camera_info", "rgb/image_rect", "rgb/camera_info"),
        *("aligned/image", "aligned/camera_info", ALIGNED_UNCERTAINTY),
    }
)
"""Topics that nodes publish before anything is made of the depth: what is there when the network has run."""

_PACKED, _LIVE = "compressed", "live"  # options of what image_transport has as twins; those of pictures only nodes give
_PLACED = ("obstacles", "scan")  # options of what needs to know where the camera is on the robot
_COLOUR = [name for name, _ in XYZRGB.columns].index("rgb")


class Room:
    """Memory that is written again: fresh pages for a cloud cost more than filling them."""

    def __init__(self) -> None:
        self._tensor = torch.empty(0)

    def tensor(self, *shape: int) -> torch.Tensor:
        """float32 on the host, as it was left."""
        if self._tensor.shape != shape:
            self._tensor = torch.empty(shape)
        return self._tensor


@dataclass(frozen=True, eq=False)
class Result:
    """A frame on its way out.

    Attributes:
        frame: image, camera and depth. header: of every message made of it: that of the image.
        camera_info: the message of the image's camera, given on as it is; None: `frame.camera` is written.
        encoding: of metric depth: 32FC1 or 16UC1. point_field: the PointField class that goes with the messages.
        coloured: `frame.rgb` is an image. If not, points have no colour: none is made up.
        obstacles: of the frame, where they are wanted.
        room: for the cloud, where one is published before the next is made; None: each has memory of its own.
    """

    frame: Frame
    header: Any
    camera_info: Any
    encoding: str
    point_field: Any
    coloured: bool = True
    obstacles: Finding | None = None
    room: Room | None = None


@dataclass(frozen=True)
class Output:
    """One topic.

    Attributes:
        topic: relative. kind: the type of its messages.
        options: names that must all be wanted, as of `mono_depth bag --outputs`; none: it is always there.
        given_by: whether a model can serve it: relative depth never appears as metres.
        values: what of the frame the message holds, on the model's device; None: nothing.
        write: writes a result and these values, on the host, into a message, all but the header, unless that is of
            another frame than the image's. False: there is nothing to publish of this result.
    """

    topic: str
    kind: str
    options: tuple[str, ...]
    given_by: Callable[[ModelSpec], bool]
    values: Callable[[Result], torch.Tensor] | None
    write: Callable[[Any, Result, Any], bool | None]

    @property
    def placed(self) -> bool:
        """Whether it needs to know where the camera was on the robot, by transforms that come after the image."""
        return not set(_PLACED).isdisjoint(self.options)


class Contents:
    """What the messages of results hold, on its way to the host.

    From a GPU it comes with one wait for all results and topics: everything is computed and its copies are started when
    this is made. On the CPU it is computed when its message is filled, in whatever thread that is.
    """

    def __init__(self, wanted: Iterable[tuple[Result, Output]]) -> None:
        there = [item for item in wanted if item[1].values is not None and item[0].frame.device.type != "cpu"]
        unique = {(id(result), output.values): result for result, output in there}
        self._keys = list(unique)
        self._download = Download([values(result) for (_, values), result in unique.items() if values is not None])

    def wait(self) -> None:
        """Until all is on the host: nothing more is asked of the GPU."""
        self._download.wait()

    def fill(self, message: Any, output: Output, result: Result) -> bool:
        """Write a result into a message, all but the header, as `Output.write`. False: there is nothing to publish."""
        return output.write(message, result, self._values(output, result)) is not False

    def known(self, result: Result) -> float:
        """`Frame.known` of a result that was wanted with KNOWN."""
        return float(self._values(KNOWN, result))

    def _values(self, output: Output, result: Result) -> Any:
        if (key := (id(result), output.values)) in self._keys:
            return self._download.arrays()[self._keys.index(key)]
        return download(output.values(result))[0] if output.values is not None else None


def depth_outputs(spec: ModelSpec, rectify: bool, obstacles: bool = False) -> list[Output]:
    """What the depth node publishes with a model: without `rectify` no images of its own."""
    without = {"aligned", *(() if rectify else ("rectify",)), *(() if obstacles else _PLACED)}
    return [output for output in OUTPUTS if without.isdisjoint(output.options) and output.given_by(spec)]


def aligned_outputs(obstacles: bool = False) -> list[Output]:
    """What the alignment node publishes."""
    return [output for output in OUTPUTS if "aligned" in output.options and (obstacles or not output.placed)]


def is_metric(spec: ModelSpec) -> bool:
    """Whether a model gives metres."""
    return spec.kind is DepthKind.METRIC


def _on(topic: str) -> Callable[[ModelSpec], bool]:
    return lambda spec: DEPTH_TOPICS[spec.kind] == topic


def _has_normals(spec: ModelSpec) -> bool:
    return spec.normals or is_metric(spec)


def _depth(result: Result) -> torch.Tensor:
    depth = result.frame.depth
    # Half the bytes to copy from a GPU. On the CPU, where nothing is copied, numpy is faster.
    return depth_in_mm(depth) if result.encoding == "16UC1" and depth.device.type != "cpu" else depth


def _metres(result: Result) -> torch.Tensor:
    return result.frame.depth


def _raw(result: Result) -> torch.Tensor:
    return result.frame.prediction.values


def _write_depth(message: Any, result: Result, depth: Any) -> None:
    pixels = depth.view(np.uint16) if depth.dtype == np.int16 else encode_depth(depth, result.encoding)
    fill_image(message, pixels, result.encoding)


def _points(result: Result) -> torch.Tensor:
    frame, (height, width), step = result.frame, result.frame.depth.shape, result.frame.config.stride
    if result.room is None or frame.device.type != "cpu":
        return frame.packed_cloud()
    return frame.packed_cloud(result.room.tensor(-(-height // step), -(-width // step), 4))


def _write_points(message: Any, result: Result, packed: Any) -> None:
    layout = XYZRGBNORMAL if result.frame.config.cloud_normals else XYZRGB
    if not result.coloured:
        packed = np.delete(packed, _COLOUR, axis=-1)
        layout = CloudLayout(tuple(column for column in layout.columns if column[0] != "rgb"))
    fill_cloud(message, packed, result.point_field, layout)


def _confidence(result: Result) -> torch.Tensor:
    assert result.frame.prediction.confidence is not None, "the model's spec says that it gives confidence"
    return result.frame.prediction.confidence


def _uncertainty(result: Result) -> torch.Tensor:
    sigma = result.frame.uncertainty
    return torch.full_like(result.frame.depth, torch.nan) if sigma is None else sigma


def _placed(result: Result, depth: Any) -> Placed | None:
    assert result.obstacles is not None, "who wants obstacles says where the camera is"
    return result.obstacles.placed(depth)


def _write_obstacles(message: Any, result: Result, depth: Any) -> bool:
    if (found := _placed(result, depth)) is None:
        return False
    message.header = type(result.header)(stamp=result.header.stamp, frame_id=found.frame)
    fill_cloud(message, found.points, result.point_field, XYZ, dense=True)
    return True


def _write_free(message: Any, result: Result, depth: Any) -> bool:
    if (found := _placed(result, depth)) is None:
        return False
    fill_cloud(message, found.free, result.point_field, XYZ, dense=True)
    return True


def _write_scan(message: Any, result: Result, depth: Any) -> bool:
    found = _placed(result, depth)
    if found is None or (scan := found.scan) is None:
        return False
    message.header = type(result.header)(stamp=result.header.stamp, frame_id=found.frame)
    angles = scan.angle_min, scan.angle_max, scan.angle_increment
    fill_scan(message, angles, (scan.range_min, scan.range_max), scan.ranges)
    return True


def _write_color(message: Any, _: Result, picture: Any) -> None:
    fill_image(message, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), "bgr8")


def _write_camera_info(message: Any, result: Result, _: None) -> None:
    if result.camera_info is None:
        assert result.frame.camera is not None, "frames of topics have a camera"
        fill_camera_info(message, result.frame.camera)
    else:
        copy_camera_info(result.camera_info, message)


def _write_packed(message: Any, result: Result, depth: Any) -> None:
    fill_compressed_depth(message, depth, result.encoding)


def _jpeg(encoding: str) -> Callable[[Any, Result, Any], None]:
    return lambda message, _, picture: fill_jpeg(message, picture, encoding)


def _as(encoding: str) -> Callable[[Any, Result, Any], None]:
    return lambda message, _, pixels: fill_image(message, pixels, encoding)


_DEPTH = (_depth, _write_depth)
_DEPTH_PACKED = (_metres, _write_packed)
_POINTS = (_points, _write_points)
_COLOR = (lambda result: result.frame.picture(), _write_color)
_RGB = (lambda result: result.frame.rgb,)
_INFO = (None, _write_camera_info)


KNOWN = Output("", "", (), lambda _: True, lambda result: result.frame.known, lambda *_: None)
"""What no message holds: the fraction of known pixels, to come from a GPU in the same wait."""

# In the order of publishing, those of FIRST before the others.
OUTPUTS = (
    Output("depth/image", IMAGE, ("depth",), is_metric, *_DEPTH),
    Output("depth/inverse", IMAGE, ("depth",), _on("depth/inverse"), _raw, _as("32FC1")),
    Output("depth/relative", IMAGE, ("depth",), _on("depth/relative"), _raw, _as("32FC1")),
    Output("depth/camera_info", CAMERA_INFO, (), lambda _: True, *_INFO),
    Output("depth/obstacles", CLOUD, ("obstacles",), is_metric, _metres, _write_obstacles),
    Output("depth/free", CLOUD, ("obstacles",), is_metric, _metres, _write_free),
    Output("depth/scan", SCAN, ("scan",), is_metric, _metres, _write_scan),
    Output("depth/image/compressedDepth", COMPRESSED, (_PACKED,), is_metric, *_DEPTH_PACKED),
    Output("depth/points", CLOUD, ("points",), is_metric, *_POINTS),
    Output("depth/normals", IMAGE, ("normals",), _has_normals, lambda result: result.frame.normals, _as("32FC3")),
    Output("depth/confidence", IMAGE, ("confidence",), lambda spec: spec.confidence, _confidence, _as("32FC1")),
    Output("depth/color", IMAGE, ("color",), lambda _: True, *_COLOR),
    Output("depth/color/compressed", COMPRESSED, ("color", _LIVE), lambda _: True, _COLOR[0], _jpeg("bgr8")),
    Output("rgb/image_rect", IMAGE, ("rectify",), lambda _: True, *_RGB, _as("rgb8")),
    Output("rgb/image_rect/compressed", COMPRESSED, ("rectify", _LIVE), lambda _: True, *_RGB, _jpeg("rgb8")),
    Output("rgb/camera_info", CAMERA_INFO, ("rectify",), lambda _: True, *_INFO),
    Output("aligned/image", IMAGE, ("aligned",), lambda _: True, *_DEPTH),
    Output("aligned/obstacles", CLOUD, ("aligned", "obstacles"), lambda _: True, _metres, _write_obstacles),
    Output("aligned/free", CLOUD, ("aligned", "obstacles"), lambda _: True, _metres, _write_free),
    Output("aligned/scan", SCAN, ("aligned", "scan"), lambda _: True, _metres, _write_scan),
    Output("aligned/image/compressedDepth", COMPRESSED, ("aligned", _PACKED), lambda _: True, *_DEPTH_PACKED),
    Output("aligned/camera_info", CAMERA_INFO, ("aligned",), lambda _: True, *_INFO),
    Output(ALIGNED_UNCERTAINTY, IMAGE, ("aligned", "uncertainty"), lambda _: True, _uncertainty, _as("32FC1")),
    Output(ALIGNED_POINTS, CLOUD, ("aligned", "points"), lambda _: True, *_POINTS),
)
