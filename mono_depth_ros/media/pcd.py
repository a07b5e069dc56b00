# SPDX-License-Identifier: Apache-2.0
"""The positions in a PCD file of version 0.7 (https://pointclouds.org/documentation/tutorials/pcd_file_format.html)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mono_depth_ros.errors import DataError
from mono_depth_ros.media.columns import ascii_points, binary_points

_KINDS = {"F": "f", "I": "i", "U": "u"}
_SIZES = {"f": (4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8)}


def read_pcd(path: Path, data: bytes) -> np.ndarray:
    """(N, 3) float32 x, y, z; other fields, in any order and of any count, are skipped. Unknown points stay NaN.

    Args:
        path: for the sentences. data: the whole file.

    Raises:
        DataError: no PCD, a header that makes no sense, binary_compressed data, no x, y, z, or fewer points than the
            header says.
    """
    header, body = _header(path, data)
    names, count = header["FIELDS"], _number(path, header, "POINTS")
    counts = [_whole(path, word) for word in header.get("COUNT", ["1"] * len(names))]
    sizes = [_whole(path, word) for word in header["SIZE"]]
    kinds = header["TYPE"]
    if not len(names) == len(counts) == len(sizes) == len(kinds):
        found = f"{len(names)} FIELDS, {len(sizes)} SIZE, {len(kinds)} TYPE and {len(counts)} COUNT"
        raise DataError(f"{path} has {found}, expected as many of each")
    missing = [name for name in "xyz" if name not in names]
    if missing:
        raise DataError(f"{path} has no field {', '.join(missing)}, its fields are: {', '.join(names) or 'none'}")
    if any(counts[names.index(name)] != 1 for name in "xyz"):
        raise DataError(f"{path} has more than one value in x, y or z of a point, expected one")
    form = header["DATA"][0] if header["DATA"] else ""
    if form == "ascii":
        starts = np.concatenate(([0], np.cumsum(counts))).tolist()
        return ascii_points(path, data[body:], count, [starts[names.index(name)] for name in "xyz"], starts[-1])
    if form != "binary":
        hint = "; convert it with pcl_convert_pcd_ascii_binary" if form == "binary_compressed" else ""
        raise DataError(f"the data of {path} is '{form}', expected ascii or binary{hint}")
    kind = np.dtype([(str(k), _type(path, *field)) for k, field in enumerate(zip(kinds, sizes, counts, strict=True))])
    return binary_points(path, data, body, count, kind, names)


def _header(path: Path, data: bytes) -> tuple[dict[str, list[str]], int]:
    """The words behind each keyword, and where the data begins."""
    header: dict[str, list[str]] = {}
    start = 0
    while "DATA" not in header:
        end = data.find(b"\n", start)
        if end < 0:
            raise DataError(f"{path} is no PCD, expected a header that ends with DATA")
        words = data[start:end].decode("ascii", errors="replace").split()
        if words and not words[0].startswith("#"):
            header[words[0].upper()] = words[1:]
        start = end + 1
    for key in ("FIELDS", "SIZE", "TYPE", "POINTS"):
        if key not in header:
            raise DataError(f"{path} has no {key} in its header, expected a PCD of version 0.7")
    return header, start


def _type(path: Path, kind: str, size: int, count: int) -> tuple[str, tuple[int, ...]] | str:
    letter = _KINDS.get(kind, "")
    if size not in _SIZES.get(letter, ()):
        raise DataError(f"{path} has a field of TYPE {kind} and SIZE {size}, expected F, I or U of 1, 2, 4 or 8 bytes")
    return f"<{letter}{size}" if count == 1 else (f"<{letter}{size}", (count,))


def _number(path: Path, header: dict[str, list[str]], key: str) -> int:
    return _whole(path, " ".join(header[key]))


def _whole(path: Path, word: str) -> int:
    if not word.isdecimal():
        raise DataError(f"{path} has '{word}' in its header, expected a whole number")
    return int(word)
