# SPDX-License-Identifier: Apache-2.0
"""From images to the inputs of the graph, on the model's device, as the contract says."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.onnx.contract import OnnxContract
from mono_depth_ros.models.onnx.layout import Layout
from mono_depth_ros.models.onnx.parts import InputContract, IntrinsicsContract
from mono_depth_ros.models.ported.pillow import resize_pillow
from mono_depth_ros.models.resample import resample


def focal_px(camera: Camera, contract: OnnxContract) -> float:
    """f of the contract, of a camera at the processed size."""
    return camera.fx if contract.focal == "fx" else (camera.fx + camera.fy) / 2


def image_input(rgb: Tensor, contract: InputContract, place: Layout) -> Tensor:
    """The tensor of the image, (N, ...) in the contract's layout.

    Args:
        rgb: (N, H, W, 3) uint8 on the device. place: where these images lie.

    Returns:
        float32, holding whole numbers where the graph takes uint8: engines convert to the graph's dtype.
    """
    pixels = _resized(rgb, contract, place)
    if contract.channels == "bgr":
        pixels = pixels.flip(-1)
    if contract.pad is not None and place.padded:
        canvas = pixels.new_tensor(contract.pad.value).expand(len(rgb), place.canvas[1], place.canvas[0], 3).clone()
        width, height = place.content
        canvas[:, place.top : place.top + height, place.left : place.left + width] = pixels
        pixels = canvas
    if contract.dtype == "uint8":
        pixels = pixels.round_().clamp_(0, 255)
    else:
        scale = [contract.range / 255 / std for std in contract.std]
        shift = [-mean / std for mean, std in zip(contract.mean, contract.std, strict=True)]
        pixels = torch.addcmul(pixels.new_tensor(shift), pixels, pixels.new_tensor(scale))
    if contract.layout == "nhwc":
        return pixels.contiguous()
    planes = pixels.permute(0, 3, 1, 2)
    return (planes[:, None] if contract.layout == "n1chw" else planes).contiguous()


def camera_input(cameras: Sequence[Camera], rank: int, form: IntrinsicsContract, contract: OnnxContract) -> Tensor:
    """The tensor of the cameras at the processed size: (N,) and (N, 1) focal lengths or (N, 3, 3) matrices, float32.

    Args:
        rank: of the graph's input; one less than these have is for a graph of one image, without the batch's axis.
    """
    if form.form == "matrix":
        values = torch.stack([torch.from_numpy(camera.matrix).float() for camera in cameras])
        return values if rank == 3 else values[0]
    focal = torch.tensor([focal_px(camera, contract) for camera in cameras])
    return focal[0] if rank == 0 else focal if rank == 1 else focal[:, None]


def _resized(rgb: Tensor, contract: InputContract, place: Layout) -> Tensor:
    """(N, H, W, 3) uint8 to (N, h, w, 3) float32, grey levels."""
    rounded = contract.resample_dtype == "uint8"
    if rounded and contract.antialias:  # Pillow to the bit, which rounds between rows and columns too
        return resize_pillow(rgb, place.content, {"linear": "bilinear", "cubic": "bicubic"}[contract.resample]).float()
    images = rgb if rounded else rgb.float()
    return torch.stack(
        [resample(image, place.content, contract.resample, contract.antialias) for image in images]
    ).float()
