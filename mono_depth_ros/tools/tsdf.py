# SPDX-License-Identifier: Apache-2.0
"""Depth images with poses, fused into one surface (Curless and Levoy 1996), by Open3D's sparse grid of voxels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.frame import Frame
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.cloud import depth_edges
from mono_depth_ros.geometry.rectify import rectification_map
from mono_depth_ros.geometry.rigid import inverse

_SIDE = 8  # voxels of a block
_VOXEL_BYTES = 4 * (1 + 1 + 3)  # distance, weight, colour
_TRUNCATION = 8.0  # voxels in front of a surface and behind it
_USUAL, _WORST = 0.1, 0.3  # of the depth: its standard deviation where none is known, and what is not fused
_EDGE = 0.1  # of the distance: a jump of the depth, at which nothing is fused


def open3d() -> Any:
    """The module.

    Raises:
        ConfigError: it is not installed, or does not load.
    """
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise ConfigError(f"a map needs Open3D: pip install open3d ({error})") from error
    return open3d


class TsdfMap:
    """A surface that grows with every image.

    Args:
        voxel_m: the side of a voxel. range_m: farther depth is not fused. max_error: standard deviation in metres, by
            all images together, of what is a part of the surface at most. memory_mib: of voxels; when they are full no
            more are added.

    Attributes:
        full: no more voxels could be added for at least one image.

    Raises:
        ConfigError: Open3D is not installed.
    """

    def __init__(self, voxel_m: float, range_m: float, max_error: float, memory_mib: float) -> None:
        self._o3d = open3d()
        self._voxel_m, self._range_m, self._max_error = voxel_m, range_m, max_error
        self._most = max(int(memory_mib * 2**20 / (_SIDE**3 * _VOXEL_BYTES)), 1)
        self.full = False
        real = self._o3d.core.float32
        self._grid = self._o3d.t.geometry.VoxelBlockGrid(
            ("tsdf", "weight", "color"), (real, real, real), ((1), (1), (3)), voxel_m, _SIDE, min(self._most, 4096)
        )

    def add(self, frame: Frame, world_from_camera: NDArray[np.float64]) -> None:
        """Fuse the depth of a frame on the host, which has a camera; (4, 4) is the pose of its optical frame.

        Every voxel within the truncation of a surface gets its signed distance from it, and the colour there, weighted
        by the inverse variance of the depth.
        """
        assert frame.camera is not None
        depth, sigma, rgb, camera = _pinhole(*self._known(frame), frame.rgb.numpy(), frame.camera)
        if not depth.any():
            return
        core, camera_from_world = self._o3d.core, inverse(world_from_camera)
        where = core.Tensor(camera.matrix), core.Tensor(camera_from_world)
        image = self._o3d.t.geometry.Image(core.Tensor(depth))
        blocks = self._within(
            self._grid.compute_unique_block_coordinates(image, *where, 1.0, self._range_m, _TRUNCATION)
        )
        if not len(blocks):
            return
        table = self._grid.hashmap()
        table.activate(blocks)
        places, numbers = self._grid.voxel_coordinates_and_flattened_indices(table.find(blocks)[0])
        turn, move = torch.from_numpy(camera_from_world[:3, :3]).float(), torch.from_numpy(camera_from_world[:3, 3])
        x, y, z = (_torch(places) @ turn.T + move.float()).T
        columns, rows = (x / z * camera.fx + camera.cx).round(), (y / z * camera.fy + camera.cy).round()
        inside = (z > 0) & (columns >= 0) & (rows >= 0) & (columns < camera.width) & (rows < camera.height)
        pixels = (rows[inside] * camera.width + columns[inside]).long()
        distance = torch.from_numpy(depth).ravel()[pixels] - z[inside]
        near = (torch.from_numpy(depth).ravel()[pixels] > 0) & (distance >= -_TRUNCATION * self._voxel_m)
        pixels, voxels = pixels[near], _torch(numbers)[inside][near]
        distance = (distance[near] / (_TRUNCATION * self._voxel_m)).clamp(max=1.0)
        # Depth is never known better than to a voxel, and a weight of 1 is that.
        weight = 1 / (1 + (torch.from_numpy(sigma).ravel()[pixels] / self._voxel_m) ** 2)
        before = self._attribute("weight", 1)
        share = (weight / (before[voxels, 0] + weight))[:, None]
        for name, new in (("tsdf", distance[:, None]), ("color", torch.from_numpy(rgb).reshape(-1, 3)[pixels])):
            values = self._attribute(name, new.shape[1])
            values[voxels] += (new - values[voxels]) * share
        before[voxels, 0] += weight

    def surface(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8], NDArray[np.int32]]:
        """Vertices (N, 3) in metres, their normals (N, 3) and colours (N, 3), and triangles (M, 3) of their indices."""
        if self._grid.hashmap().size():
            mesh = self._grid.extract_triangle_mesh((self._voxel_m / self._max_error) ** 2)
            if len(mesh.vertex.positions):
                colours = np.clip(mesh.vertex.colors.numpy() * 255 + 0.5, 0, 255).astype(np.uint8)
                return (
                    mesh.vertex.positions.numpy(),
                    mesh.vertex.normals.numpy(),
                    colours,
                    mesh.triangle.indices.numpy(),
                )
        none = np.zeros((0, 3), np.float32)
        return none, none, none.astype(np.uint8), none.astype(np.int32)

    def save(self, path: Path) -> None:
        """Everything so far, for `restore`; `path` ends with .npz. Raises OSError."""
        self._grid.save(os.fspath(path))
        if not path.is_file():
            raise OSError(f"{path} was not written")

    def restore(self, path: Path) -> None:
        """Go on from what `save` wrote."""
        self._grid = self._o3d.t.geometry.VoxelBlockGrid.load(os.fspath(path))

    def _known(self, frame: Frame) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(H, W) metres, 0 where nothing is to be fused, and (H, W) their standard deviation."""
        depth = frame.depth
        sigma = frame.uncertainty if frame.uncertainty is not None else _USUAL * depth
        known = torch.isfinite(depth) & (depth <= self._range_m) & (sigma <= _WORST * depth)
        known &= ~depth_edges(depth, _EDGE)
        return torch.where(known, depth, 0.0).numpy(), torch.where(known, sigma, 1.0).numpy()

    def _attribute(self, name: str, channels: int) -> torch.Tensor:
        """(voxels, channels), in the memory of the grid."""
        return _torch(self._grid.attribute(name).reshape((-1, channels)))

    def _within(self, blocks: Any) -> Any:
        """Of the blocks that an image sees those that are there, and new ones as long as there is room."""
        table = self._grid.hashmap()
        room = self._most - table.size()
        if room >= len(blocks):
            return blocks
        new = ~table.find(blocks)[1].numpy()
        if np.count_nonzero(new) <= room:
            return blocks
        self.full = True
        beyond = np.flatnonzero(new)[max(room, 0) :]
        return self._o3d.core.Tensor(np.delete(blocks.numpy(), beyond, axis=0))


def _torch(tensor: Any) -> torch.Tensor:
    """A tensor of Open3D in the same memory."""
    return torch.utils.dlpack.from_dlpack(tensor.to_dlpack())


def _pinhole(
    depth: NDArray[np.float32], sigma: NDArray[np.float32], rgb: NDArray[np.uint8], camera: Camera
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8], Camera]:
    """An image without distortion, of the nearest pixels."""
    if camera.rectified:
        return np.ascontiguousarray(depth), sigma, rgb, camera
    straight = Camera(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)
    pixels = torch.nan_to_num(rectification_map(camera, straight), nan=-1.0).round().long().numpy()
    columns, rows = pixels[..., 0], pixels[..., 1]
    seen = (columns >= 0) & (rows >= 0) & (columns < camera.width) & (rows < camera.height)
    at = np.where(seen, rows, 0), np.where(seen, columns, 0)
    return np.where(seen, depth[at], np.float32(0)), sigma[at], rgb[at], straight
