# SPDX-License-Identifier: Apache-2.0
"""A data set of `mono_depth eval` as a source: NAME=DIR."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.config import MotionConfig
from mono_depth_ros.datasets import READERS
from mono_depth_ros.datasets.dataset import DataSet, Item, LabelledFrame
from mono_depth_ros.datasets.files import Wanted
from mono_depth_ros.errors import ConfigError, DataError, SamplesError
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.motion.window import MotionWindow
from mono_depth_ros.tools.adapt.source import Asked, Found
from mono_depth_ros.training.adapt.example import Example, make_example


class DatasetSource:
    """See `Source`. The ground truth is the reference, or the data set's poses are, and the ground truth judges.

    Raises:
        DataError: there is no such data set. ConfigError: it has not what the reference needs.
    """

    def __init__(
        self, reader: str, folder: Path, asked: Asked, camera: CameraArgument | None, motion: MotionConfig
    ) -> None:
        dataset = READERS[reader](Wanted(folder, camera=camera))
        self._dataset: DataSet = dataset if camera is None else dataset.with_camera(camera)
        self._asked, self._motion = asked, motion
        self.name, self.total = f"{reader}={folder}", len(dataset.items)
        self.reference = "depth" if asked.reference == "auto" else asked.reference
        if not dataset.items:
            raise DataError(f"{folder} holds no image with ground truth in the layout {dataset.layout}, expected some")
        if self.reference not in ("depth", "motion"):
            raise ConfigError(f"--reference {self.reference}: {reader} has ground truth, expected depth or motion")
        if any(item.camera is None for item in self._dataset.items):
            raise ConfigError(f"{self.name} has no camera: expected --camera fx,fy,cx,cy, --hfov DEG or a calibration")
        if self.reference == "motion" and (dataset.pose is None or any(item.stamp_s is None for item in dataset.items)):
            raise ConfigError(f"--reference motion: {reader} has no poses, expected one with: seven_scenes or tum")
        missing = f", {len(dataset.missing)} files are missing" if dataset.missing else ""
        self.words = [
            f"{self.name}: {len(dataset.items)} images{missing}, {dataset.layout}; reference: {self.reference}"
        ]
        self._items = {item.name: item for item in self._dataset.items}

    def frames(self) -> Iterator[Found]:
        """See `Source`."""
        every, window, sequence = self._asked.every(self.total), MotionWindow(self._motion), None
        for index, item in enumerate(self._dataset.items):
            wanted = self._asked.wanted(index, every)
            if not wanted and (self.reference != "motion" or index < self._asked.first):
                continue
            if self._asked.last is not None and index > self._asked.last:
                return
            frame = self._dataset.load(item)
            assert frame.camera is not None, "a data set without a camera was refused"
            if item.sequence != sequence:
                sequence = item.sequence
                window.reset()
            samples, why = self._samples(frame, window)
            if not wanted:
                continue
            if samples is not None:
                samples = self._asked.thinned(samples, index)
            stamp_s = float(index) if item.stamp_s is None else item.stamp_s
            yield Found(item.name, index, stamp_s, frame.rgb, frame.camera, samples, why)

    def judged(self, example: Example) -> Example:
        """See `Source`."""
        item: Item = self._items[example.name]
        frame = self._dataset.load(item)
        assert frame.camera is not None
        return make_example(
            example.name, example.source, example.index, example.stamp_s, frame.rgb, frame.camera, self._truth(frame)
        )

    def _samples(self, frame: LabelledFrame, window: MotionWindow) -> tuple[Samples | None, str]:
        if self.reference == "depth":
            samples = self._truth(frame)
            return (samples, "") if len(samples) else (None, "no known depth")
        assert frame.camera is not None and self._dataset.pose is not None and frame.item.stamp_s is not None
        gray = np.asarray(cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        try:
            pose = self._dataset.pose(frame.item)
            return window.update(gray, frame.camera, pose, round((1 + frame.item.stamp_s) * 1e9)), ""
        except SamplesError as error:
            return None, error.reason

    def _truth(self, frame: LabelledFrame) -> Samples:
        """What counts of the ground truth by the protocol of the data set."""
        mask = self._dataset.protocol.mask(frame.truth)
        return samples_from_depth(np.where(mask, frame.truth, np.nan))
