# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bench`: the figures this package claims, measured on this machine and kept in `benchmarks/`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.errors import ConfigError, MonoDepthError

_NODE_SECONDS = {"overhead": (), "overload": ("60",)}


def cloud() -> dict[str, Any]:
    """Unproject, colour and pack 640x480, and the largest error against the formula in float64."""
    import numpy as np
    import torch

    from mono_depth_ros.geometry.camera import Camera
    from mono_depth_ros.geometry.cloud import depth_edges, pack_cloud
    from mono_depth_ros.geometry.rays import rays

    torch.set_num_threads(1)
    camera = Camera.pinhole(640, 480, 58.7)
    generator = torch.Generator().manual_seed(0)
    depth = torch.rand((480, 640), generator=generator) * 20 + 0.1
    rgb = torch.randint(0, 256, (480, 640, 3), generator=generator, dtype=torch.uint8)
    grid = rays(camera)
    found = pack_cloud(depth, grid, rgb)[..., :3].double().numpy()
    u, v = np.meshgrid(np.arange(640.0), np.arange(480.0))
    z = depth.double().numpy()
    exact = np.stack(((u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z), -1)
    return {
        "what": "640x480, one thread",
        "unproject_colour_pack_ms": _median_ms(lambda: pack_cloud(depth, grid, rgb), 50),
        "depth_edges_ms": _median_ms(lambda: depth_edges(depth, 0.1), 50),
        "largest_relative_error": float(np.max(np.abs(found - exact) / np.maximum(np.abs(exact), 1e-6))),
    }


def tiny() -> dict[str, Any]:
    """One forward of the embedded network at its nominal size, in float32."""
    import torch

    from mono_depth_ros.models.networks.tiny import load_tiny

    network = load_tiny(None, torch.device("cpu"))
    rgb = torch.rand(1, 3, 192, 256).to(memory_format=torch.channels_last)
    grid = torch.rand(1, 2, 192, 256).to(memory_format=torch.channels_last)
    result: dict[str, Any] = {"what": "tiny, 256x192, float32, torch", "forward_ms": {}}
    for threads in sorted({1, 2, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        with torch.inference_mode():
            result["forward_ms"][f"{threads} threads"] = _median_ms(lambda: network(rgb, grid), 50)
    result["parameters"] = sum(parameter.numel() for parameter in network.parameters())
    return result


def world() -> dict[str, Any]:
    """Frames a second of the synthetic world, median over every kind of scene."""
    from mono_depth_ros.geometry.camera import Camera
    from mono_depth_ros.world import KINDS, World

    result: dict[str, Any] = {
        "what": "rendering rgb, depth, normals and sky; median over the kinds of scenes, frames/s"
    }
    scenes = {kind: World.generate(kind, 1) for kind in KINDS}
    for width, height in ((320, 240), (640, 480)):
        camera = Camera.pinhole(width, height, 70)
        rates = {}
        for kind, scene in scenes.items():
            poses = iter([scene.path().pose(0.3 * step) for step in range(100)])
            rates[kind] = 1e3 / _median_ms(lambda s=scene, p=poses, c=camera: s.render(c, next(p)), 10)
        result[f"{width}x{height}"] = {
            "median": round(statistics.median(rates.values()), 1),
            **{kind: round(rate, 1) for kind, rate in rates.items()},
        }
    return result


def node(which: str) -> dict[str, Any]:
    """A measurement of the depth node over DDS, in a process of its own with the Fast DDS profile."""
    from mono_depth_ros import transport

    environment = {
        **os.environ,
        **transport.environment(),
        "ROS_DOMAIN_ID": str(random.randint(1, 101)),
        "ROS_LOG_DIR": tempfile.gettempdir(),
    }
    command = [sys.executable, "-m", "mono_depth_ros.nodes.bench", which, *_NODE_SECONDS[which]]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise MonoDepthError(f"the measurement '{which}' ended with exit code {done.returncode}, expected 0")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def models(reference: Path | None) -> dict[str, Any]:
    """Depth Anything V2 in every engine: see bench_models.py."""
    from mono_depth_ros.tools.bench_models import models as measure

    return measure(reference)


def metric3d(reference: Path | None) -> dict[str, Any]:
    """Metric3D v2 in every engine: see bench_metric3d.py."""
    from mono_depth_ros.tools.bench_metric3d import metric3d as measure

    return measure(reference)


def bag() -> dict[str, Any]:
    """Conversion of recordings: see bench_bag.py."""
    from mono_depth_ros.tools.bench_bag import bag as measure

    return measure()


def alignment(data: Path | None) -> dict[str, Any]:
    """Scale and shift, local correction, the floor, the course in time: see bench_alignment/command.py."""
    from mono_depth_ros.tools.bench_alignment.command import alignment as measure

    return measure(data)


def slam() -> dict[str, Any]:
    """RGB-D odometry with our depth: see bench_slam/."""
    from mono_depth_ros.tools.bench_slam.bench import slam as measure

    return measure()


BENCHES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "cloud": lambda _: cloud(),
    "tiny": lambda _: tiny(),
    "world": lambda _: world(),
    "models": lambda arguments: models(arguments.reference),
    "metric3d": lambda arguments: metric3d(arguments.reference),
    "bag": lambda _: bag(),
    "alignment": lambda arguments: alignment(arguments.data),
    "slam": lambda _: slam(),
    "overhead": lambda _: node("overhead"),
    "overload": lambda _: node("overload"),
}

_NEEDS = {"slam": ("open3d", "evo")}
"""What is not installed with the package: without a name given, such a measurement is left out where it is missing."""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("bench", help="measure the figures this package claims, on this machine")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHES)}; default: all")
    parser.add_argument("--out", type=Path, default=Path("benchmarks"), help="folder for one JSON file each")
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="DIR",
        help="the authors' code to compare with: for models a checkout of github.com/DepthAnything/Depth-Anything-V2, "
        "for metric3d one of github.com/YvanYin/Metric3D",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=os.environ.get("MONO_DEPTH_DATA"),
        help="for alignment: real frames with depth, in folders seven_scenes, nyu_depth, kitti_lidar, kitti_depth; "
        "default: the environment's MONO_DEPTH_DATA; without it the figures on real frames are left out",
    )
    parser.add_argument("--json", action="store_true", help="print the results as one JSON object on stdout")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    unknown = [name for name in arguments.names if name not in BENCHES]
    if unknown:
        raise ConfigError(f"there is no measurement '{unknown[0]}', expected: {', '.join(BENCHES)}")
    results = {}
    for name in arguments.names or BENCHES:
        missing = [need for need in _NEEDS.get(name, ()) if find_spec(need) is None]
        if missing and not arguments.names:
            print(f"{name} is left out: pip install {' '.join(missing)}", file=sys.stderr)
            continue
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        results[name] = {**BENCHES[name](arguments), "machine": _machine()}
        text = json.dumps(results[name], indent=2) + "\n"
        with atomic_path(arguments.out / f"{name}.json") as path:
            path.write_text(text)
        if not arguments.json:
            print(f"{name}: {text}", end="")
    if arguments.json:
        print(json.dumps(results))
    return 0


def _median_ms(work: Callable[[], Any], repeats: int) -> float:
    for _ in range(3):
        work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return round(statistics.median(times), 2)


def _machine() -> dict[str, Any]:
    import torch

    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }
