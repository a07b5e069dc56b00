# SPDX-License-Identifier: Apache-2.0
"""`--reference FILE|FOLDER` of `mono_depth image`: which known depths belong to an image, as samples in it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mono_depth_ros.alignment.align import align
from mono_depth_ros.alignment.beams import beams
from mono_depth_ros.alignment.expected_error import Reach
from mono_depth_ros.alignment.projected_points import samples_from_points
from mono_depth_ros.alignment.result import Alignment
from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.config import AlignConfig, DepthConfig, ReferenceConfig
from mono_depth_ros.errors import ConfigError, DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import rigid_from_text, transform_points
from mono_depth_ros.media.depth import read_depth, unit_problem
from mono_depth_ros.media.points import read_points
from mono_depth_ros.metrics import DepthMetrics
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.paths import require_file
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.prompting import PromptedAligner
from mono_depth_ros.transfer import upload

_DEPTH = (".png", ".npy", ".npz", ".tif", ".tiff", ".pfm", ".exr")
_CLOUDS = (".bin", ".ply", ".pcd")  # an .npy is read as a depth map


@dataclass(frozen=True, eq=False)
class Reference:
    """One image's known depths, and what they made of its prediction; `more` goes into the summary."""

    samples: Samples
    alignment: Alignment
    aligned: DepthPrediction
    more: Mapping[str, Any] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """What `--json` prints; errors are those to expect over the image, by samples that were held out."""
        fit, after, before = self.alignment.fit, self.alignment.after, self.alignment.before
        return {
            "curve": fit.curve.value,
            "scale": round(fit.scale, 9),
            "shift": round(fit.shift, 9),
            "inliers": round(fit.inliers, 4),
            "samples": len(self.samples),
            "held_out_before": _rounded(before),
            "held_out_after": _rounded(after),
            "reach": None if self.alignment.reach is None else _known(self.alignment.reach),
            "trusted": self.alignment.trusted,
            **({"note": fit.note} if fit.note else {}),
            **self.more,
        }


