# SPDX-License-Identifier: Apache-2.0
"""What every model backend offers to the rest of the package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mono_depth_ros.errors import CameraError, ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.prediction import DepthKind, DepthPrediction

if TYPE_CHECKING:  # as in prediction.py: the catalogue is read without torch
    import torch


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
        confidence: True where its predictions have a confidence. normals: likewise.
    """

    name: str
    family: str
    kind: DepthKind
    licence: str
    max_depth_m: float | None = None
    needs_camera: bool = False
    hub: str = ""
    confidence: bool = False
    normals: bool = False


class DepthModel(Protocol):
    """A loaded model. Everything stays on `device`; the caller decides what comes back to the host."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def engine(self) -> str:
        """What runs the network, such as "openvino bf16"."""
        ...

    def predict(self, rgb: torch.Tensor, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Depth of a batch of images of one size.

        Args:
            rgb: (N, H, W, 3) uint8, any device; it is moved to `device`.
            cameras: one for each image, of size W x H.

        Returns:
            N predictions at the source size (H, W), float32 on `device`.
        """
        ...


def check_batch(rgb: torch.Tensor, cameras: Sequence[Camera]) -> None:
    """Raise unless `rgb` and `cameras` are what `DepthModel.predict` takes.

    Raises:
        ModelError: `rgb` is not (N, H, W, 3) uint8 or empty, or there are not N cameras.
        CameraError: a camera of another size than the images, reason `camera_info_size`.
    """
    import torch

    if rgb.ndim != 4 or rgb.shape[-1] != 3 or rgb.dtype != torch.uint8 or not rgb.numel():
        raise ModelError(f"rgb is {tuple(rgb.shape)} {rgb.dtype}, expected (N, H, W, 3) torch.uint8, none of them 0")
    if len(cameras) != len(rgb):
        raise ModelError(f"found {len(cameras)} cameras for {len(rgb)} images, expected one for each")
    height, width = rgb.shape[1:3]
    for camera in cameras:
        if (camera.width, camera.height) != (width, height):
            found = f"the image is {width}x{height}, its camera {camera.width}x{camera.height}"
            raise CameraError(f"{found}: expected the same size", "camera_info_size")
