# SPDX-License-Identifier: Apache-2.0
"""`mono_depth image` of a video file or a webcam: every picture of it, with its time, becomes depth."""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mono_depth_ros.config import DepthConfig, ImageConfig, ModelConfig
from mono_depth_ros.errors import SENTENCE, ConfigError, DataError, MonoDepthError, shown
from mono_depth_ros.frame import HostFrames
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.media.images import check_pixels
from mono_depth_ros.media.photos import Photos
from mono_depth_ros.media.sequences import VIDEO_SUFFIXES, webcam_index
from mono_depth_ros.media.video import VideoFile, Webcam
from mono_depth_ros.media.video_writer import SUFFIXES, writable
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.models.memory import History, Memory
from mono_depth_ros.pipeline import Frame, Pipeline, Shot
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.startup import uninterrupted
from mono_depth_ros.threads import Behind, ahead
from mono_depth_ros.tools import video_outputs
from mono_depth_ros.tools.checked_model import load_checked
from mono_depth_ros.tools.image_files import Job
from mono_depth_ros.tools.options import config_from

_GPU_BATCH = 8  # pictures in one run of the network
_SAMPLES = 12  # pictures that the colours of a video are taken from

_NOT_OF_A_VIDEO = {
    "reference": "--reference is for image files: no file of known depths goes with each picture of a video; "
    "--out NAME.mcap makes a recording, which `mono_depth bag` aligns with the sensors in it",
    "right": "--right is for image files: of a pair of videos take the pictures out, or record them and use "
    "`mono_depth bag --reference stereo`",
    "measure": "--measure is for image files: take a picture out of the video",
    "prompt": "--prompt is for image files: no file of known depths goes with each picture of a video; the alignment "
    "node takes a sensor's as the prompt of its alignment_model",
    "overlay": "--overlay is for a --reference, which a video cannot have",
    "cam_from_reference": "--cam-from-reference is for a --reference, which a video cannot have",
}