@dataclass(frozen=True)
class ReferenceArgument:
    """What was given for `--reference` and beside it.

    Attributes:
        path: a file, or a folder with one for each image. unit: metres that a number of a
            depth map makes; None: 0.001 for whole numbers, 1 for floating-point ones.
        cam_from_reference: (4, 4), or None where it was not given: depth maps need none.
        option: that gave it: reference, or prompt.
    """

    path: Path
    unit: float | None
    cam_from_reference: np.ndarray | None
    config: ReferenceConfig
    align_config: AlignConfig
    option: str = "reference"

    @classmethod
    def parse(
        cls, args: argparse.Namespace, images: list[Path], align_config: AlignConfig, config: ReferenceConfig
    ) -> ReferenceArgument | None:
        """None without `--reference` and `--prompt`.

        Raises:
            ConfigError: the options do not go together. DataError: an image has no reference.
        """
        if args.prompt is not None and args.reference is not None:
            raise ConfigError("--prompt and --reference are given, expected one: a prompt is a reference already")
        if args.reference is None and args.prompt is None:
            for option in ("cam_from_reference", "overlay"):
                if getattr(args, option):
                    raise ConfigError(f"--{option.replace('_', '-')} is for a --reference, which is not given")
            return None
        path = args.prompt or args.reference
        if args.reference_unit is not None and not args.reference_unit > 0:
            raise ConfigError(f"--reference-unit is {args.reference_unit:g}, expected metres a count, more than 0")
        extrinsic = read_extrinsic(args.cam_from_reference) if args.cam_from_reference else None
        found = cls(
            path, args.reference_unit, extrinsic, config, align_config, "prompt" if args.prompt else "reference"
        )
        if not path.is_dir() and len(images) > 1:
            raise ConfigError(
                f"--{found.option} is one file for {len(images)} images, expected a folder with a file for each"
            )
        for image in images:
            file = found.file_of(image)
            if file.suffix.lower() in _CLOUDS and extrinsic is None:
                raise ConfigError(
                    f"{file} is a cloud: it needs --cam-from-reference 'x y z qx qy qz qw', cloud to camera"
                )
        return found

    def file_of(self, image: Path) -> Path:
        """The reference of an image.

        Raises:
            DataError: there is none, or there are several.
        """
        if not self.path.is_dir():
            if self.path.suffix.lower() not in _DEPTH + _CLOUDS:
                raise DataError(f"--{self.option} is {self.path}, expected one of: {', '.join(_DEPTH + _CLOUDS)}")
            if not self.path.is_file():
                raise DataError(f"--{self.option}: there is no {self.path}")
            return self.path
        # 7-Scenes has frame-000000.color.jpg beside frame-000000.depth.png.
        names = (image.stem, f"{image.stem.removesuffix('.color')}.depth")
        files = [self.path / f"{name}{suffix}" for name in names for suffix in _DEPTH + _CLOUDS]
        found = [file for file in files if file.is_file() and file.resolve() != image.resolve()]
        if len(found) != 1:
            seen = "and ".join(file.name for file in found) or "none"
            expected = f"{image.stem}{_DEPTH[0]} or another of {', '.join(_DEPTH + _CLOUDS)}"
            raise DataError(f"the reference of {image.name} in {self.path}: found {seen}, expected one: {expected}")
        return found[0]

    def view(self, rgb: np.ndarray, camera: Camera | None) -> tuple[np.ndarray, Camera | None]:
        """The image and its camera that depth is estimated of: as they are."""
        return rgb, camera

    @property
    def needs_camera(self) -> bool:
        """Whether there may be clouds among the references."""
        return self.cam_from_reference is not None

    def align(self, image: Path, frame: Frame) -> Reference:
        """Align the prediction of an image.

        Raises:
            DataError, FrameError: the reference cannot be used, or it fixes no scale.
        """
        samples = self.samples(image, frame)
        alignment = align(frame.prediction, samples, self.align_config, frame.rgb)
        return Reference(samples, alignment, alignment.apply(frame.prediction))

    def prompted(
        self, image: Path, rgb: np.ndarray, camera: Camera | None, model: DepthModel, config: DepthConfig
    ) -> tuple[Frame, Reference]:
        """The depth of a model whose prompt the known depths are.

        Raises:
            DataError, FrameError: they cannot be used, or are no prompt.
        """
        nothing = DepthPrediction(torch.full(rgb.shape[:2], math.nan), DepthKind.METRIC)
        frame = Frame(upload(rgb, model.device), camera, nothing, config)
        samples = self.samples(image, frame)
        # A model that needs no camera reads nothing but the size of it.
        stand_in = Camera.from_fov((rgb.shape[1], rgb.shape[0]), hfov_deg=60)
        found = PromptedAligner(model).update(frame.rgb, camera or stand_in, samples, 0, self.align_config)
        assert found.alignment is not None and found.prediction is not None
        more = {"note": found.reason} if found.reason else {}
        return replace(frame, prediction=found.prediction), Reference(samples, found.alignment, found.prediction, more)

    def samples(self, image: Path, frame: Frame) -> Samples:
        """The known depths of an image.

        Raises:
            DataError: the file cannot be used, or is of another size.
        """
        file = self.file_of(image)
        if file.suffix.lower() in _CLOUDS:
            assert self.cam_from_reference is not None and frame.camera is not None, "checked at the start"
            cloud = read_points(file)
            points = transform_points(self.cam_from_reference, cloud)
            _check_unit(file, points[:, 2], frame)
            samples = samples_from_points(points, frame.camera, self.config, beams(cloud))
            return samples.thinned(self.config.reference_samples)
        per_m = (1000.0, 1.0) if self.unit is None else (1 / self.unit, 1 / self.unit)
        depth = read_depth(file, per_m[0], array_per_m=per_m[1]).astype(np.float32)
        height, width = frame.prediction.values.shape
        if depth.shape != (height, width):
            found = f"{depth.shape[1]}x{depth.shape[0]}"
            raise DataError(f"{file} is {found}, expected the size of {image.name}, {width}x{height}")
        _check_unit(file, depth, frame, ~np.isnan(depth))
        samples = samples_from_depth(depth, self.config.reference_min, self.config.reference_max)
        return samples.thinned(self.config.reference_samples)


def _check_unit(file: Path, known: np.ndarray, frame: Frame, where: np.ndarray | None = None) -> None:
    """Raise DataError where known depths are in another unit than metres, by a metric prediction, at some pixels."""
    if frame.prediction.kind is not DepthKind.METRIC:
        return
    predicted = frame.prediction.values.cpu().numpy()
    if where is not None:
        known, predicted = known[where], predicted[where]
    if problem := unit_problem(known, predicted):
        option = "" if file.suffix.lower() in _CLOUDS else "; --reference-unit says what one number is in metres"
        raise DataError(f"{file}: {problem}{option}")


def read_extrinsic(text: str) -> np.ndarray:
    """(4, 4) of 'x y z qx qy qz qw', or of a text file with 3 or 4 rows of 4 numbers.

    Raises:
        ConfigError: it is neither, or no rotation.
    """
    path = Path(text)
    if path.suffix.lower() != ".txt":
        return rigid_from_text(text)
    try:
        require_file(path)
        return rigid_from_text(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--cam-from-reference {path} cannot be read: {error}") from error


def _known(reach: Reach) -> dict[str, float | None]:
    """None where there is nothing of it: JSON has no NaN."""
    return {name: round(value, 6) if math.isfinite(value) else None for name, value in asdict(reach).items()}


def _rounded(metrics: DepthMetrics | None) -> dict[str, float] | None:
    return None if metrics is None else {name: round(value, 6) for name, value in asdict(metrics).items()}
