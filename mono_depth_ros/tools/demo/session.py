# SPDX-License-Identifier: Apache-2.0
"""One run of the demo: start the nodes, let the recorder work, look at what it kept, write the results."""

from __future__ import annotations

import importlib
import shutil
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from mono_depth_ros.config import CameraTopicsConfig, DemoConfig, RecorderConfig, WorldNodeConfig
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.geometry.rigid import inverse
from mono_depth_ros.models.base import find
from mono_depth_ros.startup import uninterrupted
from mono_depth_ros.tools.demo.environment import node_environment
from mono_depth_ros.tools.demo.follow import follow
from mono_depth_ros.tools.demo.processes import Child, Children
from mono_depth_ros.tools.demo.recording import Recording
from mono_depth_ros.tools.demo.source import Source, file_source, world_source
from mono_depth_ros.tools.play import NO_RCLPY
from mono_depth_ros.world import require_numba
from mono_depth_ros.world.lidar import roof_mount
from mono_depth_ros.world.odometry import BASE_FROM_CAMERA

if TYPE_CHECKING:
    from mono_depth_ros.tools.demo.adaptation import Adaptation

_WAITING_S = 60.0
_ALIGNMENT = "mono_depth_ros.nodes.alignment_node"


@dataclass(frozen=True)
class Session:
    """What to run. `camera` and `hfov` are those of --camera and --hfov; `domain_id` None takes a free ROS domain."""

    config: DemoConfig
    world: WorldNodeConfig
    recorder: RecorderConfig
    camera: str = ""
    domain_id: int | None = None
    hfov: float = 0.0

    def run(self, out: Path) -> dict[str, Any]:
        """Run the demo and write its results to `out`, all of them in the end or none.

        Returns:
            The content of summary.json.

        Raises:
            MonoDepthError: a bad argument, a node that ended, or one from which nothing came in time.
        """
        if find_spec("rclpy") is None:
            raise ConfigError(NO_RCLPY)
        entry = find(self.config.model)
        if entry is not None and entry.kind != "metric":
            raise ConfigError(f"{self.config.model} gives relative depth: expected a metric model, which has metres")
        if self.config.adapt and (self.config.source != "world" or self.config.alignment not in ("both", "lidar")):
            raise ConfigError("--adapt learns by the lidar of the synthetic world: expected --source world with it")
        out = out.absolute()
        if out.exists() and not out.is_dir():
            raise ConfigError(f"--out is {out}, which is a file: expected a folder")
        out.parent.mkdir(parents=True, exist_ok=True)
        # Beside the results, so that they can be moved there in one step each.
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            source = self._source(work)
            self._record(source, work)
            from mono_depth_ros.tools.demo.compact import compact
            from mono_depth_ros.tools.demo.results import write_results  # loaded while the nodes started

            recording = Recording(work / "bag" / "bag.mcap", source.topics)
            fresh = work / "results"
            fresh.mkdir()
            compact(work / "bag" / "bag.mcap", work / "compact", source.topics).rename(fresh / "demo.mcap")
            adapted = self._adapted(fresh) if self.config.adapt else None
            summary = write_results(fresh, recording, source, self.config, adapted)
            with uninterrupted():
                replace_results(out, fresh)
            return summary
        finally:
            with uninterrupted():
                shutil.rmtree(work, ignore_errors=True)

    def _adapted(self, folder: Path) -> Adaptation:
        from mono_depth_ros.tools.demo.adaptation import adapt

        return adapt(folder / "demo.mcap", self.config, self.world, folder)

    def _source(self, work: Path) -> Source:
        config = self.config
        if config.source == "world":
            require_numba()
            if self.camera:
                raise ConfigError("--camera is for other sources: the synthetic camera knows its own calibration")
            return world_source(self.world, config.rate, config.alignment)
        return file_source(config.source, self.camera, config.rate, work, self.hfov)

    def _record(self, source: Source, work: Path) -> None:
        environment = node_environment(work / "log", self.domain_id)
        topics = source.topics
        with Children(environment) as children:
            start = _Starter(children, work)
            start("camera", source.module, source.parameters, source.remaps)
            depth = {"model": self.config.model, "device": self.config.device, "stride": self.config.stride}
            start("depth node", "mono_depth_ros.nodes.depth_node", depth, (f"image:={topics.image}",))
            if topics.aligned:
                remaps = (f"points:={topics.lidar}", f"image:={topics.image}")
                start("alignment node", _ALIGNMENT, _parameters("lidar", roof_mount()), remaps)
            if topics.motion:
                inputs = (f"odom:={topics.odom}", f"image:={topics.image}")
                names = (f"aligned/image:={topics.motion}", "__node:=alignment_motion")
                # Depth is published as it came where motion tells nothing yet: the recording waits for the topic.
                motion = _parameters("motion", inverse(BASE_FROM_CAMERA)) | {"publish_unaligned": True}
                start("alignment node by motion", _ALIGNMENT, motion, (*inputs, *names))
            recorder = start(
                "recorder",
                "mono_depth_ros.nodes.recorder_node",
                {
                    "output": str(work / "bag"),
                    "topics": ",".join(topics.present()),
                    "image": topics.image,
                    "result": topics.aligned or topics.depth,
                    "static_transform": _transforms() if topics.lidar else "",
                    "duration": self.recorder.duration,
                    # A source that waits for the network gives its images as slowly as that is.
                    "source_timeout": _WAITING_S if source.waits else RecorderConfig.source_timeout,
                    "frames": self.recorder.frames,
                },
            )
            # Imports torch, which takes seconds: the nodes do the same at this time. In a thread: an import cannot be
            # interrupted, but waiting for the recorder can.
            load = partial(importlib.import_module, "mono_depth_ros.tools.demo.results")
            threading.Thread(target=load, daemon=True).start()
            follow(children, recorder, self.recorder, self.config.start_timeout)


