# SPDX-License-Identifier: Apache-2.0
"""Infinite depths that samples refute: a network takes a bright wall or a thin thing for sky.

A sky is large. What is less than a hundredth of the image is none, unless it is a hole between the samples, wider than
they have elsewhere; of a larger one those parts go whose nearest sample lies in it.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from mono_depth_ros.alignment.nearest import nearest_sample
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.transfer import download, upload

_STEP = 4  # pixels of which one depth is taken
_SMALL = 0.01  # of the image
_WIDE, _USUAL = 2.0, 0.95  # times the distance to the nearest sample of all but so many pixels
_SPACINGS = 3.0  # of the samples, to the nearest one


def seen_in_the_sky(depth: torch.Tensor, samples: Samples) -> torch.Tensor | None:
    """Metres where an infinite depth is refuted.

    Args:
        depth: (H, W) float32 metres, +inf the sky. samples: of the image, those in the sky among them.

    Returns:
        (H, W) float32 on the depth's device: the depth of the nearest sample there, NaN elsewhere; None: nowhere.
    """
    height, width = int(depth.shape[0]), int(depth.shape[1])
    (largest,) = download(depth.detach().amax())  # NaN where one is
    if np.isfinite(largest):
        return None
    infinite = torch.isposinf(depth)
    at_samples = depth.detach().reshape(-1)[upload(samples.pixels, depth.device)]
    fitted, count, sky = download(at_samples, infinite.sum(), infinite[::_STEP, ::_STEP])
    if not count or not len(samples):
        return None
    nearest, away = nearest_sample(samples.rows // _STEP, samples.columns // _STEP, sky.shape)
    distance = _STEP * away
    if count > _SMALL * height * width:
        near = _SPACINGS * (height * width / len(samples)) ** 0.5
        refuted = np.isposinf(fitted)[nearest] & (distance <= near)
    else:
        parts, label = cv2.connectedComponents(cv2.dilate(sky.astype(np.uint8), np.ones((3, 3), np.uint8)))
        widest = np.array([0.0, *(distance[label == part].max() for part in range(1, parts))])
        refuted = (widest <= _WIDE * np.quantile(distance, _USUAL))[label]
    if not refuted.any():
        return None
    metres = np.where(refuted, samples.depth[nearest], np.float32(np.nan))
    places = upload(metres, depth.device)
    full = places.repeat_interleave(_STEP, 0).repeat_interleave(_STEP, 1)[:height, :width]
    return torch.where(infinite, full, torch.nan)
