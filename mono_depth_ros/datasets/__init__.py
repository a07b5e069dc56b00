# SPDX-License-Identifier: Apache-2.0
"""Readers: a folder on the disk in, a `DataSet` out; one file each."""

from __future__ import annotations

from mono_depth_ros.datasets import folder, kitti, nyu, seven_scenes, tum

READERS = {
    "nyu": nyu.read,
    "kitti": kitti.read,
    "tum": tum.read,
    "seven_scenes": seven_scenes.read,
    "folder": folder.read,
}
"""What DATASET may be; each is called with `Wanted` and returns a `DataSet`."""
