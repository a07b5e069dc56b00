# SPDX-License-Identifier: Apache-2.0
"""The depth node: images and camera_info in, metric depth, camera_info, clouds and colour views out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mono_depth_ros.config import (
    Config,
    DepthConfig,
    DepthNodeConfig,
    GroundConfig,
    ImageConfig,
    ModelConfig,
    ObstacleConfig,
)
from mono_depth_ros.nodes.depth.session import DepthSession
from mono_depth_ros.nodes.ros.lifecycle import ManagedNode
from mono_depth_ros.nodes.ros.runtime import run

_CONFIGS = (DepthNodeConfig, ImageConfig, ModelConfig, DepthConfig, GroundConfig, ObstacleConfig)


class DepthNode(ManagedNode[DepthSession]):
    """One model for one or several cameras. See the README for topics and parameters; `config` has the defaults."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("depth", *_CONFIGS, **node_options)
        self.options.veto = self._veto

    def new_session(self) -> DepthSession:
        return DepthSession(self, self.options, self.monitors)

    def _veto(self, configs: Mapping[type[Config], Config]) -> None:
        size = self.session.input_size if self.session is not None else None
        if size is not None:
            size.check(cast(DepthNodeConfig, configs[DepthNodeConfig]))

    def streams(self) -> tuple[str, ...]:
        return self.options.get(DepthNodeConfig).camera_names

    def labels(self) -> dict[str, str]:
        pipeline = self.session.pipeline if self.session is not None else None
        if pipeline is None:
            return {"model": self.options.get(ModelConfig).model, "device": "not loaded"}
        model = pipeline.model
        return {
            "model": model.spec.name,
            "device": str(model.device),
            "engine": model.engine,
            "licence of the weights": model.spec.licence,
        }


def main() -> int:
    """Entry point of `ros2 run mono_depth_ros depth_node`."""
    return run(DepthNode)
