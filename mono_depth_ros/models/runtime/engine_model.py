# SPDX-License-Identifier: Apache-2.0
"""The shape that the models share: preprocess, run the network in an engine, postprocess, on the device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec, check_batch
from mono_depth_ros.models.runtime.choice import make_engine
from mono_depth_ros.models.runtime.engine import EngineOptions, GraphFile, Inputs, Network
from mono_depth_ros.prediction import DepthPrediction

CHECK_SIZES = ((640, 480), (518, 518))


class EngineModel(ABC):
    """`DepthModel` around a network; a family gives `preprocess` and `postprocess`.

    Attributes:
        network: what was given; its module may have been let go.
        run: the network in its engine, from what `preprocess` gives to what `postprocess` takes.
    """

    def __init__(self, spec: ModelSpec, network: Network | GraphFile, options: EngineOptions) -> None:
        """Load the network into an engine and check it. What the two methods need must be set before.

        Raises:
            ModelError: see `make_engine`.
        """
        self.spec, self.device, self.network = spec, options.device, network
        self.run = make_engine(network, self.examples, options)

    @property
    def engine(self) -> str:
        """What runs the network, such as "openvino bf16"."""
        return f"{self.run.name} {self.run.precision}"

    @torch.inference_mode()
    def examples(self) -> Iterator[Inputs]:
        """The network's inputs for the fixed images that engines are checked with, each made when it is taken."""
        for size in CHECK_SIZES:
            rgb, cameras = check_frame(*size)
            yield self.preprocess(rgb.to(self.device), cameras)

    @torch.inference_mode()
    def predict(self, rgb: Tensor, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Depth or inverse depth of (N, H, W, 3) uint8 images: see `DepthModel.predict`."""
        check_batch(rgb, cameras)
        inputs = self.preprocess(rgb.to(self.device), cameras)
        return self.postprocess(self.run(*inputs), cameras)

    @abstractmethod
    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """The network's inputs, float32 on the device, of (N, H, W, 3) uint8 images on the device."""

    @abstractmethod
    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """One prediction at the size of its camera for each image, from the network's float32 outputs."""


def check_frames() -> tuple[tuple[Tensor, tuple[Camera, ...]], ...]:
    """The two fixed images that engines are checked with, and their cameras: one 4:3, one square."""
    return tuple(check_frame(*size) for size in CHECK_SIZES)


@lru_cache(maxsize=4)
def check_frame(width: int, height: int) -> tuple[Tensor, tuple[Camera, ...]]:
    """A fixed image of any size, (1, H, W, 3) uint8, and its camera.

    Smooth shading, edges and fine texture, made from integers alone so that every machine has the same.
    """
    y, x = np.mgrid[:height, :width].astype(np.int64)
    rgb = np.stack([(x * 5 + y * 2) // 16, (x * y) >> 9, (x ^ y) // 4 + (x // 64 + y // 48) % 2 * 90], axis=-1)
    return torch.from_numpy(rgb.astype(np.uint8))[None], (Camera.from_fov((width, height), 60),)
