# SPDX-License-Identifier: Apache-2.0
"""One image with its depth, and what follows: points, normals, pictures, clouds, the metres of a reference."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import torch
from numpy.typing import ArrayLike, NDArray

from mono_depth_ros.alignment.align import align
from mono_depth_ros.alignment.reference import as_samples
from mono_depth_ros.alignment.result import Alignment
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import AlignConfig, DepthConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.cloud import depth_edges, limit_range, pack_cloud, unproject
from mono_depth_ros.geometry.colorize import colorize
from mono_depth_ros.geometry.normals import curvature, normals_from_depth
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.media.ply import write_ply
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.transfer import Download, download

_GRID = 4  # pixels between those that are counted


@dataclass(frozen=True, eq=False)
class Frame:
    """One image with its depth. What is derived is computed when asked for, once, on the model's device.

    Attributes:
        rgb: (H, W, 3) uint8 tensor. camera: of this image, None where nobody gave one.
        prediction: of the model, (H, W): `values` and what they mean, `kind`.
        alignment: how the depth came to its metres, and its error on samples that were not fitted; after `align`.
    """

    rgb: torch.Tensor
    camera: Camera | None
    prediction: DepthPrediction
    config: DepthConfig = field(default_factory=DepthConfig)
    alignment: Alignment | None = None

    @property
    def device(self) -> torch.device:
        """Where all of it is: the model's."""
        return self.prediction.values.device

    @cached_property
    def depth(self) -> torch.Tensor:
        """(H, W) float32 metres along the optical axis; NaN unknown, +inf sky and beyond range.

        Raises:
            ModelError: the model's output is relative: it has no metres.
        """
        if not self._metric:
            raise ModelError(
                f"the model gives {self.prediction.kind.words}, which has no metres: pass known depths to frame.align, "
                "or load a metric model"
            )
        return limit_range(self.prediction.values, self.config.min_depth, self.config.max_depth)

    @cached_property
    def known(self) -> torch.Tensor:
        """float32 number: the fraction of the pixels, of a grid of them, whose depth, or relative value, is finite."""
        values = self.depth if self._metric else self.prediction.values
        return values[::_GRID, ::_GRID].isfinite().float().mean()

    @cached_property
    def points(self) -> torch.Tensor:
        """(H, W, 3) float32 metres, camera optical frame: x right, y down, z forward; NaN without a finite depth.

        Raises:
            ModelError: the model's output is relative, or there is no camera.
        """
        return unproject(self.depth, self._rays("points need"))

    @cached_property
    def normals(self) -> torch.Tensor:
        """(H, W, 3) float32 unit normals, camera optical frame, towards the camera; NaN where the depth is unknown.

        The model's own, or for a model without them those of its depth.

        Raises:
            ModelError: the model has none and its output is relative, or there is no camera.
        """
        given = self.prediction.normals
        if given is None:
            return normals_from_depth(self.depth, self._rays("normals need"))
        known = torch.isfinite(self.depth if self._metric else given[..., 0])
        return torch.where(known[..., None], given, torch.nan)

    @property
    def confidence(self) -> torch.Tensor | None:
        """(H, W) float32 from 0 to 1, higher is better; None where the model has none."""
        return self.prediction.confidence

    @property
    def uncertainty(self) -> torch.Tensor | None:
        """(H, W) float32, one standard deviation of the depth in metres; None where it is not known."""
        return self.prediction.uncertainty

    @cached_property
    def inverse_depth(self) -> torch.Tensor:
        """(H, W) float32: 1/m, or of a relative model without unit; larger is nearer, NaN unknown.

        Raises:
            ModelError: the model gives depth up to scale and shift: its inverse is not known up to these.
        """
        kind, values = self.prediction.kind, self.depth if self._metric else self.prediction.values
        if kind is DepthKind.AFFINE:
            raise ModelError(f"the model gives {kind.words} with an unknown shift, of which there is no inverse depth")
        return values if kind.inverse else 1 / values

    @cached_property
    def nearness(self) -> torch.Tensor:
        """(H, W) float32, larger is nearer, for colours: `inverse_depth`, or what affine depth is below 0 by."""
        return -self.prediction.values if self.prediction.kind is DepthKind.AFFINE else self.inverse_depth

    @cached_property
    def certain(self) -> torch.Tensor:
        """(H, W) float32 metres: `depth`, and NaN where its uncertainty is above `max_relative_error` of it."""
        most, sigma = self.config.max_relative_error, self.uncertainty
        if most <= 0 or sigma is None:
            return self.depth
        return torch.where(sigma <= most * self.depth, self.depth, torch.nan)

    def picture(self, low: float | None = None, high: float | None = None) -> torch.Tensor:
        """(H, W, 3) uint8 RGB of the `nearness`, near is warm: for eyes, never for measuring.

        Args:
            low, high: nearness at the ends of the colours; None: they suit this image.
        """
        return colorize(self.nearness, low, high)

    def cloud(self, stride: int | None = None, edge_ratio: float | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """The known points (N, 3) float32 in metres, and their colours (N, 3) uint8 RGB.

        Args:
            stride: every n-th pixel and row. edge_ratio: flying pixels are left out, depth jumps above this fraction of
                the distance; 0 keeps them. None: those of `config`.

        Raises:
            ModelError: as `points`.
        """
        config = self.config if stride is None else replace(self.config, stride=stride)
        config = config if edge_ratio is None else replace(config, edge_ratio=edge_ratio)
        step = config.stride
        points = self.points[::step, ::step]
        known = torch.isfinite(points[..., 2]) & torch.isfinite(self.certain[::step, ::step])
        if (edges := self._edges(config.edge_ratio, step)) is not None:
            known &= ~edges
        return points[known], self.rgb[::step, ::step][known]

    def write_ply(
        self, path: str | os.PathLike[str], stride: int | None = None, edge_ratio: float | None = None
    ) -> int:
        """Write `cloud(stride, edge_ratio)` as a PLY file; returns how many points it has."""
        points, colours = download(*self.cloud(stride, edge_ratio))
        return write_ply(path, points, colours)

    def packed_cloud(self, out: torch.Tensor | None = None) -> torch.Tensor:
        """(H / stride, W / stride, 4) float32 x, y, z, rgb, organised: `pack_cloud` without flying pixels.

        With `cloud_normals` (..., 8): normal_x, normal_y, normal_z and curvature follow.

        Args:
            out: is written, without `cloud_normals`, and returned; None for new memory.
        """
        step = self.config.stride
        grid = rays(self._camera("a cloud needs").strided(step), self.device)
        edges = self._edges(self.config.edge_ratio, step)
        packed = pack_cloud(self.certain[::step, ::step], grid, self.rgb[::step, ::step], edges, out)
        if not self.config.cloud_normals:
            return packed
        normals = torch.where(torch.isfinite(packed[..., 2:3]), self.normals[::step, ::step], torch.nan)
        return torch.cat((packed, normals, curvature(packed[..., :3], normals)[..., None]), dim=-1)

    def align(
        self,
        reference: Samples | ArrayLike | torch.Tensor,
        mask: ArrayLike | torch.Tensor | None = None,
        cam_from_lidar: ArrayLike | torch.Tensor | None = None,
        config: AlignConfig | None = None,
    ) -> Frame:
        """The frame in the metres of known depths; its `alignment` says how large the error on held-out samples is.

        Args:
            reference: one of
                - `Samples` of this image,
                - a depth map (H, W), float metres along the optical axis; 0, NaN and infinite mean unknown,
                - points (N, 3) of a lidar, float metres, together with `cam_from_lidar`.
            mask: (H, W) bool, where the depth map counts.
            cam_from_lidar: (4, 4) or (3, 4), p_cam = cam_from_lidar @ p_lidar, to the optical frame of the camera.
            config: of the fit; None takes the defaults.

        Raises:
            DataError: neither of the three, found and expected. SamplesError: no sample is left.
            FitError: the samples fix no scale. ModelError: lidar points, and there is no camera.
        """
        height, width = self.prediction.values.shape
        samples = as_samples(reference, (height, width), self.camera, mask, cam_from_lidar)
        with torch.no_grad():
            found = align(self.prediction, samples, config, guide=self.rgb)
            return Frame(self.rgb, self.camera, found.apply(self.prediction), self.config, found)

    def numpy(self) -> dict[str, NDArray[Any]]:
        """What is known, as arrays on the host: `rgb` and, where there are any, `depth`, `points`, `normals`,
        `confidence`, `uncertainty`; in place of the depth of a relative model `inverse_depth` or `relative_depth`,
        unitless."""
        found: dict[str, torch.Tensor | None] = {"rgb": self.rgb}
        name = "inverse_depth" if self.prediction.kind.inverse else "relative_depth"
        found["depth" if self._metric else name] = self.depth if self._metric else self.prediction.values
        if self._metric and self.camera is not None:
            found["points"] = self.points
        if self.prediction.normals is not None or "points" in found:
            found["normals"] = self.normals
        found["confidence"], found["uncertainty"] = self.confidence, self.uncertainty
        known = {name: tensor for name, tensor in found.items() if tensor is not None}
        arrays = download(*known.values())  # of which the caller gets copies of his own
        return {name: array.copy() for name, array in zip(known, arrays, strict=True)}

    @property
    def _metric(self) -> bool:
        return self.prediction.kind is DepthKind.METRIC

    def _camera(self, what: str) -> Camera:
        if self.camera is None:
            height, width = self.prediction.values.shape
            raise ModelError(needs_camera(what, width, height))
        return self.camera

    def _rays(self, what: str) -> torch.Tensor:
        return rays(self._camera(what), self.device)

    def _edges(self, ratio: float, step: int) -> torch.Tensor | None:
        """(H / step, W / step) bool, flying pixels; None where they are kept."""
        return depth_edges(self.depth, ratio, step) if ratio > 0 else None


class HostFrames:
    """Frames on their way from a GPU to the host, as `Download`."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = list(frames)
        self._download = Download([tensor for frame in frames for tensor in _tensors(frame).values()])

    def frames(self) -> list[Frame]:
        """The frames on the host, in their order, in memory that is used again when no frame is left."""
        arrays = iter(self._download.arrays())
        return [
            _with(frame, {name: torch.from_numpy(next(arrays)) for name in _tensors(frame)}) for frame in self._frames
        ]


def own_copy(frame: Frame) -> Frame:
    """The frame with copies of its own: what an engine gives may be its buffer, and tensors of inference mode cannot be
    changed."""
    return _with(frame, {name: tensor.clone() for name, tensor in _tensors(frame).items()})


def _tensors(frame: Frame) -> dict[str, torch.Tensor]:
    prediction = {item.name: getattr(frame.prediction, item.name) for item in fields(frame.prediction)}
    return {"rgb": frame.rgb} | {name: item for name, item in prediction.items() if isinstance(item, torch.Tensor)}


def _with(frame: Frame, tensors: dict[str, Any]) -> Frame:
    prediction = {name: tensor for name, tensor in tensors.items() if name != "rgb"}
    return replace(frame, rgb=tensors["rgb"], prediction=replace(frame.prediction, **prediction))


def needs_camera(what: str, width: int, height: int) -> str:
    """The sentence that says how a camera is passed."""
    return (
        f"{what} the camera of the {width}x{height} image, and none was given: pass it after the image, as "
        f"Camera.from_fov(({width}, {height}), hfov_deg=...), Camera.from_exif(FILE), a 3x3 matrix K in pixels, or the "
        "path of a calibration file (.yaml)"
    )
