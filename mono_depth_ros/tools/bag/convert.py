# SPDX-License-Identifier: Apache-2.0
"""One bag in, one bag out: `convert` is all of it, for the command line and for workers of a cluster alike."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mono_depth_ros.bags.reader import BagReader
from mono_depth_ros.bags.topics import Chosen, choose
from mono_depth_ros.bags.writer import Channel, SegmentWriter, copied_channel
from mono_depth_ros.config import (
    AlignConfig,
    BagConfig,
    Config,
    DepthConfig,
    GroundConfig,
    ImageConfig,
    MotionConfig,
    ObstacleConfig,
    ReferenceConfig,
    StereoConfig,
    TrackerConfig,
)
from mono_depth_ros.errors import ConfigError, FrameError, ModelError, MonoDepthError
from mono_depth_ros.media.camera_argument import CameraArgument
from mono_depth_ros.models.base import DepthModel, check_prompts
from mono_depth_ros.models.memory import History, is_video
from mono_depth_ros.paths import expanded
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.prediction import DepthKind
from mono_depth_ros.streams.obstacles import ObstacleSource
from mono_depth_ros.streams.outputs import Output
from mono_depth_ros.streams.usable import Usable
from mono_depth_ros.threads import Behind, ahead
from mono_depth_ros.tools.bag.align import Alignment
from mono_depth_ros.tools.bag.camera_poses import open_poses
from mono_depth_ros.tools.bag.decode import Decoder
from mono_depth_ros.tools.bag.exports import check_folders, clear_folders, open_exports
from mono_depth_ros.tools.bag.frames import Batch, batches
from mono_depth_ros.tools.bag.map import MAP, MapExport, map_words
from mono_depth_ros.tools.bag.outputs import Leaving, written_topics
from mono_depth_ros.tools.bag.places import Places
from mono_depth_ros.tools.bag.poses import LINES, PoseLines, Poses, ground_truth
from mono_depth_ros.tools.bag.references import RecordedReference
from mono_depth_ros.tools.bag.sink import Sink, cannot_write
from mono_depth_ros.tools.bag.summary import results
from mono_depth_ros.tools.bag.target import Progress, Target, fingerprint
from mono_depth_ros.tools.tsdf import open3d

_GPU_BATCH, _CPU_BATCH = 8, 1
_NO_MATTER = ("read_ahead", "segment_frames", "segment_seconds", "device", "threads")


@dataclass(frozen=True)
class Job:
    """One conversion, as plain values.

    Attributes:
        source: the bag to read. out: the bag to write: NAME.mcap or NAME.db3 for one file, anything else for a folder.
        resume: go on where an earlier run ended. force: replace what is there.
    """

    source: Path
    out: Path
    bag: BagConfig = field(default_factory=BagConfig)
    images: ImageConfig = field(default_factory=ImageConfig)
    depth: DepthConfig = field(default_factory=DepthConfig)
    align: AlignConfig = field(default_factory=AlignConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    reference: ReferenceConfig = field(default_factory=ReferenceConfig)
    stereo: StereoConfig = field(default_factory=StereoConfig)
    ground: GroundConfig = field(default_factory=GroundConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)
    obstacles: ObstacleConfig = field(default_factory=ObstacleConfig)
    resume: bool = False
    force: bool = False

    @property
    def outputs(self) -> tuple[Path, ...]:
        """Everything that is written: who converts holds the lock of each."""
        return (self.out, *(Path(path) for path in (self.bag.export_tum, self.bag.export_ply, self.bag.map) if path))

    @property
    def alignment(self) -> dict[type[Config], Config]:
        """The options of the alignment, its reference, and of obstacles, by class."""
        own = (self.align, self.tracker, self.reference, self.stereo, self.ground, self.motion, self.obstacles)
        return {type(item): item for item in (self.images, *own)}

    @property
    def configs(self) -> tuple[Config, ...]:
        """The options of every stage but the network."""
        return (self.bag, self.depth, *self.alignment.values())


def option_values(*configs: Config) -> dict[str, Any]:
    """All options that decide what comes out, by name, as JSON values; not those that decide how fast it goes."""
    found = {name: value for config in configs for name, value in asdict(config).items() if name not in _NO_MATTER}
    return {name: "inf" if value == float("inf") else value for name, value in found.items()}


def batch_size(config: BagConfig, model: DepthModel) -> int:
    """Images in one run of the network."""
    return config.batch or (_GPU_BATCH if model.device.type == "cuda" else _CPU_BATCH)


def check_input(job: Job) -> None:
    """What can be wrong with the input and the options. Raises as `convert`."""
    CameraArgument.given(job.bag.camera, job.bag.hfov)
    with BagReader(job.source) as reader:
        chosen = choose(reader, job.bag)
        places = Places(reader, chosen.image)
        _beside(reader, job, places)
        _obstacles(job, places)
        if job.bag.map:
            open3d()
        if chosen.poses:
            Poses(reader, chosen)
    _place(job).check_place(job.source)


def check_outputs(job: Job) -> None:
    """What can be wrong with what is there already. Raises as `convert`."""
    _place(job).check(job.source, job.resume, job.force)
    check_folders(job.bag, job.resume, job.force)


def convert(
    job: Job,
    model: DepthModel,
    tell: Callable[[str], None] = lambda _: None,
    step: Callable[[int, int | None], None] = lambda *_: None,
) -> dict[str, Any]:
    """Convert a bag; nobody else may work on its outputs: see `locked`.

    Args:
        tell: gets sentences for people. step: gets images done and images in all, None where that is not known.

    Returns:
        The summary, as JSON values; `damage` is "" for a bag that was read to its end.

    Raises:
        DataError: the input, or what is at `out`. ConfigError: options that do not go together. MonoDepthError: the
            disk is full, the model fails. What was finished before stays, and `resume` goes on from there.
    """
    start_s = time.monotonic()
    check_prompts(model.spec, 0, 1)
    topics = written_topics(job.bag, model.spec)
    place = _place(job)
    with BagReader(job.source) as reader:
        chosen = choose(reader, job.bag)
        for words in chosen.words:
            tell(words)
        for words in (*reader.notes, reader.damage):
            if words:
                tell(f"warning: {words}")
        places = Places(reader, chosen.image, tell)
        recorded = _beside(reader, job, places, tell)
        obstacles = _obstacles(job, places, tell)
        others = [places.file, expanded(job.obstacles.mask) if obstacles is not None and job.obstacles.mask else None]
        source, options = fingerprint([*reader.files, *filter(None, others)]), option_values(*job.configs)
        options |= {"model": model.spec.name, "engine": model.engine, "batch": batch_size(job.bag, model)}
        copied, channels, notes = _channels(reader, topics, job)
        for words in notes:
            tell(f"warning: {words}")
        usable, history = Usable(), History(model)
        decoder = Decoder(reader, chosen.image, job.bag, job.images, tell, usable, history)
        exports = open_exports(job.bag, model.spec.kind is DepthKind.METRIC)
        progress = place.begin(job.source, job.resume, job.force)
        if progress is not None:
            if not job.bag.batch:  # of the device that it was begun on
                options["batch"] = progress.options.get("batch", options["batch"])
            progress.check(options, source, job.out)
            tell(f"going on after {progress.frames} images")
        elif job.force:
            clear_folders(job.bag)
        progress = progress or Progress(options, source)
        begun, replayed = progress.frames, is_video(model)
        if not replayed:
            decoder.bits.found = progress.image_bits
        if obstacles is not None:
            obstacles.missed = progress.no_obstacles
        alignment = None
        if recorded is not None:
            asked = bool({"uncertainty", "obstacles", "scan"} & set(job.bag.wanted)) or bool(job.bag.map)
            uncertainty = asked or job.depth.max_relative_error > 0
            alignment = Alignment(
                job.align,
                job.tracker,
                recorded.reference,
                reader.decode,
                progress.alignment,
                uncertainty,
                job.motion.fuse,
            )
        if not progress.done:
            segments = SegmentWriter(
                place.folder, place.stem, channels, place.storage, job.bag.compression, place.metadata
            )
            poses = PoseLines()

            def conclude() -> None:
                progress.damage, said = reader.damage, [places.sentence()]
                if chosen.poses:
                    progress.messages[LINES] = poses.count
                    said.append(poses.sentence())
                if job.bag.map:
                    progress.messages[MAP] = progress.map["fused"] if progress.map["vertices"] else 0
                    said += map_words(job.bag.map, progress.map)
                said.append(history.sentence())
                progress.notes = [*notes, *filter(None, said)]

            surface = None
            if places.poses is not None and job.bag.map:
                surface = MapExport(job.bag, places.poses, progress.map)
            sink = Sink(
                segments,
                topics,
                progress,
                job.bag,
                tell,
                conclude,
                usable,
                places,
                alignment,
                exports,
                surface,
                obstacles,
            )
            size, first = progress.options["batch"], progress.batches
            inputs = recorded.inputs if recorded is not None else {}
            with ground_truth(reader, chosen, job.bag.export_tum, poses) as also:
                tolerance_ns = int(job.reference.tolerance * 1e9)
                stream = batches(reader, chosen, inputs, places, size, tolerance_ns, copied, also)
                total = reader.topics[chosen.image].count
                step(begun, total)
                pipeline = Pipeline(model, job.depth, full_batch=size)

                def again(batch: Batch) -> None:
                    _estimate(decoder.decode(batch), pipeline)

                if replayed and begun:
                    tell(f"the {begun} images before are estimated again: the model remembers them")
                unfinished = _go_on(stream, first, places, alignment, again if replayed else lambda _: None)
                todo = (decoder.decode(batch) for batch in unfinished)
                _run(todo, pipeline, sink, job.bag.read_ahead, lambda: step(progress.frames, total))
        try:
            place.finish(channels, job.bag.compression, progress.record())
        except (OSError, sqlite3.Error) as error:
            raise cannot_write(error, place.out, len(place.metadata or ())) from error
    summary = _summary(job, model, chosen, topics, progress, begun, time.monotonic() - start_s)
    summary |= results(topics, job.bag, bool(chosen.poses), progress, alignment)
    if job.bag.map:
        found = {name: progress.map[name] for name in ("fused", "vertices", "full")}
        summary["map"] = {"path": job.bag.map, **found}
    return summary | ({"alignment": alignment.summary()} if alignment is not None else {})


def _beside(
    reader: BagReader, job: Job, places: Places, tell: Callable[[str], None] = lambda _: None
) -> RecordedReference | None:
    """The reference, if there is alignment; `places` gets the poses, if they are wanted. What it is, is told."""
    recorded, words = None, []
    if "aligned" in job.bag.wanted:
        recorded = RecordedReference(reader, job.bag, job.alignment, places, tell)
        words = recorded.words
    if job.bag.map and places.poses is None:
        words.append(open_poses(reader, job.bag, job.alignment, places, None, tell).words)
    for sentence in words:
        tell(sentence)
    return recorded


def _obstacles(job: Job, places: Places, tell: Callable[[str], None] = lambda _: None) -> ObstacleSource | None:
    """What finds obstacles, if they are wanted. Where the camera is on the robot, is told."""
    wanted = {"obstacles", "scan"} & set(job.bag.wanted)
    if not wanted:
        return None
    source = ObstacleSource(lambda cls: job.alignment[cls], places.lookup, max_pixels=job.images.max_image_pixels)
    if "scan" in wanted and (problem := source.concern(scan=True)):
        raise ConfigError(f"outputs holds scan, and there is {problem}")
    if source.base_frame and not job.ground.base_from_camera:
        give = "give --base-from-camera 'x y z qx qy qz qw', camera to base"
        words = places.need(source.base_frame, places.camera, give)
        tell(f"obstacles in '{source.base_frame}': camera {words}")
    return source


def _go_on(
    stream: Iterator[Batch],
    first: int,
    places: Places,
    alignment: Alignment | None,
    again: Callable[[Batch], None],
) -> Iterator[Batch]:
    """The batches that are not finished; of the others what a later image may need is kept, and `again` gets them."""
    for batch in stream:
        if batch.index >= first:
            yield batch
            continue
        for frame in batch.frames:
            places.take(frame.places)
            if alignment is not None:
                alignment.add(frame)
        again(batch)


def _place(job: Job) -> Target:
    place = Target.of(job.out, job.bag.storage)
    if place.storage == "sqlite3" and job.bag.compression != "none":
        raise ConfigError(f"compression is {job.bag.compression}, which sqlite3 does not have: expected none, or mcap")
    return place


def _summary(
    job: Job,
    model: DepthModel,
    chosen: Chosen,
    topics: Iterable[str],
    progress: Progress,
    begun: int,
    seconds: float,
) -> dict[str, Any]:
    return {
        "source": str(job.source),
        "out": str(job.out),
        "model": model.spec.name,
        "engine": model.engine,
        "image_topic": chosen.image,
        "camera_info_topic": chosen.camera_info,
        "topics": sorted(topics),
        "frames": progress.frames,
        "written": progress.written,
        "dropped": progress.dropped,
        "resumed_after": begun,
        "seconds": round(seconds, 3),
        "frames_per_s": round((progress.frames - begun) / seconds, 2),
        "damage": progress.damage,
    }


def _run(todo: Iterator[Batch], pipeline: Pipeline, sink: Sink, read_ahead: int, step: Callable[[], None]) -> None:
    """The three stages: read and decode, network, encode and write. What is done is kept, whatever ends it.

    On a GPU the results of a batch are copied while the network of the next one is already given to it.
    """
    on_cpu = pipeline.model.device.type == "cpu"
    leaving: deque[Leaving] = deque()
    with closing(ahead(todo, read_ahead)) as batches, Behind(sink.take, sink.end, 2 if on_cpu else 1) as behind:
        try:
            for batch in batches:
                _estimate(batch, pipeline)
                leaving.append(sink.leaving(batch))
                if on_cpu or len(leaving) > 1:
                    behind.put(leaving.popleft().arrived())
                step()
        except BaseException:
            with suppress(Exception):
                _put(leaving, behind)
            raise
        _put(leaving, behind)
    step()


def _put(leaving: deque[Leaving], behind: Behind[Batch]) -> None:
    while leaving:
        behind.put(leaving.popleft().arrived())


def _estimate(batch: Batch, pipeline: Pipeline) -> None:
    """Give the frames of a batch their result; a bad image costs itself only, anything else ends the conversion."""
    ready = [(frame, frame.shot) for frame in batch.frames if frame.shot is not None]
    results = pipeline.estimate_batch([shot for _, shot in ready]) if ready else []
    for (frame, _), result in zip(ready, results, strict=True):
        if isinstance(result, FrameError):
            frame.problem = result.with_traceback(None)  # which holds this call, and the images
        elif isinstance(result, MonoDepthError):
            raise result
        elif isinstance(result, Exception):
            where = f"image {frame.index}: {type(result).__name__}: {result}"
            raise ModelError(
                f"the model failed at {where}; what is finished is kept, --resume goes on with it"
            ) from result
        else:
            frame.result = result


def _channels(
    reader: BagReader, topics: dict[str, Output], job: Job
) -> tuple[tuple[str, ...], list[Channel], list[str]]:
    """Topics to copy, everything that is written, and sentences on what cannot be copied."""
    ours = [Channel(topic, output.kind) for topic, output in topics.items()]
    if not job.bag.merge:
        return (), ours, []
    if reader.ros1:
        raise ConfigError(
            "--merge copies messages as they are, and a ROS 1 bag has other bytes: rosbags-convert it first"
        )
    both = sorted({item.topic for item in ours} & reader.topics.keys())
    if both:
        raise ConfigError(f"{job.source} holds {both[0]} already: give --namespace NAME to write beside it")
    theirs, notes = [], []
    for item in reader.topics.values():
        channel = copied_channel(item)
        if channel is None:
            notes.append(f"{item.name} is not copied: the bag does not define its type {item.kind}")
        else:
            theirs.append(channel)
    return tuple(item.topic for item in theirs), theirs + ours, notes
