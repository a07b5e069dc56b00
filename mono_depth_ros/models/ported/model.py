# SPDX-License-Identifier: Apache-2.0
"""What the ported families share: a network of transformers, and processing that the checkpoint may change."""

from __future__ import annotations

from mono_depth_ros.models.contract import ModelSpec
from mono_depth_ros.models.engine_model import EngineModel
from mono_depth_ros.models.engines.contract import EngineOptions, Network
from mono_depth_ros.models.ported.processing import Processing


class PortedModel(EngineModel):
    """An `EngineModel` whose `processing` is the checkpoint's own."""

    def __init__(self, spec: ModelSpec, network: Network, processing: Processing, options: EngineOptions) -> None:
        """Raises ModelError: see `make_engine`."""
        self.processing = processing
        super().__init__(spec, network, options)
