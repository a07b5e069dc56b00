# SPDX-License-Identifier: Apache-2.0
"""Surface normals and curvature from depth, for models that give none."""

from __future__ import annotations

import torch
from torch import Tensor


def normals_from_depth(depth: Tensor, rays: Tensor, edge_ratio: float = 0.05) -> Tensor:
    """Normals of the surfaces that a depth image shows.

    On a plane n . p = -d inverse depth is linear in the ray: 1/z = -(n / d) . (x/z, y/z, 1). So the slopes of inverse
    depth over the rays give the normal, exactly on planes at any slant, for any lens that the rays know. Differences
    are taken to both sides and averaged, except at a jump, where the side that belongs to the same surface counts.

    Args:
        depth: (H, W) float32 metres along the optical axis.
        rays: (H, W, 2) from `geometry.rays.rays`.
        edge_ratio: the smallest jump between neighbours, relative to the inverse depth, that is no slope.

    Returns:
        (H, W, 3) float32, unit length, camera optical frame, towards the camera (n . p < 0); NaN where the depth or
        the ray is unknown, infinite, or has no known neighbour of its surface in a row or a column.
    """
    if depth.shape != rays.shape[:2]:
        raise ValueError(f"depth is {tuple(depth.shape)}, rays are {tuple(rays.shape[:2])}, expected the same")
    inverse = torch.where(torch.isfinite(depth) & (depth > 0), depth.reciprocal(), torch.nan)
    x, y = rays.unbind(-1)
    planes = torch.stack((inverse, x, y))
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