def run(args: argparse.Namespace) -> int:
    """Convert the video; 0 when all of it was read.

    Raises:
        MonoDepthError: nothing could be started, the video is damaged (what was read is kept), or the result cannot be
            written.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    job = VideoJob.prepare(args)
    summary = job.run()
    if args.json:
        print(json.dumps(summary, allow_nan=False))
    if job.damage:
        raise DataError(job.damage)
    return 0


@dataclass
class VideoJob:
    """One conversion.

    Attributes:
        name: of the source, for people. source: of the pictures. camera: of them, None where nothing needs one.
        out: the file or folder. kinds: the results wanted, as of image files. rectified, pipeline: likewise.
        history: of the pictures, for a video model.
        damage: of the source, in a sentence, after `run`. count, last_ns: of its pictures so far.
    """

    name: str
    source: VideoFile | Webcam
    camera: Camera | None
    out: Path
    kinds: tuple[str, ...]
    pipeline: Pipeline
    history: History
    damage: str = ""
    count: int = 0
    last_ns: int = 0
    _size: tuple[int, ...] = field(default=(), repr=False)

    @classmethod
    def prepare(cls, args: argparse.Namespace) -> VideoJob:
        """Check everything that can be wrong before the first picture, cheap checks first.

        Raises:
            MonoDepthError: options, source, camera or model are not usable.
        """
        (name, out, kinds) = _checked(args)
        index = webcam_index(name)
        source = VideoFile.open(Path(name)) if index is None else Webcam(index)
        check_pixels(
            source.width, source.height, config_from(args, ImageConfig, ("max_image_pixels",)).max_image_pixels
        )
        argument = CameraArgument.given(args.camera, args.hfov)
        camera = None if argument is None else _camera(source, argument, args.rectified)
        if out.suffix.lower() in SUFFIXES and (out := writable(given := out)) != given:
            _tell(f"this OpenCV writes no MPEG-4: {out} (MJPG) is written instead of {given}")
        metres = [f"--{kind}" for kind in ("png16", "ply") if kind in kinds]

        def check(name: str, kind: DepthKind, needs_camera: bool) -> None:
            if kind is not DepthKind.METRIC and metres:
                asked = " and ".join(metres)
                raise ConfigError(f"{name} gives {kind.words}, which has no metres: {asked} need a metric model")
            if camera is None and (needs_camera or "ply" in kinds):
                who = f"the model {name}" if needs_camera else "--ply"
                raise ConfigError(f"{who} needs the camera: give --camera fx,fy,cx,cy, --camera FILE or --hfov DEG")

        model = load_checked(load_model, config_from(args, ModelConfig), check)
        if camera is None and out.suffix == ".mcap":
            _tell(f"without --camera {out} has no camera_info")
        batch = _GPU_BATCH if isinstance(source, VideoFile) else 1
        pipeline = Pipeline(model, config_from(args, DepthConfig), full_batch=batch)
        return cls(name, source, camera, out, kinds, pipeline, History(model))

    def run(self) -> dict[str, Any]:
        """Convert all of it; returns what `--json` prints. Ctrl-C, and any error, keep what is done.

        Raises:
            MonoDepthError: as `run`, but for a damaged source, which `damage` tells.
        """
        start_s, stopped = time.monotonic(), None
        self._introduce()
        with ExitStack() as stack:
            output = stack.enter_context(self._output())
            try:
                self._convert(output)
            except BaseException as error:
                if not self.count:
                    raise
                stopped = error
            with uninterrupted():
                output.finish()
                stack.close()
        held = f"{self.out} holds {self.count} images of {self.last_ns / 1e9:.2f} s"
        if stopped is not None:
            _tell(f"{held}: those before the end")
            raise stopped
        _tell(held)
        if forgot := self.history.sentence():
            _tell(forgot)
        if isinstance(self.source, VideoFile):
            self.damage = self.source.lost(self.count, self.last_ns)
        return self._summary(time.monotonic() - start_s)

    def _convert(self, output: video_outputs.VideoOutput) -> None:
        """Read, network, write: three threads."""
        device = self.pipeline.model.device.type
        size = _GPU_BATCH if device == "cuda" and isinstance(self.source, VideoFile) else 1
        total = self.source.estimate if isinstance(self.source, VideoFile) else 0
        with (
            tqdm(
                total=total or None, unit="image", file=sys.stderr, dynamic_ncols=True, desc="depth", disable=None
            ) as bar,
            closing(ahead(self.source.pictures(), 2 * size)) as pictures,
            self._behind(output, 2 * size) as behind,
        ):
            while batch := list(islice(pictures, size)):
                memories = [self.history.at(rgb.shape[1], rgb.shape[0], time_ns) for time_ns, rgb in batch]
                frames = self._estimate([rgb for _, rgb in batch], memories)
                for frame, (time_ns, _) in zip(frames, batch, strict=True):
                    behind.put((frame, time_ns))
                    bar.update()

    def _behind(self, output: video_outputs.VideoOutput, size: int) -> Behind[tuple[Frame, int]]:
        return Behind(lambda item: self._write(output, *item), lambda _: None, size)

    def _write(self, output: video_outputs.VideoOutput, frame: Frame, time_ns: int) -> None:
        try:
            output.write(frame, time_ns)
        except OSError as error:
            raise MonoDepthError(f"cannot write {self.out}: {error.strerror or error}") from error
        self.count, self.last_ns = self.count + 1, time_ns

    def _estimate(self, pictures: list[np.ndarray], memories: Sequence[Memory | None] = ()) -> list[Frame]:
        """Frames on the host: what an engine gives may be overwritten by the next picture.

        `memories`: of the pictures of a stream; without, each is a picture by itself.
        """
        for rgb in pictures:
            self._size = self._size or rgb.shape
            if rgb.shape != self._size:
                found = f"{rgb.shape[1]}x{rgb.shape[0]}, those before it {self._size[1]}x{self._size[0]}"
                raise DataError(f"{self.name}: image {self.count} is {found}: expected one size")
        each = zip(pictures, memories or [None] * len(pictures), strict=True)
        results = self.pipeline.estimate_batch([Shot(rgb, self.camera, memory=memory) for rgb, memory in each])
        frames = []
        for result in results:
            if isinstance(result, Exception):
                raise result
            frames.append(result)
        return frames if self.pipeline.model.device.type == "cpu" else HostFrames(frames).frames()

    def _output(self) -> AbstractContextManager[video_outputs.VideoOutput]:
        suffix, spec = self.out.suffix.lower(), self.pipeline.model.spec
        if suffix in SUFFIXES:
            rate_hz, span = math.nan, None
            if isinstance(self.source, VideoFile):
                rate_hz = self.source.rate_hz
                if self.source.estimate > video_outputs.FIRST:
                    _tell(f"the scale of the colours comes from {_SAMPLES} images of the whole video")
                    frames = [self._estimate([rgb])[0] for rgb in self.source.sample(_SAMPLES)]
                    span = video_outputs.span_of(frames) if frames else None
            return video_outputs.film(self.out, rate_hz, span, _tell)
        if suffix == ".mcap":
            wanted = {"depth"} | {name for kind, name in (("ply", "points"), ("color", "color")) if kind in self.kinds}
            topics = video_outputs.recorded_topics(spec, wanted, self.camera is not None)
            encoding = "16UC1" if "png16" in self.kinds else "32FC1"
            return video_outputs.recording(self.out, self.camera, topics, encoding)
        stem = Path(self.name).stem if isinstance(self.source, VideoFile) else self.source.name.replace(":", "_")
        job = Job([], [], self.out, self.kinds, Photos(None, False, False, 0), self.pipeline)
        return nullcontext(video_outputs.Folder(self.out, stem, lambda name, frame: job.save(name, frame)))

    def _introduce(self) -> None:
        size, words = f"{self.source.width}x{self.source.height}", ""
        if isinstance(self.source, VideoFile):
            rate = f", {self.source.rate_hz:.4g} images a second" if math.isfinite(self.source.rate_hz) else ""
            turned = f", turned by {self.source.turned} degrees as it is to be shown" if self.source.turned else ""
            words = f"{rate}{turned}"
        else:
            words = "; Ctrl-C ends it and keeps what is done"
        _tell(f"{self.name}: {size}{words}")

    def _summary(self, seconds: float) -> dict[str, Any]:
        return {
            "file": self.name,
            "out": str(self.out),
            "images": self.count,
            "images_stated": self.source.count if isinstance(self.source, VideoFile) else None,
            "width": self.source.width,
            "height": self.source.height,
            "turned": self.source.turned if isinstance(self.source, VideoFile) else 0,
            "last_s": round(self.last_ns / 1e9, 6),
            "kind": self.pipeline.model.spec.kind.value,
            "images_per_s": round(self.count / seconds, 2),
            "damage": self.damage,
        }


def _checked(args: argparse.Namespace) -> tuple[str, Path, tuple[str, ...]]:
    """The source, where the result goes, and its kinds.

    Raises:
        ConfigError: the options do not go together. DataError: there is no such file.
    """
    for option, sentence in _NOT_OF_A_VIDEO.items():
        if getattr(args, option):
            raise ConfigError(sentence)
    name = args.inputs[0]
    if len(args.inputs) > 1:
        raise ConfigError(f"found a video among {len(args.inputs)} inputs, expected one video at a time, alone")
    if args.out is None:
        raise ConfigError("nowhere to write: expected --out NAME.mp4, NAME.mcap or a folder")
    suffix = args.out.suffix.lower()
    if not args.out.is_dir() and suffix in (set(VIDEO_SUFFIXES) - set(SUFFIXES)) | {".bag", ".db3"}:
        raise ConfigError(f"--out is {args.out}, expected NAME.mp4, NAME.avi, NAME.mcap or a folder")
    kinds = tuple(kind for kind in ("npy", "png16", "ply", "color") if getattr(args, kind))
    file = not args.out.is_dir() and suffix in (*SUFFIXES, ".mcap")
    if not file and not kinds:
        raise ConfigError("nothing to write: --no-npy leaves nothing, expected one of --png16, --ply, --color")
    if suffix in SUFFIXES and (more := [f"--{kind}" for kind in ("png16", "ply") if kind in kinds]):
        raise ConfigError(f"{' and '.join(more)} are for a folder or NAME.mcap, and --out is {args.out}")
    if webcam_index(name) is None:
        if not Path(name).is_file():
            raise DataError(f"there is no video {name}")
        if args.out.resolve() == Path(name).resolve():
            raise DataError(f"{name} would be overwritten by its result: choose another --out")
    return name, args.out, kinds


def _camera(source: VideoFile | Webcam, argument: CameraArgument, rectified: bool) -> Camera:
    """The camera of the pictures as they are shown: one of the stored size is turned with them."""
    size, calibration = (source.width, source.height), argument.calibration
    stored = source.stored_size if isinstance(source, VideoFile) else size
    if argument.hfov_deg and stored != size:
        return argument.camera(*stored).turned(90)
    if calibration is not None and (calibration.width, calibration.height) == stored != size:
        assert isinstance(source, VideoFile)
        _tell(f"--camera is of the pictures as they are stored, and is turned by {source.turned} degrees with them")
        return argument.camera(*stored, rectified).turned(source.turned)
    return argument.camera(*size, rectified)


def _tell(sentence: str) -> None:
    tqdm.write(shown(sentence, SENTENCE), file=sys.stderr)
