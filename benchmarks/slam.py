# SPDX-License-Identifier: Apache-2.0
"""The way that RGB-D odometry (Open3D) and SLAM (ORB-SLAM3) find with true depth and with `tiny`, raw and aligned.

Drives through the synthetic world, and 7-Scenes with --data. Everything goes the way that a recording goes: bag,
`mono_depth bag --export tum`, Open3D and ORB-SLAM3 on the folder, evo on the trajectories. So the error of the true
depth is what the method and 16-bit images cost, and the rest is the depth.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common import add_data, run
from mono_depth_ros.config import AlignConfig, BagConfig, ModelConfig
from mono_depth_ros.errors import DataError
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.tools.bag.convert import Job, convert
from slam_odometry import ESTIMATE, Accuracy, accuracy, odometry, requirements
from slam_orb import module, orb_slam, train_vocabulary
from slam_recording import Drive, SevenScenes, TruthModel, record

DRIVES = tuple(Drive(kind, seed) for kind in ("room", "corridor", "warehouse") for seed in (20_000_001, 20_000_002))
DEPTHS = {"truth": "", "raw": "", "memory": "memory", "motion": "motion", "lidar": "lidar"}
"""What depth the methods get, and the reference of `mono_depth bag` that it is aligned by."""
ORB_ESTIMATE = "orb_slam.txt"


def slam(sequences: Sequence[Drive | SevenScenes] = DRIVES, depths: Sequence[str] = tuple(DEPTHS)) -> dict[str, Any]:
    """The measurement, as plain values.

    Raises:
        ConfigError: Open3D, evo or ORB-SLAM3 is not installed.
    """
    open3d, _ = requirements()
    module()
    model, rows = load_model(ModelConfig(model="tiny")), []
    with tempfile.TemporaryDirectory(prefix="mono_depth_bench-") as folder:
        vocabulary = Path(folder) / "vocabulary.txt"
        train_vocabulary(vocabulary)
        for sequence in sequences:
            with tempfile.TemporaryDirectory(dir=folder) as work:
                for (depth, method), found in measure(sequence, Path(work), model, vocabulary, depths).items():
                    rows.append({"sequence": sequence.name, "method": method, "depth": depth, **_rounded(found)})
                    print(_line(rows[-1]), file=sys.stderr, flush=True)
    example = DRIVES[0]
    return {
        "what": f"Open3D {open3d.__version__} RGB-D odometry, frame to frame, and ORB-SLAM3 in RGB-D mode; drives of "
        f"{example.frames} images of {example.size[0]}x{example.size[1]} at {example.rate_hz:g} Hz; errors by evo",
        "median": _medians(rows),
        "rows": rows,
    }


def _medians(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Over the sequences, of each method and depth: errors as fractions of the way, how far scale and drift are off."""
    found = []
    for method, depth in dict.fromkeys((row["method"], row["depth"]) for row in rows):
        of_it = [row for row in rows if (row["method"], row["depth"]) == (method, depth) and row["ate_m"] is not None]
        values = {
            "ate": [row["ate_m"] / row["length_m"] for row in of_it],
            "ate_scaled": [row["ate_scaled_m"] / row["length_m"] for row in of_it],
            "rpe_m": [row["rpe_m"] for row in of_it],
            "scale_off": [abs(row["scale"] - 1) for row in of_it],
            "scale_drift": [abs(row["scale_drift"]) for row in of_it],
        }
        middle = {key: round(statistics.median(numbers or [math.nan]), 4) for key, numbers in values.items()}
        found.append({"method": method, "depth": depth, "sequences": len(of_it), **middle})
    return found


def measure(
    sequence: Drive | SevenScenes,
    folder: Path,
    model: DepthModel,
    vocabulary: Path,
    depths: Sequence[str] = tuple(DEPTHS),
) -> dict[tuple[str, str], Accuracy | None]:
    """Of each depth and method: record, convert, export, find the way, compare; None where there is no way.

    `folder` is empty, and is left full.
    """
    truth = record(sequence, folder / "recording")
    found: dict[tuple[str, str], Accuracy | None] = {}
    for depth in depths:
        export, reference = folder / depth, DEPTHS[depth]
        outputs = "depth,aligned" if reference else "depth"
        job = Job(
            source=folder / "recording",
            out=folder / f"{depth}.mcap",
            bag=BagConfig(
                outputs=outputs, reference=reference or "auto", export_tum=str(export), pose_topic="/pose", batch=1
            ),
            align=AlignConfig(),
        )
        convert(job, TruthModel(truth) if depth == "truth" else model)
        for method, estimate, lost in (
            ("odometry", ESTIMATE, odometry(export)),
            ("ORB-SLAM3", ORB_ESTIMATE, orb_slam(export, vocabulary, ORB_ESTIMATE)),
        ):
            try:
                found[depth, method] = accuracy(export / "groundtruth.txt", export / estimate, lost)
            except DataError:  # lost from the beginning
                found[depth, method] = None
    return found


def _rounded(found: Accuracy | None) -> dict[str, Any]:
    if found is None:
        return {"ate_m": None}
    values = {name: round(value, 4) for name, value in asdict(found).items()}
    return values | {"ate_percent": round(100 * found.ate_m / found.length_m, 2)}


def _line(row: dict[str, Any]) -> str:
    if row["ate_m"] is None:
        return f"{row['sequence']:20} {row['method']:10} {row['depth']:8} no way"
    return (
        f"{row['sequence']:20} {row['method']:10} {row['depth']:8} ATE {row['ate_m']:.3f} m of {row['length_m']:.2f} m"
        f", after Sim(3) {row['ate_scaled_m']:.3f} m, scale {row['scale']:.3f}, drift {row['scale_drift']:+.2f}, "
        f"RPE {row['rpe_m']:.3f} m, {row['poses']} poses, lost {row['lost']}"
    )


def options(parser: argparse.ArgumentParser) -> None:
    add_data(parser, "The folder that holds seven_scenes/")
    parser.add_argument("--sequences", nargs="+", metavar="NAME", default=(), help="Only these, such as room.")
    parser.add_argument("--depths", nargs="+", choices=tuple(DEPTHS), default=tuple(DEPTHS), help="Only these.")


def everything(arguments: argparse.Namespace) -> dict[str, Any]:
    """The drives, and 7-Scenes where its folder is given."""
    sequences: list[Drive | SevenScenes] = list(DRIVES)
    if arguments.data is not None:
        sequences.append(SevenScenes(Path(arguments.data) / "seven_scenes"))
    wanted = arguments.sequences
    chosen = [one for one in sequences if not wanted or any(one.name.startswith(name) for name in wanted)]
    return slam(chosen, arguments.depths)


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, everything, argv, options)


if __name__ == "__main__":
    sys.exit(main())
