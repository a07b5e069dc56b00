# SPDX-License-Identifier: Apache-2.0
"""The one home of every default. Node parameters, YAML files, the command line and the README table derive from it."""

from __future__ import annotations

import math
import re
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from mono_depth_ros.errors import ConfigError


def option(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Any, ...] | None = None,
    dynamic: bool = False,
) -> Any:
    """A dataclass field with its documentation, unit, inclusive range or choices.

    `dynamic` options may be changed while a node runs. A numeric option without limits still refuses NaN.
    """
    metadata = {"doc": doc, "unit": unit, "low": low, "high": high, "choices": choices, "dynamic": dynamic}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """Base of the configuration classes: checks every field on construction."""

    def __post_init__(self) -> None:
        for item in fields(self):
            check(item, getattr(self, item.name))


def check(item: Field[Any], value: Any) -> None:
    """Raise ConfigError naming the allowed values unless `value` fits the option `item`."""
    default = item.default
    assert default is not MISSING, f"{item.name} has no default"
    accepted = (int, float) if isinstance(default, float) else (type(default),)
    if not isinstance(value, accepted) or (isinstance(value, bool) and not isinstance(default, bool)):
        raise ConfigError(f"{item.name} is {value!r}, expected a {type(default).__name__}: {allowed(item)}")
    choices, low, high = (item.metadata[key] for key in ("choices", "low", "high"))
    wrong = choices is not None and value not in choices
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        wrong = wrong or math.isnan(value) or (low is not None and value < low) or (high is not None and value > high)
    if wrong:
        raise ConfigError(f"{item.name} is {value!r}, expected {allowed(item)}")


def allowed(item: Field[Any]) -> str:
    """The allowed values of an option in words, such as `1 to 16 px`."""
    choices, low, high, unit = (item.metadata[key] for key in ("choices", "low", "high", "unit"))
    if choices is not None:
        return "one of: " + ", ".join(str(choice) for choice in choices)
    suffix = f" {unit}" if unit else ""
    if low is not None and high is not None:
        return f"{low:g} to {high:g}{suffix}"
    if low is not None:
        return f"{low:g}{suffix} or more"
    if high is not None:
        return f"{high:g}{suffix} or less"
    return {bool: "true or false", str: "a text"}.get(type(item.default), "a number") + suffix


@dataclass(frozen=True)
class ModelConfig(Config):
    """Which model runs where."""

    model: str = option(
        "depth_anything_v2_metric_indoor_small",
        "catalogue name (`mono_depth models list`), or path: transformers directory, .pth, .onnx; or hub name",
    )
    device: str = option("auto", "auto (CUDA where there is one, and says which), cpu, cuda or cuda:N")
    engine: str = option(
        "auto",
        "what runs the network; auto: the fastest installed one that agrees with torch",
        choices=("auto", "torch", "torch_compile", "onnxruntime", "openvino", "tensorrt"),
    )
    precision: str = option(
        "auto", "of the network; auto: the fastest the hardware has", choices=("auto", "fp32", "fp16", "bf16")
    )
    input_size: str = option(
        "",
        "WIDTHxHEIGHT at which Metric3D v2 reads images, multiples of 28, such as 532x308: smaller is faster and "
        "coarser; empty: 1064x616. Other models have their own rule",
    )
    threads: int = option(0, "CPU threads of the network, 0: as many as there are cores", low=0, high=256)


