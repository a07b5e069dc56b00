# SPDX-License-Identifier: Apache-2.0
"""Image files: which ones are meant, what is in them, and the names of what is made of them."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from mono_depth_ros.errors import DataError
from mono_depth_ros.messages.compressed import decode_compressed

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def find_images(given: Sequence[str]) -> list[Path]:
    """The images meant by files, folders and patterns such as `run/*.png`, in the order given, each once.

    Of a folder its images are taken, in natural order (2.png before 10.png), without its subfolders; where some are
    called `NAME.color.jpg`, as in the 7-Scenes layout, only those: their neighbours `NAME.depth.png` are no pictures.

    Raises:
        DataError: something that does not exist, or a folder without images.
    """
    found: dict[Path, None] = {}
    for text in given:
        found.update(dict.fromkeys(_expand(text)))
    return list(found)


def images_in(folder: Path) -> list[Path]:
    """The images of a folder, as `find_images` takes them. Raises DataError where there are none."""
    images = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    images = [path for path in images if path.is_file()]
    colour = [path for path in images if path.stem.endswith(".color")]
    if not images:
        raise DataError(f"{folder} holds no image, expected files ending in {', '.join(SUFFIXES)}")
    return sorted(colour or images, key=_natural)


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
