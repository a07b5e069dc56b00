# SPDX-License-Identifier: Apache-2.0
"""What fixes the scale, live and recorded alike: messages of a sensor in, samples of an image out.

Adding a reference is one file here, its row in `REFERENCES` and its name in `config.REFERENCES`.
"""

from __future__ import annotations

from mono_depth_ros.streams.references.base import Reference
from mono_depth_ros.streams.references.depth import DepthReference, DisparityReference
from mono_depth_ros.streams.references.ground import GroundReference
from mono_depth_ros.streams.references.motion import MotionReference
from mono_depth_ros.streams.references.points import LidarReference, RangeReference, ScanReference
from mono_depth_ros.streams.references.stereo import StereoReference

REFERENCES: dict[str, type[Reference]] = {
    "lidar": LidarReference,
    "scan": ScanReference,
    "range": RangeReference,
    "depth": DepthReference,
    "disparity": DisparityReference,
    "stereo": StereoReference,
    "ground": GroundReference,
    "motion": MotionReference,
}
"""By name. Making one, of a Context, raises ConfigError where its extrinsics or the floor's height are not known."""
