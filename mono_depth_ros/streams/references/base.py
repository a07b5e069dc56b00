# SPDX-License-Identifier: Apache-2.0
"""What every reference has in common: messages buffered by stamp, and samples of an image made from the nearest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.config import AlignConfig, Config, ReferenceConfig
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.prediction import DepthPrediction
from mono_depth_ros.streams.pairing import Nearest

_KEPT = 10  # messages: a second of a lidar's

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
    """

    samples: Samples
    stamp_ns: int
    offset_s: float
    fresh: bool
    local: bool = True


@dataclass(frozen=True)
class Input:
    """A topic of a reference.

    Attributes:
        name: relative, as it is remapped. kind: the type of its messages. depth: how many may wait to be taken.
        needed: without it there are no samples. info_of: for a camera_info the name of its image; "" else.
    """

    name: str
    kind: str
    depth: int = 1
    needed: bool = True
    info_of: str = ""


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
    """

    options: _Options
    given: np.ndarray | None
    transform: Callable[[str, str, int], np.ndarray] | None
    topic: Callable[[str], str]
    published: Callable[[str], bool]
    tell: Callable[[str], None]


class Reference(ABC):
    """Takes messages as they come; `samples` may be called in another thread.

    Attributes:
        inputs: its own first, then what goes with it. local: as of ReferenceMatch.
        given_ns: the stamp of the reference that was given out last, or None.
        needs_rgb: it looks at the images themselves: a view has to have the one of its very stamp.
    """

    inputs: tuple[Input, ...] = ()
    local = True
    needs_rgb = False

    def __init__(self, context: Context) -> None:
        self.context = context
        self.given_ns: int | None = None
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

    def state(self) -> Any:
        """What samples of later images depend on besides messages, as JSON values, exact; None: on nothing."""
        return None

    def restore(self, state: Any) -> None:
        """Go on from what `state` gave, in another process."""
        assert state is None

    def align_config(self, config: AlignConfig) -> AlignConfig:
        """How its samples are to be fitted."""
        return config

    def tell_once(self, key: str, sentence: str) -> None:
        """Say something to people, once for each key."""
        if key not in self._told:
            self._told.add(key)
            self.context.tell(sentence)


class TopicReference(Reference):
    """Buffers the messages of its first input; a child says how one becomes samples, which is done once for each."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._buffer: Nearest[Any] = Nearest(_KEPT)
        self._made: tuple[Any, Samples] | None = None

    @property
    def topic(self) -> str:
        """Of the first input."""
        return self.context.topic(self.inputs[0].name)

    @abstractmethod
    def convert(self, message: Any, view: View, config: ReferenceConfig) -> Samples:
        """The samples of one message in an image with the camera and frame of `view`.

        Raises:
            FrameError, DataError: it gives none.
        """

    def add(self, name: str, message: Any) -> None:
        if self._buffer.add(stamp_ns(message.header.stamp), message):
            self.given_ns = None

    def samples(self, view: View) -> ReferenceMatch | None:
        if not len(self._buffer):
            return None
        config = self.context.options(ReferenceConfig)
        match = self._buffer.nearest(view.stamp_ns, config.tolerance)
        if match is None:
            raise SamplesError(self._buffer.why_none(view.stamp_ns, config.tolerance), "reference_time")
        found = self._samples_of(match.thing, view, config)
        fresh, self.given_ns = match.stamp_ns != self.given_ns, match.stamp_ns
        return ReferenceMatch(found, match.stamp_ns, match.offset_s, fresh, self.local)

    def _samples_of(self, message: Any, view: View, config: ReferenceConfig) -> Samples:
        """Several images in a row may have the same message: a camera is faster than a lidar."""
        key = (view.camera, view.frame, config)
        if self._made is not None and self._made[0][0] is message and self._made[0][1] == key:
            return self._made[1]
        found = self.convert(message, view, config).thinned(config.reference_samples)
        self._made = ((message, key), found)
        return found
