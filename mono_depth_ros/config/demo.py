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

    output: str = option("", "The bag is written to this folder, which must not exist.")
    topics: str = option("", "The topics to keep, separated by commas.")
    image: str = option("camera/image_raw", "The messages of this topic are counted as frames.")
    result: str = option("depth/image", "The way of a frame ends on this topic.")
    warm_up: int = option(3, "The recording begins after so many results.", low=1, high=1000)
    duration: float = option(10.0, "The recording ends after this long.", unit="s", low=0.1, high=3600.0)
    frames: int = option(
        0, "The recording ends after so many images; 0 goes by the duration alone.", low=0, high=1_000_000
    )
    static_transform: str = option(
        "",
        "These, separated by semicolons, are written to /tf_static as well: 'PARENT CHILD x y z qx qy qz qw' takes "
        "points of CHILD to PARENT.",
    )
    source_timeout: float = option(
        5.0, "The recording ends when no image comes for this long.", unit="s", low=0.1, high=3600.0
    )


@dataclass(frozen=True)
class DemoConfig(Config):
    """What `mono_depth demo` runs; how long is a matter of RecorderConfig, what world one of WorldNodeConfig."""

    source: str = option(
        "world", "The source of the images: world (synthetic), a folder of images, a video file, webcam or webcam:N."
    )
    model: str = option("tiny", "The model of the depth node, which gives metres.")
    device: str = option(ModelConfig.device, "The device of the depth node: auto, cpu, cuda or cuda:N.")
    rate: float = option(
        0.0,
        "The source gives so many images a second; 0 is its own rate, 10 for the world and folders.",
        unit="Hz",
        low=0.0,
        high=200.0,
    )
    stride: int = option(2, "Every n-th pixel and row goes into the cloud.", unit="px", low=1, high=64)
    alignment: str = option(
        "both",
        "The reference that fixes the scale of the world's depth: its lidar, the camera's own motion by the wheels' "
        "odometry, or both, each by itself; other sources have none.",
        choices=("both", "lidar", "motion", "none"),
    )
    adapt: bool = option(
        False,
        "After the recording the model learns the world by its lidar for a minute, and the page shows it before and "
        "after, in worlds of the kind that it has not seen; the recording is then 30 s long unless --duration says "
        "otherwise.",
    )
    pictures: int = option(6, "The report shows so many frames.", low=1, high=100)
    start_timeout: float = option(
        300.0, "All nodes must be connected, and the first results there, within this long.", unit="s", low=1.0
    )


@dataclass(frozen=True)
class CameraTopicsConfig(Config):
    """What the camera node and the world node have in common: the topics of a camera, and when they begin and end."""

    frame_id: str = option("camera_optical_frame", "The frame of the images: x right, y down, z forward.")
    encoding: str = option("bgr8", "The encoding of image_raw.", choices=("bgr8", "rgb8", "mono8"))
    transport: str = option(
        "raw",
        "The node publishes image_raw, image_raw/compressed (JPEG), or both.",
        choices=("raw", "compressed", "both"),
    )
    jpeg_quality: int = option(95, "The quality of the JPEGs of image_raw/compressed.", low=1, high=100)
    wait_for_subscriber: bool = option(
        False, "The node begins when somebody subscribes to both the image and camera_info."
    )
    exit_at_end: bool = option(True, "The node ends after the last image.")


@dataclass(frozen=True)
class CameraNodeConfig(Config):
    """What the camera node reads."""

    source: str = option(
        "", "The source of the images: a folder of images, an image or video file, webcam, webcam:1 or /dev/video1."
    )
    camera: str = option(
        "",
        "The camera: fx,fy,cx,cy, or a calibration FILE of ROS, OpenCV, Kalibr, EuRoC or KITTI (FILE:NAME of several).",
        aliases=("calibration",),
    )
    hfov: float = hfov_option()
    rate: float = option(
        0.0,
        "The node publishes so many images a second; 0 is the video's or the webcam's own rate, 10 for a folder.",
        unit="Hz",
        low=0.0,
        high=1000.0,
    )
    loop: bool = option(False, "The node begins again after the last image.")
    result: str = option(
        "",
        "Of files, the next image comes when this topic has the result of the one before, so that none is dropped; "
        "empty goes by the rate alone. Its messages begin with a header, such as those of depth/camera_info.",
    )
    width: int = option(0, "A webcam is asked for this width; 0 is its own choice.", unit="px", low=0, high=16384)
    height: int = option(0, "A webcam is asked for this height; 0 is its own choice.", unit="px", low=0, high=16384)


