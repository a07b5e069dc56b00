# SPDX-License-Identifier: Apache-2.0
"""A camera for people without a driver: publishes a folder of images, a video file or a webcam.

Topics: image_raw, image_raw/compressed (by the parameter transport), camera_info; one stamp and frame for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from rclpy.time import Time

from mono_depth_ros.config import CameraNodeConfig, CameraTopicsConfig
from mono_depth_ros.errors import SENTENCE, CameraError, ConfigError, shown
from mono_depth_ros.geometry.plausible import doubt
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.media.sequences import open_source
from mono_depth_ros.nodes.ros.guard import GuardedNode
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.runtime import run
from mono_depth_ros.nodes.sources.camera_topics import CameraTopics, end
from mono_depth_ros.nodes.sources.player import Player
from mono_depth_ros.nodes.sources.result_wait import ResultWait
from mono_depth_ros.paths import expanded


class CameraNode(GuardedNode):
    """Parameters: see CameraNodeConfig and CameraTopicsConfig."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__("camera", **arguments)
        self._player: Player[np.ndarray] | None = None
        parameters = Parameters(self, (CameraNodeConfig, CameraTopicsConfig))
        self._config, self._output = parameters.get(CameraNodeConfig), parameters.get(CameraTopicsConfig)
        self._source = open_source(self._config.source, self._config.rate, self._config.width, self._config.height)
        text = str(expanded(self._config.camera)) if self._config.camera else ""
        camera = CameraArgument.given(text, self._config.hfov, ("camera", "hfov"))
        if camera is None:
            raise ConfigError(
                "camera is empty, expected the YAML file that camera_calibration wrote for this camera, or hfov: "
                "without the focal length there are no metres, and it cannot be seen in a picture"
            )
        self._camera = camera
        if (given := camera.calibration) is not None:
            self._source = self._source.fitting(given.width, given.height)
        self._topics = CameraTopics(self, self._output)
        self._results: ResultWait | None = None
        if self._config.result and self._source.rate_hz is not None:
            self._results = ResultWait(self, self._config.result)
        self._published = 0
        self._drops: Counter[str] = Counter()
        self._told: set[str] = set()
        self._player = Player(
            self,
            self._frames,
            self._publish,
            self._source.rate_hz,
            ready=lambda: not self._output.wait_for_subscriber or self._topics.matched(),
            finished=self._finished,
            paused=lambda: self._results is not None and self._results.missing(),
            slow=self._slow,
        )
        rate = f"{self._source.rate_hz:g} Hz" if self._source.rate_hz else "its own rate"
        begin = ", once there are subscribers to image and camera_info" if self._output.wait_for_subscriber else ""
        self.get_logger().info(f"publishing {self._config.source} at {rate}{begin}")

    def destroy_node(self) -> None:
        if self._player is not None:
            self._player.stop()
        super().destroy_node()

    def _frames(self, player: Player[np.ndarray]) -> Iterator[np.ndarray]:
        """In the thread: images of the calibration's size. Another size at the beginning means the wrong file."""
        size: tuple[int, int] | None = None
        while not player.stopping.is_set():
            for name, rgb in self._source.frames(self._drop):
                height, width = rgb.shape[:2]
                if size is None:
                    size = self._calibrate(name, width, height)
                if size == (width, height):
                    yield rgb
                    continue
                expected = f"{size[0]}x{size[1]}, as the calibration says"
                self._drop("size_mismatch", f"{name} is {width}x{height}, expected {expected}")
            if not self._config.loop:
                return

    def _calibrate(self, name: str, width: int, height: int) -> tuple[int, int]:
        """Before the first image is published: its size, if the calibration suits it."""
        try:
            self._topics.calibrate(self._camera.calibrated(width, height))
        except CameraError as error:
            raise CameraError(f"{name}: {error}", error.reason) from error
        if sentence := doubt(self._camera.camera(width, height)):
            self.get_logger().warning(sentence)
        return width, height

    def _publish(self, rgb: np.ndarray, stamp: Time) -> None:
        self._topics.publish(rgb, self._topics.header(stamp))
        self._published += 1
        if self._results is not None:
            self._results.sent(stamp.nanoseconds)

    def _drop(self, reason: str, sentence: str) -> None:
        self._drops[reason] += 1
        if sentence not in self._told and len(self._told) < 100:  # once a file, not once a loop
            self._told.add(sentence)
            self.get_logger().warning(shown(f"left out: {sentence}", SENTENCE))

    def _slow(self, reached_hz: float) -> None:
        self.get_logger().warning(
            f"{reached_hz:.1f} images a second are published instead of {self._source.rate_hz:g}: "
            "this machine does not decode them faster",
            throttle_duration_sec=60.0,
        )

    def _finished(self) -> None:
        drops = ", ".join(f"{reason} {count}" for reason, count in sorted(self._drops.items())) or "none"
        self.get_logger().info(f"{self._published} images published; left out: {drops}")
        end(self, self._topics.publishers(), self._output.exit_at_end)


def main() -> int:
    """Entry point of `camera_node` and of `python -m mono_depth_ros.nodes.camera_node`."""
    return run(CameraNode)
