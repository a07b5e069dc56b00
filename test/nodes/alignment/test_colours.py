# SPDX-License-Identifier: Apache-2.0
"""The images that colour the aligned cloud: of the depth's size, or not decoded at all."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from mono_depth_ros.config import ImageConfig
from mono_depth_ros.errors import FrameError
from mono_depth_ros.nodes.alignment.colours import Colours
from mono_depth_ros.streams import images

PICTURE = np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8)


@pytest.fixture
def colours(ros):
    found = Colours(ros.add(Node("colours")), "compressed", ImageConfig)
    found._add(CompressedImage(format="png", data=cv2.imencode(".png", PICTURE[..., ::-1])[1].tobytes()))
    return found


def test_the_image_of_the_depth(colours):
    np.testing.assert_array_equal(colours.of(0, (12, 16), 0.1), PICTURE)


def test_an_image_of_another_size_is_not_decoded(colours, monkeypatch):
    monkeypatch.setattr(images, "decode_compressed", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(FrameError, match="is 16x12, expected 32x24, that of the depth") as caught:
        colours.of(0, (24, 32), 0.1)
    assert caught.value.reason == "colour_size"
