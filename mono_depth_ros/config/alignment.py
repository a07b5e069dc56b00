# SPDX-License-Identifier: Apache-2.0
"""Options of the alignment: the fit, its course in time, the local correction, and the alignment node."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from mono_depth_ros.config.depth import ModelConfig
from mono_depth_ros.config.managed import ManagedNodeConfig
from mono_depth_ros.config.option import Config, names, option
from mono_depth_ros.errors import ConfigError

REFERENCES = ("lidar", "scan", "range", "depth", "disparity", "stereo", "ground", "motion", "memory", "none")
"""What can fix the scale; `none` goes by a calibration that was loaded."""


@dataclass(frozen=True)
class AlignConfig(Config):
    """From a prediction and reference samples to metric depth. `align()` and `Aligner` use the same."""

    method: str = option(
        "robust",
        "The method of the fit: robust is consensus, then reweighted least squares; lstsq is plain least squares, "
        "which one outlier can ruin.",
        choices=("robust", "lstsq"),
    )
    curve: str = option(
        "auto",
        "The curve from a prediction to depth d. inverse: 1/d = shift + scale * x, x the prediction's inverse depth; "
        "log: ln d = shift + scale * ln p; scale: d = scale * p; affine: d = shift + scale * p; auto: scale for "
        "predictions that are metric or up to scale, inverse and affine for inverse depth and depth with a shift; "
        "best: scale or inverse of the former, as samples say that are held out.",
        choices=("auto", "best", "inverse", "log", "scale", "affine"),
    )
    min_samples: int = option(
        20,
        "Fewer fitted samples than this give no fit; a range finder, which has one, is fitted with a scale alone.",
        low=1,
        high=100_000,
        dynamic=True,
    )
    held_out: float = option(
        0.1,
        "Samples are held out to measure the error, each predicted from others as far away as the image's pixels are "
        "from samples; the result is then made of all of them. 0 measures no error; the size no longer matters.",
        low=0.0,
        high=0.9,
        dynamic=True,
    )
    seed: int = option(0, "The seed of the choice of held-out samples and of the consensus.", low=0, high=2**31 - 1)
    local: bool = option(
        True, "What is left after the fit is corrected locally, as far as samples reach.", dynamic=True
    )
    max_abs_rel: float = option(
        0.25,
        "A result with a larger held-out AbsRel is marked as bad.",
        low=0.001,
        high=10.0,
        dynamic=True,
    )


@dataclass(frozen=True)
class TrackerConfig(Config):
    """How scale and shift go on in time."""

    bandwidth: float = option(
        1.0,
        "The memory of the filter of scale and shift: longer is calmer and slower; 0 takes every frame's own fit.",
        unit="s",
        low=0.0,
        high=3600.0,
        dynamic=True,
    )
    hold: float = option(
        5.0,
        "Without new samples the state is unaligned after this long; 0 means never.",
        unit="s",
        low=0.0,
        dynamic=True,
    )


@dataclass(frozen=True)
class ReferenceConfig(Config):
    """Which samples of a reference count."""

    tolerance: float = option(
        0.1,
        "An image takes the reference nearest in time, at most this far from it.",
        unit="s",
        low=0.0,
        high=10.0,
        dynamic=True,
    )
    reference_min: float = option(0.3, "Samples nearer than this are not used.", unit="m", low=0.0, dynamic=True)
    reference_max: float = option(100.0, "Samples farther than this are not used.", unit="m", low=0.1, dynamic=True)
    reference_samples: int = option(
        20_000, "At most this many samples of a dense reference are used, spread evenly.", low=100, dynamic=True
    )
    occlusion_window: int = option(
        -1,
        "Occluded samples, which nearer ones surround, are looked for in a square of this size and left out; it should "
        "span two lines of the lidar in the image, which -1 finds out by itself; 0 keeps them.",
        unit="px",
        low=-1,
        high=99,
    )
    occlusion_ratio: float = option(
        0.1, "A neighbour counts as nearer when the sample is farther by more than this fraction.", low=0.0, high=10.0
    )

    reference_rectified: bool = option(
        False,
        "The reference depth image is rectified: P of its camera_info is used, without distortion (stereo pairs "
        "always are).",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reference_min >= self.reference_max:
            raise ConfigError(
                f"reference_min is {self.reference_min:g} m, expected less than reference_max, {self.reference_max:g} m"
            )


@dataclass(frozen=True)
class StereoConfig(Config):
    """How a rectified stereo pair is matched."""

    stereo_disparities: int = option(
        128,
        "The matcher searches this far: what is nearer than fx * baseline / this is not seen, or wrongly; time grows "
        "with it.",
        unit="px",
        low=16,
        high=512,
    )
    stereo_downscale: int = option(
        2,
        "Images are matched at this fraction of their size, 1/1, 1/2 or 1/4: 2 takes about a quarter of the time of 1.",
        choices=(1, 2, 4),
    )


@dataclass(frozen=True)
class GroundConfig(Config):
    """Where the floor is: for obstacles above it, and as the reference without a second sensor."""

    camera_height: float = option(
        0.0,
        "The height of the camera above the floor; 0 takes it from tf2, base_frame to the camera.",
        unit="m",
        low=0.0,
        high=100.0,
    )
    base_frame: str = option(
        "",
        "The frame on the floor, x ahead and z up, such as base_footprint: obstacles are given in it, and tf2 tells "
        "height and pitch by it.",
    )
    base_from_camera: str = option(
        "",
        "'x y z qx qy qz qw', metres and a unit quaternion that take points of the camera's optical frame into "
        "base_frame; empty takes it from tf2. Of several cameras one each, with ; between them.",
    )
    pitch_deg: str = option(
        "",
        "The pitch of the camera in degrees, positive looks down; empty takes it from tf2, the imu topic or "
        "what is seen of the floor.",
    )
    roll_deg: float = option(
        0.0, "The roll of the camera; it counts with pitch_deg.", unit="deg", low=-180.0, high=180.0
    )


def _of_model(name: str, doc: str) -> Any:
    """The option of the depth node's model, of the alignment's."""
    (item,) = (item for item in fields(ModelConfig) if item.name == name)
    given = {key: item.metadata[key] for key in ("choices", "low", "high", "unit")}
    return option(item.default, doc, **given)


@dataclass(frozen=True)
class AlignmentModelConfig(Config):
    """A model that takes the samples as its prompt: the options of the depth node's, behind `alignment_`."""

    alignment_model: str = option(
        "",
        "A model that takes the reference's samples as its prompt, such as prompt_depth_anything_small, makes the "
        "depth of image, and no depth node is needed; empty: the depth that comes is aligned.",
    )
    alignment_device: str = _of_model("device", "The device of alignment_model: auto, cpu, cuda or cuda:N.")
    alignment_engine: str = _of_model("engine", "The engine that runs alignment_model; auto is the fastest right one.")
    alignment_precision: str = _of_model("precision", "The precision of alignment_model; auto is the fastest there is.")
    alignment_engine_path: str = _of_model("engine_path", "A prebuilt TensorRT engine of alignment_model; empty: none.")
    alignment_model_threads: int = _of_model(
        "threads", "The network of alignment_model uses this many CPU threads; 0 means as many as there are cores."
    )

    @property
    def model(self) -> ModelConfig:
        """As the depth node has it."""
        return ModelConfig(
            model=self.alignment_model,
            device=self.alignment_device,
            engine=self.alignment_engine,
            precision=self.alignment_precision,
            threads=self.alignment_model_threads,
            engine_path=self.alignment_engine_path,
        )


