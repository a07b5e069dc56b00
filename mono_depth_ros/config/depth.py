# SPDX-License-Identifier: Apache-2.0
"""Options of the model, of the way from a prediction to depth and cloud, and of the depth node."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from mono_depth_ros.config.managed import ManagedNodeConfig
from mono_depth_ros.config.option import Config, option
from mono_depth_ros.errors import ConfigError


@dataclass(frozen=True)
class ModelConfig(Config):
    """Which model runs where."""

    model: str = option(
        "depth_anything_v2_metric_indoor_small",
        "The name of a model (`mono_depth models list`), the path of a transformers directory, .pth or .onnx, or "
        "a hub name.",
    )
    device: str = option(
        "auto", "The device is auto (CUDA where there is one, and the log says which), cpu, cuda or cuda:N."
    )
    engine: str = option(
        "auto",
        "The engine runs the network; auto is the fastest installed one that agrees with torch.",
        choices=("auto", "torch", "torch_compile", "onnxruntime", "openvino", "tensorrt"),
    )
    precision: str = option(
        "auto",
        "The precision of the network; auto is the fastest that the hardware has; int8 is what `mono_depth models "
        "quantize` made of it on this machine.",
        choices=("auto", "fp32", "fp16", "bf16", "int8"),
    )
    input_size: str = option(
        "",
        "Metric3D v2 reads images at this WIDTHxHEIGHT, multiples of 28, such as 532x308: smaller is faster and "
        "coarser; empty means 1064x616. Other models have a rule of their own.",
    )
    threads: int = option(
        0, "The network uses this many CPU threads; 0 means as many as there are cores.", low=0, high=256
    )
    exact_camera: bool = option(
        False,
        "The camera is used as it is calibrated, where the authors of MoGe-2, UniDepthV2 and Depth Anything 3 metric "
        "take a rougher one (no principal point, half a pixel, one factor, the mean focal length); their own depth is "
        "that without.",
    )
    engine_path: str = option(
        "",
        "A prebuilt TensorRT engine is run for the network: an .engine or .plan file, an .onnx file with an engine in "
        "it, or a folder with the engines that ONNX Runtime keeps; or an int8 network is, the folder that `mono_depth "
        "models quantize --out` wrote. Empty means none. It is checked against the model.",
    )


@dataclass(frozen=True)
class DepthConfig(Config):
    """From a prediction to the depth and the cloud that are given out."""

    min_depth: float = option(
        0.0, "Depth closer than this is set to NaN (unknown).", unit="m", low=0.0, high=1000.0, dynamic=True
    )
    max_depth: float = option(
        math.inf,
        "Depth farther than this is set to +inf (beyond range) and gives no point in the cloud.",
        unit="m",
        low=0.01,
        dynamic=True,
    )
    edge_ratio: float = option(
        0.05,
        "Pixels on depth jumps above this fraction of the distance are left out of the cloud as flying pixels; 0 "
        "keeps them.",
        low=0.0,
        high=10.0,
        dynamic=True,
    )
    max_relative_error: float = option(
        0.0,
        "Points whose uncertainty is above this fraction of their depth are left out of the cloud and of obstacles, "
        "where it is known (aligned depth); 0 keeps them in the cloud, and leaves out of obstacles those above "
        "a quarter of it, and 0.5 m.",
        low=0.0,
        high=10.0,
        dynamic=True,
    )
    stride: int = option(
        1,
        "Every n-th pixel and row goes into the cloud.",
        unit="px",
        low=1,
        high=64,
        dynamic=True,
        aliases=("cloud_stride",),
    )
    cloud_normals: bool = option(
        False, "The points of the cloud have normal_x, normal_y, normal_z and curvature too.", dynamic=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_depth >= self.max_depth:
            raise ConfigError(f"min_depth is {self.min_depth:g} m, expected less than max_depth, {self.max_depth:g} m")


@dataclass(frozen=True)
class DepthNodeConfig(ManagedNodeConfig):
    """What the depth node does around the pipeline; its parameters are these and ModelConfig's and DepthConfig's."""

    lazy: bool = option(True, "The network runs only while somebody subscribes to an output.")
    cameras: str = option(
        "",
        "The names of several cameras that share the model, a list such as [front, left]: NAME/image_raw in, "
        "NAME/depth/* out; empty means one camera, image in, depth/* out.",
    )
    batch_window: float = option(
        0.005,
        "With several cameras the first image waits this long for those of the others, to share a run of the network.",
        unit="s",
        low=0.0,
        high=1.0,
        dynamic=True,
    )
    max_rate: float = option(
        0.0,
        "At most so many images a second of each camera go through the network, the others are skipped; 0 means as "
        "many as there is time for.",
        unit="Hz",
        low=0.0,
        high=1000.0,
        dynamic=True,
    )
    target_latency: float = option(
        0.0,
        "The network's input size is stepped down and up so that the median time from an image's arrival in the node "
        "to its published depth stays under this; 0 leaves it at the model's own.",
        unit="s",
        low=0.0,
        high=60.0,
        dynamic=True,
    )
    min_input_size: int = option(
        0,
        "With target_latency, the shorter side at which the network reads an image is not stepped below this; 0 means "
        "half of the model's own.",
        unit="px",
        low=0,
        high=4096,
    )
    scale_aligned: bool = option(
        False,
        "An alignment node gives this node's depth its scale: target_latency needs that of models whose metres depend "
        "on the input size.",
    )
    image_transport: str = option(
        "raw", "The node subscribes to Image or to CompressedImage.", choices=("raw", "compressed")
    )
    rectified: bool = option(
        False, "The image topic is rectified already: P of its camera_info is used, without distortion."
    )
    rectify: bool = option(
        False, "The image is undistorted first; rgb/image_rect and rgb/camera_info are published beside the depth."
    )
    min_depth_fraction: float = option(
        0.05,
        "Diagnostics warn where fewer of the pixels than this have a finite depth, or where the lens model of "
        "camera_info covers less of the image than all but this.",
        low=0.0,
        high=1.0,
        dynamic=True,
    )
    depth_encoding: str = option(
        "32FC1",
        "The encoding of depth/image: 32FC1 is metres, 16UC1 millimetres.",
        choices=("32FC1", "16UC1"),
        dynamic=True,
    )
    input_timeout: float = option(
        2.0, "Diagnostics say that the image is missing after this long.", unit="s", low=0.1, high=3600.0, dynamic=True
    )
    diagnostics_period: float = option(
        1.0, "The time between two messages on /diagnostics.", unit="s", low=0.1, high=60.0
    )

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
