# SPDX-License-Identifier: Apache-2.0
"""Published accuracy of models by their names, as far as a source states it: what a sample is put beside."""

from __future__ import annotations

_ALIGNED = "scale and shift of each image fitted in inverse depth, arXiv 2406.09414"
_ZERO_SHOT = "no alignment, no fine-tuning, arXiv 2404.15506"
_UNIDEPTH = "README of its authors"
_VIDEO = "as the authors of Video Depth Anything measured it"
_METRIC3D = "as the authors of Metric3D v2 state it"

PUBLISHED: dict[str, dict[str, tuple[dict[str, float], str]]] = {
    "depth_anything_v2_small": {
        "kitti": ({"abs_rel": 0.078, "delta1": 0.936}, _ALIGNED),
        "nyu": ({"abs_rel": 0.053, "delta1": 0.973}, _ALIGNED),
    },
    "depth_anything_v2_base": {
        "kitti": ({"abs_rel": 0.078, "delta1": 0.939}, _ALIGNED),
        "nyu": ({"abs_rel": 0.049, "delta1": 0.976}, _ALIGNED),
    },
    "depth_anything_v2_large": {
        "kitti": ({"abs_rel": 0.074, "delta1": 0.946}, _ALIGNED),
        "nyu": ({"abs_rel": 0.045, "delta1": 0.979}, _ALIGNED),
    },
    "metric3d_v2_large": {"kitti": ({"abs_rel": 0.052}, _ZERO_SHOT), "nyu": ({"abs_rel": 0.063}, _ZERO_SHOT)},
    "metric3d_v2_giant": {"kitti": ({"abs_rel": 0.051}, _ZERO_SHOT), "nyu": ({"abs_rel": 0.067}, _ZERO_SHOT)},
    "unidepth_v2_large": {"kitti": ({"delta1": 0.989}, _UNIDEPTH), "nyu": ({"delta1": 0.988}, _UNIDEPTH)},
    "moge_2_large": {"kitti": ({"delta1": 0.415}, _VIDEO), "nyu": ({"delta1": 0.967}, _VIDEO)},
    "zoedepth_kitti": {"kitti": ({"abs_rel": 0.053, "delta1": 0.971, "rmse_m": 2.281}, _METRIC3D)},
    "zoedepth_nyu": {"nyu": ({"abs_rel": 0.077, "delta1": 0.953, "rmse_m": 0.277}, _METRIC3D)},
}
"""By model and data set: metrics, and the conditions or the source."""

SPLIT = {"kitti": 652, "nyu": 654}
"""Images of the Eigen split with ground truth: fewer are a sample."""
