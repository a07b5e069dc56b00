# SPDX-License-Identifier: Apache-2.0
"""Results over time: what is known of a surface from the images before, moved by the camera's pose, and the new one.

For each pixel the new depth says which point of the scene it shows, the poses where that point was in the image before,
and the result of then whether it was the same surface: at the same distance. Where that was nearer the point was hidden
then, where it was farther something has come between or has moved, and in all these cases the new result stands alone.
So nothing has holes, and no z-buffer is needed.

How far both may be apart is told by the image itself, most of which shows what does not move: the less the results
flicker, the less a thing has to move to stand alone.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.distortion import distort
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.geometry.rigid import inverse
from mono_depth_ros.prediction import DepthPrediction

_MEMORY = 4.0  # images that count at most, however many there were: their errors are alike
_GATE = 4.0  # typical disagreements of this image, at which an earlier result does not count any more
_SIGMAS = 2.0  # nor farther than so many times the sum of both standard deviations
_MIN_GATE = 0.004  # of the depth: nearer is the same
_JUMP, _CALM = 3.0, 0.01  # times the disagreement of the image before, or that of calm ones: the poses have jumped
_GRID = 4  # pixels between those by which the typical disagreement is told
_UNKNOWN = 0.1  # relative standard deviation where none is known
_GAP_S = 1.0  # between images: longer, and nothing is combined
_BAND = 65536  # pixels at once on the CPU, for its cache


@dataclass(frozen=True, eq=False)
class _Result:
    """planes: (3, H, W) depth, relative standard deviation, images it is made of. usual: disagreement; 0 before any."""

    stamp_ns: int
    camera: Camera
    world: str
    world_from_camera: NDArray[np.float64]
    planes: Tensor
    usual: float

    def goes_with(self, camera: Camera, world: str, stamp_ns: int) -> bool:
        """Whether another result may be combined with it."""
        return (self.camera, self.world) == (camera, world) and 0 <= stamp_ns - self.stamp_ns <= _GAP_S * 1e9


class Fusion:
    """Combines each result with those before, on its device. Not thread-safe.

    Attributes:
        share: the fraction of the pixels of the last result in which earlier ones have a part.
    """

    def __init__(self) -> None:
        self._last: _Result | None = None
        self.share = 0.0

    @torch.no_grad()
    def update(
        self,
        prediction: DepthPrediction,
        camera: Camera,
        world_from_camera: NDArray[np.float64] | None,
        stamp_ns: int,
        world: str = "",
    ) -> DepthPrediction:
        """The result of an image with what is known from the images before; at once, no later one is waited for.

        Args:
            prediction: METRIC, with its uncertainty where that is known. camera: of it.
            world_from_camera: (4, 4) pose of the camera; None: not known, and nothing is combined.
            world: name of the frame that the pose is in: poses in different ones have nothing in common.

        Returns:
            The prediction with other values and uncertainty. The uncertainty is the mean of both, by their weights: as
            if their errors were the same, for those of one network in one place mostly are.
        """
        last, self._last, self.share = self._last, None, 0.0
        if world_from_camera is None:
            return prediction
        depth, given = prediction.values, prediction.uncertainty
        relative = torch.full_like(depth, _UNKNOWN) if given is None else given / depth
        new, usual = torch.stack((depth, relative, torch.ones_like(depth))), 0.0
        if last is not None and last.goes_with(camera, world, stamp_ns):
            before_from_now = inverse(last.world_from_camera) @ world_from_camera
            new, usual, self.share = _combined(new, last, torch.from_numpy(before_from_now).to(new))
        self._last = _Result(stamp_ns, camera, world, world_from_camera, new, usual)
        if not self.share:
            return prediction
        return replace(prediction, values=new[0], uncertainty=None if given is None else new[1] * new[0])

    def state(self) -> Any:
        """Everything that the next image depends on, as JSON values, exact."""
        if self._last is None:
            return None
        last = self._last
        planes = last.planes.cpu().numpy()
        return {
            "stamp_ns": last.stamp_ns,
            "camera": asdict(last.camera),
            "world": last.world,
            "pose": last.world_from_camera.tolist(),
            "planes": b64encode(planes.tobytes()).decode(),
            "usual": last.usual,
        }

    def restore(self, state: Any) -> None:
        """Go on from what `state` gave."""
        self._last = None
        if state is None:
            return
        camera = Camera(**state["camera"] | {"distortion": tuple(state["camera"]["distortion"])})
        planes = np.frombuffer(b64decode(state["planes"]), np.float32).reshape(3, camera.height, camera.width)
        pose, of = np.array(state["pose"]), torch.from_numpy(planes.copy())
        self._last = _Result(state["stamp_ns"], camera, state["world"], pose, of, state["usual"])


def _combined(new: Tensor, last: _Result, before_from_now: Tensor) -> tuple[Tensor, float, float]:
    """(planes, typical disagreement, fraction of the pixels that are combined)."""
    grid = rays(last.camera, new.device)
    depth, relative, _ = new[:, ::_GRID, ::_GRID]
    apart, _ = _apart(depth, grid[::_GRID, ::_GRID], last, before_from_now)
    usual, typical = 1.4826 * float(apart.abs().nanmedian()), float(relative.nanmedian())  # NaN where all is unknown
    jumped = last.usual > 0 and usual > _JUMP * max(last.usual, _CALM)
    if jumped or not math.isfinite(usual + typical):
        return new, 0.0, 0.0
    out, combined = torch.empty_like(new), 0
    rows = max(_BAND // new.shape[2], 1) if new.device.type == "cpu" else new.shape[1]
    for top in range(0, new.shape[1], rows):
        band = slice(top, top + rows)
        depth, relative, _ = new[:, band]
        apart, number = _apart(depth, grid[band], last, before_from_now)
        old_relative, count = last.planes[1].take(number), last.planes[2].take(number)
        gate = (relative * (_GATE * usual / typical)).clamp_(min=_MIN_GATE)
        gate = torch.minimum(gate, (relative + old_relative).mul_(_SIGMAS))
        weight = (apart / gate).square_().neg_().add_(1).clamp_(min=0).square_().mul_(count)
        known = weight > 0  # False for NaN
        gain = weight / (weight + 1)
        torch.where(known, torch.addcmul(depth, apart.mul_(gain), depth), depth, out=out[0, band])
        torch.where(known, torch.lerp(relative, old_relative, gain), relative, out=out[1, band])
        out[2, band] = torch.where(known, weight.add_(1).clamp_(max=_MEMORY), 1.0)
        combined += int(torch.count_nonzero(known))
    return out, usual, combined / new[0].numel()


def _apart(depth: Tensor, grid: Tensor, last: _Result, before_from_now: Tensor) -> tuple[Tensor, Tensor]:
    """(H, W) by which fraction the surface was farther in the image before, NaN where it was not in it; its pixel."""
    R, t, camera = before_from_now[:3, :3], before_from_now[:3, 3], last.camera
    turned = torch.addmm(R[:, 2:], R[:, :2], grid.reshape(-1, 2).T).reshape(3, *depth.shape)
    x, y, z = (turned[k].mul_(depth).add_(t[k]) for k in range(3))
    one_z = torch.where(z > 0, 1 / z, torch.nan)
    u, v = distort(x.mul_(one_z), y.mul_(one_z), camera)
    column, row = (u * camera.fx).add_(camera.cx).round_(), (v * camera.fy).add_(camera.cy).round_()
    within = column.clamp(0, camera.width - 1).eq(column).logical_and_(row.clamp(0, camera.height - 1).eq(row))
    number = torch.where(within, row.mul_(camera.width).add_(column), 0.0).to(torch.int64)
    found = last.planes[0].take(number).mul_(one_z).sub_(1)
    return torch.where(within, found, torch.nan), number
