# SPDX-License-Identifier: Apache-2.0
"""Image files: which ones are meant by files, folders and patterns, and the pixels in them."""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mono_depth_ros.errors import DataError, ImageError
from mono_depth_ros.media.arrays import read_bytes
from mono_depth_ros.media.bits import BitDepth, Scale, to_8bit
from mono_depth_ros.media.headers import Size, check_chunks, picture_size
from mono_depth_ros.media.unusual import as_stored, holds_several, odd_numbers, straight_alpha
from mono_depth_ros.paths import expanded

LOGGER = logging.getLogger(__name__)

_MAX_SCANS = 200  # of a JPEG, each of which costs a decoder a pass over the whole picture; encoders write ten

_ENDS = ((b"\xff\xd8", b"\xff\xd9", "JPEG"), (b"\x89PNG", b"IEND\xaeB`\x82", "PNG"))

# Orientation tags are ignored: a calibration describes the picture as the sensor delivered it.
_DECODE = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def find_images(given: Sequence[str]) -> list[Path]:
    """The images meant by files, folders and patterns such as `run/*.png`, in the order given, each once.

    Of a folder its images are taken as `images_in` has them.

    Raises:
        DataError: something that does not exist, or a folder without images.
    """
    found: dict[Path, None] = {}
    for text in given:
        found.update(dict.fromkeys(_expand(str(expanded(text)))))
    return list(found)


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


def read_image(path: Path, max_pixels: int = 0, scale: Scale | None = None) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a file.

    Grey, palettes and CMYK become RGB, alpha is left out, and of several pages or an animation the first picture is
    taken, with a warning. Orientation tags are ignored: a calibration describes the picture as the sensor delivered it.

    Args:
        max_pixels: a larger picture is not decoded; 0 for no limit.
        scale: from 16 bits to 8; None goes by the values of this picture (`BitDepth`) and says so.

    Raises:
        DataError: the file cannot be read. ImageError: it is empty, cut off, too large or no picture.
    """
    name = path.suffix[1:]
    data = np.frombuffer(read_bytes(path), np.uint8)
    check_pixels(*encoded_size(name, data), max_pixels)
    whole = data.tobytes()
    if numbers := odd_numbers(whole):
        hint = ": is it a depth map, for --reference?" if "numbers" in numbers else ""
        raise ImageError(f"'{name}' file holds {numbers}, expected levels of 8 or 16 bits{hint}", "image_payload")
    if holds_several(whole):
        LOGGER.warning("%s holds several pictures: the first is taken", path)
    transparent = straight_alpha(whole)
    picture = decode_picture(name, np.frombuffer(as_stored(whole), np.uint8), unchanged=transparent)
    if transparent and picture.ndim == 3 and picture.shape[2] == 4:
        picture = _opaque(picture)
    return to_rgb(name, picture, scale=scale or BitDepth(lambda: 0, LOGGER.warning))


def encoded_size(name: str, data: np.ndarray) -> Size:
    """Width and height in pixels that an encoded file or message says it has; nothing is decoded.

    Args: as of `decode_picture`.

    Raises:
        ImageError: reason `image_zero_size` for no data or no pixels, else as `headers.picture_size`.
    """
    if data.size == 0:
        raise ImageError(f"'{name}' payload is empty, expected a picture", "image_zero_size")
    return picture_size(name, data)


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise ImageError (reason `image_too_large`) for more than `max_pixels` pixels, unless that is 0."""
    if 0 < max_pixels < width * height:
        found = f"the image is {width}x{height}, {width * height / 1e6:.3g} megapixels"
        raise ImageError(f"{found}, expected at most max_image_pixels, {max_pixels / 1e6:.3g}", "image_too_large")


def decode_picture(name: str, data: np.ndarray, unchanged: bool = False) -> np.ndarray:
    """The picture in an encoded file or message, as OpenCV has it: (H, W, 3) BGR of 8 or 16 bits.

    Whoever got the data from outside looks at `encoded_size` first: decoding takes memory and time for all the pixels
    that the header claims.

    Args:
        name: of the format, for the sentences. data: (N,) uint8. unchanged: leave grey and alpha as they are.

    Raises:
        ImageError: reason `image_zero_size` for no data, `image_truncated` or `image_payload` for broken ones.
    """
    width, height = encoded_size(name, data)
    head, whole = data[:4].tobytes(), data.tobytes()
    # OpenCV before 4.11 fills the missing rest of a cut JPEG with grey and says nothing; later ones print.
    for start, end, kind in _ENDS:
        if head.startswith(start) and whole.rfind(end) < 0:
            found = f"'{name}' payload of {data.size} bytes is cut off"
            raise ImageError(f"{found}, expected the end marker of a {kind}", "image_truncated")
    if head.startswith(b"\xff\xd8") and (scans := whole.count(b"\xff\xda")) > _MAX_SCANS:
        raise ImageError(f"'{name}' payload has {scans} scans, expected at most {_MAX_SCANS}", "image_payload")
    if head.startswith(b"\x89PNG"):
        check_chunks(name, data)
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED if unchanged else _DECODE)
    except cv2.error as error:
        raise ImageError(f"'{name}' payload of {data.size} bytes is broken: {error.err}", "image_payload") from None
    if picture is None or picture.shape[:2] != (height, width):
        found = f"'{name}' payload of {data.size} bytes starting with {head.hex(' ')} cannot be decoded"
        raise ImageError(f"{found}, expected a JPEG, PNG or TIFF picture", "image_payload")
    return picture


def to_rgb(name: str, picture: np.ndarray, swapped: bool = False, scale: Scale = to_8bit) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a picture that is BGR of 8 or 16 bits, or RGB where it is `swapped`.

    Args:
        scale: from 16 bits to 8.

    Raises:
        ImageError: reason `image_payload`, it is something else.
    """
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ImageError(f"'{name}' holds a picture of shape {picture.shape}, expected colour", "image_payload")
    if picture.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"'{name}' holds {picture.dtype} pixels, expected 8 or 16 bits", "image_payload")
    rgb = picture if swapped else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return rgb if rgb.dtype == np.uint8 else scale(rgb)


def _opaque(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) of (H, W, 4) uint8 whose colours libtiff has multiplied by their alpha."""
    if picture.dtype != np.uint8:
        return picture[..., :3]
    alpha = np.maximum(picture[..., 3:], 1)
    return np.minimum(np.rint(picture[..., :3] * (255.0 / alpha)), 255).astype(np.uint8)


def _natural(path: Path) -> list[int | str]:
    # Text and digits take turns, so that no number is ever compared with a text.
    return [int(word) if word.isdecimal() else word for word in re.split(r"(\d+)", path.name)]


def _expand(text: str) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        return images_in(path)
    if path.exists():
        return [path]
    matches = [Path(name) for name in sorted(glob.glob(text, recursive=True)) if Path(name).is_file()]
    if not matches:
        kind = "no file matches the pattern" if glob.has_magic(text) else "no such file or folder:"
        raise DataError(f"{kind} {text}")
    return matches
