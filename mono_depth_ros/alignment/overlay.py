# SPDX-License-Identifier: Apache-2.0
"""Samples drawn over the image they belong to: how to see with one's own eyes whether the extrinsics are right."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.colorize import colorize

_PART = 600  # of the width of the image is the radius of a point: 1 px at 640, so that points stay apart


def overlay(rgb: NDArray[np.uint8], samples: Samples, radius: int | None = None) -> NDArray[np.uint8]:
    """The image with a disc at each sample, warm where it is near and cold where it is far, near ones on top.

    The colours change where the depth does. Where the extrinsics and the time are right they change at the edges of
    the things in the image; where not, warm points lie beside the near things: shifted alike everywhere means a wrong
    rotation, shifted more the nearer the thing means a wrong translation, shifted only where something moves (or when
    the camera turns) means a wrong time.

    Args:
        rgb: (H, W, 3) uint8. samples: in that image. radius: of the discs in pixels; None: by the size of the image.

    Returns:
        (H, W, 3) uint8 RGB, memory of its own.

    Raises:
        DataError: the samples are of an image of another size.
    """
    height, width = samples.size
    if rgb.shape != (height, width, 3):
        raise DataError(
            f"the image is {rgb.shape}, the samples are of one of ({height}, {width}, 3), expected the same"
        )
    out = rgb.copy()
    if not len(samples):
        return out
    inverse = 1.0 / samples.depth
    low, high = np.percentile(inverse, (2, 98)).tolist()
    colours = colorize(torch.from_numpy(inverse)[None], low, high).numpy()[0]
    order = np.argsort(-samples.depth, kind="stable")  # of two assignments to one pixel the last one stays
    rows, columns, colours = samples.rows[order], samples.columns[order], colours[order]
    r = max(width // _PART, 1) if radius is None else radius
    steps = np.mgrid[-r : r + 1, -r : r + 1].reshape(2, -1).T
    steps = steps[(steps**2).sum(axis=1) <= r * r + 1e-9]
    # All pixels of the farthest disc first: a near disc is never covered by the rim of a far one.
    v, u = ((at[:, None] + step).ravel() for at, step in ((rows, steps[:, 0]), (columns, steps[:, 1])))
    inside = (v >= 0) & (v < height) & (u >= 0) & (u < width)
    out[v[inside], u[inside]] = np.repeat(colours, len(steps), axis=0)[inside]
    return out
