# SPDX-License-Identifier: Apache-2.0
"""Files of cameras, config/cameras/NAME.yaml: launch arguments that go with a driver as it is installed."""

from __future__ import annotations

import difflib
from dataclasses import MISSING, dataclass, field
from pathlib import Path

from mono_depth_ros.config import option
from mono_depth_ros.config.strict_yaml import parse, read_yaml
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.resources import share_file

CAMERAS = ("gazebo", "oak", "realsense", "usb_cam", "zed")
"""The files that come with the package."""

CAMERA_DOC = (
    "the driver of the camera, whose topics are then known: what its file says holds where no argument is given "
    f"({', '.join(CAMERAS)}, or a YAML file like those in config/cameras)"
)

TOPICS = (
    *("image", "camera_info", "points", "scan", "range", "left", "right", "left_info", "right_info"),
    *("reference_depth", "reference_info", "disparity", "odom", "imu"),
)
ARGUMENTS = (*TOPICS, "image_transport", "reference_rectified", "use_sim_time")
"""The launch arguments that a file may give."""


@dataclass(frozen=True)
class Driver:
    """How a driver publishes its images. Subscriptions follow what is there; this is for people, and for frames."""

    rectified: bool = option(MISSING, "Whether lens distortion is gone from the images.")
    reliability: str = option(MISSING, "QoS of the images.", choices=("reliable", "best_effort"))
    durability: str = option(MISSING, "QoS of the images.", choices=("volatile", "transient_local"))
    depth: int = option(MISSING, "QoS of the images: how many are kept.", low=1)
    frame: str = option("", "The frame_id of the images, optical: z forward.")
    mount: str = option("", "The root of the frames that the driver publishes, x forward; empty: it publishes none.")


@dataclass(frozen=True)
class CameraFile:
    """What is known of a camera; nothing, by default.

    Attributes:
        arguments: of the launch file, as text, by name. driver: how it publishes.
    """

    arguments: dict[str, str] = field(default_factory=dict)
    driver: Driver = Driver(False, "reliable", "volatile", 1)


def camera_file(name: str) -> CameraFile:
    """The file of a camera: one of CAMERAS, or a path; empty means none.

    Raises:
        ConfigError: there is no such file, or its content is not as expected; the sentence names what is.
    """
    if not name:
        return CameraFile()
    path = _path(name)
    try:
        content = read_yaml(path)
    except ConfigError as error:
        raise ConfigError(f"{path} {error}") from error
    if not isinstance(content, dict) or content.keys() != {"arguments", "driver"}:
        raise ConfigError(f"{path} is no file of a camera, expected the keys arguments and driver")
    arguments = content["arguments"]
    if not isinstance(arguments, dict):
        raise ConfigError(f"{path}: arguments holds {arguments!r:.80}, expected names with values")
    for key, value in arguments.items():
        if key not in ARGUMENTS:
            close = difflib.get_close_matches(str(key), ARGUMENTS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"expected one of: {', '.join(ARGUMENTS)}"
            raise ConfigError(f"{path}: the argument {key} is not known, {hint}")
        if not isinstance(value, (str, bool)):
            raise ConfigError(f"{path}: {key} holds {value!r:.80}, expected a text, true or false")
    driver = parse(Driver, content["driver"], f"{path}: driver")
    return CameraFile({key: _text(value) for key, value in arguments.items()}, driver)


def _path(name: str) -> Path:
    if name in CAMERAS:
        return share_file(f"config/cameras/{name}.yaml")
    if not Path(name).is_file():
        raise ConfigError(f"camera is '{name}', expected one of {', '.join(CAMERAS)}, or an existing file")
    return Path(name)


def _text(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else value
