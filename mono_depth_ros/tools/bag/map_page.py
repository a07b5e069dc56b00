# SPDX-License-Identifier: Apache-2.0
"""The page beside a map: the map to turn around, and the way of the camera in it, for a browser without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.geometry.rigid import inverse, transform_points
from mono_depth_ros.tools.report.page import facts, fill, page, read
from mono_depth_ros.tools.report.viewer import encode, viewer

_MOST_POINTS = 250_000
_SEED = 0  # of which points are shown, where there are more


def map_page(
    file: str,
    vertices: NDArray[np.float32],
    colours: NDArray[np.uint8],
    way: Sequence[NDArray[np.float64]],
    voxel_m: float,
    about: Mapping[str, str],
) -> str:
    """The page, as the camera saw it that made the first image.

    Args:
        file: the name of the map. vertices, colours: (N, 3) of it. way: (4, 4) poses of the camera in its frame.
        voxel_m: as far as points are apart. about: what is to be told of it, name to value.
    """
    chosen = np.sort(np.random.default_rng(_SEED).permutation(len(vertices))[:_MOST_POINTS])
    camera_from_map = inverse(way[0])
    points = transform_points(camera_from_map, vertices[chosen])
    path = transform_points(camera_from_map, np.array([pose[:3, 3] for pose in way]))
    distance = float(np.median(np.linalg.norm(points, axis=1)))
    data = {
        "clouds": {"map": encode(points, {"image": colours[chosen]})},
        "shown": "map",
        "pair": ["map"],
        "frustum": [place.tolist() for pair in pairwise(path) for place in pair],
        "point": 1.5 * voxel_m * (len(vertices) / len(chosen)) ** 0.5 / distance,
        "distance": distance,
        "height": float(np.median(points[:, 1])),
    }
    size = np.ptp(vertices, axis=0)
    parts = {
        "headline": "Dense reconstruction from one camera",
        "lead": escape(f"{len(vertices):,} points over {size[0]:.1f} x {size[1]:.1f} x {size[2]:.1f} m"),
        "file": escape(file),
        "facts": facts(about),
    }
    return page(f"map: {file}", fill(read("mono_depth_ros.tools.bag", "map.html"), parts), viewer(data))
