# SPDX-License-Identifier: Apache-2.0
"""ORB-SLAM3 (Campos et al. 2021) in its RGB-D mode on a folder in the layout of TUM RGB-D, by pyorbslam3.

Its vocabulary of visual words is trained here, on synthetic worlds that nothing else uses: that of its authors is not
in the package. Words serve to find places again; the way from image to image does not depend on them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mono_depth_ros.atomic import write_whole
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.tools.bag.exports import TUM_PER_METRE
from mono_depth_ros.world import INDOOR, World

BRANCHES, LEVELS, WORLDS = 6, 6, 24
_BITS = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)

_SETTINGS = """%YAML:1.0
File.version: "1.0"
Camera.type: "PinHole"
Camera1.fx: {fx}
Camera1.fy: {fy}
Camera1.cx: {cx}
Camera1.cy: {cy}
Camera.width: {width}
Camera.height: {height}
Camera.fps: 30
Camera.RGB: 0
Stereo.ThDepth: 40.0
Stereo.b: 0.08
RGBD.DepthMapFactor: {factor}
ORBextractor.nFeatures: 1500
ORBextractor.scaleFactor: 1.2
ORBextractor.nLevels: 8
ORBextractor.iniThFAST: 15
ORBextractor.minThFAST: 4
Viewer.KeyFrameSize: 0.05
Viewer.KeyFrameLineWidth: 1.0
Viewer.GraphLineWidth: 0.9
Viewer.PointSize: 2.0
Viewer.CameraSize: 0.08
Viewer.CameraLineWidth: 3.0
Viewer.ViewpointX: 0.0
Viewer.ViewpointY: -0.7
Viewer.ViewpointZ: -1.8
Viewer.ViewpointF: 500.0
"""


def module() -> Any:
    """pyorbslam3.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pyorbslam3
    except ImportError as error:
        raise ConfigError(f"ORB-SLAM3 is not installed: pip install pyorbslam3 ({error})") from error
    return pyorbslam3


def orb_slam(folder: Path, vocabulary: Path, estimate: str) -> int:
    """Track rgb/ and depth/, and write the way as it is at the end, after the map's own adjustments.

    Returns:
        How many images have no pose: before the map began, or after the way was lost.

    Raises:
        ConfigError: as `module`.
    """
    orb = module()
    camera = Camera.from_yaml(folder / "camera.yaml")
    values = {name: getattr(camera, name) for name in ("fx", "fy", "cx", "cy", "width", "height")}
    settings = folder / "orb_slam.yaml"
    settings.write_text(_SETTINGS.format(factor=TUM_PER_METRE, **values), encoding="ascii")
    pairs = [line.split() for line in (folder / "associations.txt").read_text().splitlines()]
    tracked = 0
    with _silent():
        slam = orb.Slam(vocabulary, settings, orb.Sensor.RGBD)
        for stamp, rgb, _, depth in pairs:
            colour = cv2.imread(str(folder / rgb), cv2.IMREAD_COLOR)
            units = np.asarray(cv2.imread(str(folder / depth), cv2.IMREAD_UNCHANGED), np.float32)
            tracked += bool(slam.track_rgbd(colour, units, float(stamp)).pose_valid)
        slam.shutdown()
        slam.save_trajectory_tum(str(folder / estimate))
    return len(pairs) - tracked


@contextmanager
def _silent() -> Iterator[None]:
    """ORB-SLAM3 says on both standard streams what it does."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept, nowhere = [os.dup(stream) for stream in (1, 2)], os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        for stream, descriptor in zip((1, 2), kept, strict=True):
            os.dup2(descriptor, stream)
            os.close(descriptor)
        os.close(nowhere)


def train_vocabulary(path: Path) -> None:
    """Write a tree of ORB descriptors as text of DBoW2: k-majority clusters (Grana et al. 2013), idf weights."""
    rng, camera = np.random.default_rng(0), Camera.from_fov((640, 480), 70.0)
    orb = cv2.ORB_create(400, fastThreshold=5)  # type: ignore[attr-defined]
    descriptors: list[np.ndarray] = []
    images: list[np.ndarray] = []
    for k in range(WORLDS):
        world = World.generate(INDOOR[k % len(INDOOR)], 30_000_000 + k)
        for _ in range(4):
            rgb = world.render(camera, world.random_pose(rng), normals=False).rgb
            _, found = orb.detectAndCompute(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), None)
            if found is not None:
                descriptors.append(found)
                images.append(np.full(len(found), len(images)))
    lines = [f"{BRANCHES} {LEVELS} 0 0"]  # L1 scores, tf-idf weights
    _split(np.concatenate(descriptors), np.concatenate(images), len(images), 0, 1, rng, lines)
    write_whole(path, "".join(f"{line}\n" for line in lines).encode())


def _split(
    data: np.ndarray,
    images: np.ndarray,
    total: int,
    parent: int,
    level: int,
    rng: np.random.Generator,
    lines: list[str],
) -> None:
    """Add the children of a node; a node's number is that of its line."""
    centres = data[rng.choice(len(data), min(BRANCHES, len(data)), replace=False)]
    nearest = np.zeros(len(data), np.int64)
    for _ in range(6):
        nearest = _BITS[data[:, None] ^ centres].sum(axis=2, dtype=np.int64).argmin(axis=1)
        for k in np.unique(nearest):
            bits = np.unpackbits(data[nearest == k], axis=1).mean(axis=0) >= 0.5
            centres[k] = np.packbits(bits)
    for k in np.unique(nearest):
        inside = nearest == k
        leaf = level == LEVELS or np.count_nonzero(inside) <= BRANCHES
        weight = np.log(total / len(np.unique(images[inside]))) if leaf else 0.0
        lines.append(f"{parent} {int(leaf)} {' '.join(map(str, centres[k]))} {weight:.6g}")
        if not leaf:
            _split(data[inside], images[inside], total, len(lines) - 1, level + 1, rng, lines)
