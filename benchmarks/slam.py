# SPDX-License-Identifier: Apache-2.0
"""The way that RGB-D odometry finds in drives through the synthetic world: with true depth, raw and aligned `tiny`.

Everything goes the way that a recording goes: bag, `mono_depth bag --export tum`, Open3D on the folder, evo on the
trajectories. So the error of the true depth is what odometry and 16-bit images cost, and the rest is the depth.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common import run
from mono_depth_ros.config import AlignConfig, BagConfig, ModelConfig
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.tools.bag.convert import Job, convert
from slam_odometry import ESTIMATE, Accuracy, accuracy, odometry, requirements
from slam_recording import Drive, TruthModel, record

DRIVES = tuple(Drive(kind, seed) for kind in ("room", "corridor", "warehouse") for seed in (20_000_001, 20_000_002))
DEPTHS: dict[str, tuple[str, AlignConfig]] = {
    "truth": ("depth", AlignConfig()),
    "tiny raw": ("depth", AlignConfig()),
    "tiny aligned": ("depth,aligned", AlignConfig()),
    "tiny aligned, no local": ("depth,aligned", AlignConfig(local=False)),
}
"""What depth the odometry gets, by the outputs and the alignment of `mono_depth bag`."""


def slam(drives: Sequence[Drive] = DRIVES) -> dict[str, Any]:
    """The measurement, as plain values.

    Raises:
        ConfigError: Open3D or evo is not installed.
    """
    open3d, _ = requirements()
    model = load_model(ModelConfig(model="tiny"))
    rows = []
    for drive in drives:
        with tempfile.TemporaryDirectory(prefix="mono_depth_bench-") as folder:
            for depth, found in measure(drive, Path(folder), model).items():
                rows.append({"world": f"{drive.kind} {drive.seed}", "depth": depth, **_rounded(found)})
                print(_line(rows[-1]), file=sys.stderr, flush=True)
    example = drives[0]
    return {
        "what": f"Open3D {open3d.__version__} RGB-D odometry, frame to frame, over {example.frames} images of "
        f"{example.size[0]}x{example.size[1]} at {example.rate_hz:g} Hz; ATE by evo after rigid alignment",
        "median": {depth: _median([row for row in rows if row["depth"] == depth]) for depth in DEPTHS},
        "rows": rows,
    }


def measure(drive: Drive, folder: Path, model: DepthModel) -> dict[str, Accuracy]:
    """Of each of DEPTHS: record, convert, export, find the way, compare. `folder` is empty, and is left full."""
    depths = record(drive, folder / "recording")
    found = {}
    for depth, (outputs, align) in DEPTHS.items():
        export = folder / re.sub(r"\W+", "_", depth)
        job = Job(
            source=folder / "recording",
            out=folder / f"{export.name}.mcap",
            bag=BagConfig(outputs=outputs, export_tum=str(export), batch=1),
            align=align,
        )
        convert(job, TruthModel(depths) if depth == "truth" else model)
        lost = odometry(export)
        found[depth] = accuracy(export / "groundtruth.txt", export / ESTIMATE, lost)
    return found


def _median(rows: list[dict[str, Any]]) -> dict[str, float]:
    names = ("ate_m", "ate_percent", "scale", "ate_scaled_m")
    return {name: round(statistics.median(row[name] for row in rows), 4) for name in names}


def _rounded(found: Accuracy) -> dict[str, Any]:
    values = {name: round(value, 4) for name, value in asdict(found).items()}
    return values | {"ate_percent": round(100 * found.ate_m / found.length_m, 2)}


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['world']:20} {row['depth']:22} ATE {row['ate_m']:.3f} m of {row['length_m']:.2f} m "
        f"({row['ate_percent']:.1f} %), scale {row['scale']:.3f}, lost {row['lost']} of {row['poses'] - 1}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, lambda _: slam(), argv)


if __name__ == "__main__":
    sys.exit(main())
