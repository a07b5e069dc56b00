# SPDX-License-Identifier: Apache-2.0
"""Folders with a few real frames of KITTI, NYUv2 and 7-Scenes, to measure the shipped model and the alignment on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from mono_depth_ros.datasets import kitti, nyu, seven_scenes
from mono_depth_ros.datasets.dataset import DataSet, LabelledFrame
from mono_depth_ros.datasets.files import Wanted
from mono_depth_ros.errors import DataError
from mono_depth_ros.media.camera_argument import CameraArgument

_KITTI_CAMERA = CameraArgument("P2", intrinsics=(707.0493, 707.0493, 604.0814, 180.5066))


def kitti_depth(folder: Path) -> Iterator[LabelledFrame]:
    """rgb/N.png and depth/N.png, 1242x375, all of one drive."""
    return _frames(kitti.read(Wanted(folder)).with_camera(_KITTI_CAMERA))


def nyu_depth(folder: Path) -> Iterator[LabelledFrame]:
    """rgb/rgb_N.jpg and depth/sync_depth_N.png, 640x480."""
    return _frames(nyu.read(Wanted(folder)))


def seven_scenes_frames(folder: Path, every: int = 5) -> Iterator[LabelledFrame]:
    """frame-N.color.jpg and frame-N.depth.png; one in `every`."""
    return _frames(seven_scenes.read(Wanted(folder)), every)


SAMPLES: dict[str, Callable[[Path], Iterator[LabelledFrame]]] = {
    "kitti_depth": kitti_depth,
    "nyu_depth": nyu_depth,
    "seven_scenes": seven_scenes_frames,
}
"""By the name of the folder."""


def _frames(dataset: DataSet, every: int = 1) -> Iterator[LabelledFrame]:
    if dataset.missing or not dataset.items:
        raise DataError(f"no whole set of frames: {dataset.missing[0] if dataset.missing else 'found none'}")
    return map(dataset.load, dataset.items[::every])
