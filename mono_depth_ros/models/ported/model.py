# SPDX-License-Identifier: Apache-2.0
"""What the ported families share: a network of transformers, and processing that the checkpoint may change."""

from __future__ import annotations

from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.ported.processing import Processing
from mono_depth_ros.models.runtime.engine import EngineOptions, Network
from mono_depth_ros.models.runtime.engine_model import EngineModel


class PortedModel(EngineModel):
    """An `EngineModel` whose `processing` is the checkpoint's own."""

    def __init__(self, spec: ModelSpec, network: Network, processing: Processing, options: EngineOptions) -> None:
        """Raises ModelError: see `make_engine`."""
        self.processing = processing
        super().__init__(spec, network, options)
