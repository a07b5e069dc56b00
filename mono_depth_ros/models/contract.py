# SPDX-License-Identifier: Apache-2.0
"""What every model backend offers to the rest of the package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.prediction import DepthKind, DepthPrediction


@dataclass(frozen=True)
class ModelSpec:
    """What is known of a model before it is loaded.

    Attributes:
        name: catalogue name, or the path or hub name it was loaded from.
        family: "tiny", "depth_anything_v2", ...
        kind: what its output means.
        licence: of the weights, as an SPDX name or in words.
        max_depth_m: the largest depth a metric head can give, None where there is no such bound.
        needs_camera: True where the intrinsics change the result.
        hub: hub repository of the weights, "" where they are shipped or a local path.
    """

    name: str
    family: str
    kind: DepthKind
    licence: str
    max_depth_m: float | None = None
    needs_camera: bool = False
    hub: str = ""


class DepthModel(Protocol):
    """A loaded model. Everything stays on `device`; the caller decides what comes back to the host."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def device(self) -> torch.device: ...

    def predict(self, rgb: torch.Tensor, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Depth of a batch of images of one size.

        Args:
            rgb: (N, H, W, 3) uint8, any device; it is moved to `device`.
            cameras: one for each image, of size W x H.

        Returns:
            N predictions at the source size (H, W), float32 on `device`.
        """
        ...