@dataclass(frozen=True)
class DepthConfig(Config):
    """From a prediction to the depth and the cloud that are given out."""

    min_depth: float = option(0.0, "nearer depth is unknown (NaN)", unit="m", low=0.0, high=1000.0, dynamic=True)
    max_depth: float = option(
        math.inf, "farther depth is beyond range (+inf), no point in the cloud", unit="m", low=0.01, dynamic=True
    )
    edge_ratio: float = option(
        0.05,
        "flying pixels are left out of the cloud: depth jumps above this part of the distance; 0 keeps them",
        low=0.0,
        high=10.0,
        dynamic=True,
    )
    stride: int = option(1, "every n-th pixel and row goes into the cloud", unit="px", low=1, high=64, dynamic=True)
    cloud_normals: bool = option(
        False, "the cloud's points have normal_x, normal_y, normal_z and curvature too", dynamic=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_depth >= self.max_depth:
            raise ConfigError(f"min_depth is {self.min_depth:g} m, expected less than max_depth, {self.max_depth:g} m")


@dataclass(frozen=True)
class DepthNodeConfig(Config):
    """What the depth node does around the pipeline; its parameters are these and ModelConfig's and DepthConfig's."""

    autostart: bool = option(True, "configure and activate without a lifecycle manager")
    lazy: bool = option(True, "run only while somebody subscribes to an output")
    cameras: str = option(
        "",
        "names of several cameras that share the model, a list such as [front, left]: NAME/image_raw in, NAME/depth/* "
        "out; empty: one camera, image in, depth/* out",
    )
    batch_window: float = option(
        0.005,
        "with several cameras the first image of a turn waits this long for the others', to share a run of the network",
        unit="s",
        low=0.0,
        high=1.0,
        dynamic=True,
    )
    image_transport: str = option("raw", "subscribe to Image or to CompressedImage", choices=("raw", "compressed"))
    rectified: bool = option(False, "the image topic is rectified already: use P of its camera_info, no distortion")
    rectify: bool = option(
        False, "undistort the image first; publishes rgb/image_rect and rgb/camera_info beside the depth"
    )
    depth_encoding: str = option(
        "32FC1", "depth/image in metres or in millimetres", choices=("32FC1", "16UC1"), dynamic=True
    )
    input_timeout: float = option(
        2.0, "say that the image is missing after this long", unit="s", low=0.1, high=3600.0, dynamic=True
    )
    diagnostics_period: float = option(1.0, "between two messages on /diagnostics", unit="s", low=0.1, high=60.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        names = self.camera_names if self.cameras.strip() else ()
        for name in names:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*", name):
                raise ConfigError(f"cameras holds '{name}', expected names of letters, digits and _, such as front")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ConfigError(f"cameras holds '{twice[0]}' twice, expected each camera once")

    @property
    def camera_names(self) -> tuple[str, ...]:
        """`cameras` as names; one empty name, which adds nothing to a topic, for the only camera."""
        text = self.cameras.strip().removeprefix("[").removesuffix("]")
        return tuple(name.strip().strip("'\"") for name in text.split(",")) if text.strip() else ("",)


@dataclass(frozen=True)
class RecorderConfig(Config):
    """What the recorder of the demo keeps, and for how long."""

    output: str = option("", "folder to write the bag to; it must not exist")
    topics: str = option("", "topics to keep, separated by commas")
    image: str = option("camera/image_raw", "the topic whose messages are counted as frames")
    result: str = option("depth/image", "the topic that ends the way of a frame")
    warm_up: int = option(3, "results to wait for before the recording begins", low=1, high=1000)
    duration: float = option(10.0, "length of the recording", unit="s", low=0.1, high=3600.0)
    frames: int = option(0, "end after this many images; 0: after the duration only", low=0, high=1_000_000)
    source_timeout: float = option(5.0, "end when no image comes for this long", unit="s", low=0.1, high=3600.0)


@dataclass(frozen=True)
class DemoConfig(Config):
    """What `mono_depth demo` runs; how long is a matter of RecorderConfig, what world one of WorldNodeConfig."""

    source: str = option("world", "world (synthetic), a folder of images, a video file, webcam or webcam:N")
    model: str = option("tiny", "as for the depth node")
    device: str = option(ModelConfig.device, "as for the depth node")
    rate: float = option(
        0.0, "images a second; 0: the source's own, 10 for the world and folders", unit="Hz", low=0.0, high=200.0
    )
    stride: int = option(2, "every n-th pixel and row goes into the cloud", unit="px", low=1, high=64)
    pictures: int = option(6, "frames to show in the report", low=1, high=100)
    start_timeout: float = option(300.0, "for all nodes to be connected and the first results", unit="s", low=1.0)


@dataclass(frozen=True)
class CameraTopicsConfig(Config):
    """What the camera node and the world node have in common: the topics of a camera, and when they begin and end."""

    frame_id: str = option("camera_optical_frame", "frame of the images: x right, y down, z forward")
    encoding: str = option("bgr8", "of image_raw", choices=("bgr8", "rgb8", "mono8"))
    transport: str = option(
        "raw", "image_raw, image_raw/compressed (JPEG), or both", choices=("raw", "compressed", "both")
    )
    jpeg_quality: int = option(95, "of image_raw/compressed", low=1, high=100)
    wait_for_subscriber: bool = option(False, "begin when somebody subscribes to both the image and camera_info")
    exit_at_end: bool = option(True, "end the node after the last image")


@dataclass(frozen=True)
class CameraNodeConfig(Config):
    """What the camera node reads."""

    source: str = option("", "folder of images, image or video file, webcam, webcam:1 or /dev/video1")
    calibration: str = option("", "YAML file of the camera in the format of camera_calibration")
    rate: float = option(
        0.0, "images a second; 0: the video's or the webcam's own, 10 for a folder", unit="Hz", low=0.0, high=1000.0
    )
    loop: bool = option(False, "begin again after the last image")
    width: int = option(0, "asked of a webcam; 0: its own choice", unit="px", low=0, high=16384)
    height: int = option(0, "asked of a webcam; 0: its own choice", unit="px", low=0, high=16384)


@dataclass(frozen=True)
class WorldNodeConfig(Config):
    """The synthetic world, and the camera and lidar that drive through it."""

    scene: str = option("room", "kind of world", choices=("room", "corridor", "warehouse", "street", "yard"))
    seed: int = option(0, "another seed is another world of this kind", low=0, high=2**31 - 1)
    rate: float = option(10.0, "images a second", unit="Hz", low=0.1, high=200.0)
    duration: float = option(0.0, "length of the drive; 0: endless", unit="s", low=0.0, high=3600.0)
    loop: bool = option(False, "begin again after the duration")
    width: int = option(640, "of the image", unit="px", low=16, high=4096)
    height: int = option(480, "of the image", unit="px", low=16, high=4096)
    hfov_deg: float = option(70.0, "horizontal field of view of the camera", unit="deg", low=10.0, high=150.0)
    noise: float = option(
        1.0,
        "blur, noise and drifting exposure of the image; 0: none, 1: those of an ordinary camera",
        low=0.0,
        high=5.0,
    )
    truth: bool = option(True, "offer the true depth on depth_truth")
    lidar: bool = option(True, "offer a lidar's sweeps on lidar/points")
    lidar_rate: float = option(
        0.0, "sweeps a second, at most the camera's; 0: one with every image", unit="Hz", low=0.0, high=200.0
    )
    lidar_rings: int = option(16, "lasers of the lidar", low=1, high=128)
    lidar_steps: int = option(900, "points of a ring and turn, a multiple of 4", low=4, high=7200)
    lidar_frame: str = option("lidar", "frame of the lidar: x forward, y left, z up")
    world_frame: str = option("world", "frame of the poses: z up, the floor at 0")
    render_ahead: bool = option(
        False, "render the whole drive before the first image, so that slow machines hold the rate"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lidar_rate > self.rate:
            raise ConfigError(f"lidar_rate is {self.lidar_rate:g} Hz, expected at most rate, {self.rate:g} Hz")
        if self.lidar_steps % 4:
            raise ConfigError(f"lidar_steps is {self.lidar_steps}, expected a multiple of 4")
        if self.render_ahead and self.duration == 0.0:
            raise ConfigError("render_ahead needs a duration: a drive without end cannot be rendered before it begins")
