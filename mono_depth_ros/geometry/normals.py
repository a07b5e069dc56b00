# SPDX-License-Identifier: Apache-2.0
"""Surface normals and curvature from depth, for models that give none."""

from __future__ import annotations

import torch
from torch import Tensor

_WINDOW = 7  # pixels: side of the square over which inverse depth is averaged


def normals_from_depth(depth: Tensor, rays: Tensor, edge_ratio: float = 0.05, window: int = _WINDOW) -> Tensor:
    """Normals of the surfaces that a depth image shows.

    On a plane n . p = -d inverse depth is linear in the ray: 1/z = -(n / d) . (x/z, y/z, 1). So the slopes of inverse
    depth over the rays give the normal, exactly on planes at any slant, for any lens that the rays know. Differences
    are taken to both sides and averaged, except at a jump, where the side that belongs to the same surface counts.

    Noise of .2 % of the depth would tilt the normals of single pixels by 15 degrees, so inverse depth is averaged first
    over a square of `window` pixels: in pairs of opposite pixels, which leaves planes as they are, and not past a jump.

    Args:
        depth: (H, W) float32 metres along the optical axis.
        rays: (H, W, 2) from `geometry.rays.rays`.
        edge_ratio: the smallest jump between neighbours, relative to the inverse depth, that is no slope.
        window: side of the square in pixels, odd; 1 averages nothing.

    Returns:
        (H, W, 3) float32, unit length, camera optical frame, towards the camera (n . p < 0); NaN where the depth or
        the ray is unknown, infinite, or has no known neighbour of its surface in a row or a column.
    """
    if depth.shape != rays.shape[:2]:
        raise ValueError(f"depth is {tuple(depth.shape)}, rays are {tuple(rays.shape[:2])}, expected the same")
    inverse = torch.where(torch.isfinite(depth) & (depth > 0), depth.reciprocal(), torch.nan)
    x, y = rays.unbind(-1)
    planes = torch.stack((inverse, x, y))  # all are averaged alike: what is linear in the ray remains so in any lens
    planes = _averaged(_averaged(planes, edge_ratio, window // 2).transpose(1, 2), edge_ratio, window // 2)
    planes = planes.transpose(1, 2)
    inverse, x, y = planes
    across, down = _slopes(planes, edge_ratio), _slopes(planes.transpose(1, 2), edge_ratio).transpose(1, 2)
    # Slopes over pixels to slopes over rays: solve [x_u y_u; x_v y_v] [a b]' = [w_u w_v]'.
    (w_u, x_u, y_u), (w_v, x_v, y_v) = across, down
    determinant = x_u * y_v - x_v * y_u
    a = (w_u * y_v - w_v * y_u) / determinant
    b = (x_u * w_v - x_v * w_u) / determinant
    c = inverse - a * x - b * y
    length = -torch.sqrt(a * a + b * b + c * c)
    return torch.stack((a / length, b / length, c / length), dim=-1)


def curvature(points: Tensor, normals: Tensor) -> Tensor:
    """How much the surface bends: the part of the way to the four neighbours that leads off the tangent plane.

    0 on planes, 1/3 for points without order: PCL's surface variation (Pauly et al. 2002, Efficient Simplification of
    Point-Sampled Surfaces), with the normal that is given for the one fitted.

    Args:
        points: (H, W, 3) metres. normals: (H, W, 3) unit length.

    Returns:
        (H, W) float32 in [0, 1]; NaN where the point, the normal or all neighbours are unknown.
    """
    off, all_ways = points.new_zeros(points.shape[:2]), points.new_zeros(points.shape[:2])
    for dim in (0, 1):
        step = points.diff(dim=dim)
        count = step.shape[dim]
        way = step.square().sum(-1)
        for start in (0, 1):  # each step leads from a pixel to its neighbour and back
            way_off = (step * normals.narrow(dim, start, count)).sum(-1).square_()
            known = torch.isfinite(way_off)
            off.narrow(dim, start, count).add_(torch.where(known, way_off, 0.0))
            all_ways.narrow(dim, start, count).add_(torch.where(known, way, 0.0))
    return off / all_ways


def _slopes(planes: Tensor, edge_ratio: float) -> Tensor:
    """Change of each plane (C, H, W) from column to column, from the sides on which the first has no jump."""
    steps = torch.nn.functional.pad(planes.diff(dim=2), (1, 1), value=torch.nan)
    before, after = steps[..., :-1], steps[..., 1:]
    limit = edge_ratio * planes[0]
    use_before, use_after = before[0].abs() <= limit, after[0].abs() <= limit
    total = torch.where(use_before, before, 0.0) + torch.where(use_after, after, 0.0)
    return total / (use_before.float() + use_after.float())  # 0 / 0 is NaN: no side to look at


def _averaged(planes: Tensor, edge_ratio: float, reach: int) -> Tensor:
    """Means (C, H, W) over the pixels up to `reach` columns away, as far as the first plane jumps on neither side."""
    inverse, width = planes[0], planes.shape[2]
    limit = edge_ratio * inverse
    linked = inverse.diff(dim=1).abs() <= torch.minimum(limit[:, 1:], limit[:, :-1])  # False beside NaN
    total, count = planes.clone(), torch.ones_like(inverse)
    near = None  # whether both pixels `away` columns from a pixel are of its surface
    for away in range(1, min(reach, (width - 1) // 2) + 1):
        both = linked[:, : width - 2 * away] & linked[:, 2 * away - 1 :]
        near = both if near is None else both & near[:, 1:-1]
        pair = planes[..., : width - 2 * away] + planes[..., 2 * away :]
        total[..., away : width - away] += torch.where(near, pair, 0.0)
        count[:, away : width - away] += 2.0 * near
    return total.div_(count)
