# SPDX-License-Identifier: Apache-2.0
"""Depth aligned by motion or memory, image after image as a robot has them: the past only."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import MotionConfig, TrackerConfig
from mono_depth_ros.datasets.dataset import DataSet, Item
from mono_depth_ros.errors import ConfigError, DataError, FrameError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.motion.fusion import Fusion
from mono_depth_ros.motion.memory import DepthMemory
from mono_depth_ros.motion.window import MotionWindow
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.prediction import DepthKind, DepthPrediction


class InOrder:
    """Aligns the frames of a data set in their order; every sequence begins anew.

    Args:
        name: motion or memory.

    Raises:
        ConfigError: the data set has no poses, for motion, or an image no camera or time.
    """

    def __init__(self, dataset: DataSet, name: str, config: MotionConfig) -> None:
        wanted = "expected one with poses: seven_scenes or tum"
        if dataset.pose is None and (name == "motion" or config.fuse):
            raise ConfigError(f"--reference {name}: {dataset.name} has no poses, {wanted}")
        if any(item.stamp_s is None or item.camera is None for item in dataset.items):
            raise ConfigError(f"--reference {name}: images of {dataset.name} have no camera or no time, {wanted}")
        self.name, self._pose, self._config = name, dataset.pose, config
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
            self._begin()
        stamp_ns, samples = round(item.stamp_s * 1e9), None
        metric = frame.prediction.kind is DepthKind.METRIC
        values = (frame.depth if metric else frame.prediction.values).cpu()
        prediction = DepthPrediction(values, frame.prediction.kind)
        with suppress(DataError, FrameError):
            samples = self._samples(item, stamp_ns, camera, rgb, prediction)
        found = self._aligner.update(
            prediction, samples, stamp_ns, guide=torch.from_numpy(rgb), local=self.name != "memory"
        )
        self._states[found.state] += 1
        if found.prediction is not None:
            aligned = found.prediction
            if self._config.fuse:
                assert self._pose is not None
                aligned = self._fusion.update(aligned, camera, self._pose(item), stamp_ns)
            values = aligned.values
        elif not metric:
            return None
        return values.numpy().astype(np.float64)

    def _begin(self) -> None:
        self._window, self._memory, self._fusion = MotionWindow(self._config), DepthMemory(), Fusion()
        tracker = TrackerConfig(bandwidth=0.0) if self.name == "memory" else None
        self._aligner = Aligner(tracker=tracker)

    def _samples(
        self, item: Item, stamp_ns: int, camera: Camera, rgb: NDArray[np.uint8], prediction: DepthPrediction
    ) -> Samples:
        gray = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        if self.name == "memory":
            return self._memory.update(gray, camera, prediction, stamp_ns)
        assert self._pose is not None
        return self._window.update(gray, camera, self._pose(item), stamp_ns)

    def words(self, model: str) -> str:
        """What became of the images."""
        text = f"{model}: {self._states['aligned']} of {self._states.total()} images aligned by {self.name}"
        if self._states["held"]:
            text += f", {self._states['held']} by the scale so far"
        if self._states["unaligned"]:
            text += f", {self._states['unaligned']} not, which count as they are if they are metric"
        return text
