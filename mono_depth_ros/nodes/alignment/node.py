# SPDX-License-Identifier: Apache-2.0
"""The alignment node: depth and a reference in, depth of the right scale out, and how right it is."""

from __future__ import annotations

from typing import Any

from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.config import (
    ALIGNMENT,
    AlignmentModelConfig,
    AlignmentNodeConfig,
    DepthConfig,
    ImageConfig,
    ObstacleConfig,
)
from mono_depth_ros.nodes.alignment.services import AlignmentServices
from mono_depth_ros.nodes.alignment.session import AlignmentSession
from mono_depth_ros.nodes.ros.lifecycle import ManagedNode
from mono_depth_ros.nodes.ros.runtime import run

_CONFIGS = (AlignmentNodeConfig, AlignmentModelConfig, ImageConfig, *ALIGNMENT, DepthConfig, ObstacleConfig)


class AlignmentNode(ManagedNode[AlignmentSession]):
    """Topics, references and services are in docs/alignment.md; `config/alignment.py` has the defaults."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("alignment", *_CONFIGS, **node_options)
        self._calibration_services = AlignmentServices(self, self._aligner, self._place)

    def new_session(self) -> AlignmentSession:
        return AlignmentSession(self, self.options, self.monitors[""])

    def labels(self) -> dict[str, str]:
        name = self.options.get(AlignmentModelConfig).alignment_model
        if not name:
            return {}
        prompted = self.session.prompted if self.session is not None else None
        if prompted is None:
            return {"model": name, "device": "not loaded"}
        model = prompted.model
        return {"model": model.spec.name, "device": str(model.device), "engine": model.engine} | {
            "licence of the weights": model.spec.licence
        }

    def _aligner(self) -> Aligner | None:
        return self.session.aligner if self.session is not None else None

    def _place(self) -> tuple[str, str]:
        config = self.options.get(AlignmentNodeConfig)
        return config.calibration, config.calibration_scene


def main() -> int:
    """Entry point of `ros2 run mono_depth_ros alignment_node`."""
    return run(AlignmentNode)
