# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2 as a network that is adapted, by its authors' contract.

That is `metric_depth/train.py` of github.com/DepthAnything/Depth-Anything-V2: views of 518x518, float32, AdamW with
a tenth of the head's learning rate for the encoder and a weight decay of .01, a polynomial schedule, SiLog. On a CPU
the encoder is kept as it is, and only the head learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.families import depth_anything_v2 as family
from mono_depth_ros.models.networks.depth_anything import DepthAnythingNetwork, NetworkSize
from mono_depth_ros.models.networks.vit import PATCH
from mono_depth_ros.models.preprocess import layout
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.models.weights.files import WHOLE
from mono_depth_ros.training.adapt.batch import Batch
from mono_depth_ros.training.adapt.config import AdaptConfig
from mono_depth_ros.training.adapt.learner import Learner
from mono_depth_ros.training.adapt.objective import authors_silog, relative_loss
from mono_depth_ros.training.adapt.package import PROCESSING
from mono_depth_ros.training.schedule import polynomial

SIDE = 518
_ENCODER_RATE = 0.1
_NEAREST_M = 1e-3


class DepthAnythingLearner(Learner):
    """Metric or relative, as the checkpoint is.

    Raises:
        ModelError: the weights in `source` are missing or of another network.
    """

    batch = 4
    rates = (5e-5, 2e-4)
    half = clips = False

    def __init__(
        self, source: Path, expected: CatalogueEntry | None, config: AdaptConfig, device: torch.device
    ) -> None:
        checkpoint = family.read(source, expected)
        self._size: NetworkSize = checkpoint.size
        self._source, self._expected, self._device = source, expected, device
        self.weights = source if source.is_file() else next(iter(family.weight_files(source)))
        self.base = self.model()
        self.spec = self.base.spec
        share = config.encoder_rate if config.encoder_rate >= 0 else _ENCODER_RATE if device.type == "cuda" else 0.0
        self._share = share
        network = checkpoint.network().to(device)
        network.pretrained.requires_grad_(share > 0)
        network.depth_head.requires_grad_(True)
        network.depth_head.scratch.refinenet4.resConfUnit1.requires_grad_(False)  # is never used
        self.network = network
        if not share:
            self.note = "the head alone learns, the encoder stays as it is (--encoder-rate 0.1 teaches it too)"

    def reads(self, width: int, height: int) -> tuple[int, int]:
        """See `Learner.reads`."""
        return layout(width, height, family.RELATIVE.input).canvas

    def sizes(self, width: int, height: int) -> Sequence[tuple[int, int]]:
        """See `Learner.sizes`."""
        return ((SIDE, SIDE),)

    def forward(self, network: nn.Module, batch: Batch) -> Tensor:
        """(N, 1, H, W) metres, or inverse depth of a relative network."""
        own = cast(DepthAnythingNetwork, network)
        image = family.RELATIVE.input
        mean, std = (torch.tensor(values, device=batch.rgb.device)[:, None, None] for values in (image.mean, image.std))
        with torch.set_grad_enabled(torch.is_grad_enabled() and self._share > 0):
            features = own.pretrained((batch.rgb - mean) / std)
        found: Tensor = own.depth_head(features)
        return found if own.max_depth_m is None else found * own.max_depth_m

    def loss(self, output: Tensor, batch: Batch, config: AdaptConfig) -> Tensor:
        """The authors' SiLog of metric depth; of relative depth the loss of MiDaS."""
        limit = self.spec.max_depth_m
        if limit is None:
            return relative_loss(output, batch, config)
        total = output.new_zeros(())
        for depth, share in ((batch.dense, batch.dense_weight), (batch.sparse, torch.ones_like(batch.dense_weight))):
            valid = (depth >= _NEAREST_M) & (depth <= limit)
            for weight in share.unique():  # of measured maps 1, of those that were inferred less
                mine = valid & (share == weight)[:, None, None, None]
                if mine.any():
                    total = total + weight * authors_silog(output.float(), depth, mine)
        return total

    def prediction(self, output: Tensor) -> Tensor:
        """(N, 1, H, W) float32."""
        return output.float()

    def groups(self, rate: float, config: AdaptConfig) -> list[dict[str, Any]]:
        """Encoder and head, all decayed alike, as the authors do."""
        network = cast(DepthAnythingNetwork, self.network)
        return [
            {"params": [p for p in part.parameters() if p.requires_grad], "peak": rate * share,
             "weight_decay": config.weight_decay}
            for part, share in ((network.pretrained, self._share), (network.depth_head, 1.0))
        ]  # fmt: skip

    def schedule(self, fraction: float, config: AdaptConfig) -> float:
        """See `Learner.schedule`."""
        return polynomial(fraction)

    def save(self, state: dict[str, Tensor], folder: Path) -> dict[str, Any]:
        """See `Learner.save`; names of tensors are the authors'."""
        save_file({name: value.cpu().contiguous() for name, value in state.items()}, str(folder / WHOLE))
        family.processing_of(self.spec.max_depth_m).write(folder / PROCESSING)
        vit = self._size.vit
        values: dict[str, Any] = {
            "model_type": "depth_anything",
            "backbone_config": {
                "model_type": "dinov2",
                "hidden_size": vit.embed_dim,
                "num_hidden_layers": vit.num_layers,
                "num_attention_heads": vit.num_heads,
                "image_size": vit.grid * PATCH,
                "out_indices": [index + 1 for index in vit.out_indices],
                "reshape_hidden_states": False,
            },
            "reassemble_hidden_size": vit.embed_dim,
            "neck_hidden_sizes": list(self._size.channels),
            "fusion_hidden_size": self._size.width,
            "depth_estimation_type": "relative" if self.spec.max_depth_m is None else "metric",
        }
        return values if self.spec.max_depth_m is None else values | {"max_depth": self.spec.max_depth_m}

    def model(self, folder: Path | None = None) -> DepthModel:
        """See `Learner.model`; run by torch, as others are not checked for a few images."""
        options = EngineOptions(self._device, "torch", "fp32")
        if folder is not None:
            return family.load(folder, options)
        return family.load(self._source, options, self._expected)
