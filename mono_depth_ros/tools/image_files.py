# SPDX-License-Identifier: Apache-2.0
"""The work of `mono_depth image`: one image file in, its result files out."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from mono_depth_ros.alignment.overlay import overlay
from mono_depth_ros.config import (
    AlignConfig,
    DepthConfig,
    ImageConfig,
    ModelConfig,
    OfflineStereoConfig,
    ReferenceConfig,
)
from mono_depth_ros.errors import ConfigError, DataError, MonoDepthError
from mono_depth_ros.media.arrays import write_array, write_png
from mono_depth_ros.media.bits import BitDepth
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.media.images import find_images
from mono_depth_ros.media.photos import Photos, check_exif
from mono_depth_ros.media.ply import unpack_cloud, write_ply
from mono_depth_ros.messages.depth import encode_depth
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.memory import is_video, still
from mono_depth_ros.paths import short_name
from mono_depth_ros.pipeline import Frame, Pipeline
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.streams.health import untrusted
from mono_depth_ros.tools.checked_model import load_checked
from mono_depth_ros.tools.image_reference import Reference, ReferenceArgument
from mono_depth_ros.tools.image_stereo import StereoArgument
from mono_depth_ros.tools.measure import Pixels, measure, parse

LOGGER = logging.getLogger(__name__)

_SUFFIXES = {"npy": ".npy", "png16": ".png", "ply": ".ply", "color": "_color.png", "overlay": "_overlay.png"}


@dataclass(frozen=True)
class Job:
    """Everything that is the same for all the images.

    Attributes:
        files: the images. names: for each, where its results go, relative to `out` and without suffix.
        kinds: the result files wanted, keys of `_SUFFIXES`.
        photos: how they are read, and their cameras.
        pixels: pairs to measure the distance of.
        reference: known depths to align each image with, or None.
    """

    files: list[Path]
    names: list[Path]
    out: Path
    kinds: tuple[str, ...]
    photos: Photos
    pipeline: Pipeline
    pixels: tuple[Pixels, ...] = ()
    reference: ReferenceArgument | StereoArgument | None = None

    @classmethod
    def prepare(
        cls,
        args: argparse.Namespace,
        config: DepthConfig,
        model_config: ModelConfig,
        align_config: AlignConfig,
        reference_config: ReferenceConfig,
        image_config: ImageConfig,
        stereo_config: OfflineStereoConfig,
    ) -> Job:
        """Check everything that can be wrong before the first image, cheap checks first.

        Raises:
            MonoDepthError: inputs, camera or model are not usable, or a result would replace an input.
        """
        kinds = tuple(kind for kind in _SUFFIXES if getattr(args, kind))
        pixels = tuple(parse(text) for text in args.measure)
        if args.out is None:
            if not pixels:
                raise ConfigError("nowhere to write: expected --out DIR, or --measure U1,V1,U2,V2 to print a distance")
            kinds = ()
        elif not (kinds or pixels):
            raise ConfigError("nothing to write: --no-npy leaves nothing, expected one of --png16, --ply, --color")
        if args.out is not None and args.out.suffix.lower() in (".mp4", ".avi", ".mcap") and not args.out.is_dir():
            raise ConfigError(
                f"--out is {args.out}, which is for a video or a webcam: the results of images need a folder"
            )
        files = find_images(args.inputs)
        names = output_names(files, lambda name: _outputs(name, kinds))
        out = args.out or Path()
        _keep_inputs(files, {out / file for name in names for file in _outputs(name, kinds)})
        camera = CameraArgument.given(args.camera, args.hfov)
        limit = image_config.max_image_pixels
        reference = StereoArgument.parse(
            args, files, camera, limit, stereo_config, reference_config, align_config
        ) or ReferenceArgument.parse(args, files, align_config, reference_config)
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
        metres = [f"--{kind}" for kind in ("png16", "ply") if kind in kinds] + ["--measure"] * bool(pixels)
        cloud = ["--reference"] if reference is not None and reference.needs_camera else []
        asks = [word for word in metres if word != "--png16"] + cloud

        def check(name: str, kind: DepthKind, needs_camera: bool) -> None:
            if kind is not DepthKind.METRIC and metres and reference is None:
                raise ConfigError(
                    f"{name} gives {kind.words}, which has no metres: {' and '.join(metres)} need a "
                    "metric model or a --reference or --right"
                )
            if camera is None and (needs_camera or asks):
                check_exif(files[0], f"the model {name}" if needs_camera else asks[-1])

        model = load_checked(load_model, model_config, check, int(args.prompt is not None))
        if is_video(model):
            LOGGER.warning("%s", still(model.spec.name))
        scale = BitDepth(lambda: image_config.image_bits, LOGGER.warning)
        if isinstance(reference, StereoArgument):
            reference = replace(reference, scale=scale)
        photos = Photos(
            camera=camera,
            rectified=args.rectified,
            needed=model.spec.needs_camera or bool(asks),
            max_pixels=limit,
            scale=scale,
            upright=not isinstance(reference, StereoArgument),
        )
        return cls(files, names, out, kinds, photos, Pipeline(model, config), pixels, reference)

    def process(self, path: Path, name: Path) -> dict[str, Any]:
        """Estimate and write; returns what `--json` prints.

        Raises:
            FrameError, DataError: this image cannot be used. MonoDepthError: a result cannot be written.
        """
        start_s = time.perf_counter()
        rgb, camera = self.photos.read(path)
        rgb, camera = (rgb, camera) if self.reference is None else self.reference.view(rgb, camera)
        height, width = rgb.shape[:2]
        reference: Reference | None = None
        if isinstance(self.reference, ReferenceArgument) and self.reference.option == "prompt":
            model, config = self.pipeline.model, self.pipeline.config
            frame, reference = self.reference.prompted(path, rgb, camera, model, config)
        else:
            frame = self.pipeline.estimate(rgb, camera)
            reference = self.reference.align(path, frame) if self.reference is not None else None
            frame = frame if reference is None else replace(frame, prediction=reference.aligned)
        metric = frame.prediction.kind is DepthKind.METRIC
        measured = [measure(frame, pixels) for pixels in self.pixels]
        values = _values(frame)
        empty: list[str] = []
        written = self.save(name, frame, values, reference, empty)
        known = values[np.isfinite(values)]
        low, middle, high = np.percentile(known, (0, 50, 100)).round(6).tolist() if known.size else (None, None, None)
        return {
            "file": str(path),
            "width": width,
            "height": height,
            "kind": frame.prediction.kind.value,
            "unit": "m" if metric else "",
            "n": int(known.size),
            "min": low,
            "median": middle,
            "max": high,
            "ms": round((time.perf_counter() - start_s) * 1e3, 3),
            "outputs": [str(file) for file in written],
            **({"empty": empty} if empty else {}),
            **({"measured": measured} if measured else {}),
            **({"alignment": reference.summary()} if reference is not None else {}),
            **({"doubts": doubts} if (doubts := self._doubts(reference)) else {}),
        }

    def _doubts(self, reference: Reference | None) -> list[str]:
        after = reference.alignment.after if reference is not None else None
        if self.reference is None or reference is None or after is None or reference.alignment.trusted is not False:
            return []
        return [untrusted(after.abs_rel, self.reference.align_config.max_abs_rel)]

    def save(
        self,
        name: Path,
        frame: Frame,
        values: np.ndarray | None = None,
        reference: Reference | None = None,
        empty: list[str] | None = None,
    ) -> list[Path]:
        """Write the result files of one image, below `out` and called `name`; returns their paths.

        Args:
            empty: gets the kinds whose file holds no depth at all.

        Raises:
            MonoDepthError: one cannot be written.
        """
        values = _values(frame) if values is None else values
        try:
            results = [self._write(kind, name, frame, values, reference) for kind in self.kinds]
        except OSError as error:  # a full disk fails every image: no use to go on
            raise MonoDepthError(f"cannot write {error.filename or self.out}: {error.strerror}") from error
        if empty is not None:
            empty += [kind for kind, (_, something) in zip(self.kinds, results, strict=True) if not something]
        return [path for path, _ in results]

    def _write(
        self, kind: str, name: Path, frame: Frame, values: np.ndarray, reference: Reference | None
    ) -> tuple[Path, bool]:
        """The file, and whether any depth is in it."""
        path = self.out / _output(name, kind)
        if kind == "ply":
            with torch.inference_mode():
                cloud = frame.packed_cloud().cpu().numpy()
                normals = cloud[..., 4:7] if frame.config.cloud_normals else None
                write_ply(path, *unpack_cloud(cloud), normals)
            return path, bool(np.isfinite(cloud[..., 2]).any())
        if kind == "npy":
            write_array(path, values.astype(np.float32, copy=False))
            return path, not np.isnan(values).all()  # beyond range is known to be far
        picture = _picture(kind, frame, values, reference)
        write_png(path, picture)
        return path, kind != "png16" or bool(picture.any())


def _values(frame: Frame) -> np.ndarray:
    """(H, W) float32 metres, or what a relative model gives."""
    metric = frame.prediction.kind is DepthKind.METRIC
    return (frame.depth if metric else frame.prediction.values).cpu().numpy()


def _picture(kind: str, frame: Frame, values: np.ndarray, reference: Reference | None) -> np.ndarray:
    if kind == "png16":
        return encode_depth(values, "16UC1")
    if kind == "overlay":
        assert reference is not None
        return overlay(frame.rgb.cpu().numpy(), reference.samples)[..., ::-1]
    return cv2.cvtColor(frame.picture().cpu().numpy(), cv2.COLOR_RGB2BGR)


def output_names(inputs: Sequence[Path], outputs: Callable[[Path], Iterable[Path]]) -> list[Path]:
    """A relative path without suffix for the results of each input; no two inputs ever write the same file.

    The name of the input alone where that is enough; else with its folders below the common one; else with its suffix
    too (`a.jpg` and `a.png` side by side).

    Args:
        outputs: gives all the files that would be written for such a path.

    Raises:
        DataError: even then two inputs would write one file.
    """
    absolute = [Path(os.path.abspath(path)) for path in inputs]
    common = Path(os.path.commonpath([path.parent for path in absolute]))
    relative = [path.relative_to(common) for path in absolute]
    choices = ([Path(path.stem) for path in inputs], [path.with_suffix("") for path in relative], relative)
    clash: Path | None = None
    for names in choices:
        files = Counter(file for name in names for file in outputs(name))
        clash = next((file for file, count in files.items() if count > 1), None)
        if clash is None:
            return names
    raise DataError(f"two inputs would write {clash}: give them to separate runs with separate --out")


def _output(name: Path, kind: str) -> Path:
    # Not with_suffix: names such as frame-000000.color have a dot of their own.
    return name.with_name(short_name(name.name + _SUFFIXES[kind]))


def _outputs(name: Path, kinds: tuple[str, ...]) -> list[Path]:
    return [_output(name, kind) for kind in kinds]


def _keep_inputs(files: list[Path], outputs: set[Path]) -> None:
    written = {path.resolve() for path in outputs}
    for path in files:
        if path.resolve() in written:
            raise DataError(f"{path} would be overwritten by its result: choose another folder for --out")
