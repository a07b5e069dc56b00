# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rectify import IDENTITY, rectification_map, rectify

RAW = Camera(64, 48, 45.0, 44.0, 30.5, 25.0, "plumb_bob", (-0.28, 0.09, 0.0012, -0.0008, 0.0))
TARGET = Camera(60, 50, 38.0, 39.0, 29.0, 24.0)


@pytest.mark.parametrize("angle_deg", [0.0, 4.0])
def test_map_equals_opencv(angle_deg):
    rotation, _ = cv2.Rodrigues(np.radians([0.3 * angle_deg, angle_deg, 0]))
    expected, _ = cv2.initUndistortRectifyMap(
        RAW.matrix, np.array(RAW.distortion), rotation, TARGET.matrix, (60, 50), cv2.CV_32FC2
    )
    found = rectification_map(RAW, TARGET, tuple(rotation.ravel().tolist()))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


def test_a_straight_line_becomes_straight():
    """A world line x = 0.2 z, bent by the lens, is a column of the rectified image."""
    image = np.zeros((48, 64, 3), np.uint8)
    points = np.stack((np.full(400, 0.2), np.linspace(-0.5, 0.5, 400), np.ones(400)), -1)
    pixels, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), RAW.matrix, np.array(RAW.distortion))
    for u, v in np.rint(pixels[:, 0]).astype(int):
        if 0 <= u < 64 and 0 <= v < 48:
            image[v, u] = 255
    rows = rectify(torch.from_numpy(image), RAW, TARGET).float()[5:45, :, 0]
    columns = (rows * torch.arange(60.0)).sum(1) / rows.sum(1)
    assert (columns - (0.2 * 38 + 29)).abs().max() < 1.0


def test_same_camera_is_the_same_image_and_outside_is_black():
    image = torch.randint(0, 255, (48, 64, 3), dtype=torch.uint8)
    pinhole = replace(RAW, model="none", distortion=())
    assert rectify(image, pinhole, pinhole) is image
    wide = Camera(64, 48, 10.0, 10.0, 31.5, 23.5)
    assert rectify(torch.full((48, 64, 3), 200, dtype=torch.uint8), pinhole, wide)[0, 0].tolist() == [0, 0, 0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_cuda_equals_cpu():
    image = torch.randint(0, 255, (48, 64, 3), dtype=torch.uint8)
    cpu = rectify(image, RAW, TARGET, IDENTITY).int()
    assert (rectify(image.cuda(), RAW, TARGET, IDENTITY).cpu().int() - cpu)[2:-2, 2:-2].abs().max() <= 4
