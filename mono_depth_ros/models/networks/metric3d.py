# SPDX-License-Identifier: Apache-2.0
"""The network of Metric3D v2 (arXiv 2404.15506, figure 5): encoder, first estimate, recurrent refinement.

The refinement of depth and normals (section 3.3) is that of RAFT (Teed and Deng 2020, arXiv 2003.12039): a hidden state
at each of three resolutions, 1/4, 1/7 and 1/14, is updated again and again; the finest one says what to add to depth
and normals. What stays the same is computed once: a convolution of concatenated inputs is the sum of one convolution
for each of them. The reference is github.com/YvanYin/Metric3D
`mono/model/decode_heads/RAFTDepthNormalDPTDecoder5.py`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from mono_depth_ros.models.networks.metric3d_encoder import (
    MULTIPLE,
    FeatureDecoder,
    FeaturePyramid,
    Features,
    Grid,
    NetworkSize,
    RegisterTransformer,
    upsample,
)
from mono_depth_ros.models.networks.vit import fold_layer_scales

STATE = 6
"""Channels that are refined: depth, its confidence, normal (3), the normal's concentration."""

FARTHEST_M, UNIT_M = 200.0, 100.0
"""The authors refine (depth - FARTHEST_M) / UNIT_M, where a depth of 2 m has lost half of a half precision's digits to
the 200 m. Here it is depth / UNIT_M, in float32 throughout, and what the difference makes of a convolution is put into
the context, which is the same function."""

FACTOR = 4
"""The state is at a quarter of the image's resolution."""

NEAREST_M = 0.1
"""The least depth that the network can give, in the canonical camera."""

_BINS = 256
_LEAST_CONCENTRATION = 0.01


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each with a norm and a ReLU, beside a 1x1 convolution."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1)
        self.norm1 = ChannelNorm(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.norm2 = ChannelNorm(out)
        self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1), ChannelNorm(out))  # the authors' name; it does not

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(self.conv1(x)).relu_()
        y = self.norm2(self.conv2(y)).relu_()
        return (self.downsample(x) + y).relu_()


def _two_heads(channels: int, hidden: int) -> nn.ModuleList:
    """For the first hidden state, and for the context."""
    return nn.ModuleList(
        nn.Sequential(ResidualBlock(channels, hidden), nn.Conv2d(hidden, hidden, 3, padding=1)) for _ in range(2)
    )


class ContextEncoder(nn.Module):
    """The features' part in the refinement. The authors' names: 04, 08, 16 are really 1/4, 1/7, 1/14."""

    def __init__(self, channels: tuple[int, int, int], hidden: int) -> None:
        super().__init__()
        self.outputs04 = _two_heads(channels[0], hidden)
        self.outputs08 = _two_heads(channels[1], hidden)
        self.outputs16 = _two_heads(channels[2], hidden)

    def forward(self, features: Features) -> tuple[list[Tensor], list[Tensor]]:
        """First hidden states and contexts, finest first."""
        maps = (features.fine, features.middle, features.coarse)
        heads = (self.outputs04, self.outputs08, self.outputs16)
        pairs = [(first(x).tanh_(), second(x).relu_()) for x, (first, second) in zip(maps, heads, strict=True)]
        return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


class ConvGru(nn.Module):
    """A gated recurrent unit of convolutions (RAFT, equation 3).

        z, r = sigmoid(conv(hidden, inputs) + context)
        q = tanh(conv(r * hidden, inputs) + context)
        hidden = (1 - z) * hidden + z * q

    Each convolution of the authors is taken apart by its inputs where the weights are loaded: `hidden` gives z and r,
    `candidate` gives q, and each of `inputs` gives z, r and q. Their biases are in the context.
    """

    def __init__(self, hidden: int, inputs: tuple[int, ...]) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(hidden, 2 * hidden, 3, padding=1, bias=False)
        self.candidate = nn.Conv2d(hidden, hidden, 3, padding=1, bias=False)
        self.inputs = nn.ModuleList(nn.Conv2d(count, 3 * hidden, 3, padding=1, bias=False) for count in inputs)

    def forward(self, hidden: Tensor, drive: Tensor) -> Tensor:
        """The next (N, C, H, W) hidden state; `drive` (N, 3 C, H, W) is the inputs' convolutions and the context."""
        count = hidden.shape[1]
        z, r = self.hidden(hidden).add_(drive[:, : 2 * count]).sigmoid_().chunk(2, dim=1)
        q = self.candidate(r * hidden).add_(drive[:, 2 * count :]).tanh_()
        return torch.lerp(hidden, q, z)