@dataclass(frozen=True)
class WorldNodeConfig(Config):
    """The synthetic world, and the camera and lidar that drive through it."""

    scene: str = option(
        "room", "The kind of world.", choices=("room", "corridor", "warehouse", "street", "yard", "course")
    )
    seed: int = option(0, "Another seed is another world of this kind.", low=0, high=2**31 - 1)
    rate: float = option(10.0, "The node publishes so many images a second.", unit="Hz", low=0.1, high=200.0)
    duration: float = option(0.0, "The drive is this long; 0 is endless.", unit="s", low=0.0, high=3600.0)
    loop: bool = option(False, "The drive begins again after the duration.")
    width: int = option(640, "The width of the image.", unit="px", low=16, high=4096)
    height: int = option(480, "The height of the image.", unit="px", low=16, high=4096)
    hfov: float = option(
        70.0,
        "The horizontal field of view of the camera.",
        unit="deg",
        low=10.0,
        high=150.0,
        aliases=("hfov_deg",),
    )
    noise: float = option(
        1.0,
        "The image has so much blur, noise and drifting exposure; 0 is none, 1 is that of an ordinary camera.",
        low=0.0,
        high=5.0,
    )
    movement: str = option(
        "drive",
        "The camera drives, drives and stops for 3 of 7 seconds, stands, or turns to and fro on the spot.",
        choices=("drive", "stop", "stand", "turn"),
    )
    people: int = option(0, "So many people walk to and fro in view of the drive.", low=0, high=10)
    truth: bool = option(True, "The true depth is on depth_truth.")
    lidar: bool = option(True, "The sweeps of a lidar are on lidar/points.")
    lidar_rate: float = option(
        0.0,
        "The lidar turns so many times a second, at most as often as the camera; 0 is once with every image.",
        unit="Hz",
        low=0.0,
        high=200.0,
    )
    lidar_rings: int = option(16, "The lidar has so many lasers.", low=1, high=128)
    lidar_steps: int = option(900, "A laser gives so many points in a turn, a multiple of 4.", low=4, high=7200)
    lidar_frame: str = option("lidar", "The frame of the lidar: x forward, y left, z up.")
    odometry: bool = option(True, "What the robot believes about its way is on odom.")
    odometry_rate: float = option(
        50.0, "The odometry comes so many times a second, and with every image.", unit="Hz", low=1.0, high=1000.0
    )
    odometry_scale: float = option(
        0.01,
        "Standard deviation of the factor that all distances are wrong by; the seed draws one.",
        low=0.0,
        high=0.5,
    )
    odometry_turn_drift: float = option(
        0.2, "The heading turns away so far in a second of driving.", unit="deg", low=0.0, high=45.0
    )
    odometry_noise: float = option(
        0.01,
        "Standard deviation of the distance after a metre; it grows with the root of the way.",
        low=0.0,
        high=1.0,
    )
    odometry_slip: float = option(
        0.0, "For one second in ten the wheels count so much more than the way, as a part of it.", low=0.0, high=10.0
    )
    odometry_frame: str = option("odom", "The frame of the odometry: where the robot believes that it started.")
    robot_frame: str = option("base_link", "The frame of the robot: x forward, y left, z up.")
    world_frame: str = option("world", "The frame of the poses: z up, the floor at 0.")
    render_ahead: bool = option(
        False, "The whole drive is rendered before the first image, so that slow machines hold the rate."
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

    bag: str = option("", "The recording: the folder of a ROS 2 bag, a single .mcap or .db3, or a ROS 1 .bag.")
    rate: float = option(
        1.0, "The recording is played so many times as fast as it was recorded.", low=0.001, high=1000.0
    )
    clock: float = option(
        40.0, "/clock gets so many messages a second of the machine's time; 0 is none.", unit="Hz", high=1000.0, low=0.0
    )
    loop: bool = option(False, "The recording begins again at its end; the time jumps back then.")
    topics: str = option("", "The topics to publish, separated by commas; empty is all.")
    start: float = option(0.0, "Playing begins this long after the first message.", unit="s", low=0.0)
    duration: float = option(0.0, "Playing ends after this long of the recording; 0 is at its end.", unit="s", low=0.0)
    wait_for: str = option("", "Playing begins when each of these topics, separated by commas, has a subscriber.")
    paused: bool = option(False, "Playing begins when the service ~/pause is called with false.")
