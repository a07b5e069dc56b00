# SPDX-License-Identifier: Apache-2.0
"""Options of the tools that work on recordings and data sets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mono_depth_ros.config.alignment import REFERENCES, StereoConfig
from mono_depth_ros.config.depth import ModelConfig
from mono_depth_ros.config.images import hfov_option
from mono_depth_ros.config.option import Config, option
from mono_depth_ros.errors import ConfigError

BAG_OUTPUTS = ("depth", "points", "color", "normals", "confidence", "aligned")
"""What `mono_depth bag` can write."""


@dataclass(frozen=True)
class BagConfig(Config):
    """What `mono_depth bag` reads from a bag and writes into another."""

    image_topic: str = option("", "Image or CompressedImage; empty: the only one with colour, found by type")
    camera_info_topic: str = option("", "CameraInfo; empty: the image's sibling, or the only one there is")
    camera: str = option("", "calibration of a bag without camera_info: fx,fy,cx,cy, or a calibration FILE")
    hfov: float = hfov_option()
    rectified: bool = option(False, "the images are rectified already: use P of camera_info, no distortion")
    outputs: str = option(
        "depth", f"any of {', '.join(BAG_OUTPUTS)}, with commas; depth is depth/inverse for a relative model"
    )
    reference: str = option(
        "auto",
        "what fixes the scale, as for the alignment node; auto: by the type of align_topic, without one a lidar",
        choices=("auto", *(name for name in REFERENCES if name != "none")),
    )
    align_topic: str = option(
        "",
        "reference of the alignment, of a stereo pair the left image; empty: the only one of its type there is",
    )
    right_topic: str = option("", "right image of a stereo pair; empty: named as the left one, with right for left")
    reference_info_topic: str = option(
        "", "CameraInfo of reference depth or disparity; empty: its sibling, or that of the left camera"
    )
    imu_topic: str = option("", "Imu that says which way is up, for the reference ground")
    extrinsic: str = option(
        "",
        "'x y z qx qy qz qw', metres and a unit quaternion that take points of the reference into the camera's optical "
        "frame; empty: from the bag's /tf_static",
    )
    export_tum: str = option("", "folder for the layout of TUM RGB-D too: rgb/, depth/, associations.txt")
    export_ply: str = option("", "folder for a coloured point cloud of every frame too")
    pose_topic: str = option("", "poses for --export tum; empty: the only PoseStamped or Odometry there is")
    namespace: str = option("", "put before the topics written, such as front for /front/depth/image")
    depth_encoding: str = option("32FC1", "depth in metres or in millimetres", choices=("32FC1", "16UC1"))
    merge: bool = option(False, "write the messages of the input too, byte by byte as they are")
    storage: str = option(
        "mcap", "of a bag folder; OUT.mcap and OUT.db3 say it themselves", choices=("mcap", "sqlite3")
    )
    compression: str = option(
        "none", "zstd: an MCAP of about half the size, and slower to write", choices=("none", "zstd")
    )
    batch: int = option(0, "images in one run of the network; 0: 1 on a CPU, 8 on a GPU", low=0, high=256)
    read_ahead: int = option(2, "batches that are read and decoded ahead", low=1, high=64)
    segment_frames: int = option(
        300, "what is finished is kept, readable, at least this often", unit="frames", low=1, high=1_000_000
    )
    segment_seconds: float = option(60.0, "and at least this often", unit="s", low=0.1, high=86_400.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.wanted if name not in BAG_OUTPUTS]
        if unknown or not self.wanted:
            raise ConfigError(f"outputs holds '{(unknown or [''])[0]}', expected any of: {', '.join(BAG_OUTPUTS)}")
        if self.namespace and not re.fullmatch(r"/?[A-Za-z]\w*(/[A-Za-z]\w*)*", self.namespace):
            raise ConfigError(f"namespace is '{self.namespace}', expected letters, digits, _ and /, such as front")

    @property
    def wanted(self) -> tuple[str, ...]:
        """`outputs` as names, in the order of BAG_OUTPUTS; an alignment that is asked for is among them."""
        asked = [name.strip() for name in self.outputs.split(",") if name.strip()]
        if self.align_topic or self.extrinsic or self.reference != "auto":
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
        0, "Ray workers, each with a model of its own; 0: one a GPU, without GPUs one for four CPU cores", low=0
    )
    attempts: int = option(3, "a bag that fails is tried again, so many times in all", low=1, high=100)


@dataclass(frozen=True)
class EvalModelConfig(ModelConfig):
    """Which models `mono_depth eval` compares, and how they run: in full precision."""

    precision: str = option(
        "fp32",
        "The precision of the network; auto is the fastest that the hardware has: bf16 is off by .6 % in the mean and "
        "by 4 to 20 % at single pixels.",
        choices=("auto", "fp32", "fp16", "bf16"),
    )


@dataclass(frozen=True)
class EvalConfig(Config):
    """How `mono_depth eval` compares depth with ground truth."""

    align: str = option(
        "none",
        "fit each prediction to its ground truth first: median or scale, one factor; affine_inverse, scale and shift "
        "in inverse depth, which relative models need",
        choices=("none", "median", "scale", "affine_inverse"),
    )
    crop: str = option(
        "auto", "which part of the image counts; auto: the data set's own", choices=("auto", "none", "eigen", "garg")
    )
    min_depth: float = option(0.0, "nearer ground truth does not count; 0: the data set's own", unit="m", low=0.0)
    max_depth: float = option(0.0, "farther ground truth does not count; 0: the data set's own", unit="m", low=0.0)
    clamp: bool = option(True, "predictions outside that range count as its ends, as in the code of the papers")
    depth_scale: float = option(0.0, "numbers of the ground truth a metre; 0: the data set's own", low=0.0, high=1e6)
    limit: int = option(0, "only the first so many images; 0: all", low=0)
    shown: int = option(3, "best and worst images in the report, so many of each", low=0, high=50)
    batch: int = option(0, "images in one run of the network; 0: 1 on a CPU, 8 on a GPU", low=0, high=256)
    read_ahead: int = option(8, "images that are read and decoded ahead", low=1, high=256)
    seed: int = option(0, "of the bootstrap of paired differences", low=0, high=2**31 - 1)
