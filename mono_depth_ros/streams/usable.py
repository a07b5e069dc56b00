# SPDX-License-Identifier: Apache-2.0
"""Whether a robot could use depth that is published: what is wrong with it although everything runs. No ROS here.

Each of these is looked at over the latest few images, so that a single dark picture is no news.
"""

from __future__ import annotations

import statistics
from collections import deque
from typing import Any

import numpy as np

from mono_depth_ros.errors import shown
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.plausible import covered, doubt, folded
from mono_depth_ros.media.light import doubtful_light, levels
from mono_depth_ros.messages.kinds import bare

_LATEST = 9  # images
_AHEAD_S = 0.1  # clocks that are kept together by NTP or PTP differ by less
_SLOW_S = 5.0


class Usable:
    """What was seen lately of one stream, and the gravest that can be said of it; the worker writes, a timer reads."""

    def __init__(self) -> None:
        self._means: deque[float] = deque(maxlen=_LATEST)
        self._spreads: deque[float] = deque(maxlen=_LATEST)
        self._known: deque[float] = deque(maxlen=_LATEST)
        self._ages: deque[tuple[float, float]] = deque(maxlen=_LATEST)
        self._covered = 1.0
        self._twice = self._frames = self._stamp = self._doubt = self._unsized = ""

    def picture(self, rgb: np.ndarray) -> None:
        """An image (H, W, 3) uint8 as the network gets it."""
        mean, deviation = levels(rgb)
        self._means.append(mean)
        self._spreads.append(deviation)

    def lens(self, camera: Camera, message: Any = None, rectify: bool = False) -> None:
        """The camera of an image, its camera_info where it comes from one, and whether the image is rectified here."""
        self._covered = 1.0 if rectify else covered(camera)
        self._doubt = doubt(camera, window=message is not None and bool(message.roi.width))
        self._unsized = "" if message is None or message.width or message.height else f"{camera.width}x{camera.height}"

    def camera_info(self, message: Any, topic: str, header: Any, rectified: bool) -> None:
        """The camera_info of an image with this header on this topic; `rectified` as the parameter."""
        name = topic.rpartition("/")[2]
        distorted = any(getattr(message, "d", getattr(message, "D", ())))
        self._twice = name if "_rect" in name and not rectified and distorted else ""
        image, info = bare(header.frame_id), bare(message.header.frame_id)
        self._frames = f"'{shown(info)}', the image '{shown(image)}'" if info and image != info else ""

    def depth(self, known: float) -> None:
        """The fraction of the pixels of a result that have a finite depth."""
        self._known.append(known)

    def published(self, stamp_ns: int, age_s: float, latency_s: float) -> None:
        """The stamp of a result, how old it was when it was published, and how much of that this node took."""
        self._stamp = "0" if stamp_ns == 0 else ""
        self._ages.append((age_s - latency_s, age_s))

    def nothing(self) -> str:
        """A sentence where no depth at all comes out; "" else."""
        if not self._known or max(self._known) > 0:
            return ""
        if self._covered == 0:
            return "no usable depth: the lens model of camera_info has no ray for any pixel; calibrate the camera anew"
        return (
            f"no usable depth: not one pixel of the last {len(self._known)} images has a finite depth; is everything "
            "beyond max_depth, or does the network overflow (precision:=fp32)?"
        )

    def concern(self, min_fraction: float, timeout_s: float) -> str:
        """A sentence on what makes the depth doubtful; "" where nothing does.

        Args:
            min_fraction: of the pixels that should have a finite depth. timeout_s: age of an image that is too much.
        """
        for sentence in (
            self._lens(min_fraction),
            self._doubt,
            self.few(min_fraction),
            self._light(),
            self._time(timeout_s),
        ):
            if sentence:
                return sentence
        if self._twice:
            return (
                f"the images of {self._twice} are undistorted already, and camera_info has distortion, which is undone "
                "again: set rectified:=true"
            )
        if self._frames:
            return f"camera_info is of another frame than the image: it has {self._frames}; is it of this camera?"
        if self._unsized:
            return f"camera_info gives no size (width and height are 0): that of the image is taken, {self._unsized}"
        return ""

    def _lens(self, min_fraction: float) -> str:
        if self._covered >= 1 - min_fraction:
            return ""
        return folded(self._covered, "camera_info")

    def few(self, min_fraction: float) -> str:
        """A sentence where fewer of the pixels than this have a finite depth; "" else."""
        known = statistics.median(self._known) if self._known else 1.0
        return f"only {known:.1%} of the pixels have a finite depth" if known < min_fraction else ""

    def _light(self) -> str:
        if not self._means:
            return ""
        mean, spread = statistics.median(self._means), statistics.median(self._spreads)
        return doubtful_light("the pictures are", mean, spread)

    def _time(self, timeout_s: float) -> str:
        if not self._ages:
            return ""
        if self._stamp:
            return "the stamps of the images are zero: SLAM, tf2 and camera_info go by them; the driver must set them"
        arrived_s, age_s = (statistics.median(values) for values in zip(*self._ages, strict=True))
        if arrived_s < -_AHEAD_S:
            return f"the stamps of the images are {_long(-arrived_s)} in the future: {_CLOCKS}"
        if arrived_s > max(timeout_s, 1.0):
            return f"the images are {_long(arrived_s)} old when they arrive: {_CLOCKS}, or use_sim_time for a recording"
        if age_s > max(timeout_s, _SLOW_S):
            return f"the depth is {_long(age_s)} old when it is published: choose a smaller model, or a faster device"
        return ""


_CLOCKS = "set the clock of the camera and of this machine alike (NTP, PTP)"


def _long(seconds: float) -> str:
    for unit, length in (("years", 31_557_600.0), ("days", 86_400.0), ("hours", 3_600.0)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
