# SPDX-License-Identifier: Apache-2.0
"""What frames can be written as beside a bag: the layout of the TUM RGB-D data sets, which SLAM systems read, and PLY.

https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats: rgb/ and depth/ with a PNG for each image, named after
its stamp; depth as 16-bit integers, 5000 to the metre, 0 unknown; rgb.txt, depth.txt, associations.txt; groundtruth.txt
with `timestamp tx ty tz qx qy qz qw`, world from camera.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.config import BagConfig
from mono_depth_ros.errors import ConfigError, DataError
from mono_depth_ros.media.arrays import write_png
from mono_depth_ros.media.ply import unpack_cloud, write_ply
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.tools.bag.frames import BagFrame
from mono_depth_ros.tools.bag.map import drop, page_path

TUM, PLY = "export tum", "export ply"
"""The exports in a summary."""

TUM_PER_METRE = 5000.0
_MOST = 65535
_FAST = (cv2.IMWRITE_PNG_COMPRESSION, 1)


class Export(Protocol):
    """Gets every frame with metric depth, in order, and is finished once.

    Attributes:
        name: as which its files are counted.
    """

    name: str

    def write(self, frame: BagFrame, depth: Frame) -> None: ...

    def finish(self) -> None: ...


class TumExport:
    """A folder in the layout of TUM RGB-D, with camera.yaml beside it.

    Args:
        folder: made if need be. What an earlier run has written is kept, and listed.
    """

    name = TUM

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._calibrated = False
        for pattern in ("rgb/.*-*.png", "depth/.*-*.png", ".groundtruth-*.txt"):
            _remove(folder.glob(pattern))

    def write(self, frame: BagFrame, depth: Frame) -> None:
        """Both pictures of a frame, each whole or not at all."""
        assert frame.shot is not None
        name = f"{stamp_text(frame.stamp_ns)}.png"
        _png(self._folder / "rgb" / name, cv2.cvtColor(frame.shot.rgb, cv2.COLOR_RGB2BGR))
        _png(self._folder / "depth" / name, tum_depth(depth.depth.cpu().numpy()))
        if not self._calibrated:
            self._calibrated = True
            assert depth.camera is not None, "frames of recordings have a camera"
            depth.camera.to_yaml(self._folder / "camera.yaml")

    def finish(self) -> None:
        """The lists of what is there."""
        names = sorted(
            (path.name for path in (self._folder / "depth").glob("*.png")), key=lambda name: float(name[:-4])
        )
        stamps = [name.removesuffix(".png") for name in names]
        for kind in ("rgb", "depth"):
            lines = [f"{stamp} {kind}/{stamp}.png" for stamp in stamps]
            _lines(self._folder / f"{kind}.txt", [f"# {kind} images", "# timestamp filename", *lines])
        _lines(self._folder / "associations.txt", [f"{s} rgb/{s}.png {s} depth/{s}.png" for s in stamps])


class PlyExport:
    """A coloured cloud for each frame, named after its stamp."""

    name = PLY

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        _remove(folder.glob(".*-*.ply"))

    def write(self, frame: BagFrame, depth: Frame) -> None:
        """The cloud that depth/points would be."""
        cloud = depth.packed_cloud().cpu().numpy()
        normals = cloud[..., 4:7] if depth.config.cloud_normals else None
        write_ply(self._folder / f"{stamp_text(frame.stamp_ns)}.ply", *unpack_cloud(cloud), normals)

    def finish(self) -> None:
        """Nothing is left to do."""


def open_exports(config: BagConfig, metric: bool) -> list[Export]:
    """The exports that are asked for.

    Raises:
        ConfigError: there are no metres to export.
    """
    if (config.export_tum or config.export_ply or config.map) and not (metric or "aligned" in config.wanted):
        what = "--export" if config.export_tum or config.export_ply else "--map"
        raise ConfigError(f"{what} needs metres, and the model gives relative depth: align it or take a metric model")
    exports: list[Export] = [TumExport(Path(config.export_tum))] if config.export_tum else []
    return exports + ([PlyExport(Path(config.export_ply))] if config.export_ply else [])


def check_folders(config: BagConfig, resume: bool, force: bool) -> None:
    """Raise DataError where there is what would be exported, and neither `resume` nor `force` was asked for."""
    surface = Path(config.map)
    there = next((path for path in (surface, page_path(surface)) if path.exists()), None) if config.map else None
    if there is not None and not (resume or force):
        raise DataError(f"{there} exists: --force replaces it, --resume goes on with it")
    for folder in filter(None, (config.export_tum, config.export_ply)):
        path = Path(folder)
        if path.exists() and not path.is_dir():
            raise DataError(f"{path} is a file, expected a folder to export to")
        if path.is_dir() and any(path.iterdir()) and not (resume or force):
            raise DataError(f"{path} is not empty: --force replaces what was exported there, --resume goes on with it")


def clear_folders(config: BagConfig) -> None:
    """Remove what an earlier export has written, and nothing else."""
    if config.export_tum:
        for name in ("rgb", "depth"):
            shutil.rmtree(Path(config.export_tum) / name, ignore_errors=True)
        for name in ("rgb.txt", "depth.txt", "associations.txt", "groundtruth.txt", "camera.yaml"):
            (Path(config.export_tum) / name).unlink(missing_ok=True)
    if config.map:
        for path in (Path(config.map), page_path(Path(config.map))):
            path.unlink(missing_ok=True)
        drop(Path(config.map))
    if config.export_ply:
        _remove(Path(config.export_ply).glob("[0-9]*.[0-9]*.ply"))


def tum_depth(depth: np.ndarray) -> np.ndarray:
    """(H, W) uint16, 5000 to the metre; 0 where depth (H, W), metres, is unknown, infinite or above 13.107 m."""
    counts = np.rint(np.asarray(depth, dtype=np.float32) * np.float32(TUM_PER_METRE))
    known = (counts >= 1) & (counts <= _MOST)
    return np.where(known, counts, np.float32(0)).astype(np.uint16)


def stamp_text(stamp_ns: int) -> str:
    """Seconds with nine decimals, exact."""
    return f"{stamp_ns // 10**9}.{stamp_ns % 10**9:09d}"


def _remove(paths: Iterable[Path]) -> None:
    """What a process that was killed, or an earlier export, has left."""
    for path in paths:
        path.unlink()


def _png(path: Path, pixels: np.ndarray) -> None:
    write_png(path, pixels, _FAST)


def _lines(path: Path, lines: list[str]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
