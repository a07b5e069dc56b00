# SPDX-License-Identifier: Apache-2.0
"""What every reference has in common: messages of a sensor in, samples of an image out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import AlignConfig, Config, TrackerConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.prediction import DepthPrediction

AnyConfig = TypeVar("AnyConfig", bound=Config)


@dataclass(frozen=True, eq=False)
class View:
    """The image that samples are wanted of: its camera, frame and stamp, and what was predicted for it."""

    stamp_ns: int
    camera: Camera
    frame: str
    prediction: DepthPrediction
    rgb: torch.Tensor | None = None


@dataclass(frozen=True, eq=False)
class ReferenceMatch:
    """Samples of an image.

    Attributes:
        stamp_ns: of the reference. offset_s: that minus the image's.
        fresh: this reference was not given out before.
        local: the samples may correct the prediction locally, and not its scale and shift only.
        lone: one sample is all there is: none to hold out, none to correct by, and a scale is all that it can tell.
        metric: in metres; False: in some scale that stays the same, so that an error says nothing of metres.
        each: every image has its own fit, since the samples follow how its prediction differs from the one before.
    """

    samples: Samples
    stamp_ns: int
    offset_s: float
    fresh: bool
    local: bool = True
    lone: bool = False
    metric: bool = True
    each: bool = False

    def align_config(self, config: AlignConfig) -> AlignConfig:
        """How the samples are to be fitted."""
        return replace(config, min_samples=1, held_out=0.0, local=False) if self.lone else config

    def tracker_config(self, config: TrackerConfig) -> TrackerConfig:
        """How fits are to be filtered in time."""
        return replace(config, bandwidth=0.0) if self.each else config


@dataclass(frozen=True, eq=False)
class CameraPose:
    """Where the camera was.

    Attributes:
        matrix: (4, 4) float64 world_from_camera. world: the name of a frame that does not move; poses in frames of two
            names have nothing in common.
    """

    matrix: np.ndarray
    world: str


@dataclass(frozen=True)
class Input:
    """A topic of a reference.

    Attributes:
        name: relative, as it is remapped. kind: the type of its messages. others: types that it may have instead.
        depth: how many may wait to be taken.
        needed: without it there are no samples. info_of: for a camera_info the name of its image; "" else.
    """

    name: str
    kind: str
    others: tuple[str, ...] = ()
    depth: int = 1
    needed: bool = True
    info_of: str = ""


class Poses(Protocol):
    """Where the camera is, in a frame that does not move.

    Attributes:
        inputs: as of Reference.
    """

    inputs: tuple[Input, ...]

    def add(self, message: Any) -> None:
        """Keep a message of the first input."""

    @property
    def known(self) -> bool:
        """Whether there can be poses by now."""

    @property
    def fixed_frame(self) -> str:
        """The name of that frame."""

    def at(self, view: View) -> np.ndarray:
        """(4, 4) that frame from the camera, at the stamp of an image.

        Raises:
            FrameError, DataError: it is not known; the sentence says why.
        """


class _Options(Protocol):
    def __call__(self, cls: type[AnyConfig], /) -> AnyConfig: ...


@dataclass(frozen=True, eq=False)
class Context:
    """What a reference is given by the node, or the conversion of a recording, that it works for.

    Attributes:
        options: the configuration at this moment, by class.
        given: (4, 4) cam_from_reference where the user says it; goes before `transform`.
        transform: (target, source, stamp in ns) to (4, 4) target_from_source at that stamp, with frames as they are in
            messages; raises FrameError or DataError. It may wait. None: transforms are not known here.
        topic: of the name of an input, for sentences. published: whether anything can come on the input of a name.
        tell: gets a sentence for people.
        poses: of the camera, where somebody else gets the messages with them.
        patience_s: how long to wait for the first pose after an image, which comes in another thread.
    """

    options: _Options
    given: np.ndarray | None
    transform: Callable[[str, str, int], np.ndarray] | None
    topic: Callable[[str], str]
    published: Callable[[str], bool]
    tell: Callable[[str], None]
    poses: Poses | None = None
    patience_s: float = 0.0


class Reference(ABC):
    """Takes messages as they come; `samples` may be called in another thread.

    Attributes:
        inputs: its own first, then what goes with it. local, lone: as of ReferenceMatch.
        deviation: relative standard deviation of what all of its samples have in common, such as the scale of the
            odometry, and of each where it tells none.
        given_ns: the stamp of the reference that was given out last, or None.
        pose: of the camera at the image that `samples` was last called with; None: it does not know.
        pose_problem: why not, where it should, as a sentence; "" else.
        usual: reasons for which it gives nothing although nothing is wrong.
        needs_rgb: it looks at the images themselves: a view has to have the one of its very stamp.
        holds: it has no scale of its own where others give one: see `learn`.
    """

    inputs: tuple[Input, ...] = ()
    local = True
    lone = False
    deviation = 0.01
    usual: frozenset[str] = frozenset()
    needs_rgb = False
    holds = False

    def __init__(self, context: Context) -> None:
        self.context = context
        self.given_ns: int | None = None
        self.pose: CameraPose | None = None
        self.pose_problem = ""
        self._told: set[str] = set()

    @abstractmethod
    def add(self, name: str, message: Any) -> None:
        """Keep a message of the input of that name."""

    @abstractmethod
    def samples(self, view: View) -> ReferenceMatch | None:
        """Those that belong to an image; None before the first message.

        It decodes, and may wait for a transform.

        Raises:
            FrameError, DataError: there are none for this image; the sentence says why.
        """

    def learn(self, view: View, known: Samples) -> None:
        """Take on the scale of what other references gave for an image, if it `holds`, to go on with it later.

        Raises:
            FrameError: as `samples`.
        """
        raise NotImplementedError(f"{type(self).__name__} has a scale of its own")

    def state(self) -> Any:
        """What samples of later images depend on besides messages, as JSON values, exact; None: on nothing."""
        return None

    def restore(self, state: Any) -> None:
        """Go on from what `state` gave, in another process."""
        assert state is None

    def tell_once(self, key: str, sentence: str) -> None:
        """Say something to people, once for each key."""
        if key not in self._told:
            self._told.add(key)
            self.context.tell(sentence)
