# SPDX-License-Identifier: Apache-2.0
"""`mono_depth image --right` on a real stereo pair with dense truth, beside the same matcher without a network.

The pair is Motorcycle of Middlebury 2014 (Scharstein et al.), 741x500; the network is `tiny` and everything else has
its default. Judged is every pixel with a true depth. The baseline fills each hole of the matcher from its left
neighbour.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common import add_data, run
from mono_depth_ros.alignment.stereo import stereo_depth
from mono_depth_ros.config import OfflineStereoConfig
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.images import read_image
from mono_depth_ros.metrics import DepthMetrics, depth_metrics
from mono_depth_ros.tools.cli import main as mono_depth

FOLDER = "middlebury"
CAMERA, BASELINE_M, DOFFS_PX = Camera(741, 500, 994.978, 994.978, 311.193, 254.877), 0.193001, 31.086
LEAST_GAIN, AGREES = 0.9, (0.7, 1.4)


def stereo(data: Path | None) -> dict[str, Any]:
    """The measurement; without the pair only what it lacks.

    Args:
        data: folder with `middlebury`.
    """
    result: dict[str, Any] = {"what": "dense depth of a real stereo pair, tiny, defaults", "without": []}
    if data is None or not (data / FOLDER).is_dir():
        return {**result, "without": [FOLDER]}
    left, right, truth = _pair(data / FOLDER)
    matched = stereo_depth(
        read_image(left), read_image(right), CAMERA, BASELINE_M, OfflineStereoConfig(), -DOFFS_PX
    ).depth.astype(np.float64)
    baseline = depth_metrics(left_neighbour(matched), truth)
    depth, printed = _product(left, right)
    found = depth_metrics(depth, truth)
    ratios = {name: getattr(found, name) / getattr(baseline, name) for name in ("abs_rel", "rmse_m")}
    printed_over_true = printed / found.abs_rel
    return {
        **result,
        "matched": round(float(np.isfinite(matched).mean()), 4),
        "at_matched": _rounded(depth_metrics(matched, truth)),
        "left_neighbour": _rounded(baseline),
        "mono_depth": _rounded(found),
        "ratios": {name: round(value, 3) for name, value in ratios.items()},
        "asked": LEAST_GAIN,
        "printed_abs_rel": round(printed, 4),
        "printed_over_true": round(printed_over_true, 3),
        "holds": max(ratios.values()) <= LEAST_GAIN and AGREES[0] <= printed_over_true <= AGREES[1],
    }


def left_neighbour(depth: np.ndarray) -> np.ndarray:
    """(H, W) with each NaN replaced by the nearest known value to its left, or where there is none, to its right."""
    known = np.isfinite(depth)
    at = np.maximum.accumulate(np.where(known, np.arange(depth.shape[1]), -1), axis=1)
    return np.take_along_axis(depth, np.where(at >= 0, at, known.argmax(axis=1)[:, None]), axis=1)


def _pair(folder: Path) -> tuple[Path, Path, np.ndarray]:
    """Left and right image, and the true depth (H, W) in metres, NaN unknown."""
    try:
        with np.load(folder / "motorcycle_disp.npz") as file:
            disparity = file["arr_0"].astype(np.float64)
    except OSError as error:
        raise DataError(f"cannot read {folder / 'motorcycle_disp.npz'}: {error}") from error
    truth = np.where(np.isfinite(disparity), CAMERA.fx * BASELINE_M / (disparity + DOFFS_PX), np.nan)
    return folder / "motorcycle_left.png", folder / "motorcycle_right.png", truth


def _product(left: Path, right: Path) -> tuple[np.ndarray, float]:
    """Depth (H, W) in metres of the command with its defaults, and the error that it prints."""
    camera = f"{CAMERA.fx},{CAMERA.fy},{CAMERA.cx},{CAMERA.cy}"
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()) as printed:
        words = ["--right", str(right), "--baseline", str(BASELINE_M), "--doffs", str(DOFFS_PX), "--camera", camera]
        code = mono_depth(["image", str(left), *words, "--model", "tiny", "--out", out, "--json"])
        if code:
            raise DataError(f"mono_depth image ended with {code}, expected 0")
        depth = np.load(Path(out) / f"{left.stem}.npy").astype(np.float64)
    return depth, float(json.loads(printed.getvalue())["alignment"]["held_out_after"]["abs_rel"])


def _rounded(metrics: DepthMetrics) -> dict[str, float]:
    return {"abs_rel": round(metrics.abs_rel, 4), "rmse_m": round(metrics.rmse_m, 4), "n": metrics.n}


def add_options(parser: argparse.ArgumentParser) -> None:
    add_data(parser, "The folder that holds middlebury/")


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, lambda given: stereo(given.data and Path(given.data)), argv, add_options)


if __name__ == "__main__":
    sys.exit(main())
