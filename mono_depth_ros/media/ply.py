# SPDX-License-Identifier: Apache-2.0
"""Point clouds as PLY files, which CloudCompare, MeshLab, Open3D and Blender read."""

from __future__ import annotations

import os

import numpy as np

from mono_depth_ros.atomic import atomic_path

_PLACE = [(name, "<f4") for name in ("x", "y", "z")]
_NORMAL = [(name, "<f4") for name in ("nx", "ny", "nz")]
_COLOUR = [(name, "u1") for name in ("red", "green", "blue")]


def write_ply(path: str | os.PathLike[str], xyz: np.ndarray, rgb: np.ndarray, normals: np.ndarray | None = None) -> int:
    """Write a binary little-endian PLY (http://paulbourke.net/dataformats/ply/); the file appears whole or not at all.

    Args:
        path: the file, replaced if it exists.
        xyz: (..., 3) float, metres, optical frame (x right, y down, z forward). Points that are not finite are left
            out: the format has no word for unknown.
        rgb: (..., 3) uint8, one colour a point.
        normals: (..., 3) float, unit length, likewise; 0, 0, 0 in the file where they are not finite.

    Returns:
        How many points were written.
    """
    xyz, rgb = xyz.reshape(-1, 3), rgb.reshape(-1, 3)
    if len(xyz) != len(rgb):
        raise ValueError(f"{len(xyz)} points have {len(rgb)} colours, expected one each")
    finite = np.isfinite(xyz).all(axis=1)
    kind = np.dtype(_PLACE + (_NORMAL if normals is not None else []) + _COLOUR)
    points = np.empty(int(finite.sum()), dtype=kind)
    points["x"], points["y"], points["z"] = xyz[finite].T
    if normals is not None:
        known = np.where(np.isfinite(normals).all(-1, keepdims=True), normals, 0).reshape(-1, 3)[finite]
        points["nx"], points["ny"], points["nz"] = known.T
    points["red"], points["green"], points["blue"] = rgb[finite].T
    properties = [f"property {'float' if kind[name].kind == 'f' else 'uchar'} {name}" for name in kind.names or ()]
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment metres; camera optical frame: x right, y down, z forward",
        f"element vertex {len(points)}",
        *properties,
        "end_header",
    ]
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(("\n".join(header) + "\n").encode("ascii"))
        points.tofile(file)
    return len(points)


def unpack_cloud(cloud: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions and colours of packed points, as `geometry.cloud.pack_cloud` makes them and PointCloud2 carries them.

    Args:
        cloud: (..., 4 or more) float32 x, y, z and the bits of 0x00RRGGBB.

    Returns:
        (..., 3) float32 and (..., 3) uint8 red, green, blue.
    """
    bits = np.ascontiguousarray(cloud[..., 3]).view(np.uint32)
    rgb = np.stack([bits >> 16, bits >> 8, bits], axis=-1).astype(np.uint8)
    return cloud[..., :3], rgb