PROMPTS = ("lidar", "scan", "depth", "disparity", "stereo")
"""References whose samples can be the prompt of a model: sensors with several depths, that need no prediction."""


@dataclass(frozen=True)
class AlignmentNodeConfig(ManagedNodeConfig):
    """What the alignment node does around the alignment; its parameters are these and those of the classes above."""

    lazy: bool = option(True, "The node runs, and subscribes to depth, only while somebody subscribes to an output.")
    reference: str = option(
        "lidar",
        "The reference that fixes the scale, or several at once, such as lidar,motion: each counts by what it knows, "
        "and where one gives nothing the others go on.",
        choices=REFERENCES,
        several=True,
    )
    prediction: str = option(
        "auto",
        "The depth to align: metric (depth/image), inverse (depth/inverse), affine or scale (depth/relative of a model "
        "whose depth lacks scale and shift, or one scale); auto takes the topic that comes, depth/relative as affine.",
        choices=("auto", "metric", "inverse", "affine", "scale"),
    )
    rectified: bool = option(
        False, "The depth is of an image that was rectified already: P of its camera_info is used, without distortion."
    )
    image_transport: str = option(
        "raw", "The colours of the cloud come from Image or from CompressedImage.", choices=("raw", "compressed")
    )
    cam_from_reference: str = option(
        "",
        "'x y z qx qy qz qw', metres and a unit quaternion that take points of the reference into the camera's optical "
        "frame; empty takes it from tf2. Of several references it is that of the one sensor among them.",
    )
    calibration: str = option(
        "", "The YAML file with scale and shift to begin with, if it is there; ~/save writes it.", dynamic=True
    )
    calibration_scene: str = option(
        "default", "The name of the scale and shift in the calibration, which may have several.", dynamic=True
    )
    frozen: bool = option(False, "Scale and shift are frozen from the beginning; this needs a calibration.")
    publish_unaligned: bool = option(
        False, "Metric predictions are published as they are while there is no alignment.", dynamic=True
    )
    publish_bad: bool = option(
        True, "Results whose held-out AbsRel exceeds max_abs_rel are published (diagnostics say so).", dynamic=True
    )
    aligned_encoding: str = option(
        "32FC1",
        "The encoding of aligned/image: 32FC1 is metres, 16UC1 millimetres.",
        choices=("32FC1", "16UC1"),
        dynamic=True,
    )
    alignment_threads: int = option(
        1,
        "The alignment uses this many CPU threads: more are faster on idle cores only; beside a network that takes all "
        "of them they wait for each other, ten times as long.",
        low=1,
        high=256,
        dynamic=True,
    )
    input_timeout: float = option(
        2.0,
        "Diagnostics say that depth or reference is missing after this long.",
        unit="s",
        low=0.1,
        high=3600.0,
        dynamic=True,
    )
    min_depth_fraction: float = option(
        0.05,
        "Diagnostics warn where fewer of the pixels than this have a finite depth.",
        low=0.0,
        high=1.0,
        dynamic=True,
    )
    diagnostics_period: float = option(
        1.0, "The time between two messages on /diagnostics.", unit="s", low=0.1, high=60.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if "none" in self.references and len(self.references) > 1:
            raise ConfigError(f"reference is '{self.reference}', expected none by itself, or references without it")

    @property
    def references(self) -> tuple[str, ...]:
        """`reference` as names."""
        return names(self.reference)
