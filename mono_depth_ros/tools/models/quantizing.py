# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models quantize NAME --images DIR`: a model in int8 for OpenVINO, judged by the user's own pictures."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mono_depth_ros.errors import DataError, FrameError, ModelError
from mono_depth_ros.startup import importing
from mono_depth_ros.tools.models.checking import load_reference

if TYPE_CHECKING:
    import numpy as np

    from mono_depth_ros.geometry.camera import Camera
    from mono_depth_ros.media.photos import Photos


def run(args: argparse.Namespace) -> int:
    """Quantise, and print the folder and what it was judged by; 0.

    Raises:
        ModelError: the pictures do not do, the model cannot be quantised, or it differs too much: nothing is written.
    """
    with importing():
        from mono_depth_ros.media.camera_argument import CameraArgument
        from mono_depth_ros.media.images import images_in
        from mono_depth_ros.media.photos import Photos
        from mono_depth_ros.models.quantize import quantise, split
        from mono_depth_ros.models.runtime import int8, remembered

    if not args.images.is_dir():
        raise DataError(f"--images is {args.images}, expected a folder with pictures of what the camera will see")
    files = images_in(args.images)
    camera = CameraArgument.given(args.camera, args.hfov)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    model = load_reference(args.name, "cpu")
    photos = Photos(camera, False, model.spec.needs_camera, 0)
    calibration, held_back = split([partial(_read, photos, path) for path in files])
    folder = int8.folder_of(model.network) if args.out is None else args.out
    record = quantise(model, calibration, held_back, folder)
    remembered.forget(model.network.name)
    if args.json:
        print(json.dumps({**record, "name": args.name, "folder": str(folder)}))
        return 0
    print(folder)
    for line in _words(record, args.name, None if args.out is None else folder):
        print(line, file=sys.stderr)
    return 0


def _words(record: dict[str, Any], name: str, folder: Path | None) -> list[str]:
    found, ms = record["difference"], record["ms"]
    lines = [
        f"{record['recipe']} in int8: depth differs from float32 by {found['mean']:.2%} in the mean, "
        f"{found['p95']:.2%} at the 95th percentile, on {record['held_back']} pictures that were held back"
    ]
    if ms is None:
        lines.append("no figure of speed: this processor has no instructions for int8 (VNNI, AMX, dot products)")
    else:
        times = ", ".join(f"{precision} {value:.1f} ms" for precision, value in ms.items())
        lines.append(f"network in OpenVINO: {times}; int8 is {ms['fp32'] / ms['int8']:.2f} times as fast as fp32")
    use = "--precision int8" if folder is None else f"--engine-path {folder}"
    return [*lines, f"use it with: --model {name} {use}"]


def _read(photos: Photos, path: Path) -> tuple[np.ndarray, Camera]:
    from mono_depth_ros.geometry.camera import Camera

    try:
        rgb, camera = photos.read(path)
    except (DataError, FrameError) as error:
        text = str(error)
        raise ModelError(text if str(path) in text else f"{path}: {text}") from error
    return rgb, camera or Camera.from_fov((rgb.shape[1], rgb.shape[0]), 60)  # which the model does not look at
