# SPDX-License-Identifier: Apache-2.0
"""The options of `mono_depth image` about a reference; apart from their meaning, for `--help` comes without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mono_depth_ros.config import AlignConfig, ReferenceConfig
from mono_depth_ros.tools.options import add_options

REFERENCE_OPTIONS = ("reference_min", "reference_max", "occlusion_window", "occlusion_ratio")
"""The fields of ReferenceConfig that matter to files."""


def add_reference_options(parser: Any) -> None:
    """The options of a reference and of the fit to it."""
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="PATH",
        help="known depths that fix scale and shift: a depth map (16-bit .png or .npy, of the size of the image), a "
        "cloud (.bin of KITTI, .ply, .pcd), or a folder with one of these for each image, under the image's name",
    )
    parser.add_argument(
        "--reference-unit", type=float, default=0.001, metavar="M", help="metres a count of the .png (default: 0.001)"
    )
    parser.add_argument(
        "--extrinsic",
        metavar="TEXT",
        help="'x y z qx qy qz qw' that takes points of the cloud into the camera's optical frame, or a FILE.txt with "
        "the 4x4 matrix; needed with a cloud",
    )
    parser.add_argument(
        "--overlay", action="store_true", help="also NAME_overlay.png, the reference's points over the image"
    )
    add_options(parser, AlignConfig)
    add_options(parser, ReferenceConfig, REFERENCE_OPTIONS)
