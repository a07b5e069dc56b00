# SPDX-License-Identifier: Apache-2.0
"""PLY and PCD, ascii and binary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from corruption_parts.kind import Kind, Target
from mono_depth_ros.media.ply import write_ply
from mono_depth_ros.media.points import read_points

_POINTS = 300


def _xyz() -> np.ndarray:
    return np.random.default_rng(1).uniform(-9, 9, (_POINTS, 3)).astype(np.float32)


def _lines() -> str:
    return "\n".join(" ".join(f"{value:.4f}" for value in point) for point in _xyz()) + "\n"


def _read(path: Path) -> int:
    points = read_points(path)
    assert points.dtype == np.float32 and points.ndim == 2 and points.shape[1] == 3
    return len(points)


def _ply(folder: Path) -> Sequence[Target]:
    binary, big, words = folder / "cloud.ply", folder / "big_endian.ply", folder / "ascii.ply"
    write_ply(binary, _xyz(), np.zeros((_POINTS, 3), np.uint8))
    places = "".join(f"property float {name}\n" for name in "xyz")
    header = f"ply\nformat {{}} 1.0\nelement vertex {_POINTS}\n{places}end_header\n"
    big.write_bytes(header.format("binary_big_endian").encode() + _xyz().astype(">f4").tobytes())
    words.write_text(header.format("ascii") + _lines())
    return [Target(path, _read) for path in (binary, big, words)]


def _pcd(folder: Path) -> Sequence[Target]:
    binary, words = folder / "cloud.pcd", folder / "ascii.pcd"
    header = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n"
        f"WIDTH {_POINTS}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {_POINTS}\nDATA "
    )
    binary.write_bytes(f"{header}binary\n".encode() + _xyz().tobytes())
    words.write_text(f"{header}ascii\n{_lines()}")
    return [Target(path, _read) for path in (binary, words)]


KINDS = {"PLY": Kind(_ply), "PCD": Kind(_pcd)}
