# SPDX-License-Identifier: Apache-2.0
"""`tiny` as a network that is adapted: all of it learns, its norms folded as they are shipped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.models.families import tiny
from mono_depth_ros.models.families.tiny import TINY_WEIGHTS, TinyModel, input_size, load_tiny
from mono_depth_ros.models.loading import FAMILIES
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.models.weights.files import WHOLE
from mono_depth_ros.training.adapt.batch import Batch
from mono_depth_ros.training.adapt.config import AdaptConfig
from mono_depth_ros.training.adapt.learner import Learner
from mono_depth_ros.training.adapt.objective import metric_loss
from mono_depth_ros.training.adapt.package import PROCESSING

_PROCESSING = """# What the network reads and gives, in the keys of the ONNX contract as far as they say it. It is
# for people and other programs: this package has it in code, since no contract describes rays without z.
kind: log_metric
family: tiny
input: {name: rgb, size: {near: [256, 192], multiple: 32}, resample: area, range: 1}
outputs: {depth: log_depth, sky: sky_logit, sky_above: 0.0, resize: linear}
intrinsics: {name: rays, form: rays}  # x/z and y/z, 2 channels, of the image at this size
"""

_SMALLER = 0.8  # of the sides, in which every other batch is seen: it takes three fifths of the time


class TinyLearner(Learner):
    """Colour and rays in, log depth and sky out.

    Raises:
        ModelError: the weights in `source` are missing or of another network.
    """

    batch = 12
    rates = (4e-4, 1.5e-4)

    def __init__(self, source: Path | None = None) -> None:
        self.weights = TINY_WEIGHTS if source is None else source / WHOLE
        self._source = source
        self.network = load_tiny(self.weights).requires_grad_(True).train()
        self.base = self.model()
        self.spec = self.base.spec

    def reads(self, width: int, height: int) -> tuple[int, int]:
        """See `Learner.reads`."""
        return input_size(width, height)

    def sizes(self, width: int, height: int) -> Sequence[tuple[int, int]]:
        """See `Learner.sizes`."""
        return input_size(width, height), input_size(width, height, _SMALLER)

    def forward(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """(log_depth, sky_logit), each (N, 1, H, W)."""
        log_depth, sky_logit = network(batch.rgb, batch.rays)
        return log_depth, sky_logit

    def loss(self, output: tuple[Tensor, Tensor], batch: Batch, config: AdaptConfig) -> Tensor:
        """See `metric_loss`."""
        return metric_loss(*output, batch, config)

    def prediction(self, output: tuple[Tensor, Tensor]) -> Tensor:
        """(N, 1, H, W) metres."""
        return output[0].float().exp()

    def save(self, state: dict[str, Tensor], folder: Path) -> dict[str, str]:
        """See `Learner.save`."""
        save_file({name: value.half().contiguous() for name, value in state.items()}, str(folder / WHOLE))
        (folder / PROCESSING).write_text(_PROCESSING, encoding="utf-8")
        return {"model_type": FAMILIES["tiny"]}

    def model(self, folder: Path | None = None) -> DepthModel:
        """See `Learner.model`."""
        options, source = EngineOptions(torch.device("cpu")), folder or self._source
        return TinyModel(options) if source is None else tiny.load(source, options, None)
