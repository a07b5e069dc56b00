# SPDX-License-Identifier: Apache-2.0
"""The last stage: frames become messages, messages go into segments, and what is finished is remembered."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from mono_depth_ros.atomic import write_error
from mono_depth_ros.bags.writer import SegmentWriter
from mono_depth_ros.config import BagConfig
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.streams.obstacles import ObstacleSource
from mono_depth_ros.streams.outputs import Output
from mono_depth_ros.streams.usable import Usable
from mono_depth_ros.tools.bag.align import Alignment, view_of
from mono_depth_ros.tools.bag.exports import Export
from mono_depth_ros.tools.bag.frames import BagFrame, Batch
from mono_depth_ros.tools.bag.map import MapExport
from mono_depth_ros.tools.bag.outputs import Leaving, encode
from mono_depth_ros.tools.bag.places import Places
from mono_depth_ros.tools.bag.target import Progress

_FEW = 0.05  # of the pixels with a finite depth, as the depth node's min_depth_fraction
_TOLD = 5  # dropped frames that are told one by one


class Sink:
    """Takes batches in order.

    Args:
        writer: of the segments. topics: what is written of a frame. progress: what is finished, of earlier
            runs too; it is kept up to date. config: how large segments become. tell: gets sentences for people.
        conclude: called when all is written, before that is remembered: what is known of the input only then goes into
            `progress`. usable: what is wrong with the results.
        places: gets what comes with each frame. alignment: of the frames, if it is wanted. exports: get every frame
            that has metres. surface: likewise. obstacles: finds them, if they are wanted.
    """

    def __init__(
        self,
        writer: SegmentWriter,
        topics: dict[str, Output],
        progress: Progress,
        config: BagConfig,
        tell: Callable[[str], None],
        conclude: Callable[[], None],
        usable: Usable,
        places: Places,
        alignment: Alignment | None = None,
        exports: Sequence[Export] = (),
        surface: MapExport | None = None,
        obstacles: ObstacleSource | None = None,
    ) -> None:
        self._writer, self._topics, self._progress = writer, topics, progress
        self._config, self._tell, self._conclude, self._usable = config, tell, conclude, usable
        self._told: set[str] = set()
        self._places, self._obstacles = places, obstacles
        self._alignment, self._exports, self._surface = alignment, exports, surface
        self._segment_frames, self._segment_begun_s = 0, time.monotonic()
        self._unfinished = False

    @torch.inference_mode()
    def leaving(self, batch: Batch) -> Leaving:
        """What is written of a batch, on its way to the host; in the thread of the network."""
        users = (self._alignment, self._surface, self._obstacles)
        whole = bool(self._exports) or any(user is not None for user in users)
        return Leaving(batch, self._topics, self._config.depth_encoding, whole)

    @torch.inference_mode()
    def take(self, batch: Batch) -> None:
        """Write a batch, and finish the segment when it is large or old enough.

        Raises:
            MonoDepthError: it cannot be written. The segment is given up; those before it stay.
        """
        try:
            self._write(batch)
            age_s = time.monotonic() - self._segment_begun_s
            if self._segment_frames >= self._config.segment_frames or age_s >= self._config.segment_seconds:
                self._finish_segment()
        except (OSError, sqlite3.Error) as error:
            failure = cannot_write(error, self._writer.folder, self._writer.count)  # before there is room again
            self._give_up()
            raise failure from error
        except BaseException:
            self._give_up()
            raise

    def end(self, complete: bool) -> None:
        """After the last batch, or after an interruption. Raises as `take`."""
        try:
            if complete:
                for export in self._exports:
                    export.finish()
                if self._surface is not None:
                    self._progress.map = self._surface.write(str(self._progress.options["model"]))
                self._conclude()
                self._progress.done = True
            if complete or self._unfinished:
                self._finish_segment()
            if complete and self._surface is not None:
                self._surface.drop(kept=False)
        except (OSError, sqlite3.Error) as error:
            failure = cannot_write(error, self._writer.folder, self._writer.count)  # before there is room again
            self._give_up()
            raise failure from error

    def _write(self, batch: Batch) -> None:
        for item in batch.items:
            if isinstance(item, BagFrame):
                self._frame(item)
            else:
                self._writer.write(item.topic, item.log_ns, item.data)
        self._progress.batches += 1
        self._progress.image_bits = batch.image_bits
        self._unfinished = True

    def _frame(self, frame: BagFrame) -> None:
        self._progress.frames += 1
        self._segment_frames += 1
        self._places.take(frame.places)
        if self._alignment is not None:
            self._alignment.add(frame)
        if frame.problem is not None:
            self._progress.drop(frame.problem)
            if sum(self._progress.dropped.values()) <= _TOLD:
                self._tell(f"image {frame.index} is dropped: {frame.problem}")
            return
        if frame.known is None and frame.result is not None:
            frame.known = float(frame.result.known)
        if frame.known is not None:
            self._judge(frame, frame.known)
        if self._alignment is not None:
            self._alignment.align(frame)
        for topic, data in encode(frame, self._topics, self._config.depth_encoding, self._obstacles):
            self._writer.write(topic, frame.message.log_ns, data)
            self._progress.wrote(topic)
        metres = frame.result if self._alignment is None else frame.aligned
        if metres is not None and self._surface is not None:
            self._surface.add(view_of(frame, metres), metres)
        if metres is not None:
            for export in self._exports:
                export.write(frame, metres)
                self._progress.wrote(export.name)
        self._progress.written += 1

    def _judge(self, frame: BagFrame, known: float) -> None:
        """Say what makes the depth unusable or doubtful, each kind of it once."""
        self._usable.depth(known)
        sentence = self._usable.nothing() or self._usable.concern(_FEW, math.inf)
        kind = sentence.partition(":")[0].rstrip("0123456789.%")
        if sentence and kind not in self._told:
            self._told.add(kind)
            self._tell(f"warning: image {frame.index}: {sentence}")

    def _finish_segment(self) -> None:
        if self._alignment is not None:
            self._progress.alignment = self._alignment.state()
        if self._surface is not None and not self._progress.done:
            self._progress.map = self._surface.keep()
        self._writer.finish_segment(self._progress.record())
        if self._surface is not None:
            self._surface.drop(kept=True)
        self._segment_frames, self._segment_begun_s = 0, time.monotonic()
        self._unfinished = False

    def _give_up(self) -> None:
        self._unfinished = False
        self._writer.abort()


def cannot_write(error: Exception, where: Path, segments: int) -> MonoDepthError:
    """What to say when the disk does not take it."""
    found = write_error(error, where, where if where.is_dir() else where.parent)
    why = str(error) if found is None else str(found.strerror).replace("No space left on device", "the disk is full")
    named = where if found is None else found.filename
    return MonoDepthError(
        f"cannot write {named}: {why}; {segments} finished segments are kept, --resume goes on with them"
    )
