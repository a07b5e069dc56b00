# SPDX-License-Identifier: Apache-2.0
"""From an image and its samples to an example: outliers left out as in alignment, gaps filled by the aligned depth."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.align import align, consistent, usable
from mono_depth_ros.alignment.outliers import contradicted
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import AlignConfig
from mono_depth_ros.errors import DataError, FitError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.depth import unit_problem
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.training.adapt.example import DENSE, Example, make_example

_CHECKED = 20_000  # of more samples so many are looked at for outliers
_ALIKE = 1.5  # grey levels by which all images are the first one's
_MIN_SAMPLES = 8  # of an image; with fewer it teaches nothing


@dataclass(eq=False)
class Preparer:
    """Makes examples of the images of one source, in their order.

    Args:
        model: tells outliers and fills gaps; None: samples are checked against each other alone, and gaps stay.
        dense_weight: of what fills the gaps; 0: they stay.

    Attributes:
        left_out: why images are no examples, and how often.
    """

    model: DepthModel | None
    dense_weight: float
    align: AlignConfig = field(default_factory=AlignConfig)
    left_out: Counter[str] = field(default_factory=Counter)
    outliers: int = 0
    samples: int = 0
    _camera: Camera | None = None
    _first: NDArray[np.int16] | None = None
    _differs: bool = False
    _seen: int = 0
    _units: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        source: str,
        index: int,
        stamp_s: float,
        rgb: NDArray[np.uint8],
        camera: Camera,
        samples: Samples,
    ) -> Example | None:
        """The example of an image; None where its samples are too few, which is counted.

        Raises:
            DataError: the camera is another than that of the images before.
        """
        if self._camera is None:
            self._camera = camera
        elif camera != self._camera:
            raise DataError(
                f"{name}: the camera changes from {_camera_words(self._camera)} to {_camera_words(camera)}, expected "
                "one camera in a recording: adapt to each part by itself, with --frames FIRST:LAST"
            )
        self._look(rgb)
        given = len(samples)
        guide = torch.from_numpy(rgb)
        prediction = None
        if self.model is not None:
            (prediction,) = self.model.predict(guide[None], [camera])
            prediction = replace(prediction, values=prediction.values.cpu().clone())
            samples = usable(prediction, samples)
            if prediction.kind is DepthKind.METRIC and len(samples):
                predicted = prediction.values.numpy()[samples.rows, samples.columns]
                self._units += [problem] if (problem := unit_problem(samples.depth, predicted)) else []
        gaps = given <= DENSE * rgb.shape[0] * rgb.shape[1]
        if given <= _CHECKED and prediction is not None:
            try:
                samples, _ = consistent(prediction, samples, self.align, guide)
            except FitError as error:
                self.left_out[error.reason] += 1
                return None
        elif given <= _CHECKED:
            samples = samples.select(~contradicted(samples, np.full(given, np.nan, np.float32)))
        self.samples, self.outliers = self.samples + given, self.outliers + given - len(samples)
        if len(samples) < _MIN_SAMPLES:
            self.left_out["too few samples"] += 1
            return None
        example = make_example(name, source, index, stamp_s, rgb, camera, samples)
        if not gaps or prediction is None or not self.dense_weight:
            return example
        try:
            aligned = align(prediction, samples, self.align, guide).apply(prediction).values.numpy()
        except FitError:
            return example
        height, width = example.rgb.shape[:2]
        dense = cv2.resize(aligned, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        dense[~np.isfinite(dense)] = np.nan  # the sky is the network's own opinion
        return replace(example, dense=dense.astype(np.float16), dense_weight=self.dense_weight)

    def check(self) -> None:
        """What is seen only when all images have come.

        Raises:
            DataError: all images are alike, or the depths are of another unit.
        """
        if self._seen > 1 and not self._differs:
            raise DataError(f"all {self._seen} images are alike, expected a camera or a scene that moves")
        if len(self._units) > self._seen / 2:
            raise DataError(f"the reference is of another scale: {self._units[0]}")

    def _look(self, rgb: NDArray[np.uint8]) -> None:
        small = cv2.cvtColor(cv2.resize(rgb, (32, 24), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        thumbnail = small.astype(np.int16)
        self._seen += 1
        if self._first is None:
            self._first = thumbnail
        self._differs = self._differs or float(np.abs(thumbnail - self._first).mean()) > _ALIKE


def _camera_words(camera: Camera) -> str:
    return f"{camera.width}x{camera.height} with fx {camera.fx:.1f}, cx {camera.cx:.1f}, cy {camera.cy:.1f}"
