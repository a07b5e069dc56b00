# SPDX-License-Identifier: Apache-2.0
"""Options of the demo and of the nodes that stand in for a robot: recorder, camera, synthetic world."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.config.depth import ModelConfig
from mono_depth_ros.config.images import hfov_option
from mono_depth_ros.config.option import Config, option
from mono_depth_ros.errors import ConfigError


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
    static_transform: str = option(
        "", "written to /tf_static as well: 'PARENT CHILD x y z qx qy qz qw', which takes points of CHILD to PARENT"
    )
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
    alignment: str = option(
        "lidar", "what fixes the scale of the world's depth; other sources have no reference", choices=("lidar", "none")
    )
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
    calibration: str = option(
        "",
        "calibration file of the camera, of ROS, OpenCV, Kalibr, EuRoC or KITTI; FILE:NAME for one of several cameras",
    )
    hfov: float = hfov_option()
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


@dataclass(frozen=True)
class PlayConfig(Config):
    """What the play node publishes of a recording, and when."""

    bag: str = option("", "folder of a ROS 2 bag, a single .mcap or .db3, or a ROS 1 .bag")
    rate: float = option(1.0, "times as fast as recorded", low=0.001, high=1000.0)
    clock: float = option(
        40.0, "messages on /clock a second of the machine's time; 0: none", unit="Hz", high=1000.0, low=0.0
    )
    loop: bool = option(False, "begin again at the end; the time jumps back then")
    topics: str = option("", "topics to publish, separated by commas; empty: all")
    start: float = option(0.0, "begin this long after the first message", unit="s", low=0.0)
    duration: float = option(0.0, "end after this long of the recording; 0: at its end", unit="s", low=0.0)
    wait_for: str = option("", "begin when each of these topics has a subscriber; separated by commas")
    paused: bool = option(False, "begin when the service ~/pause is called with false")