class FlowHead(nn.Module):
    """What to add to the state: depth and its confidence, normals and their concentration."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.conv1d = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.conv2d = nn.Conv2d(hidden, 2, 3, padding=1)
        self.conv1n = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.conv2n = nn.Conv2d(hidden, STATE - 2, 3, padding=1)

    def forward(self, hidden: Tensor) -> Tensor:
        depth = self.conv2d(self.conv1d(hidden).relu_())
        return torch.cat((depth, self.conv2n(self.conv1n(hidden).relu_())), dim=1)


class Hidden(NamedTuple):
    """Hidden states, finest first."""

    fine: Tensor
    middle: Tensor
    coarse: Tensor


class UpdateBlock(nn.Module):
    """One iteration; the coarser units run more often. 08, 16, 32 are really 1/4, 1/7, 1/14."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.gru08 = ConvGru(hidden, (STATE + hidden,))
        self.gru16 = ConvGru(hidden, (hidden, hidden))
        self.gru32 = ConvGru(hidden, (hidden,))
        self.flow_head = FlowHead(hidden)
        self.mask = nn.Sequential(
            nn.Conv2d(hidden, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, 9 * FACTOR**2, 1)
        )

    def of_farthest(self, grid: Grid, like: Tensor) -> Tensor:
        """(1, C, H / 4, W / 4): what the finest unit's inputs make of the constant in the authors' depth."""
        plane = like.new_full((1, 1, *grid.at(7)), -FARTHEST_M / UNIT_M)
        weight: Tensor = self.gru08.inputs[0].weight  # type: ignore[assignment]
        return functional.conv2d(plane, weight[:, :1], padding=1)

    def forward(self, hidden: Hidden, context: list[Tensor], state: Tensor, grid: Grid) -> Hidden:
        fine, middle, coarse = hidden
        from_middle = self.gru32.inputs[0](_pool(middle)) + context[2]
        coarse = self.gru32(self.gru32(coarse, from_middle), from_middle)
        from_fine = self.gru16.inputs[0](upsample(_pool(fine), grid.at(4))) + context[1]
        middle = self.gru16(middle, from_fine + self.gru16.inputs[1](upsample(coarse, grid.at(4))))
        coarse = self.gru32(coarse, self.gru32.inputs[0](_pool(middle)) + context[2])
        middle = self.gru16(middle, from_fine + self.gru16.inputs[1](upsample(coarse, grid.at(4))))
        inputs = torch.cat((state.to(fine.dtype), upsample(middle, grid.at(7))), dim=1)
        return Hidden(self.gru08(fine, self.gru08.inputs[0](inputs) + context[0]), middle, coarse)


class Refinement(nn.Module):
    """From the features and a first estimate to the state at the image's resolution: a part of the authors' head."""

    context_feature_encoder: ContextEncoder
    context_zqr_convs: nn.ModuleList
    update_block: UpdateBlock

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.iterations = size.iterations
        self.context_feature_encoder = ContextEncoder(size.channels, size.hidden)
        self.context_zqr_convs = nn.ModuleList(
            nn.Conv2d(size.hidden, 3 * size.hidden, 3, padding=1) for _ in size.channels
        )
        self.update_block = UpdateBlock(size.hidden)

    def refine(self, features: Features, state: Tensor, grid: Grid) -> Tensor:
        """(N, 6, H, W) from the first (N, 6, H / 4, W / 4), both float32 whatever the parameters are."""
        first, contexts = self.context_feature_encoder(features)
        context = [conv(value) for conv, value in zip(self.context_zqr_convs, contexts, strict=True)]
        context[0] = context[0] + self.update_block.of_farthest(grid, context[0])
        hidden = Hidden(*first)
        for _ in range(self.iterations):
            hidden = self.update_block(hidden, context, state, grid)
            state = state + self.update_block.flow_head(hidden.fine).float()
        return convex_upsample(state, self.update_block.mask(hidden.fine).float())


def convex_upsample(state: Tensor, mask: Tensor) -> Tensor:
    """(N, C, h, w) to (N, C, 4 h, 4 w): each new pixel a convex combination of 3x3 old ones (RAFT, section 3.3).

    Args:
        mask: (N, 9 * 16, h, w), the logits of the 9 weights of each of the 4x4 pixels within an old one.
    """
    batch, channels, rows, columns = state.shape
    weights = mask.permute(0, 2, 3, 1).unflatten(3, (9, FACTOR**2)).softmax(dim=3)
    # The authors' zeros around the image are FARTHEST_M.
    around_depth = functional.pad(state[:, :1], (1, 1, 1, 1), value=FARTHEST_M / UNIT_M)
    padded = torch.cat((around_depth, functional.pad(state[:, 1:], (1, 1, 1, 1))), dim=1).permute(0, 2, 3, 1)
    around = torch.stack([padded[:, y : y + rows, x : x + columns] for y in range(3) for x in range(3)], dim=4)
    mixed = torch.matmul(around, weights).unflatten(4, (FACTOR, FACTOR))  # N, h, w, C, 4, 4
    return mixed.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels, rows * FACTOR, columns * FACTOR)


def _pool(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 3, stride=2, padding=1)


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

    def forward(self, tokens: list[Tensor], grid: Grid) -> Tensor:
        """(N, 6, H, W) float32: depth in UNIT_M, its confidence, normal, its concentration."""
        features = self.token2feature(tokens, grid)
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
