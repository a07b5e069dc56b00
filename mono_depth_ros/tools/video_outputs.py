# SPDX-License-Identifier: Apache-2.0
"""What `mono_depth image` makes of a video: a video of the depth, files in a folder, or a recording."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from mono_depth_ros.atomic import atomic_path, saying_why
from mono_depth_ros.bags.messages import empty, info_from
from mono_depth_ros.bags.reader import TYPES, Message
from mono_depth_ros.bags.writer import BagFile, Channel
from mono_depth_ros.config import CameraTopicsConfig
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.video_writer import VideoWriter
from mono_depth_ros.messages.image import fill_image
from mono_depth_ros.messages.kinds import CAMERA_INFO, IMAGE
from mono_depth_ros.messages.stamps import sec_nanosec
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.streams.outputs import OUTPUTS, Output
from mono_depth_ros.tools.bag.frames import BagFrame
from mono_depth_ros.tools.bag.outputs import encode

FIRST = 8
"""Pictures of which the colours of a video are taken, where it cannot be searched: those of a webcam."""

_DEFAULT_RATE_HZ, _MAX_RATE_HZ = 30.0, 240.0

Tell = Callable[[str], None]
Span = tuple[float, float]
"""Nearness, of `Frame`, at the far and the near end of the colours."""


class VideoOutput(Protocol):
    """Takes the frames of a video in order, each with its time in ns; `finish` comes after the last."""

    def write(self, frame: Frame, time_ns: int) -> None: ...

    def finish(self) -> None: ...


def span_of(frames: Iterable[Frame]) -> Span:
    """The nearness between which nearly all pixels of these frames lie."""
    values = [frame.nearness[::4, ::4].cpu().numpy().ravel() for frame in frames]
    known = np.concatenate(values) if values else np.empty(0)
    known = known[np.isfinite(known)]
    low, high = np.percentile(known, (1, 99)).tolist() if known.size else (0.0, 1.0)
    return low, max(high, low + 1e-6)


@contextmanager
def film(path: Path, rate_hz: float, span: Span | None, tell: Tell) -> Iterator[Film]:
    """A video file with the picture on the left and the colours of its depth on the right; there whole or not at all.

    Args:
        rate_hz: of the images, NaN where it is not known.
        span: one scale of the colours for the whole video; None takes that of the first images.
    """
    with atomic_path(path) as temporary:
        yield Film(temporary, rate_hz, span, tell)


@dataclass
class Film:
    """The output `film`."""

    path: Path
    rate_hz: float
    span: Span | None
    tell: Tell
    _held: list[tuple[Frame, int]] = field(default_factory=list)
    _writer: VideoWriter | None = None

    def write(self, frame: Frame, time_ns: int) -> None:
        self._held.append((frame, time_ns))
        if self.span is not None or len(self._held) == FIRST:
            self._flush()

    def finish(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if self._writer is None and self._held:
            self._begin()
        while self._held:
            frame, time_ns = self._held.pop(0)
            assert self._writer is not None and self.span is not None
            self._writer.write(torch.hstack([frame.rgb, frame.picture(*self.span)]).cpu().numpy(), time_ns)

    def _begin(self) -> None:
        frame, first_ns = self._held[0]
        self.span = self.span or span_of(frame for frame, _ in self._held)
        if not math.isfinite(self.rate_hz):
            gap_ns = (self._held[-1][1] - first_ns) / max(len(self._held) - 1, 1)
            self.rate_hz = min(1e9 / gap_ns, _MAX_RATE_HZ) if gap_ns else _DEFAULT_RATE_HZ
        self._writer = VideoWriter(self.path, self.rate_hz)
        far, near = self.span
        kind = frame.prediction.kind
        ends = f"of inverse depth from {near:.3g} (near, red) to {far:.3g} (far, blue)"
        if kind is DepthKind.AFFINE:
            ends = f"of relative depth from {-near:.3g} (near, red) to {-far:.3g} (far, blue)"
        if kind is DepthKind.METRIC:
            ends = f"from {1 / near:.2g} m (red) to {f'{1 / far:.2g} m' if far > 0 else 'the sky'} (blue)"
        self.tell(f"picture on the left, depth on the right; colours {ends}, the same for all images")


@dataclass
class Folder:
    """Files for each image, as of a picture, and in STEM_times.txt its name and time in seconds."""

    path: Path
    stem: str
    save: Callable[[Path, Frame], object]
    _lines: list[str] = field(default_factory=list)

    def write(self, frame: Frame, time_ns: int) -> None:
        name = f"{self.stem}_{len(self._lines):06d}"
        self.save(Path(name), frame)
        self._lines.append(f"{name} {time_ns / 1e9:.9f}\n")

    def finish(self) -> None:
        with atomic_path(self.path / f"{self.stem}_times.txt") as temporary:
            temporary.write_text("".join(self._lines), encoding="utf-8")


@contextmanager
def recording(path: Path, camera: Camera | None, topics: dict[str, Output], encoding: str) -> Iterator[Recording]:
    """An MCAP file with /image_raw, /camera_info where there is a camera, and `topics`; there whole or not at all.

    Args:
        encoding: of metric depth, 32FC1 or 16UC1.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.stem[:50]}-", dir=path.parent))
    channels = [Channel("/image_raw", IMAGE), *([Channel("/camera_info", CAMERA_INFO)] if camera else [])]
    channels += [Channel(topic, output.kind) for topic, output in topics.items()]
    try:
        with saying_why(path, folder):
            made = Recording(BagFile(folder / "bag", channels, "mcap", "zstd"), camera, topics, encoding)
            yield made
            assert made.file is not None, "finish was called"
            os.replace(made.file, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def recorded_topics(spec: ModelSpec, wanted: set[str], camera: bool) -> dict[str, Output]:
    """Of the nodes' outputs those that a recording gets, by topic; without a camera none that needs one.

    Args:
        wanted: depth, points, color.
    """
    given = (item for item in OUTPUTS if set(item.options) <= wanted and item.given_by(spec))
    return {f"/{item.topic}": item for item in given if camera or item.kind != CAMERA_INFO}


@dataclass
class Recording:
    """The output `recording`. Stamps are the times of the images, and so are the times of recording."""

    bag: BagFile
    camera: Camera | None
    topics: dict[str, Output]
    encoding: str
    file: Path | None = None
    _count: int = 0

    def write(self, frame: Frame, time_ns: int) -> None:
        time = TYPES.types["builtin_interfaces/msg/Time"](*sec_nanosec(time_ns))
        header = TYPES.types["std_msgs/msg/Header"](time, CameraTopicsConfig.frame_id)
        image = empty(IMAGE, header)
        fill_image(image, frame.rgb.cpu().numpy(), "rgb8")
        self.bag.write("/image_raw", time_ns, TYPES.serialize_cdr(image, IMAGE))
        if self.camera is not None:
            self.bag.write("/camera_info", time_ns, TYPES.serialize_cdr(info_from(self.camera, header), CAMERA_INFO))
        message = Message("/image_raw", IMAGE, time_ns, b"")
        result = BagFrame(self._count, message, time_ns, header=header, result=frame)
        for topic, data in encode(result, self.topics, self.encoding):
            self.bag.write(topic, time_ns, data)
        self._count += 1

    def finish(self) -> None:
        self.file = self.bag.close()
