# SPDX-License-Identifier: Apache-2.0
"""What fixes the scale, live and recorded alike: messages of a sensor in, samples of an image out.

Adding a reference is one file here, its row in `REFERENCES` and its name in `config.REFERENCES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mono_depth_ros.config import MotionConfig
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.streams.references.base import Context, Reference
from mono_depth_ros.streams.references.depth import DepthReference, DisparityReference
from mono_depth_ros.streams.references.ground import GroundReference
from mono_depth_ros.streams.references.memory import MemoryReference
from mono_depth_ros.streams.references.motion import MotionReference
from mono_depth_ros.streams.references.points import LidarReference, RangeReference, ScanReference
from mono_depth_ros.streams.references.poses import Posed
from mono_depth_ros.streams.references.several import Several
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
    "memory": MemoryReference,
}
"""By name. Making one, of a Context, raises ConfigError where its extrinsics or the floor's height are not known."""

_POSED = ("motion", "memory")
"""References that know the poses of the camera by themselves."""

_OWN_PLACE = ("ground", "motion", "memory")
"""References of which cam_from_reference says nothing where there are others beside them."""


def make_reference(names: Sequence[str], context: Context) -> Reference:
    """The reference of a name, or of several names what is made of all of them; with poses where results are fused.

    Raises:
        ConfigError: one cannot be made of the context; cam_from_reference with two sensors that it could be of.
    """
    made = _made(names, context)
    if context.options(MotionConfig).fuse and not set(names) & set(_POSED):
        return Posed(context if context.given is None else replace(context, given=None), made)
    return made


def _made(names: Sequence[str], context: Context) -> Reference:
    if len(names) == 1:
        return REFERENCES[names[0]](context)
    sensors = [name for name in names if name not in _OWN_PLACE]
    if context.given is not None and len(sensors) != 1:
        raise ConfigError(
            f"cam_from_reference is given, expected one sensor that it is of, found {', '.join(sensors) or 'none'}: "
            "leave it empty and publish /tf"
        )
    without = replace(context, given=None)
    return Several(context, {name: REFERENCES[name](context if name in sensors else without) for name in names})
