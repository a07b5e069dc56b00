# SPDX-License-Identifier: Apache-2.0
"""What is measured: which node, which images go in and which topics somebody subscribes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.streams.outputs import OUTPUTS

SIZES = ((640, 480), (1280, 720), (1920, 1080), (3840, 2160))
VIEWS = {
    "image": ("Image", "depth/image"),
    "packed": ("CompressedImage", "depth/image/compressedDepth"),
    "cloud": ("PointCloud2", "depth/points"),
    "obstacles": ("PointCloud2", "depth/obstacles"),
    "scan": ("LaserScan", "depth/scan"),
}
"""Type and topic of what can be subscribed to."""
_OBSTACLES = ("obstacles", "scan")
_OPTICAL_AXES = "-0.5 0.5 -0.5 0.5"  # quaternion x, y, z, w of a camera that looks ahead
_SIX = ("front", "left", "right", "rear", "up", "down")


@dataclass(frozen=True)
class Case:
    """One measurement.

    Attributes:
        size: (width, height) of the images. views: what is subscribed to, of VIEWS. jpeg: the images are compressed.
        stride: of the cloud. rate_hz: of each camera. cameras: their names, "" for the only one.
        peer: arguments of peer.py, which runs instead of the depth node; None: the depth node runs.
    """

    name: str
    size: tuple[int, int]
    views: tuple[str, ...]
    jpeg: bool = False
    stride: int = 1
    rate_hz: float = 30.0
    cameras: tuple[str, ...] = ("",)
    peer: tuple[str, ...] | None = None

    @property
    def missing(self) -> str:
        """Why this cannot be measured, "" where it can."""
        there = {output.topic for output in OUTPUTS}
        absent = [VIEWS[view][1] for view in self.views if VIEWS[view][1] not in there]
        return f"this version of the node has no {' and no '.join(absent)}" if absent else ""

    def parameters(self) -> list[str]:
        """Of the depth node: its defaults, but the network and what the case is about."""
        given = {"model": "tiny"}
        if self.jpeg:
            given["image_transport"] = "compressed"
        if self.stride > 1:
            given["stride"] = str(self.stride)
        if self.cameras != ("",):
            given["cameras"] = f"[{', '.join(self.cameras)}]"
        if any(view in _OBSTACLES for view in self.views):
            given |= {"obstacles": "true", "base_frame": "base_link", "base_from_camera": f"0 0 0.5 {_OPTICAL_AXES}"}
        return [word for name, value in given.items() for word in ("-p", f"{name}:={value}")]

    def inputs(self) -> list[str]:
        """Image and camera_info topic of each camera, as camera() takes them."""
        end = "/compressed" if self.jpeg else ""
        return [f"/{name or 'cam'}/image_raw{end},/{name or 'cam'}/camera_info" for name in self.cameras]

    def outputs(self) -> list[str]:
        """Type and topic of each view of each camera, as viewer() takes them: views of the first camera first."""
        return [
            f"{kind},/{name}{'/' if name else ''}{topic}"
            for name in self.cameras
            for kind, topic in (VIEWS[view] for view in self.views)
        ]


def cases() -> list[Case]:
    """All, in the order of measuring."""
    found = []
    for size in SIZES:
        name = "x".join(map(str, size))
        found += [
            Case(f"{name}/image", size, ("image",)),
            Case(f"{name}/cloud", size, ("image", "cloud")),
            Case(f"{name}/obstacles", size, ("image", "obstacles")),
            Case(f"{name}/scan", size, ("image", "scan")),
            Case(f"{name}/all", size, ("image", "cloud", "obstacles", "scan")),
            Case(f"{name}/jpeg", size, ("image",), jpeg=True),
            Case(f"{name}/packed", size, ("packed",)),
        ]
    vga = SIZES[0]
    return [
        *found,
        Case("3840x2160/stride4", SIZES[3], ("image", "cloud"), stride=4),
        Case("six_cameras/image", vga, ("image",), rate_hz=10.0, cameras=_SIX),
        Case("six_cameras/cloud", vga, ("image", "cloud"), rate_hz=10.0, cameras=_SIX),
        Case("flood/image", vga, ("image",), rate_hz=300.0),
        Case("flood/cloud", vga, ("image", "cloud"), rate_hz=300.0),
        Case("peer/image", vga, ("image",), peer=()),
        Case("peer/cloud", vga, ("image", "cloud"), peer=()),
        Case("peer/outliers", vga, ("image", "cloud"), peer=("--outliers",)),
    ]


def chosen(patterns: Sequence[str]) -> list[Case]:
    """The cases of names or patterns such as `640x480/*`; all for none.

    Raises:
        ConfigError: nothing has such a name.
    """
    found = cases()
    for pattern in patterns:
        if not any(fnmatch(case.name, pattern) for case in found):
            raise ConfigError(f"there is no case '{pattern}', expected: {', '.join(case.name for case in found)}")
    return [case for case in found if not patterns or any(fnmatch(case.name, pattern) for pattern in patterns)]
