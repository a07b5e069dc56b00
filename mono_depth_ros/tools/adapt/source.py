# SPDX-License-Identifier: Apache-2.0
"""What every source of frames offers, and what was asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.training.adapt.example import Example


@dataclass(frozen=True)
class Asked:
    """Options of all sources.

    Attributes:
        reference: auto, depth, lidar, scan, stereo or motion. first, last: numbers of frames, both count.
        samples: only so many known pixels of each frame; 0 is all. max_frames: of more frames some are taken, evenly.
    """

    reference: str = "auto"
    first: int = 0
    last: int | None = None
    samples: int = 0
    max_frames: int = 600
    seed: int = 0

    def every(self, total: int | None) -> int:
        """One in how many frames is taken, of `total` frames of a source."""
        if total is None:
            return 1
        count = min(total, total if self.last is None else self.last + 1) - self.first
        return max(-(-count // self.max_frames), 1)

    def wanted(self, index: int, every: int) -> bool:
        """Whether a frame is taken."""
        return self.first <= index and (self.last is None or index <= self.last) and (index - self.first) % every == 0

    def thinned(self, samples: Samples, index: int) -> Samples:
        """As many as are asked for, others in every frame."""
        if not self.samples or len(samples) <= self.samples:
            return samples
        rng = np.random.default_rng([self.seed, index])
        return samples.select(np.sort(rng.choice(len(samples), self.samples, replace=False)))


@dataclass(frozen=True, eq=False)
class Found:
    """A frame of a source with what the reference knows; samples None: nothing, for the reason `why`."""

    name: str
    index: int
    stamp_s: float
    rgb: NDArray[np.uint8]
    camera: Camera
    samples: Samples | None
    why: str = ""


class Source(Protocol):
    """Frames in their order.

    Attributes:
        name: for people. words: what was chosen of it. total: frames there are, None where that is not known.
        reference: the name of what tells their depth.
    """

    name: str
    words: list[str]
    total: int | None
    reference: str

    def frames(self) -> Iterator[Found]:
        """Those that were asked for.

        Raises:
            MonoDepthError: the source cannot be read.
        """
        ...

    def judged(self, example: Example) -> Example:
        """An example of a frame of this source with all that is known of its depth, which may be more than a network
        learns from."""
        ...
