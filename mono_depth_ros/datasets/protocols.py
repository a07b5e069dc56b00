# SPDX-License-Identifier: Apache-2.0
"""Which pixels count, and what is done to predictions first, as the papers' code has it.

- NYUv2, Eigen split: rows 45:471, columns 41:601 of 640x480 images, 1e-3 to 10 m (Eigen, Puhrsch and Fergus 2014,
  arXiv 1406.2283; the numbers as in `bts_eval.py` of Lee et al. 2019, arXiv 1907.10326, in AdaBins and in Metric3D).
- KITTI, Garg: rows .40810811 to .99189189 and columns .03594771 to .96405229 of height and width, 1e-3 to 80 m (Garg
  et al. 2016, arXiv 1603.04992; the numbers as in monodepth, Godard et al. 2017, and `bts_eval.py`).
- KITTI, Eigen: rows .3324324 to .91351351, columns .0359477 to .96405229 (Eigen et al. 2014; the numbers as in
  monodepth). Metric3D (Yin et al. 2023, arXiv 2307.10984) evaluates with it, 1e-3 to 80 m.
- KITTI, depth_selection: every pixel with ground truth, no limit of distance (the devkit of the depth prediction
  benchmark, Uhrig et al. 2017, arXiv 1708.06500).

A pixel counts whose true depth is strictly inside the range and which lies in the crop. Bounds in pixels are
truncated, as `int()` in the code of the papers does. `bts_eval.py`, AdaBins and monodepth set predictions outside the
range to its ends before they compare, and so does `clamp`. Beyond range (+inf) counts as the far end, and where there
is none as the farthest true depth of the image. Where the model says nothing (NaN) that code puts the near end: here
such a pixel is not compared, but counted, see `coverage`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import ConfigError, DataError

NYU_EIGEN = (45, 471, 41, 601)
"""Rows from, to, columns from, to, of a 640x480 image."""

FRACTIONS = {
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
}
"""Likewise of KITTI's images, as parts of height and width."""


@dataclass(frozen=True)
class Protocol:
    """How depth maps are compared.

    Attributes:
        rule: whose crops these are, "nyu", "kitti" or "" (none is published). crop: "none", "eigen" or "garg".
        min_depth, max_depth: metres, of the true depth. clamp: finite predictions too are brought into this range.
    """

    rule: str = ""
    crop: str = "none"
    min_depth: float = 1e-3
    max_depth: float = math.inf
    clamp: bool = True

    def __post_init__(self) -> None:
        known = {"nyu": ("none", "eigen"), "kitti": ("none", "eigen", "garg")}.get(self.rule, ("none",))
        if self.crop not in known:
            raise ConfigError(f"crop is {self.crop}, expected one of those of this data set: {', '.join(known)}")
        if self.min_depth >= self.max_depth:
            raise ConfigError(f"min_depth is {self.min_depth:g} m, expected less than max_depth, {self.max_depth:g} m")

    def window(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of the crop in an image of this size.

        Raises:
            DataError: the crop is for images of another size.
        """
        if self.crop == "none":
            return slice(0, height), slice(0, width)
        if self.rule == "nyu":
            if (height, width) != (480, 640):
                raise DataError(f"the image is {width}x{height}, expected 640x480 for the Eigen crop of NYUv2")
            top, bottom, left, right = NYU_EIGEN
        else:
            a, b, c, d = FRACTIONS[self.crop]
            top, bottom, left, right = int(a * height), int(b * height), int(c * width), int(d * width)
        return slice(top, bottom), slice(left, right)

    def mask(self, truth: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(H, W) bool, the pixels of a true depth (H, W) that count."""
        inside = np.zeros(truth.shape, bool)
        inside[self.window(*truth.shape)] = True
        with np.errstate(invalid="ignore"):
            return inside & np.isfinite(truth) & (truth > self.min_depth) & (truth < self.max_depth)

    def far(self, truth: NDArray[np.float64], mask: NDArray[np.bool_]) -> float:
        """Metres that beyond range (+inf) counts as: `max_depth`, without one the farthest truth (H, W) in the mask."""
        return self.max_depth if math.isfinite(self.max_depth) else float(truth[mask].max())

    def limited(self, depth: NDArray[np.float64], far: float) -> NDArray[np.float64]:
        """A predicted depth with `far` for +inf and, if `clamp`, the range's ends for what is outside; NaN stays."""
        depth = np.where(np.isposinf(depth), far, depth)
        return np.clip(depth, self.min_depth, self.max_depth) if self.clamp else depth

    def words(self) -> str:
        """In one line, with the numbers."""
        upper = f" to {self.max_depth:g} m" if math.isfinite(self.max_depth) else " m and more"
        parts = [self._crop_words(), f"true depth {self.min_depth:g}{upper}"]
        beyond = "" if math.isfinite(self.max_depth) else ", beyond range (+inf) counts as the farthest true depth"
        return "; ".join([*parts, f"predictions {'clamped to that' if self.clamp else 'not clamped'}{beyond}"])

    def _crop_words(self) -> str:
        if self.crop == "none":
            return "no crop"
        if self.rule == "nyu":
            return "Eigen crop (rows {}:{}, columns {}:{})".format(*NYU_EIGEN)
        return f"{self.crop.title()} crop (rows {{:g}}-{{:g}} H, columns {{:g}}-{{:g}} W)".format(*FRACTIONS[self.crop])
