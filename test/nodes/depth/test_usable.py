# SPDX-License-Identifier: Apache-2.0
"""OK on /diagnostics means that a robot could use the depth: what is wrong with it although everything runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from mono_depth_ros.prediction import DepthKind, DepthPrediction

OK, WARN, ERROR = b"\0", b"\1", b"\2"


@pytest.fixture
def camera(ros, rig, plane_model) -> Callable[..., None]:
    """Sends images of now, changed, until /diagnostics says what is expected."""

    class SometimesNothing(plane_model):
        """Nothing but NaN for bright pictures, as where half precision overflows."""

        def predict(self, rgb, cameras):
            return [DepthPrediction(self._depth(image), DepthKind.METRIC) for image in rgb]

        @staticmethod
        def _depth(image):
            return torch.where(image.float().mean() > 180, torch.nan, image[..., 0] / 10 + 1)

    r = rig(SometimesNothing(), diagnostics_period=0.1)
    status, depth = ros.listen(DiagnosticArray, "/diagnostics"), ros.listen(Image, "/depth/image")
    picture = np.random.default_rng(0).integers(60, 150, (48, 64, 3), dtype=np.uint8)

    def send(info: dict[str, Any], image: dict[str, Any], age_s: float) -> None:
        r.ahead_ns = -int(age_s * 1e9)
        message = r.image(**{"data": picture.tobytes(), **image})
        camera_info = r.info(**{name: value for name, value in info.items() if name != "frame_id"})
        camera_info.header.frame_id = info.get("frame_id", "camera_optical")
        r.infos.publish(camera_info)
        r.images.publish(message)

    def expect(level: bytes, words: str, info: Any = {}, image: Any = {}, age_s: float = 0.0) -> None:  # noqa: B006
        status.clear()

        def found() -> bool:
            send(info, image, age_s)
            return any(s.level == level and words in s.message for item in list(status) for s in item.status)

        ros.wait(found, 20, poll=lambda: time.sleep(0.02))

    send({}, {}, 0.0)
    ros.wait(lambda: depth, poll=lambda: (time.sleep(0.2), send({}, {}, 0.0)))  # type: ignore[func-returns-value]
    expect.rig, expect.depth, expect.picture, expect.status = r, depth, picture, status  # type: ignore[attr-defined]
    return expect


def test_what_is_wrong_is_said_and_forgotten_when_it_is_right_again(camera) -> None:
    picture = camera.picture
    camera(OK, "publishing")
    camera(ERROR, "not one pixel of the last", image={"data": (picture + 100).tobytes()})
    camera(OK, "publishing")
    camera(WARN, "nearly black", image={"data": (picture // 32).tobytes()})
    camera(WARN, "without contrast", image={"data": (100 + picture // 128).tobytes()})
    camera(WARN, "of the image, the rest has no depth", info={"d": [-2.5, 0.0, 0.0, 0.0, 0.0]})
    camera(WARN, "camera_info is of another frame than the image: it has 'right'", info={"frame_id": "right"})
    camera(WARN, " s in the future", age_s=-3.0)
    camera(WARN, "1.0 years old when they arrive", age_s=31_557_600.0)


def test_twelve_bits_in_sixteen_are_read_as_twelve(camera) -> None:
    values = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (48, 1))
    camera(OK, "publishing", image={"data": values.tobytes(), "encoding": "mono16", "step": 128})
    camera.depth.clear()
    camera(OK, "publishing", image={"data": values.tobytes(), "encoding": "mono16", "step": 128})
    depth = np.frombuffer(camera.depth[-1].data, np.float32).reshape(48, 64)
    assert depth[0, -1] == pytest.approx(255 / 10 + 1) and depth[0, 32] == pytest.approx(128 / 10 + 1, abs=0.3)
