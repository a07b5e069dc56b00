# SPDX-License-Identifier: Apache-2.0
"""KITTI (Geiger et al. 2013; ground truth by Uhrig et al. 2017): the Eigen split, or the benchmark's selection.

Layouts:
    - `eigen_test_files_with_gt.txt`, or another list by --split, with an image and its ground truth a line (BTS,
      AdaBins, Metric3D). Both are looked for below DIR, the image also below DIR/raw and DIR/raw_data, the ground truth
      below DIR/data_depth_annotated, and there and in DIR below train/ and val/; paths may begin with the date or with
      the drive. The camera is P_rect_02 (or 03) of calib_cam_to_cam.txt in the folder of the date.
    - `val_selection_cropped` of depth_selection: image/, groundtruth_depth/, intrinsics/; DIR may be depth_selection.
    - rgb/ (or image/) and depth/ with pairs of the same name; the camera by --camera.

Depth is 16 bit, 256 numbers a metre, 0 unknown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from mono_depth_ros.datasets.dataset import DataSet, Item
from mono_depth_ros.datasets.files import Wanted, key, not_found, pair_folders, pair_list
from mono_depth_ros.datasets.protocols import Protocol
from mono_depth_ros.errors import CameraError
from mono_depth_ros.media.camera_argument import CameraArgument

PROTOCOL = Protocol("kitti", "garg", 1e-3, 80.0)
BENCHMARK = Protocol("kitti", "none", 1e-3)
LIST = "eigen_test_files_with_gt.txt"
SELECTION = "val_selection_cropped"


def read(wanted: Wanted) -> DataSet:
    """See above. Raises DataError for a folder in no such layout, CameraError for a calibration that is none."""
    folder = wanted.folder
    split = wanted.split or folder / LIST
    if wanted.split or split.is_file():
        return _list(wanted, split)
    for place in (folder, folder / SELECTION, folder / "depth_selection" / SELECTION):
        if (place / "groundtruth_depth").is_dir():
            return _selection(wanted, place)
    if (folder / "rgb").is_dir():
        pairs = pair_folders(folder / "rgb", folder / "depth")
        items = tuple(Item(name, rgb, truth) for name, rgb, truth in pairs.found)
        return _dataset(wanted, "rgb/ and depth/", items, tuple(pairs.missing), "none in this layout")
    raise not_found(folder, f"{LIST} (or --split FILE), {SELECTION} with groundtruth_depth/, or rgb/ and depth/")


def _list(wanted: Wanted, split: Path) -> DataSet:
    raw = [wanted.folder / name for name in ("", "raw", "raw_data")]
    annotated = [wanted.folder / name / part for name in ("", "data_depth_annotated") for part in ("", "train", "val")]
    dates = {path for root in raw if root.is_dir() for path in root.glob("????_??_??") if path.is_dir()}
    pairs, without = pair_list(split, [*raw, *sorted(dates)], [*annotated, *sorted(dates)])
    cameras = {rgb: None if wanted.camera else _of_date(rgb) for _, rgb, _ in pairs.found}
    items = tuple(Item(name, rgb, truth, cameras[rgb]) for name, rgb, truth in pairs.found)
    notes = [f"{without} images of {split.name} have no ground truth, as it says itself"] if without else []
    found = _dataset(
        wanted, f"list {split.name}", items, tuple(pairs.missing), "calib_cam_to_cam.txt of each date", notes
    )
    return found


def _selection(wanted: Wanted, place: Path) -> DataSet:
    pairs = pair_folders(place / "image", place / "groundtruth_depth")
    missing = list(pairs.missing)
    cameras = {key(path.stem): path for path in sorted((place / "intrinsics").glob("*.txt"))}
    items = []
    for name, rgb, truth in pairs.found:
        file = cameras.get(key(rgb.stem))
        if file is None and wanted.camera is None:
            missing.append(f"{rgb} has no camera in {place / 'intrinsics'}")
            continue
        items.append(Item(name, rgb, truth, None if file is None else CameraArgument(str(file), _nine(file))))
    found = _dataset(wanted, f"{SELECTION}", tuple(items), tuple(missing), "intrinsics/ of each image")
    return replace(found, protocol=BENCHMARK)


def _dataset(
    wanted: Wanted,
    layout: str,
    items: tuple[Item, ...],
    missing: tuple[str, ...],
    camera: str,
    notes: Sequence[str] = (),
) -> DataSet:
    scale = wanted.depth_scale or 256.0
    return DataSet("kitti", layout, items, missing, scale, PROTOCOL, camera, (0,), tuple(notes))


def _of_date(rgb: Path) -> CameraArgument | None:
    """The camera of .../2011_09_26/DRIVE/image_02/data/0000000069.png; None if there is no calibration."""
    number = next((part[-2:] for part in rgb.parts if re.fullmatch(r"image_0[0-3]", part)), "02")
    for parent in rgb.parents:
        if (parent / "calib_cam_to_cam.txt").is_file():
            return _projection(parent / "calib_cam_to_cam.txt", number)
    return None


@lru_cache(maxsize=64)
def _projection(path: Path, number: str) -> CameraArgument:
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(":")
        if name == f"P_rect_{number}":
            P = _floats(path, rest, 12)
            return CameraArgument(str(path), (P[0], P[5], P[2], P[6]))
    raise CameraError(f"calibration {path} has no P_rect_{number}, expected it")


def _nine(path: Path) -> tuple[float, float, float, float]:
    K = _floats(path, path.read_text(encoding="utf-8"), 9)
    return K[0], K[4], K[2], K[5]


def _floats(path: Path, text: str, count: int) -> list[float]:
    try:
        values = [float(word) for word in text.split()]
    except ValueError as error:
        raise CameraError(f"calibration {path} holds something else than numbers: {error}") from error
    if len(values) != count:
        raise CameraError(f"calibration {path} has {len(values)} numbers, expected {count}")
    return values
