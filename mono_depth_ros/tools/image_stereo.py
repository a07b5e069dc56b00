# SPDX-License-Identifier: Apache-2.0
"""`--right PATH` of `mono_depth image`: the other image of a stereo pair, whose depth fixes that of the left one."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from mono_depth_ros.alignment.align import align, over_the_image
from mono_depth_ros.alignment.reference_depth import samples_from_reference_depth
from mono_depth_ros.alignment.result import Alignment
from mono_depth_ros.alignment.stereo import StereoDepth, baseline_of, stereo_depth
from mono_depth_ros.alignment.stereo_check import check_pair
from mono_depth_ros.alignment.stereo_completion import Completed, complete
from mono_depth_ros.config import AlignConfig, OfflineStereoConfig, ReferenceConfig, StereoConfig
from mono_depth_ros.errors import ConfigError, DataError, SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rectify import rectify
from mono_depth_ros.media.bits import Scale
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.media.images import find_images, read_image
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.prediction import DepthPrediction
from mono_depth_ros.tools.image_reference import Reference

_SAME = 0.01  # baselines that differ by less, relatively, are one
_MEAN_ABS = 0.8  # of a normal error, by its standard deviation


@dataclass(frozen=True)
class StereoArgument:
    """What was given for `--right` and beside it.

    Attributes:
        rights: the right image of each left one. baseline_m: metres between the cameras.
        shift_px: cx of the left minus cx of the right camera. calibrations: of left and right where the images are to
            be rectified by them, else None: they are rectified. scale: from 16 bits to 8, as of the left images.
    """

    rights: dict[Path, Path]
    baseline_m: float
    shift_px: float
    calibrations: tuple[CameraArgument, CameraArgument] | None
    max_pixels: int
    stereo: OfflineStereoConfig
    config: ReferenceConfig
    align_config: AlignConfig
    scale: Scale | None = None

    needs_camera = True

    @classmethod
    def parse(
        cls,
        args: argparse.Namespace,
        images: list[Path],
        camera: CameraArgument | None,
        max_pixels: int,
        stereo: OfflineStereoConfig,
        config: ReferenceConfig,
        align_config: AlignConfig,
    ) -> StereoArgument | None:
        """None without `--right`.

        Raises:
            ConfigError: the options do not go together. DataError: the images make no pairs. CameraError, SamplesError:
                the calibration of the right camera is none, or has no baseline.
        """
        if args.right is None:
            for option in ("baseline", "doffs", "right_camera"):
                if getattr(args, option) is not None:
                    raise ConfigError(f"--{option.replace('_', '-')} is for stereo pairs: expected --right too")
            return None
        if args.reference is not None or args.prompt is not None:
            raise ConfigError("--right and --reference are both given, expected one of them: what fixes the scale")
        if camera is None:
            raise ConfigError("--right needs the left camera: give --camera fx,fy,cx,cy, --camera FILE or --hfov DEG")
        right = None if args.right_camera is None else CameraArgument.parse(args.right_camera)
        if right is not None and right.calibration is None:
            raise ConfigError(f"--right-camera is {right.text}, expected a calibration file, which has P")
        baseline, shift = _geometry(args, camera, right)
        calibrations = None
        if not args.rectified and right is not None:
            if camera.calibration is None:
                raise ConfigError("--right-camera rectifies both images: expected a calibration file for --camera too")
            calibrations = camera, right
        return cls(pair_up(images, args.right), baseline, shift, calibrations, max_pixels, stereo, config, align_config)

    def view(self, rgb: np.ndarray, camera: Camera | None) -> tuple[np.ndarray, Camera | None]:
        """The left image (H, W, 3) with its camera, rectified.

        Raises:
            CameraError: a calibration is of another size. SamplesError: the camera has distortion that nothing undoes.
        """
        if self.calibrations is not None:
            return _rectified(rgb, self.calibrations[0])
        if camera is not None and not camera.rectified:
            raise SamplesError(
                f"the left camera has {camera.model} distortion, expected --right-camera too, to rectify both images, "
                "or --rectified where they are",
                "stereo_rectified",
            )
        return rgb, camera

    def align(self, image: Path, frame: Frame) -> Reference:
        """Match the pair and align the prediction of the left image.

        Raises:
            DataError, FrameError: the pair cannot be used, or it fixes no scale.
        """
        path = self.rights[image]
        right, left = read_image(path, self.max_pixels, self.scale), frame.rgb.cpu().numpy()
        if self.calibrations is not None:
            right = _rectified(right, self.calibrations[1])[0]
        if right.shape != left.shape:
            sizes = [f"{pixels.shape[1]}x{pixels.shape[0]}" for pixels in (right, left)]
            raise DataError(f"{path} is {sizes[0]}, expected the size of {image.name}, {sizes[1]}")
        check_pair(left, right, self.shift_px)
        assert frame.camera is not None, "checked at the start"
        found = self._match(left, right, frame.camera, self.stereo)
        samples = samples_from_reference_depth(
            found.depth, found.camera, frame.camera, np.eye(4), self.config, found.sigma
        )
        given = samples.thinned(self.config.reference_samples)
        alignment = align(frame.prediction, given, self.align_config, frame.rgb)
        aligned = alignment.apply(frame.prediction)
        if self.align_config.local:
            other = 2 if self.stereo.stereo_downscale != 2 else 4
            second = self._match(left, right, frame.camera, replace(self.stereo, stereo_downscale=other))
            completed = complete(
                _at_full_size(found.depth, left),
                _at_full_size(found.occluded, left),
                left,
                aligned.values.cpu().numpy(),
                alignment.fit.apply(frame.prediction).cpu().numpy(),
                frame.camera.fx * self.baseline_m,
                _at_full_size(second.depth, left),
            )
            aligned, alignment = _completed(aligned, completed), self._judged(alignment, completed)
        more = {"right": str(path), "matched": round(float(np.isfinite(found.depth).mean()), 4)}
        return Reference(samples, alignment, aligned, more)

    def _match(self, left: np.ndarray, right: np.ndarray, camera: Camera, config: StereoConfig) -> StereoDepth:
        return stereo_depth(left, right, camera, self.baseline_m, config, self.shift_px)

    def _judged(self, alignment: Alignment, completed: Completed) -> Alignment:
        """The alignment with the errors of the completed depth, which samples that were held out say nothing of."""
        if alignment.after is None:
            return alignment
        abs_rel = float(np.nanmean(completed.relative))
        after, trusted = over_the_image(alignment.after, abs_rel), abs_rel <= self.align_config.max_abs_rel
        return replace(alignment, after=after, trusted=trusted, reach=completed.reach)


def _at_full_size(values: np.ndarray, image: np.ndarray) -> np.ndarray:
    """(H, W) of the image, of the nearest pixel."""
    size = image.shape[1], image.shape[0]
    return cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_NEAREST).astype(values.dtype)


def _completed(aligned: DepthPrediction, completed: Completed) -> DepthPrediction:
    device = aligned.values.device
    sigma = completed.relative * completed.depth / _MEAN_ABS
    return replace(
        aligned,
        values=torch.from_numpy(completed.depth).to(device),
        uncertainty=torch.from_numpy(sigma.astype(np.float32)).to(device),
    )


def pair_up(lefts: list[Path], given: str) -> dict[Path, Path]:
    """The right image of each left one: by name, the words left and right apart, else by order.

    Args:
        given: a file, a folder or a pattern.

    Raises:
        DataError: their numbers differ, some names go together and others do not, or both are one file.
    """
    rights = find_images([given])
    by_name = {_key(path): path for path in rights}
    named = {path: by_name[_key(path)] for path in lefts if _key(path) in by_name}
    if len(lefts) == 1 == len(rights) or (not named and len(lefts) == len(rights)):
        named = dict(zip(lefts, rights, strict=True))
    alone = [path for path in lefts if path not in named]
    if alone:
        found = f"{len(lefts)} left and {len(rights)} right images"
        raise DataError(f"{found}: {alone[0]} has no partner in {given}, expected names or numbers that go together")
    twice = {path for path in named.values() if list(named.values()).count(path) > 1}
    same = [left for left, right in named.items() if left.resolve() == right.resolve()]
    if twice or same:
        found = f"{min(twice)} is the right image of several" if twice else f"{same[0]} is left and right image"
        raise DataError(f"{found}, expected two files for each pair")
    return named


def _key(path: Path) -> str:
    return re.sub(r"left|right|(?<=[_.-])[lr]$|^[lr](?=[_.-])", "", path.stem.lower())


def _geometry(args: argparse.Namespace, left: CameraArgument, right: CameraArgument | None) -> tuple[float, float]:
    """Baseline in metres, and cx of the left minus cx of the right camera in pixels."""
    baseline, shift = args.baseline, 0.0
    if right is not None:
        assert right.calibration is not None
        known = baseline_of(right.calibration.P)
        if baseline is not None and abs(baseline - known) > _SAME * known:
            found = f"--baseline is {baseline:g} m and P of {right.text} says {known:g} m"
            raise ConfigError(f"{found}, expected one baseline")
        baseline = known if baseline is None else baseline
        if left.calibration is not None and len(left.calibration.P) == 12:
            shift = left.calibration.P[2] - right.calibration.P[2]
    if baseline is None:
        raise ConfigError(
            "--right needs the metres between the cameras: give --baseline B, or --right-camera FILE.yaml"
        )
    if not (np.isfinite(baseline) and baseline > 0):
        raise ConfigError(f"--baseline is {baseline:g}, expected metres, more than 0")
    return baseline, shift if args.doffs is None else -args.doffs


def _rectified(rgb: np.ndarray, argument: CameraArgument) -> tuple[np.ndarray, Camera]:
    calibration = argument.calibration
    assert calibration is not None
    raw, rectified = (argument.camera(rgb.shape[1], rgb.shape[0], rectified) for rectified in (False, True))
    return rectify(torch.from_numpy(rgb), raw, rectified, tuple(calibration.R)).numpy(), rectified
