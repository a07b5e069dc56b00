# SPDX-License-Identifier: Apache-2.0
"""What a video model remembers of the images of one camera, and when it is better forgotten."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeGuard

from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.prediction import DepthPrediction

if TYPE_CHECKING:
    import torch

    from mono_depth_ros.geometry.camera import Camera

LONG_GAP_S, LONG_GAP_PERIODS = 5.0, 4.0
"""A gap is long from so many seconds on that are also so many times the usual time between images."""
_USUAL = 8  # times between images that the usual one is the median of


class Memory(Protocol):
    """What is remembered of one stream; a `VideoModel` makes it, and alone knows what is in it."""

    @property
    def images(self) -> int:
        """How many images went into it."""
        ...


class VideoModel(DepthModel, Protocol):
    """A model whose depth follows from the images before as well."""

    def memory(self) -> Memory:
        """An empty one, for a new stream."""
        ...

    def predict(
        self, rgb: torch.Tensor, cameras: Sequence[Camera], *, memories: Sequence[Memory | None] = ()
    ) -> list[DepthPrediction]:
        """As `DepthModel.predict`.

        Args:
            memories: one for each image, no two the same, which then remembers it too; None, or none at all, for a
                still picture, which is the first image of a stream of its own.
        """
        ...


def is_video(model: DepthModel) -> TypeGuard[VideoModel]:
    """Whether the model remembers."""
    return model.spec.video


def still(name: str) -> str:
    """A sentence on pictures that belong to no video."""
    return (
        f"{name} is a video model: each picture is taken for the first of a video, and lacks the steady scale that the "
        "images before would give it; a video file, a bag or a camera is estimated in its order"
    )


class History:
    """The memory of one stream: begun anew where the stream is no longer the same. The worker writes, a timer reads.

    Attributes:
        resets: how often it was. why: the last time, in a sentence; "" before any.
    """

    def __init__(self, model: DepthModel) -> None:
        """`model`: one that does not remember has no memory."""
        self.resets, self.why = 0, ""
        self._model = model if is_video(model) else None
        self._memory = self._model.memory() if self._model is not None else None
        self._size: tuple[int, int] | None = None
        self._stamp_ns: int | None = None
        self._periods_s: deque[float] = deque(maxlen=_USUAL)

    def at(self, width: int, height: int, stamp_ns: int | None = None) -> Memory | None:
        """What an image of this size, taken at this time, is to be estimated with.

        Images that were dropped before are no matter unless they leave a long gap.
        """
        model, memory = self._model, self._memory
        if model is None or memory is None:
            return None
        if why := self._changed((width, height), stamp_ns):
            self._memory = memory = model.memory()  # another one: images that wait to be estimated keep theirs
            self.resets, self.why = self.resets + 1, why
        self._size = (width, height)
        self._stamp_ns = stamp_ns if stamp_ns is not None else self._stamp_ns
        return memory

    def end(self) -> None:
        """Let go of the model and of what it remembers, at once; from any thread."""
        self._model = self._memory = None

    @property
    def images(self) -> int:
        """How many are remembered, or were before others took their place, since the memory was begun."""
        return 0 if self._memory is None else self._memory.images

    def sentence(self) -> str:
        """That the memory was begun anew, and why; "" where it never was."""
        if not self.resets:
            return ""
        often = "once" if self.resets == 1 else f"{self.resets} times, the last"
        return f"the model forgot the images before {often} because {self.why}"

    def figures(self) -> dict[str, str]:
        """Key-value pairs for /diagnostics; none of a model that does not remember."""
        if self._memory is None:
            return {}
        return {
            "images since the memory began": str(self.images),
            "memory begun anew": str(self.resets),
            "memory was begun anew because": self.why or "never",
        }

    def _changed(self, size: tuple[int, int], stamp_ns: int | None) -> str:
        """Why what is remembered is of another stream; "" where it is not."""
        if stamp_ns is None or self._stamp_ns is None:
            passed_s = 0.0
        else:
            passed_s = (stamp_ns - self._stamp_ns) / 1e9
        long_s = max(LONG_GAP_S, LONG_GAP_PERIODS * statistics.median(self._periods_s or [0.0]))
        if passed_s > 0:
            self._periods_s.append(passed_s)
        if self._size is not None and size != self._size:
            return f"the images changed from {self._size[0]}x{self._size[1]} to {size[0]}x{size[1]}"
        if passed_s < 0:
            return f"time jumped back by {-passed_s:.3f} s"
        return f"no image was estimated for {passed_s:.1f} s" if passed_s > long_s else ""