def _parameters(reference: str, cam_from_reference: np.ndarray) -> dict[str, Any]:
    return {"reference": reference, "cam_from_reference": _text(cam_from_reference), "diagnostics_period": 0.2}


def _transforms() -> str:
    """Where camera and lidar are, for the recording: a user's `mono_depth bag` finds them there."""
    camera = CameraTopicsConfig.frame_id
    base = f"{WorldNodeConfig.robot_frame} {camera} {_text(BASE_FROM_CAMERA)}"
    return f"{base}; {camera} {WorldNodeConfig.lidar_frame} {_text(roof_mount())}"


def _text(matrix: np.ndarray) -> str:
    """3x4, row by row."""
    return " ".join(f"{value:.9g}" for value in matrix[:3].ravel())


class _Starter:
    """Starts node modules, with their parameters in a file: on the command line texts would be read as YAML."""

    def __init__(self, children: Children, work: Path) -> None:
        self._children, self._work = children, work

    def __call__(self, name: str, module: str, parameters: dict[str, Any], remaps: Sequence[str] = ()) -> Child:
        path = self._work / f"parameters of {name}.yaml"
        path.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}), encoding="utf-8")
        remapped = [word for remap in remaps for word in ("-r", remap)]
        command = [sys.executable, "-m", module, "--ros-args", "--params-file", str(path), *remapped]
        return self._children.start(name, command)


def replace_results(out: Path, fresh: Path) -> None:
    """Move the new results over the old ones; files of others in `out` stay."""
    out.mkdir(exist_ok=True)
    for stale in out.glob("frame_*.png"):
        stale.unlink()
    from mono_depth_ros.tools.demo.adaptation import ADAPTED

    shutil.rmtree(out / ADAPTED, ignore_errors=True)  # of another run: a directory does not replace one
    for file in sorted(fresh.iterdir(), key=lambda path: path.name == "summary.json"):
        file.replace(out / file.name)
