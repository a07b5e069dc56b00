# SPDX-License-Identifier: Apache-2.0
"""What the demo looks at: frames with their results, and when they came."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mono_depth_ros.geometry.camera import Camera


@dataclass(frozen=True, eq=False)
class DemoFrame:
    """One image and what the depth node made of it.

    Attributes:
        index: of the image in the recording. stamp_ns: of the image, and so of all its results.
        camera: of the image. rgb: (H, W, 3) uint8.
        depth: (H, W) float32 metres, the node's; NaN unknown, +inf sky.
        truth: the same of the ground truth, None where there is none.
        aligned, motion: the same as the alignment nodes have put it right, by the lidar and by the camera's own motion;
            None where they published none.
        cloud: (h, w, 4) float32 as published: x, y, z and the bits of the colour; None where there is none.
        lidar: (N, 3) float32 metres in the lidar's frame, None where there is none.
    """

    index: int
    stamp_ns: int
    camera: Camera
    rgb: np.ndarray
    depth: np.ndarray
    truth: np.ndarray | None = None
    cloud: np.ndarray | None = None
    lidar: np.ndarray | None = None
    aligned: np.ndarray | None = None
    motion: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Timing:
    """When things happened, nanoseconds of the system clock, which all processes of a machine share.

    Attributes:
        image_ns: (frames_in,) stamps of the images that the source published while it was measured.
        result_ns: (frames_out, 2) stamp and arrival of each depth image at the recorder.
        aligned_ns: (N, 2) likewise of each aligned depth image.
    """

    image_ns: np.ndarray
    result_ns: np.ndarray
    aligned_ns: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int64))

    @property
    def frames_in(self) -> int:
        return len(self.image_ns)

    @property
    def frames_out(self) -> int:
        return len(self.result_ns)

    @property
    def latency_ms(self) -> np.ndarray:
        """(frames_out,) from the stamp of an image to the arrival of its depth."""
        return (self.result_ns[:, 1] - self.result_ns[:, 0]) / 1e6

    @property
    def rate_hz(self) -> float:
        """Results a second, by their arrival; 0 with fewer than two."""
        arrivals = np.sort(self.result_ns[:, 1])
        span_s = (arrivals[-1] - arrivals[0]) / 1e9 if len(arrivals) > 1 else 0.0
        return float((len(arrivals) - 1) / span_s) if span_s > 0 else 0.0
