# SPDX-License-Identifier: Apache-2.0
"""Point clouds as PLY files (Turk 1994), which CloudCompare, MeshLab, Open3D and Blender read and write."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from mono_depth_ros.atomic import write_whole
from mono_depth_ros.errors import DataError
from mono_depth_ros.media.columns import ascii_points, binary_points

_WIDTHS = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"}
_SIZED = {"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"}
_TYPES = {**_WIDTHS, **_SIZED, "float": "f4", "double": "f8", "float32": "f4", "float64": "f8"}
_FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_END = b"end_header"
_PLACE = [(name, "<f4") for name in ("x", "y", "z")]
_NORMAL = [(name, "<f4") for name in ("nx", "ny", "nz")]
_COLOUR = [(name, "u1") for name in ("red", "green", "blue")]


def write_ply(
    path: str | os.PathLike[str],
    xyz: np.ndarray,
    rgb: np.ndarray,
    normals: np.ndarray | None = None,
    triangles: np.ndarray | None = None,
    frame: str = "camera optical frame: x right, y down, z forward",
) -> int:
    """Write a binary little-endian PLY (http://paulbourke.net/dataformats/ply/); the file appears whole or not at all.

    Args:
        path: the file, replaced if it exists.
        xyz: (..., 3) float, metres, in `frame`. Points that are not finite are left
            out: the format has no word for unknown.
        rgb: (..., 3) uint8, one colour a point.
        normals: (..., 3) float, unit length, likewise; 0, 0, 0 in the file where they are not finite.
        triangles: (M, 3) int, indices of points, all of which are finite then.
        frame: that the points are in, in words.

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
        f"comment metres; {frame}",
        f"element vertex {len(points)}",
        *properties,
    ]
    parts = [points.view(np.uint8).data]
    if triangles is not None:
        faces = np.empty(len(triangles), dtype=[("count", "u1"), ("indices", "<i4", 3)])
        faces["count"], faces["indices"] = 3, triangles
        header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
        parts.append(faces.view(np.uint8).data)
    write_whole(path, ("\n".join([*header, "end_header"]) + "\n").encode("ascii"), *parts)
    return len(points)


def read_ply(path: Path, data: bytes) -> np.ndarray:
    """(N, 3) float32 x, y, z of the vertices; other properties in any order and elements behind them are skipped.

    Args:
        path: for the sentences. data: the whole file.

    Raises:
        DataError: no PLY, a header that makes no sense, lists or other elements before or among the vertices, no
            x, y, z, or fewer points than the header says.
    """
    form, count, columns, body = _header(path, data)
    missing = [name for name in "xyz" if name not in dict(columns)]
    if missing:
        found = ", ".join(name for name, _ in columns) or "none"
        raise DataError(f"the vertices of {path} have no {', '.join(missing)}, their properties are: {found}")
    names = [name for name, _ in columns]
    if form == "ascii":
        return ascii_points(path, data[body:], count, [names.index(name) for name in "xyz"], len(names))
    kind = np.dtype([(f"{k}", _FORMATS[form] + _TYPES[t]) for k, (_, t) in enumerate(columns)])
    return binary_points(path, data, body, count, kind, names)


def _header(path: Path, data: bytes) -> tuple[str, int, list[tuple[str, str]], int]:
    """Format, count of vertices, name and type of their properties, and where the data begins."""
    end = data.find(_END)
    if not data.startswith(b"ply") or end < 0:
        raise DataError(f"{path} is no PLY, expected a header from 'ply' to 'end_header'")
    body = data.find(b"\n", end) + 1 or len(data)
    form, count, columns, element = "", -1, [], ""
    for line in data[:end].decode("ascii", errors="replace").splitlines():
        words = line.split()
        if words[:1] == ["format"] and len(words) >= 2:
            form = words[1]
        elif words[:1] == ["element"]:
            if count < 0 and words[1:2] != ["vertex"]:
                raise DataError(f"{path} begins with '{line.strip()}', expected the element vertex first")
            if count >= 0:
                break
            element, count = "vertex", _count(path, words)
        elif words[:1] == ["property"] and element:
            if len(words) != 3 or words[1] not in _TYPES:
                raise DataError(f"{path} has '{line.strip()}' in its vertices, expected a number: property float x")
            columns.append((words[2], words[1]))
    if form not in _FORMATS:
        raise DataError(f"the format of {path} is '{form}', expected one of: {', '.join(_FORMATS)}")
    if count < 0:
        raise DataError(f"{path} has no element vertex, expected the points there")
    return form, count, columns, body


def _count(path: Path, words: list[str]) -> int:
    if len(words) != 3 or not words[2].isdecimal():
        raise DataError(f"{path} has '{' '.join(words)}', expected 'element vertex' and how many")
    return int(words[2])


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
