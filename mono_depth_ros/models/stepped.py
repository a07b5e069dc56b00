# SPDX-License-Identifier: Apache-2.0
"""A model whose network reads images at one of a few sizes: a smaller one is faster and coarser."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from mono_depth_ros.errors import ImageError, ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.engine_model import EngineModel, check_frame
from mono_depth_ros.models.resample import Size
from mono_depth_ros.prediction import DepthPrediction, Prompt

LOGGER = logging.getLogger(__name__)
SIZES = 4
"""So many at most, with equal ratios between neighbours."""
_MIN_FRACTION = 0.5  # of the model's own size, where no smallest one is given
_KNOWN = 16  # sizes of images: a camera has one


class SteppedModel:
    """`DepthModel` around an `EngineModel`, whose network and engine all sizes share.

    Attributes:
        level: 0 is the model's own size, each further one is smaller; those that an image has not are its smallest.
    """

    def __init__(self, model: EngineModel, min_side: int = 0) -> None:
        """Args:
        min_side: the shorter side that images are read at is not less; 0: half of the model's own.

        Raises:
            ModelError: the model reads images at one size only; why.
        """
        model.scaled(_MIN_FRACTION)
        self._model, self._min_side, self.level = model, min_side, 0
        self._sizes: dict[Size, list[EngineModel]] = {}
        self._seconds: dict[Size, list[float]] = {}

    @property
    def spec(self) -> ModelSpec:
        return self._model.spec

    @property
    def device(self) -> torch.device:
        return self._model.device

    @property
    def engine(self) -> str:
        return self._model.engine

    def predict(self, rgb: Tensor, cameras: Sequence[Camera], prompts: Sequence[Prompt] = ()) -> list[DepthPrediction]:
        """At the present level: see `DepthModel.predict`."""
        return self._at(rgb.shape[2], rgb.shape[1], self.level).predict(rgb, cameras, prompts)

    def reads(self, width: int, height: int, level: int | None = None) -> Size:
        """(width, height) at which an image of this size is read, at the present level or another.

        Raises:
            ImageError, ModelError: it cannot be read.
        """
        return self._at(width, height, self.level if level is None else level).reads(width, height)

    def prepared(self, width: int, height: int) -> bool:
        """Whether `prepare` was called for images of this size."""
        return (width, height) in self._seconds

    @property
    def seconds(self) -> list[float]:
        """(levels,) of all prepared sizes of images together, how long one run takes at each level; [] before any."""
        times = list(self._seconds.values())
        levels = range(max(map(len, times), default=0))
        return [sum(item[min(level, len(item) - 1)] for item in times) for level in levels]

    @torch.inference_mode()
    def prepare(self, width: int, height: int, count: int = 1) -> None:
        """Make what is made once for images of this size, up to `count` at a time, at every level, and measure it.

        A smaller size that the engine cannot run is left out, which the log says.

        Raises:
            ModelError, ImageError, CameraError: as an image of this size would.
        """
        sizes = self.sizes(width, height)
        known = len(self._seconds) + (not self.prepared(width, height))
        if hasattr(self._model.run, "shapes_kept"):
            self._model.run.shapes_kept = max(self._model.run.shapes_kept, SIZES * count * known)
        found: list[float] = []
        for model in tuple(sizes):
            try:
                found.append(_made_ready(model, width, height, count))
            except ModelError as error:
                if not found:
                    raise
                across, down = model.reads(width, height)
                LOGGER.warning("%s is not stepped to %dx%d: %s", self.spec.name, across, down, error)
                del sizes[len(found) :]
                break
        self._seconds[width, height] = found

    @torch.inference_mode()
    def change(self, rgb: Tensor, camera: Camera, values: Tensor) -> float:
        """The median ratio of the depth at the present level to `values`, over the pixels where both are finite.

        Args:
            rgb: (H, W, 3) uint8. values: (H, W) of the same image at another level.

        Returns:
            NaN where no pixel has both.
        """
        before = values.clone()  # an engine may give its buffer
        ratio = self.predict(rgb[None], [camera])[0].values / before
        return float(ratio[ratio.isfinite() & (ratio > 0)].nanmedian())

    def _at(self, width: int, height: int, level: int) -> EngineModel:
        sizes = self.sizes(width, height)
        return sizes[min(level, len(sizes) - 1)]

    def sizes(self, width: int, height: int) -> list[EngineModel]:
        """The model at each level for images of this size, the largest first."""
        if (width, height) not in self._sizes:
            if len(self._sizes) >= _KNOWN:
                self._sizes.clear()
                self._seconds.clear()
            own = min(self._model.reads(width, height))
            lowest = min(self._min_side / own if self._min_side else _MIN_FRACTION, 1.0)
            found = {self._model.reads(width, height): self._model}
            for step in range(1, SIZES):
                model = self._model.scaled(lowest ** (step / (SIZES - 1)))
                try:
                    size = model.reads(width, height)
                except (ImageError, ModelError):  # too small for this shape of image
                    break
                if min(size) >= lowest * own and size[0] * size[1] < min(width * height for width, height in found):
                    found[size] = model
            self._sizes[width, height] = list(found.values())
        return self._sizes[width, height]


def _made_ready(model: EngineModel, width: int, height: int, count: int) -> float:
    """Run the model once for each size of batch, and return the seconds of the largest then."""
    rgb, cameras = check_frame.__wrapped__(width, height)
    model.prepare(width, height, count)
    times = []
    for batch in (*range(1, count + 1), count, count):  # on a CPU an engine may compile for each
        _wait(model.device)
        begun_s = time.perf_counter()
        model.predict(rgb.expand(batch, -1, -1, -1), cameras * batch)
        _wait(model.device)
        times.append(time.perf_counter() - begun_s)
    return min(times[-2:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
