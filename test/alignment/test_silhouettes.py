# SPDX-License-Identifier: Apache-2.0
"""The outline of things between the beams of a lidar."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from mono_depth_ros.alignment.local_correction import local_correction
from mono_depth_ros.alignment.samples import Samples

HEIGHT, WIDTH = 240, 320
LINES = np.arange(20, 230, 20)


def beams(depth: np.ndarray) -> Samples:
    rows, columns = (of.ravel() for of in np.meshgrid(LINES, np.arange(2, WIDTH, 5), indexing="ij"))
    return Samples(rows, columns, depth[rows, columns], depth.shape, np.searchsorted(LINES, rows))


def corrected(prediction: np.ndarray, samples: Samples, picture: np.ndarray) -> np.ndarray:
    found = local_correction(torch.from_numpy(prediction), samples, torch.from_numpy(picture))
    return prediction * np.exp(found.numpy())


def test_outlines_follow_the_picture_and_have_no_teeth() -> None:
    """A leaning pole and a ball, which the prediction shows blurred; a tooth would be 20 px high."""
    thing = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.line(thing, (90, 10), (140, 230), 1, 28)
    cv2.circle(thing, (235, 120), 55, 1, -1)
    truth = np.where(thing > 0, 2.0, 6.0).astype(np.float32)
    prediction = np.exp(cv2.GaussianBlur(np.log(truth), (0, 0), 12)).astype(np.float32)
    picture = np.where(thing[..., None] > 0, (150, 90, 60), (90, 110, 140)).astype(np.uint8)
    picture = np.clip(picture + np.random.default_rng(0).normal(0, 4, picture.shape), 0, 255).astype(np.uint8)
    found = corrected(prediction, beams(truth), picture)
    kernel = np.ones((3, 3), np.uint8)
    beside = (cv2.dilate(thing, kernel, iterations=6) > 0) & (cv2.erode(thing, kernel, iterations=6) == 0)
    beside[:30], beside[-30:] = False, False
    wrong = np.abs(np.log(found / truth))[beside] > 0.5 * np.log(3)
    grey = np.full_like(picture, 128)
    blind = np.abs(np.log(corrected(prediction, beams(truth), grey) / truth))[beside] > 0.5 * np.log(3)
    assert wrong.mean() < 0.032 and blind.mean() < 0.09
