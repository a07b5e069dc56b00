# SPDX-License-Identifier: Apache-2.0
"""What the readers share: pairs of files by name, and lists of files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mono_depth_ros.errors import DataError
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.media.depth import SUFFIXES as DEPTH_SUFFIXES
from mono_depth_ros.media.images import SUFFIXES
from mono_depth_ros.paths import require_file


@dataclass(frozen=True)
class Wanted:
    """What was asked for: the folder of the data set, a list of its files, `depth_scale` (0: the data set's own).

    `camera` is the one for all images, or None for the data set's own.
    """

    folder: Path
    split: Path | None = None
    depth_scale: float = 0.0
    camera: CameraArgument | None = None


@dataclass(frozen=True)
class Pairs:
    """Images and their ground truth, (name, rgb, truth) each, and in words what has no partner."""

    found: list[tuple[str, Path, Path]]
    missing: list[str]


_WORDS = r"sync_depth|groundtruth_depth|groundtruth|depth|rgb|color|colour|image"


def natural(text: str) -> list[int | str]:
    """A key that sorts 2 before 10."""
    return [int(word) if word.isdecimal() else word for word in re.split(r"(\d+)", text)]


def key(stem: str) -> str:
    """What the name of an image and that of its ground truth have in common.

    Without one of the words that tell them apart: `rgb_00045` and `sync_depth_00045` are both `00045`, `a.color` and
    `a.depth` both `a`, `D_sync_image_05_image_02` and `D_sync_groundtruth_depth_05_image_02` both `D_sync_05_image_02`.
    """
    return re.sub(rf"^({_WORDS})[_.-]|[_.-]({_WORDS})$|(?<=_sync_)({_WORDS})_", "", stem, count=1) or stem


def pair_folders(images: Path, truths: Path) -> Pairs:
    """The images of one folder with the ground truth of another, by their `key`.

    Raises:
        DataError: there is no such folder, or two files of one would go together with the same of the other.
    """
    left, right = _by_key(images, SUFFIXES), _by_key(truths, DEPTH_SUFFIXES)
    found = [(left[k].stem, left[k], right[k]) for k in sorted(left.keys() & right.keys(), key=natural)]
    missing = [f"{left[k]} has no ground truth in {truths}" for k in sorted(left.keys() - right.keys(), key=natural)]
    missing += [f"{right[k]} has no image in {images}" for k in sorted(right.keys() - left.keys(), key=natural)]
    return Pairs(found, missing)


def _by_key(folder: Path, suffixes: Iterable[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(existing(folder).iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith(".") or not path.is_file():
            continue
        name = key(path.stem)
        if name in files:
            raise DataError(f"{path} and {files[name].name} are both '{name}': expected one file for each name")
        files[name] = path
    return files


def existing(folder: Path) -> Path:
    """The folder itself. Raises DataError where there is none."""
    if not folder.is_dir():
        raise DataError(f"{folder} is {'no folder' if folder.exists() else 'missing'}, expected a folder")
    return folder


def read_lines(path: Path) -> list[list[str]]:
    """The words of each line of a list, without comments (#) and empty lines.

    Raises:
        DataError: it cannot be read, or holds nothing.
    """
    try:
        require_file(path)
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text: {error}") from error
    found = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not found:
        raise DataError(f"{path} is empty, expected a line for each image")
    return found


def pair_list(path: Path, image_roots: Sequence[Path], truth_roots: Sequence[Path]) -> tuple[Pairs, int]:
    """The pairs of a split file, a line each: image, ground truth, and whatever follows (BTS puts the focal length).

    Returns:
        the pairs, and how many images the split itself says have no ground truth (`None`).

    Raises:
        DataError: it cannot be read, or has a line of another form.
    """
    found: list[tuple[str, Path, Path]] = []
    missing: list[str] = []
    without = 0
    for number, words in enumerate(read_lines(path), 1):
        if len(words) < 2:
            raise DataError(f"{path}: entry {number} is '{' '.join(words)}', expected an image and its ground truth")
        image, truth = words[0].lstrip("/"), words[1].lstrip("/")
        if truth == "None":
            without += 1
            continue
        rgb, depth = locate(image, image_roots), locate(truth, truth_roots)
        absent = [text for text, file in ((image, rgb), (truth, depth)) if file is None]
        if rgb is None or depth is None:
            missing.append(f"{' and '.join(absent)} of {path.name}")
        else:
            found.append((str(Path(image).with_suffix("")), rgb, depth))
    return Pairs(found, missing), without


def locate(name: str, roots: Sequence[Path]) -> Path | None:
    """The first file of this name below one of these folders."""
    return next((root / name for root in roots if (root / name).is_file()), None)


def not_found(folder: Path, expected: str) -> DataError:
    """The error of a folder in none of the layouts of a reader."""
    existing(folder)
    return DataError(f"{folder} is in no layout of this data set, expected {expected}")
