# SPDX-License-Identifier: Apache-2.0
"""One scale over time from the images alone: corners remember the depth that was predicted for them.

A corner begins with the depth that the network predicts, in the memory's scale, and keeps it while it is followed. The
way of the camera comes from these depths (perspective-n-point), and a bundle adjustment over keyframes, in which the
predicted depths are a weak prior, makes way and depths agree. Along this way keyframes carry their whole depth into the
image at hand, where it says what the prediction's scale and shift are: all over the image, since a network errs alike
from image to image in shape, and corners are only where there is texture. What no image tells is the scale of all: over
the run it is that of the network (`ScaleAnchor`), or of what else is known.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.fit import fit_curve
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.errors import FitError, SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import pixel_rays
from mono_depth_ros.geometry.rigid import inverse
from mono_depth_ros.motion.anchor import ScaleAnchor
from mono_depth_ros.motion.bundle import Floats, Views, triangulate
from mono_depth_ros.motion.keyframes import Keyframe, depth_from, grid, keyframes_with, scaled
from mono_depth_ros.motion.points import Points
from mono_depth_ros.motion.relative_pose import relative_pose
from mono_depth_ros.motion.tracks import CornerTracks
from mono_depth_ros.prediction import DepthKind, DepthPrediction

_PIXEL_PX = 1.0  # standard deviation of a followed corner
_PREDICTED = 0.25  # relative standard deviation of a predicted depth, in the memory's scale
_TURN, _MOVE = math.radians(0.1), 0.003  # what keyframes' poses are off by: rad, and metres by metre of depth
_NOW = 3.0  # times as much: the pose of the image at hand
_RESIDUAL = 2.0  # standard deviations of a corner that moves by itself, or was followed wrongly
_FEWEST = 20  # corners
_AGREE = 0.3  # of the corners: fewer that one motion of the camera explains are a cut, or moving things
_MIDDLE_M, _NEAR_M = 2.0, 1.0  # where median and nearest of a first relative prediction are taken to be
_GAP_S = 0.5  # between images: longer, and corners cannot be followed
_RECENT_S = 1.0  # over which scale and shift are averaged, for a memory that begins anew
_ANEW = "the memory begins anew with the scale so far"

_Scale = tuple[float, float]  # and shift: d = shift + scale * p of depth, 1/d = shift + scale * x of inverse depth
_NOTHING = np.zeros(0, np.int64), np.zeros(0)  # pixels, flat, and metres that keyframes say there
_Corners = tuple[NDArray[np.int64], Floats, Floats]  # ids (N,), rays (N, 2), and what is predicted there (N,)


class DepthMemory:
    """One scale and shift for predictions, from the images and predictions so far. Not thread-safe.

    Attributes:
        taught: the scale is that of somebody else's metres.
        pose: (4, 4) float64 world_from_camera in the memory's scale, where the first image is the world.
        worlds: how many there were: the memory has begun anew so often.
    """

    def __init__(self) -> None:
        self._tracks, self._anchor = CornerTracks(), ScaleAnchor()
        self._scale: _Scale | None = None  # of the predictions: mean of the last second
        self.taught = False
        self._stamp_ns: int | None = None
        self._camera: Camera | None = None
        self.worlds = 0
        self._forget()

    def _forget(self) -> None:
        self._keyframes: list[Keyframe] = []
        self.pose = np.eye(4)
        self.worlds += 1
        self._points: Points | None = None
        self._dense = _NOTHING
        self._tracks.reset()

    def state(self) -> dict[str, Any]:
        """Everything that the next image depends on, as JSON values, exact."""
        points = self._points
        return {
            "stamp_ns": self._stamp_ns,
            "camera": None if self._camera is None else asdict(self._camera),
            "tracks": self._tracks.state(),
            "anchor": self._anchor.state(),
            "scale": self._scale,
            "taught": self.taught,
            "pose": self.pose.tolist(),
            "worlds": self.worlds,
            "points": None if points is None else points.state(),
            "keyframes": [key.state() for key in self._keyframes],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        camera, points = state["camera"], state["points"]
        self._stamp_ns, self.taught = state["stamp_ns"], state["taught"]
        self._camera = None if camera is None else Camera(**camera | {"distortion": tuple(camera["distortion"])})
        self._tracks.restore(state["tracks"])
        self._anchor.restore(state["anchor"])
        self._scale = None if state["scale"] is None else tuple(state["scale"])
        self.pose, self.worlds = np.array(state["pose"]), state["worlds"]
        self._keyframes = [Keyframe.of(item) for item in state["keyframes"]]
        self._points = None if points is None else Points.of(points)

    def update(
        self,
        gray: NDArray[np.uint8],
        camera: Camera,
        prediction: DepthPrediction,
        stamp_ns: int,
        known: Samples | None = None,
    ) -> Samples:
        """Follow the corners into an image.

        Args:
            gray: (H, W) uint8. camera: of it, with its distortion. prediction: for it. stamp_ns: of it.
            known: samples of this image in metres, from elsewhere: the memory takes on their scale, and holds it after.

        Returns:
            Samples in the memory's scale: what keyframes say of this image, all over it. They are as exact as
            predictions are, so they fix scale and shift and correct nothing locally.

        Raises:
            SamplesError: the image shows too little, or nothing of before, so that the memory begins anew.
        """
        seconds = 0.0 if self._stamp_ns is None else (stamp_ns - self._stamp_ns) / 1e9
        anew = self._interrupted(camera, seconds)
        if anew is not None:
            self._forget()
        self._stamp_ns, self._camera = stamp_ns, camera
        corners = self._corners(gray, prediction)
        if self._points is not None:
            try:
                self._follow(*corners[:2])
            except SamplesError as error:
                anew = error
                self._forget()
                corners = self._corners(gray, prediction)
        scale = self._take_in(corners, prediction)
        scale = self._hold(scale, corners, prediction, max(min(seconds, _GAP_S), 0.0), known)
        assert self._points is not None
        now = Keyframe(self._points.ids, self._points.rays, self.pose, self._on_grid(prediction, scale))
        self._keyframes = keyframes_with(self._keyframes, now, camera.fx)
        if anew is not None:
            raise anew
        return self._samples()

    def _interrupted(self, camera: Camera, seconds: float) -> SamplesError | None:
        if self._points is None:
            return None
        if camera != self._camera:
            return SamplesError(f"the camera has another calibration than before: {_ANEW}", "memory_camera")
        if not 0 <= seconds <= _GAP_S:
            found = f"{seconds:.2f} s passed since the image before, expected 0 to {_GAP_S:g}"
            return SamplesError(f"{found}: corners cannot be followed so far, and {_ANEW}", "memory_gap")
        return None

    def _corners(self, gray: NDArray[np.uint8], prediction: DepthPrediction) -> _Corners:
        assert self._camera is not None
        self._tracks.update(gray)
        pixels = torch.from_numpy(self._tracks.pixels.astype(np.float64))
        rays: Floats = pixel_rays(pixels, self._camera).numpy()
        columns, rows = torch.round(pixels).long().unbind(-1)
        values = prediction.values[rows.to(prediction.values.device), columns.to(prediction.values.device)]
        return self._tracks.ids, rays, values.cpu().numpy().astype(np.float64)

    def _follow(self, ids: NDArray[np.int64], rays: Floats) -> None:
        """Bring pose and points to the image at hand."""
        assert self._points is not None and self._camera is not None
        _, here, there = np.intersect1d(ids, self._points.ids, assume_unique=True, return_indices=True)
        before, steady = self._points.select(there), self._points.steady[there]
        if np.count_nonzero(steady) < _FEWEST:
            found = f"{np.count_nonzero(steady)} of {len(self._points.ids)} corners are seen again"
            raise SamplesError(f"{found}, expected {_FEWEST}: a cut, or too fast a turn; {_ANEW}", "memory_lost")
        now_from_before, agree = relative_pose(before.xyz[steady], rays[here][steady], self._camera.fx)
        if agree.mean() < _AGREE:
            found = f"one motion of the camera explains {np.count_nonzero(agree)} of {len(agree)} corners"
            raise SamplesError(f"{found}: a cut, or most of what is seen moves by itself; {_ANEW}", "memory_moving")
        self.pose = self.pose @ inverse(now_from_before)
        self._points = before.seen_from(now_from_before, rays[here])
        self._adjust()

    def _adjust(self) -> None:
        """Bundle adjustment of the keyframes that have corners in common with the image at hand; others go."""
        points = self._points
        assert points is not None and self._camera is not None
        seen = [key.seen(points.ids) for key in self._keyframes]
        shared = [np.count_nonzero(np.isfinite(view[:, 0])) >= _FEWEST for view in seen]
        keyframes = [key for key, kept in zip(self._keyframes, shared, strict=True) if kept]
        self._keyframes = keyframes
        if not keyframes:
            return
        k, depth_m = len(keyframes), 1 / float(np.median(points.inverse))
        noise = np.eye(k) + _NOW**2  # the image at hand is one end of each relative pose
        found = triangulate(
            Views(
                points.rays,
                np.stack([view for view, kept in zip(seen, shared, strict=True) if kept]),
                np.stack([inverse(key.world_from_camera) @ self.pose for key in keyframes]),
                _TURN**2 * noise,
                (_MOVE * depth_m) ** 2 * noise,
                _PIXEL_PX / self._camera.fx,
                points.predicted,
                (_PREDICTED * points.predicted) ** -2,
                points.inverse,
            )
        )
        self._keyframes = [
            replace(key, world_from_camera=self.pose @ inverse(pose))
            for key, pose in zip(keyframes, found.earlier_from_now, strict=True)
        ]
        steady = points.steady & (found.residual < _RESIDUAL)
        self._points = replace(points, inverse=found.inverse, steady=steady)

    def _take_in(self, corners: _Corners, prediction: DepthPrediction) -> _Scale:
        """Give corners that have no depth yet the predicted one, in the memory's scale, which is returned."""
        (ids, rays, values), kind = corners, prediction.kind
        others, scale = self._points, self._scale
        if others is None:
            new = np.ones(len(ids), dtype=bool)
        else:
            new = ~np.isin(ids, others.ids)
            scale = self._fit(corners, prediction) or scale
        if scale is None:
            scale = (1.0, 0.0) if kind is DepthKind.METRIC else _first_scale(values, kind)
        more = Points.predicted_at(ids[new], rays[new], _inverse_depth(values[new], scale, kind))
        points = more if others is None else others.joined(more)
        if len(points.ids) < _FEWEST:
            self._forget()
            raise SamplesError(
                f"the image shows {len(points.ids)} corners that have a depth, expected {_FEWEST}", "memory_few"
            )
        self._points = points
        return scale

    def _fit(self, corners: _Corners, prediction: DepthPrediction) -> _Scale | None:
        """What takes the prediction to the memory's scale: by keyframes, else by the corners; None: neither tells."""
        assert self._points is not None and self._camera is not None
        flat, every = prediction.values.reshape(-1), max(len(self._keyframes) // 2, 1)
        self._dense = _NOTHING
        seen = [depth_from(key, self.pose, self._camera) for key in self._keyframes]
        some = [places % every == k % every for k, (_, _, places) in enumerate(seen)]  # the same ones at each image
        ids, _, values = corners
        steady = self._points.select(self._points.steady)
        known = [(values[np.isin(ids, steady.ids)], 1 / steady.inverse)]
        if seen:
            at, metres = torch.cat([pixels for pixels, _, _ in seen]), np.concatenate([depth for _, depth, _ in seen])
            chosen = np.concatenate(some)
            known.insert(0, (flat[at.to(flat.device)].cpu().numpy(), metres))
            self._dense = at.numpy()[chosen], metres[chosen]
        for given, metres in known:
            with suppress(FitError):
                fit = fit_curve(given, metres, prediction.kind, AlignConfig(min_samples=_FEWEST))
                return fit.scale, fit.shift
        return None

    def _on_grid(self, prediction: DepthPrediction, scale: _Scale) -> Floats:
        """(M,) metres of the prediction where keyframes keep them."""
        assert self._camera is not None
        columns, rows = grid(self._camera)[0].long().unbind(-1)
        values = prediction.values[rows.to(prediction.values.device), columns.to(prediction.values.device)]
        with np.errstate(divide="ignore"):
            return 1 / _inverse_depth(values.cpu().numpy().astype(np.float64), scale, prediction.kind)

    def _hold(
        self, scale: _Scale, corners: _Corners, prediction: DepthPrediction, seconds: float, known: Samples | None
    ) -> _Scale:
        """Pull the corners to the scale of the keyframes, and both to what they are to have in the long run.

        Returns:
            The scale of this image after that.
        """
        fade, metric = min(seconds / _RECENT_S, 1.0), prediction.kind is DepthKind.METRIC
        self._rescale(math.exp(fade * self._off(scale, corners, prediction.kind)), 1.0)
        taught = None if known is None else _difference(known, scale, corners[2], prediction)
        step = 0.0
        if taught is not None:
            step, self.taught = (fade if self.taught else 1.0) * taught, True
        elif metric and not self.taught:
            step = self._anchor.pull(math.log(scale[0]), seconds)
        factor = math.exp(step)
        self._rescale(factor, factor)
        grown = 1 / factor if prediction.kind.inverse else factor
        scale = scale[0] * grown, scale[1] * grown
        before = self._scale or scale
        self._scale = (before[0] + fade * (scale[0] - before[0]), before[1] + fade * (scale[1] - before[1]))
        self._dense = self._dense[0], self._dense[1] * factor
        return scale

    def _off(self, scale: _Scale, corners: _Corners, kind: DepthKind) -> float:
        """ln of the prediction's metres by the corners', the median of those that are steady."""
        assert self._points is not None
        inverse_depth = _inverse_depth(corners[2][np.isin(corners[0], self._points.ids)], scale, kind)
        known = self._points.steady & (inverse_depth > 0) & np.isfinite(inverse_depth)
        off = np.log(self._points.inverse[known] / inverse_depth[known])
        return float(np.median(off)) if len(off) else 0.0

    def _rescale(self, factor: float, of_keyframes: float) -> None:
        """Make the corners and the way of the camera larger, and the depth that keyframes keep."""
        points = self._points
        assert points is not None
        self._points, self.pose = points.scaled(factor), scaled(self.pose, factor)
        self._keyframes = [key.scaled(factor, of_keyframes) for key in self._keyframes]

    def _samples(self) -> Samples:
        """What the keyframes say of the image, or at first the corners; of two at one pixel the first."""
        assert self._points is not None and self._camera is not None
        size, (flat, depth) = (self._camera.height, self._camera.width), self._dense
        if len(flat) < _FEWEST:
            steady = self._points.select(self._points.steady)
            pixels = np.rint(self._tracks.pixels[np.isin(self._tracks.ids, steady.ids)]).astype(np.int64)
            flat, depth = pixels[:, 1] * size[1] + pixels[:, 0], 1 / steady.inverse
        flat, chosen = np.unique(flat, return_index=True)
        metres = depth[chosen].astype(np.float32)
        return Samples(flat // size[1], flat % size[1], metres, size)


def _inverse_depth(values: Floats, scale: _Scale, kind: DepthKind) -> Floats:
    """1/m of predictions (N,); not finite, or not positive, where there is none."""
    told: Floats = scale[1] + scale[0] * values
    with np.errstate(divide="ignore"):
        return told if kind.inverse else np.asarray(1 / told, dtype=np.float64)


def _difference(known: Samples, scale: _Scale, values: Floats, prediction: DepthPrediction) -> float | None:
    """ln of the metres of samples by those of a scale, the median at predictions (N,); None where they do not tell."""
    at = prediction.values.reshape(-1)[torch.from_numpy(known.pixels).to(prediction.values.device)].cpu().numpy()
    try:
        fit = fit_curve(at, known.depth, prediction.kind, AlignConfig(min_samples=1), known.weight)
    except FitError:
        return None
    one, other = (_inverse_depth(values, each, prediction.kind) for each in (scale, (fit.scale, fit.shift)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(one / other)
    ratio = ratio[np.isfinite(ratio)]
    return float(np.median(ratio)) if len(ratio) else None


def _first_scale(values: Floats, kind: DepthKind) -> _Scale:
    """Of relative predictions, of which nothing is known: their median is 2 m away, and their zero infinity, or the
    camera; where depth goes below that, its nearest is half as far."""
    known = values[np.isfinite(values)]
    if kind is DepthKind.AFFINE and len(known) and known.min() <= 0:
        near, middle = np.quantile(known, (0.02, 0.5)).tolist()
        scale = (_MIDDLE_M - _NEAR_M) / max(middle - near, 1e-6)
        return scale, _MIDDLE_M - scale * middle
    known = known[known > 0]
    if not len(known):
        return 1.0, 0.0
    middle = float(np.median(known))
    return (1 / (_MIDDLE_M * middle) if kind.inverse else _MIDDLE_M / middle), 0.0
