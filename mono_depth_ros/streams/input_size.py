# SPDX-License-Identifier: Apache-2.0
"""The size at which a network reads images, stepped down and up so that a latency is held. No ROS here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import islice

from mono_depth_ros.config import DepthNodeConfig, ModelConfig
from mono_depth_ros.errors import ConfigError, ModelError
from mono_depth_ros.frame import Frame
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.models.engine_model import EngineModel
from mono_depth_ros.models.resample import Size
from mono_depth_ros.models.stepped import SteppedModel
from mono_depth_ros.streams.health import missed
from mono_depth_ros.streams.latency import LatencyControl


class InputSize:
    """The sizes of a model, which of them is taken, and what is said of that; the worker writes, a timer reads.

    Args:
        model: as it was loaded. config, node: how it was, and of the node that it is in.
        say: gets a sentence for each step.

    Attributes:
        loaded: the model as it was loaded. model: what is to predict, with several sizes where it can have them.
    """

    def __init__(
        self, model: DepthModel, config: ModelConfig, node: DepthNodeConfig, say: Callable[[str], None]
    ) -> None:
        """Raises ConfigError: see `check`."""
        self.loaded, self.model, self._why_not, self._say = model, model, "", say
        self._stepped: SteppedModel | None = None
        try:
            self._stepped = self.model = _stepped(model, config, node)
        except ModelError as error:
            self._why_not = str(error)
        self._control = LatencyControl()
        self._target_s = 0.0
        self._step = 0, math.nan, "it is the model's own"  # how many, and of the last: the change, and why
        self._images: dict[str, Size] = {}
        self.check(node)

    def check(self, node: DepthNodeConfig) -> None:
        """Raise ConfigError where these options ask for a latency that this model cannot be made to hold; why."""
        if node.target_latency and self._why_not:
            name = self.model.spec.name
            raise ConfigError(
                f"target_latency is {node.target_latency:g} s, expected 0, as the input size of {name} cannot be "
                f"stepped: {self._why_not}"
            )

    def prepare(self, width: int, height: int, count: int, target_s: float) -> bool:
        """Make every size ready for images of this size, up to `count` at a time, once; False: there is no need."""
        if self._stepped is None or not target_s:
            return False
        if not self._stepped.prepared(width, height):
            self._stepped.prepare(width, height, count)
        return True

    def take(
        self, frames: Mapping[str, Frame], latency_s: float, wait_s: float, period_s: float, target_s: float
    ) -> None:
        """Take in what was estimated together, by the names of the cameras, and step if need be.

        A step costs another run of the network, which shows how the depth of the same image changes.

        Args: as of `LatencyControl.take`.

        Raises:
            ModelError, RuntimeError: the network or the device fails at the new size.
        """
        self._target_s = target_s
        self._images |= {name: _size(frame) for name, frame in frames.items()}
        stepped = self._stepped
        if stepped is None or not self._control.take(latency_s, wait_s, period_s, target_s, stepped.seconds or [1.0]):
            return
        frame = next(islice(frames.values(), 1))
        before = stepped.reads(*_size(frame))
        stepped.level, change, why = self._control.level, math.nan, self._control.why
        try:
            if frame.camera is not None:
                change = stepped.change(frame.rgb, frame.camera, frame.prediction.values)
        finally:
            self._step = self._step[0] + 1, change, why
        after = stepped.reads(*_size(frame))
        self._say(
            f"input size {_text(after)} in place of {_text(before)}, as {why}; the {_what(frame)} of "
            f"this image is {change:.3f} times what it was (median of all pixels)"
        )

    def late(self, name: str) -> str:
        """A sentence where the target is missed at the smallest size; "" else."""
        late_s = self._control.late_s
        if math.isnan(late_s) or self._stepped is None or name not in self._images:
            return ""
        return missed(late_s, self._target_s, _text(self._stepped.reads(*self._images[name])))

    def figures(self, name: str) -> dict[str, str]:
        """Key-value pairs of a camera for /diagnostics; none before its first image, or where there is one size."""
        if self._stepped is None or name not in self._images or not (self._target_s or self._step[0]):
            return {}
        image, (steps, change, why) = self._images[name], self._step
        return {
            "input size": f"{_text(self._stepped.reads(*image))} of {_text(self._stepped.reads(*image, level=0))}",
            "input size steps": str(steps),
            "input size is so": why,
            "depth after the last step / before (median)": f"{change:.3f}" if steps else "no step yet",
        }


def _stepped(model: DepthModel, config: ModelConfig, node: DepthNodeConfig) -> SteppedModel:
    """The model with several sizes, or a ModelError with a clause that says why it has but one."""
    if not isinstance(model, EngineModel):
        raise ModelError("it reads every image at a size of its own")
    stepped = SteppedModel(model, node.min_input_size)
    if config.engine_path:
        raise ModelError(f"the engine {config.engine_path} was built for sizes of its own")
    if model.scale_depends_on_size and not node.scale_aligned:
        raise ModelError(
            "its metres depend on the size at which it reads an image; set scale_aligned where an alignment node takes "
            "its depth"
        )
    return stepped


def _size(frame: Frame) -> Size:
    height, width = frame.rgb.shape[:2]
    return width, height


def _what(frame: Frame) -> str:
    return "inverse depth" if frame.prediction.kind.inverse else "depth"


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
