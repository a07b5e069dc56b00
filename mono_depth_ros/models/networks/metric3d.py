# SPDX-License-Identifier: Apache-2.0
"""The network of Metric3D v2 (arXiv 2404.15506, figure 5): encoder, first estimate, recurrent refinement."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from mono_depth_ros.models.metric3d.sizes import MULTIPLE, NetworkSize
from mono_depth_ros.models.networks.metric3d_encoder import RegisterTransformer
from mono_depth_ros.models.networks.metric3d_features import FeatureDecoder, FeaturePyramid, Grid
from mono_depth_ros.models.networks.metric3d_refinement import FARTHEST_M, UNIT_M, Refinement
from mono_depth_ros.models.networks.vit import fold_layer_scales

NEAREST_M = 0.1
"""The least depth that the network can give, in the canonical camera."""

_BINS = 256
_LEAST_CONCENTRATION = 0.01


class DepthNormalHead(Refinement):
    """The authors' `decoder`: features, a first estimate of depth and normals at 1/4, and their refinement."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__(size)
        fine = size.fused[-1]
        self.token2feature = FeaturePyramid(size)
        self.decoder_mono = FeatureDecoder(size)
        self.depth_regressor = nn.Sequential(
            nn.Conv2d(fine, _BINS, 3, padding=1), nn.ReLU(), nn.Conv2d(_BINS, _BINS, 1)
        )
        self.normal_predictor = nn.Sequential(
            nn.Conv2d(fine, 128, 3, padding=1), nn.ReLU(),
            nn.Conv2d(128, 128, 1), nn.ReLU(),
            nn.Conv2d(128, 128, 1), nn.ReLU(),
            nn.Conv2d(128, 3, 1),
        )  # fmt: skip

    def forward(self, taps: list[Tensor], grid: Grid) -> Tensor:
        """(N, 6, H, W) float32: depth in UNIT_M, its confidence, normal, its concentration."""
        features = self.token2feature(taps, grid)
        fused, confidences = self.decoder_mono(features, grid)
        parts = self.first_depth(fused), confidences[:, :1].float(), self.first_normals(fused, confidences)
        return self.refine(features, torch.cat(parts, dim=1), grid)

    def first_depth(self, fused: Tensor) -> Tensor:
        """(N, 1, h, w): the expectation over bins that are even in log depth."""
        shares = self.depth_regressor(fused).permute(0, 2, 3, 1).float().softmax(dim=-1)
        # Made here, not a buffer: one would be rounded with the weights where these are in half precision.
        bins_m = torch.linspace(math.log(NEAREST_M), math.log(FARTHEST_M), _BINS, device=fused.device).exp()
        return _bounded(torch.matmul(shares, bins_m)[:, None]) / UNIT_M

    def first_normals(self, fused: Tensor, confidences: Tensor) -> Tensor:
        """(N, 4, h, w)."""
        return unit_normals(torch.cat((self.normal_predictor(fused), confidences[:, 1:]), dim=1).float())


class Metric3DNetwork(nn.Module):
    """Depth of the canonical camera, its confidence, and normals."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.encoder = RegisterTransformer(size.vit, size.gated)
        self.decoder = DepthNormalHead(size)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of (N, 3, H, W) float, normalised, sides multiples of 28.

        Returns:
            Depth (N, 1, H, W) in metres as a camera with a focal length of 1000 px would see it; its confidence
            (N, 1, H, W), trained to be 1 - |error| / depth, not bounded; normals (N, 4, H, W): x right, y down, z
            forward, of unit length, towards the camera, and how concentrated they are (kappa of Bae et al. 2021,
            arXiv 2109.09881).
        """
        grid = Grid(image.shape[2] // MULTIPLE, image.shape[3] // MULTIPLE)
        state = self.decoder(self.encoder(image), grid)
        return _bounded(state[:, :1] * UNIT_M), state[:, 1:2], unit_normals(state[:, 2:])

    def optimise(self) -> Metric3DNetwork:
        """Ready for inference: gains folded, channels last. The parameters are no longer the checkpoint's."""
        fold_layer_scales(self.encoder.chain())
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self.eval().requires_grad_(False)


def _bounded(depth: Tensor) -> Tensor:
    return depth.clamp(NEAREST_M, FARTHEST_M)


def unit_normals(values: Tensor) -> Tensor:
    """(N, 4, H, W): the first three channels to unit length, the last to a concentration > 0."""
    vector = values[:, :3]
    length = torch.linalg.vector_norm(vector, dim=1, keepdim=True) + 1e-10
    return torch.cat((vector / length, functional.elu(values[:, 3:]) + 1 + _LEAST_CONCENTRATION), dim=1)
