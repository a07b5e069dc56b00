# SPDX-License-Identifier: Apache-2.0
"""The positions in a PLY file (Turk 1994, "The PLY Polygon File Format")."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mono_depth_ros.errors import DataError

_WIDTHS = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"}
_SIZED = {"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"}
_TYPES = {**_WIDTHS, **_SIZED, "float": "f4", "double": "f8", "float32": "f4", "float64": "f8"}
_FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_END = b"end_header"


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
    if form == "ascii":
        return _ascii(path, data[body:], count, [name for name, _ in columns])
    kind = np.dtype([(f"{k}", _FORMATS[form] + _TYPES[t]) for k, (_, t) in enumerate(columns)])
    if len(data) - body < count * kind.itemsize:
        found = f"{len(data) - body} bytes of data"
        raise DataError(
            f"{path} has {found}, expected {count * kind.itemsize} for its {count} vertices: is it cut off?"
        )
    points = np.frombuffer(data, kind, count, body)
    names = [name for name, _ in columns]
    return np.stack([points[str(names.index(name))] for name in "xyz"], axis=-1).astype(np.float32)


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


def _ascii(path: Path, body: bytes, count: int, names: list[str]) -> np.ndarray:
    lines = [line for line in body.decode("ascii", errors="replace").splitlines() if line.strip()][:count]
    if len(lines) < count:
        raise DataError(f"{path} has {len(lines)} points, expected {count}: is it cut off?")
    return parse_columns(path, lines, [names.index(name) for name in "xyz"], len(names))


def parse_columns(path: Path, lines: list[str], columns: list[int], width: int) -> np.ndarray:
    """(N, 3) float32 of three columns of lines of numbers, `width` at least on each; shared with `pcd`.

    Raises:
        DataError: a line is shorter, or holds something that is no number.
    """
    points = np.empty((len(lines), 3), dtype=np.float32)
    for row, line in enumerate(lines):
        words = line.split()
        if len(words) < width:
            raise DataError(f"point {row} of {path} has {len(words)} numbers, expected {width}")
        try:
            points[row] = [float(words[column]) for column in columns]
        except ValueError as error:
            raise DataError(f"point {row} of {path}: {error}, expected numbers") from error
    return points
