# SPDX-License-Identifier: Apache-2.0
"""PNG, JPEG and other pictures, as pictures, as depth, and for their tags; depth maps of floating-point numbers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from corruption_parts.kind import Kind, Target, command
from mono_depth_ros.config import ImageConfig
from mono_depth_ros.errors import DataError, FrameError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.media.depth import read_depth
from mono_depth_ros.media.images import read_image
from mono_depth_ros.media.photos import Photos

_SIZE = (64, 48)
_TINY = ("--model", "tiny", "--engine", "torch", "--threads", "1")


def _picture() -> np.ndarray:
    return cv2.resize(np.random.default_rng(1).integers(0, 256, (4, 5, 3), dtype=np.uint8), _SIZE)


def _image(path: Path) -> None:
    try:
        rgb = read_image(path, ImageConfig().max_image_pixels)
    except FrameError as error:  # of a picture: whoever reads files says of which
        raise DataError(f"{path}: {error}") from error
    assert rgb.dtype == np.uint8 and rgb.shape[2] == 3


def _photo(path: Path) -> None:
    photos = Photos(CameraArgument.given(None, 60.0), False, True, ImageConfig().max_image_pixels)
    try:
        rgb, camera = photos.read(path)
    except FrameError as error:
        raise DataError(f"{path}: {error}") from error
    assert camera is not None and (camera.height, camera.width) == rgb.shape[:2]


def _depth(path: Path) -> None:
    assert read_depth(path).dtype == np.float64


def _exif(path: Path) -> None:
    Camera.from_exif(path)


def _command(path: Path) -> None:
    command("image", path, "--camera", "60,60,31.5,23.5", "--out", path.parent / "out", *_TINY)


def _png(folder: Path) -> Sequence[Target]:
    counts = cv2.cvtColor(_picture(), cv2.COLOR_BGR2GRAY).astype(np.uint16) * 100
    files = {"picture.png": _picture(), "grey16.png": counts, "depth.png": counts, "command.png": _picture()}
    for name, pixels in files.items():
        cv2.imwrite(str(folder / name), pixels)
    readers = (_image, _image, _depth, _command)
    return [Target(folder / name, read) for name, read in zip(files, readers, strict=True)]


def _jpeg(folder: Path) -> Sequence[Target]:
    write = partial(cv2.imwrite, img=_picture())
    paths = [folder / name for name in ("picture.jpg", "progressive.jpg", "exif.jpg", "command.jpg")]
    for path, options in zip(paths, ((), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (), ()), strict=True):
        write(str(path), params=options)
    # FocalLengthIn35mmFilm, a SHORT, in the Exif directory.
    first = struct.pack("<HHHIII", 1, 0x8769, 4, 1, 26, 0)
    tiff = b"II*\0" + struct.pack("<I", 8) + first + struct.pack("<HHHIII", 1, 0xA405, 3, 1, 26, 0)
    segment = b"Exif\0\0" + tiff
    whole = paths[2].read_bytes()
    paths[2].write_bytes(whole[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + whole[2:])
    return [Target(path, read) for path, read in zip(paths, (_image, _image, _exif, _command), strict=True)]


def _others(folder: Path) -> Sequence[Target]:
    """Of formats that have pages, animations and tags for how a picture is stored."""
    picture = Image.fromarray(_picture())
    picture.save(folder / "pages.tif", save_all=True, append_images=[picture], tiffinfo={274: 6})
    picture.convert("RGBA").save(folder / "alpha.tif")
    picture.save(folder / "animated.webp", save_all=True, append_images=[picture.rotate(180)])
    picture.save(folder / "animated.gif", save_all=True, append_images=[picture.rotate(180)])
    picture.convert("P").save(folder / "palette.bmp")
    return [Target(path, _photo) for path in sorted(folder.iterdir())]


def _arrays(folder: Path) -> Sequence[Target]:
    """Depth maps of floating-point numbers."""
    depth = np.random.default_rng(1).uniform(1, 5, _SIZE).astype(np.float32)
    np.save(folder / "depth.npy", depth)
    np.savez_compressed(folder / "depth.npz", depth=depth)
    for name in ("depth.tif", "depth.pfm"):
        cv2.imwrite(str(folder / name), depth)
    return [Target(path, _depth) for path in sorted(folder.iterdir())]


KINDS = {"PNG": Kind(_png), "JPEG": Kind(_jpeg), "TIFF": Kind(_others), "depth": Kind(_arrays)}
