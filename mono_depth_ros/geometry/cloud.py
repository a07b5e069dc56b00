# SPDX-License-Identifier: Apache-2.0
"""Depth to organised point clouds, and which depth to leave out."""

from __future__ import annotations

import torch

from mono_depth_ros.geometry.cloud_bands import band_edges, band_pack

_EDGE_STEP = 5  # pixels between the slope at a pixel and the slopes it is compared with


def unproject(depth: torch.Tensor, rays: torch.Tensor) -> torch.Tensor:
    """Points of a depth image: `z * (x/z, y/z, 1)`.

    Args:
        depth: (..., H, W) metres along the optical axis.
        rays: (H, W, 2) from `geometry.rays.rays`.

    Returns:
        (..., H, W, 3) metres, camera optical frame, same dtype as `depth`; non-finite depth gives NaN points.
    """
    if depth.shape[-2:] != rays.shape[:2]:
        raise ValueError(f"depth is {tuple(depth.shape[-2:])}, rays are {tuple(rays.shape[:2])}, expected the same")
    points = depth.new_empty((*depth.shape, 3))
    _fill_xyz(points, depth, rays)
    return points


def pack_cloud(
    depth: torch.Tensor,
    rays: torch.Tensor,
    rgb: torch.Tensor,
    left_out: torch.Tensor | None = None,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """An organised coloured cloud, as the bytes of a PointCloud2 with float32 fields x, y, z, rgb.

    Args:
        depth: (H, W) float32 metres.
        rays: (H, W, 2) float32.
        rgb: (H, W, 3) uint8.
        left_out: (H, W) bool, pixels without a point; None for none.
        out: (H, W, 4) float32, contiguous, on the same device, to be written; None for new memory.

    Returns:
        (H, W, 4) float32; the last channel holds the colour as the bits of 0x00RRGGBB, as PCL and rviz read it.
        Points of non-finite depth are NaN.
    """
    cloud = depth.new_empty((*depth.shape, 4)) if out is None else out
    if depth.device.type == "cpu":
        band_pack(
            depth.numpy(), rays.numpy(), rgb.numpy(), None if left_out is None else left_out.numpy(), cloud.numpy()
        )
        return cloud
    _fill_xyz(cloud, depth if left_out is None else torch.where(left_out, torch.nan, depth), rays)
    colour = cloud.view(torch.uint8)[..., 12:]  # little endian: b, g, r, 0
    for channel in range(3):
        colour[..., 2 - channel] = rgb[..., channel]
    colour[..., 3] = 0
    return cloud


def _fill_xyz(out: torch.Tensor, depth: torch.Tensor, rays: torch.Tensor) -> None:
    # A pixel without a ray has no position, even where the network gave it a depth.
    x, y = rays.unbind(-1)
    z = torch.where((depth.abs() < torch.inf) & (x == x), depth, torch.nan)
    torch.mul(z, x, out=out[..., 0])
    torch.mul(z, y, out=out[..., 1])
    out[..., 2] = z


def limit_range(depth: torch.Tensor, min_depth_m: float, max_depth_m: float) -> torch.Tensor:
    """Mark what is out of range: beyond `max_depth_m` becomes +inf, nearer than `min_depth_m` or not positive NaN.

    Values in range are returned unchanged; nothing is clamped (REP 117).
    """
    known = depth >= min_depth_m if min_depth_m > 0 else depth > 0
    limited = torch.where(known, depth, torch.nan)
    return limited if max_depth_m == torch.inf else torch.where(depth > max_depth_m, torch.inf, limited)


def depth_edges(depth: torch.Tensor, ratio: float, stride: int = 1) -> torch.Tensor:
    """Flying pixels: those on a jump between a near and a far surface, where networks smear one into the other.

    Inverse depth is linear in the pixel on any plane, so its slope over two pixels is compared with the slopes
    `_EDGE_STEP` pixels to either side: on planes, however slanted, they agree; on a jump, sharp or smeared, not.

    Args:
        depth: (H, W) float32 metres; non-finite values count as infinitely far.
        ratio: the smallest jump, relative to the inverse depth at the pixel (0.1: a tenth of the distance).
        stride: every n-th pixel and row is looked at; its neighbours are those of the whole image.

    Returns:
        (H / stride, W / stride) bool, True on edges.
    """
    if depth.device.type == "cpu":
        return torch.from_numpy(band_edges(depth.numpy(), ratio, stride, _EDGE_STEP))
    inverse = torch.where(torch.isfinite(depth) & (depth > 0), 1.0 / depth, torch.zeros_like(depth))
    limit = ratio * inverse
    across = _slope_jumps(inverse[::stride], limit[::stride])[:, ::stride]
    return across | _slope_jumps(inverse[:, ::stride].T, limit[:, ::stride].T).T[::stride]


def _slope_jumps(inverse: torch.Tensor, limit: torch.Tensor) -> torch.Tensor:
    k, width = _EDGE_STEP, inverse.shape[1]
    if width <= 2 * (k + 1):
        return torch.zeros_like(inverse, dtype=torch.bool)
    # Beyond the border inverse depth goes on with the slope that it has there: columns 0 to k are looked at too.
    beyond = torch.arange(k + 1, 0, -1, dtype=inverse.dtype, device=inverse.device)
    first, last = inverse[:, :1], inverse[:, -1:]
    before = first + (first - inverse[:, 1:2]) * beyond
    after = last + (last - inverse[:, -2:-1]) * beyond.flip(0)
    extended = torch.cat((before, inverse, after), dim=1)
    slope = extended[:, 2:] - extended[:, :-2]  # at columns -k .. width - 1 + k
    inner = slope[:, k:-k]
    left, right = (inner - slope[:, : -2 * k]).abs_(), (inner - slope[:, 2 * k :]).abs_()
    # The larger of the two: one side of a jump may itself lie on another jump.
    jumps = torch.maximum(left, right) > limit
    jumps &= inner.abs() > limit
    return jumps
