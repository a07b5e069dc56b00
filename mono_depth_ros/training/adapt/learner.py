# SPDX-License-Identifier: Apache-2.0
"""What differs between the networks that can be adapted: their inputs, their loss, what of them learns and how fast."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mono_depth_ros.models.base import DepthModel, ModelSpec
from mono_depth_ros.training.adapt.batch import Batch
from mono_depth_ros.training.adapt.config import AdaptConfig
from mono_depth_ros.training.schedule import cosine_cycle


class Learner(ABC):
    """A network and how it learns.

    Attributes:
        base: the model that it is made from. spec: of that. weights: the file that these weights are from.
        network: with gradients where it learns. batch: images of a step. rates: learning rates that are tried.
        half: whether it trains in bfloat16 with float32 weights. clips: whether its gradients are clipped.
        note: what a user should know of how it learns; "" for nothing.
    """

    base: DepthModel
    spec: ModelSpec
    weights: Path
    network: nn.Module
    batch: int
    rates: tuple[float, ...]
    half: bool = True
    clips: bool = True
    note: str = ""

    @abstractmethod
    def reads(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) at which the model reads images of this size."""

    @abstractmethod
    def sizes(self, width: int, height: int) -> Sequence[tuple[int, int]]:
        """(width, height) of views in training, in turn, for images of this size."""

    @abstractmethod
    def forward(self, network: nn.Module, batch: Batch) -> Any:
        """What `loss` and `prediction` take, of this network or of a copy of it."""

    @abstractmethod
    def loss(self, output: Any, batch: Batch, config: AdaptConfig) -> Tensor:
        """Scalar."""

    @abstractmethod
    def prediction(self, output: Any) -> Tensor:
        """(N, 1, H, W) float32 metres, or inverse depth up to scale and shift, by the kind of the model."""

    @abstractmethod
    def save(self, state: dict[str, Tensor], folder: Path) -> dict[str, Any]:
        """Write model.safetensors and preprocessor.yaml; returns what the loader needs in config.json."""

    @abstractmethod
    def model(self, folder: Path | None = None) -> DepthModel:
        """The model as users run it: of a directory that was written, or without one the one it is made from."""

    def groups(self, rate: float, config: AdaptConfig) -> list[dict[str, Any]]:
        """The parameters that learn, with their learning rates and weight decays: biases and norms are not decayed."""
        learning = [p for p in self.network.parameters() if p.requires_grad]
        return [
            {"params": [p for p in learning if p.ndim > 1], "weight_decay": config.weight_decay, "peak": rate},
            {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0, "peak": rate},
        ]

    def schedule(self, fraction: float, config: AdaptConfig) -> float:
        """Factor on the peak learning rates after a fraction of the run."""
        return cosine_cycle(fraction, config.warmup_share)

    @property
    def device(self) -> torch.device:
        """That the network is on."""
        return next(self.network.parameters()).device
