# SPDX-License-Identifier: Apache-2.0
"""Image files: which ones a folder holds, and what is in them."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from mono_depth_ros.errors import DataError
from mono_depth_ros.messages.compressed import decode_compressed

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def images_in(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order (2.png before 10.png), without its subfolders.

    `NAME.depth.png` is no picture, and where some are called `NAME.color.jpg`, as in the 7-Scenes layout, only those
    are.

    Raises:
        DataError: there is none.
    """
    images = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    images = [path for path in images if path.is_file() and not path.stem.endswith(".depth")]
    images = [path for path in images if path.stem.endswith(".color")] or images
    if not images:
        raise DataError(f"{folder} holds no image, expected files ending in {', '.join(SUFFIXES)}")
    return sorted(images, key=_natural)


def read_image(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a file.

    Grey becomes RGB, 16 bits become 8, alpha is left out. Orientation tags are ignored: a calibration describes the
    picture as the sensor delivered it.

    Raises:
        DataError: the file cannot be read. ImageError: it is empty, cut off or no picture.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    # The same decoder as for compressed topics, so that a file and a message give the same pixels.
    return decode_compressed(SimpleNamespace(format=path.suffix[1:], data=data))


def _natural(path: Path) -> list[int | str]:
    # Text and digits take turns, so that no number is ever compared with a text.
    return [int(word) if word.isdecimal() else word for word in re.split(r"(\d+)", path.name)]
