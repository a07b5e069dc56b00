# SPDX-License-Identifier: Apache-2.0
"""Options of the tools that work on recordings and data sets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mono_depth_ros.config.alignment import REFERENCES, StereoConfig
from mono_depth_ros.config.depth import ModelConfig
from mono_depth_ros.config.images import hfov_option
from mono_depth_ros.config.option import Config, names, option
from mono_depth_ros.errors import ConfigError

BAG_OUTPUTS = (
    *("depth", "compressed", "points", "obstacles", "scan", "color", "normals", "confidence"),
    *("aligned", "uncertainty"),
)
"""What `mono_depth bag` can write."""


@dataclass(frozen=True)
class BagConfig(Config):
    """What `mono_depth bag` reads from a bag and writes into another."""

    image_topic: str = option(
        "", "The topic of the images, Image or CompressedImage; empty is the only one with colour, found by type."
    )
    camera_info_topic: str = option(
        "", "The topic of the CameraInfo; empty is the sibling of the image's, or the only one there is."
    )
    camera: str = option("", "The calibration of a bag without camera_info: fx,fy,cx,cy, or a calibration FILE.")
    hfov: float = hfov_option()
    rectified: bool = option(False, "The images are rectified already: P of camera_info is used, without distortion.")
    outputs: str = option(
        "depth",
        f"What is written, any of {', '.join(BAG_OUTPUTS)}, with commas; depth is depth/inverse or "
        "depth/relative for a relative model.",
    )
    reference: str = option(
        "auto",
        "The reference that fixes the scale, or several at once, such as lidar,motion; auto goes by the type of "
        "align_topic, and without one takes a lidar.",
        choices=("auto", *(name for name in REFERENCES if name != "none")),
        several=True,
        flag="align",
    )
    align_topic: str = option(
        "",
        "The topic of the reference, of a stereo pair the left image; empty is the only one of its type there is.",
    )
    right_topic: str = option(
        "", "The topic of the right image of a stereo pair; empty is that of the left one, with right for left."
    )
    reference_info_topic: str = option(
        "",
        "The topic of the CameraInfo of reference depth or disparity; empty is its sibling, or the left camera's.",
    )
    imu_topic: str = option("", "The topic of the Imu that says which way is up, for the reference ground.")
    poses: str = option(
        "",
        "Where the camera was: a topic with Odometry or PoseStamped, /tf for the recorded transforms, or a FILE with "
        "lines `stamp tx ty tz qx qy qz qw`; empty is the only Odometry there is.",
    )
    cam_from_reference: str = option(
        "",
        "'x y z qx qy qz qw', metres and a unit quaternion that take points of the reference into the camera's optical "
        "frame; empty takes it from the bag's /tf_static.",
        aliases=("extrinsic",),
    )
    export_tum: str = option("", "This folder gets the layout of TUM RGB-D too: rgb/, depth/, associations.txt.")
    export_ply: str = option("", "This folder gets a coloured point cloud of every frame too.")
    pose_topic: str = option(
        "", "The topic of the poses for --export tum; empty is the only PoseStamped or Odometry there is."
    )
    map: str = option(
        "", "This file, NAME.ply, gets the surface that the depth of all images makes, by their poses; it needs Open3D."
    )
    map_voxel: float = option(
        0.02,
        "The map is made of cubes of this side; half of it takes eight times the memory.",
        unit="m",
        low=0.002,
        high=1.0,
    )
    map_range: float = option(5.0, "Farther depth is no part of the map.", unit="m", low=0.1, high=100.0)
    map_error: float = option(
        0.07,
        "Surfaces that are not known to this standard deviation, by all images together, are no part of the map.",
        unit="m",
        low=0.001,
        high=10.0,
    )
    map_memory: float = option(
        1024.0, "The cubes of the map take at most this; then no more are added, which is said.", unit="MiB", low=16.0
    )
    namespace: str = option("", "This name is put before the topics written, such as front for /front/depth/image.")
    depth_encoding: str = option(
        "32FC1", "The encoding of depth/image: 32FC1 is metres, 16UC1 millimetres.", choices=("32FC1", "16UC1")
    )
    merge: bool = option(False, "The messages of the input are written too, byte by byte as they are.")
    storage: str = option(
        "mcap", "The storage of a bag folder; OUT.mcap and OUT.db3 say it themselves.", choices=("mcap", "sqlite3")
    )
    compression: str = option(
        "none",
        "The compression of an MCAP; zstd saves a sixth of 32FC1 depth and half of 16UC1, and costs time.",
        choices=("none", "zstd"),
    )
    batch: int = option(
        0, "The network runs on so many images at once; 0 is 1 on a CPU and 8 on a GPU.", low=0, high=256
    )
    read_ahead: int = option(2, "So many batches are read and decoded ahead.", low=1, high=64)
    segment_frames: int = option(
        300, "What is finished is kept, readable, at least every so many frames.", unit="frames", low=1, high=1_000_000
    )
    segment_seconds: float = option(
        60.0, "What is finished is kept, readable, at least this often.", unit="s", low=0.1, high=86_400.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.wanted if name not in BAG_OUTPUTS]
        if unknown or not self.wanted:
            raise ConfigError(f"outputs holds '{(unknown or [''])[0]}', expected any of: {', '.join(BAG_OUTPUTS)}")
        if self.namespace and not re.fullmatch(r"/?[A-Za-z]\w*(/[A-Za-z]\w*)*", self.namespace):
            raise ConfigError(f"namespace is '{self.namespace}', expected letters, digits, _ and /, such as front")
        if "auto" in self.references and len(self.references) > 1:
            raise ConfigError(f"align is '{self.reference}', expected auto by itself, or references without it")
        if self.poses and not self.map and "motion" not in self.references:
            raise ConfigError(f"poses is '{self.poses}', which align motion and map go by: expected one of them too")
        if self.map and not self.map.endswith(".ply"):
            raise ConfigError(f"map is '{self.map}', expected NAME.ply")
        if self.map and not self.poses and "motion" not in self.references:
            raise ConfigError(f"map is '{self.map}', which needs the poses of the camera: give them with --poses")

    @property
    def references(self) -> tuple[str, ...]:
        """`reference` as names."""
        return names(self.reference)

    @property
    def wanted(self) -> tuple[str, ...]:
        """`outputs` as names, in the order of BAG_OUTPUTS; an alignment that is asked for is among them."""
        asked = [name.strip() for name in self.outputs.split(",") if name.strip()]
        if self.align_topic or self.cam_from_reference or self.reference != "auto":
            asked.append("aligned")
        known = [name for name in BAG_OUTPUTS if name in asked]
        return (*known, *(name for name in asked if name not in known))


@dataclass(frozen=True)
class OfflineStereoConfig(StereoConfig):
    """How `mono_depth image` matches a stereo pair: at its full size, since nothing waits."""

    stereo_downscale: int = option(
        1,
        "Images are matched at this fraction of their size, 1/1, 1/2 or 1/4: 2 takes about a quarter of the time of 1.",
        choices=(1, 2, 4),
    )


@dataclass(frozen=True)
class FleetConfig(Config):
    """How `mono_depth bag` converts a folder of many bags."""

    workers: int = option(
        0,
        "So many Ray workers each have a model of their own; 0 is one a GPU, without GPUs one for four CPU cores.",
        low=0,
    )
    attempts: int = option(3, "A bag that fails is tried again, so many times in all.", low=1, high=100)


@dataclass(frozen=True)
class EvalModelConfig(ModelConfig):
    """Which models `mono_depth eval` compares, and how they run: in full precision."""

    precision: str = option(
        "fp32",
        "The precision of the network; auto is the fastest that the hardware has: bf16 is off by .6 % in the mean and "
        "by 4 to 20 % at single pixels.",
        choices=("auto", "fp32", "fp16", "bf16", "int8"),
    )


@dataclass(frozen=True)
class EvalConfig(Config):
    """How `mono_depth eval` compares depth with ground truth."""

    align: str = option(
        "none",
        "Each prediction is fitted to its ground truth first: median and scale are one factor, affine scale and shift "
        "in depth, affine_inverse in inverse depth; of relative models each needs that of its kind.",
        choices=("none", "median", "scale", "affine", "affine_inverse"),
    )
    reference: str = option(
        "none",
        "The depth is aligned without its ground truth too, as on a robot, and compared beside the depth as it is; "
        "motion goes by the data set's poses of the camera, memory by the images before alone, which holds one scale.",
        choices=("none", "motion", "memory"),
    )
    crop: str = option(
        "auto", "This part of the image counts; auto is the data set's own.", choices=("auto", "none", "eigen", "garg")
    )
    min_depth: float = option(
        0.0, "Nearer ground truth does not count; 0 is the data set's own limit.", unit="m", low=0.0
    )
    max_depth: float = option(
        0.0, "Farther ground truth does not count; 0 is the data set's own limit.", unit="m", low=0.0
    )
    clamp: bool = option(True, "Predictions outside that range count as its ends, as in the code of the papers.")
    depth_scale: float = option(
        0.0, "So many numbers of the ground truth make a metre; 0 is the data set's own.", low=0.0, high=1e6
    )
    limit: int = option(0, "Only the first so many images are compared; 0 is all.", low=0)
    pictures: int = option(
        3, "The report has so many of the best and of the worst images.", low=0, high=50, aliases=("shown",)
    )
    batch: int = option(
        0, "The network runs on so many images at once; 0 is 1 on a CPU and 8 on a GPU.", low=0, high=256
    )
    read_ahead: int = option(8, "So many images are read and decoded ahead.", low=1, high=256)
    seed: int = option(0, "The seed of the bootstrap of paired differences.", low=0, high=2**31 - 1)
