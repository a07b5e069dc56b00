# SPDX-License-Identifier: Apache-2.0
"""A recording as a source: its images, and a reference of those that `mono_depth bag --align` knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mono_depth_ros.bags.reader import BagReader
from mono_depth_ros.bags.storage import bag_path
from mono_depth_ros.bags.topics import Chosen, choose
from mono_depth_ros.config import BagConfig, Config, ImageConfig, ReferenceConfig
from mono_depth_ros.errors import DataError, FrameError, MonoDepthError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.streams.references.base import View
from mono_depth_ros.streams.usable import Usable
from mono_depth_ros.tools.adapt.source import Asked, Found
from mono_depth_ros.tools.bag.decode import Decoder
from mono_depth_ros.tools.bag.frames import BagFrame, batches
from mono_depth_ros.tools.bag.places import Places
from mono_depth_ros.tools.bag.references import RecordedReference
from mono_depth_ros.training.adapt.example import Example

AUTO = ("depth", "lidar", "scan", "stereo", "motion")
"""Tried in this order: those that know most of each image first."""


class RecordingSource:
    """See `Source`.

    Args:
        config: topics and camera. configs: of the alignment and its references, by class.
        poses: as of `BagConfig`, for motion. tell: gets sentences for people.

    Raises:
        DataError, ConfigError: there is no such recording, or nothing in it tells depth: what was looked for, and why
            it is not there.
    """

    def __init__(
        self,
        path: Path,
        asked: Asked,
        config: BagConfig,
        configs: Mapping[type[Config], Any],
        poses: str = "",
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path, self._asked, self._configs, self._tell = bag_path(path), asked, configs, tell
        self._poses = poses
        self.name = str(path)
        with BagReader(self._path) as reader:
            self._config, self.words = self._chosen(reader, config)
            chosen = choose(reader, self._config)
            self.total: int | None = reader.topics[chosen.image].count
            self.words = [*chosen.words, *self.words]
        self.reference = self._config.reference

    def frames(self) -> Iterator[Found]:
        """See `Source`."""
        every = self._asked.every(self.total)
        with BagReader(self._path) as reader:
            chosen = choose(reader, self._config)
            places = Places(reader, chosen.image, self._tell)
            recorded = RecordedReference(reader, self._config, self._configs, places, self._tell)
            images: ImageConfig = self._configs[ImageConfig]
            decoder = Decoder(reader, chosen.image, self._config, images, self._tell, Usable())
            tolerance_ns = round(self._configs[ReferenceConfig].tolerance * 1e9)
            for batch in batches(reader, chosen, recorded.inputs, places, 1, tolerance_ns, (), {}):
                for frame in batch.frames:
                    places.take(frame.places)
                    for name, message in frame.inputs:
                        try:
                            recorded.reference.add(name, reader.decode(message))
                        except DataError as error:
                            recorded.reference.tell_once("unreadable", f"reference not used: {error}")
                    if self._asked.last is not None and frame.index > self._asked.last:
                        return
                    wanted = self._asked.wanted(frame.index, every)
                    if frame.index < self._asked.first or not (wanted or recorded.reference.needs_rgb):
                        continue
                    decoder.decode(batch)
                    found = self._found(frame, chosen, recorded)
                    if wanted and found is not None:
                        yield found

    def judged(self, example: Example) -> Example:
        """The reference is all that is known: what it told, without what was inferred of it."""
        return example if not len(example.points) else replace(example, dense=None)

    def _found(self, frame: BagFrame, chosen: Chosen, recorded: RecordedReference) -> Found | None:
        if frame.shot is None:
            assert frame.problem is not None
            recorded.reference.tell_once(frame.problem.reason, f"image {frame.index} not used: {frame.problem}")
            return None
        camera = frame.shot.camera
        assert camera is not None, "images of recordings have a camera"
        rgb = np.array(frame.shot.rgb)  # which torch may take as its own
        name = f"{chosen.image} {frame.index}"
        view = View(frame.stamp_ns, camera, frame.header.frame_id, _nothing(camera), torch.from_numpy(rgb))
        samples, why = None, ""
        try:
            match = recorded.reference.samples(view)
            samples, why = (match.samples, "") if match is not None else (None, "no reference yet")
        except FrameError as error:
            why = error.reason
            recorded.reference.tell_once(why, f"reference not used ({why}): {error}")
        except DataError as error:
            why = "reference"
            recorded.reference.tell_once(why, f"reference not used: {error}")
        if samples is not None:
            samples = self._asked.thinned(samples, frame.index)
        return Found(name, frame.index, frame.stamp_ns / 1e9, rgb, camera, samples, why)

    def _chosen(self, reader: BagReader, config: BagConfig) -> tuple[BagConfig, list[str]]:
        """The configuration with the reference that there is, and what was chosen in words."""
        names = AUTO if self._asked.reference == "auto" else (self._asked.reference,)
        why: list[str] = []
        for name in names:
            try:
                poses = self._poses if name == "motion" else ""
                own = replace(config, reference=name, outputs="depth,aligned", poses=poses)
                places = Places(reader, choose(reader, own).image)
                recorded = RecordedReference(reader, own, self._configs, places)
            except MonoDepthError as error:
                if len(names) == 1:
                    raise
                why.append(f"{name}: {error}")
                continue
            return own, recorded.words
        raise DataError(f"{reader.path} holds no reference that tells depth; " + "; ".join(why))


def _nothing(camera: Camera) -> DepthPrediction:
    """For references, which look at predictions only to remember them."""
    return DepthPrediction(torch.full((camera.height, camera.width), torch.nan), DepthKind.METRIC)
