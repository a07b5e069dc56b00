# SPDX-License-Identifier: Apache-2.0
"""Depth aligned by the camera's own motion, image after image as a robot has them: the past only."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.config import MotionConfig
from mono_depth_ros.datasets.dataset import DataSet, Item
from mono_depth_ros.errors import ConfigError, DataError, FrameError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.motion.fusion import Fusion
from mono_depth_ros.motion.window import MotionWindow
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.prediction import DepthKind, DepthPrediction


class ByMotion:
    """Aligns the frames of a data set in their order; every sequence begins anew.

    Raises:
        ConfigError: the data set has no poses, or an image no camera or time.
    """

    def __init__(self, dataset: DataSet, config: MotionConfig) -> None:
        wanted = "expected one with poses: seven_scenes or tum"
        if dataset.pose is None:
            raise ConfigError(f"--reference motion: {dataset.name} has no poses, {wanted}")
        if any(item.stamp_s is None or item.camera is None for item in dataset.items):
            raise ConfigError(f"--reference motion: images of {dataset.name} have no camera or no time, {wanted}")
        self._pose, self._config = dataset.pose, config
        self._sequence: str | None = None
        self._states: Counter[str] = Counter()

    def align(self, item: Item, frame: Frame, camera: Camera, rgb: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """(H, W) metres of the frame; before anything is known those of a metric model, or None.

        Args:
            camera: of the image. rgb: (H, W, 3) uint8.
        """
        assert item.stamp_s is not None
        if item.sequence != self._sequence:
            self._sequence = item.sequence
            self._window, self._aligner, self._fusion = MotionWindow(self._config), Aligner(), Fusion()
        stamp_ns, samples = round(item.stamp_s * 1e9), None
        gray = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        with suppress(DataError, FrameError):
            samples = self._window.update(gray, camera, self._pose(item), stamp_ns)
        metric = frame.prediction.kind is DepthKind.METRIC
        values = (frame.depth if metric else frame.prediction.values).cpu()
        prediction = DepthPrediction(values, frame.prediction.kind)
        found = self._aligner.update(prediction, samples, stamp_ns, guide=torch.from_numpy(rgb))
        self._states[found.state] += 1
        if found.prediction is not None:
            aligned = found.prediction
            if self._config.fuse:
                aligned = self._fusion.update(aligned, camera, self._pose(item), stamp_ns)
            values = aligned.values
        elif not metric:
            return None
        return values.numpy().astype(np.float64)

    def words(self, model: str) -> str:
        """What became of the images."""
        text = f"{model}: {self._states['aligned']} of {self._states.total()} images aligned by motion"
        if self._states["held"]:
            text += f", {self._states['held']} by the scale so far"
        if self._states["unaligned"]:
            text += f", {self._states['unaligned']} not, which count as they are if they are metric"
        return text
