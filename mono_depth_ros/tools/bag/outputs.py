# SPDX-License-Identifier: Apache-2.0
"""Frames as serialised messages of the topics that a conversion writes."""

from __future__ import annotations

from collections.abc import Iterator

from mono_depth_ros.bags.messages import POINT_FIELD, empty
from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.config import BagConfig
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.frame import Frame, HostFrames
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.streams.obstacles import Finding, ObstacleSource
from mono_depth_ros.streams.outputs import KNOWN, OUTPUTS, Contents, Output, Result, is_metric
from mono_depth_ros.tools.bag.frames import BagFrame, Batch


def written_topics(config: BagConfig, spec: ModelSpec) -> dict[str, Output]:
    """What a conversion writes, by topic.

    Raises:
        ConfigError: an output that the model cannot give: relative depth never becomes metres by itself.
    """
    metric, wanted = is_metric(spec), config.wanted
    if "confidence" in wanted and not spec.confidence:
        raise ConfigError(f"outputs holds confidence, which the model {spec.name} does not give")
    if "uncertainty" in wanted and "aligned" not in wanted:
        raise ConfigError("outputs holds uncertainty, which is that of aligned depth: expected aligned and a reference")
    if not metric and "compressed" in wanted and "aligned" not in wanted:
        raise ConfigError(f"{spec.name} gives relative depth: compressed depth needs an alignment or a metric model")
    if not metric and "points" in wanted and "aligned" not in wanted:
        raise ConfigError(f"{spec.name} gives relative depth: points need --align-topic or a metric model")
    if not metric and "aligned" not in wanted and (placed := {"obstacles", "scan"} & set(wanted)):
        raise ConfigError(f"{spec.name} gives relative depth: {', '.join(sorted(placed))} need an alignment")
    if not metric and "normals" in wanted and not spec.normals:
        raise ConfigError(f"{spec.name} gives relative depth and no normals: expected a metric model")
    prefix = f"/{name}/" if (name := config.namespace.strip("/")) else "/"
    chosen = [output for output in OUTPUTS if set(output.options) <= set(wanted) and output.given_by(spec)]
    return {prefix + output.topic: output for output in chosen}


class Leaving:
    """A batch whose results are on their way from a GPU to the host.

    Everything about the GPU is done in the thread that makes this: what is written of a result is computed and its
    copies are started when this is made, before the network of another batch is begun. On the CPU there is nothing to
    do: messages are made when they are written, beside the network.

    Args:
        topics, depth_encoding: what is written; of what is `placed` later. whole: the results themselves are needed.
    """

    def __init__(self, batch: Batch, topics: dict[str, Output], depth_encoding: str, whole: bool) -> None:
        self._batch = batch
        self._frames = [frame for frame in batch.frames if _device(frame) != "cpu"]
        early = {topic: output for topic, output in topics.items() if not output.placed}
        self._topics = {topic: output for topic, output in early.items() if "aligned" not in output.options}
        self._results = [_result(frame, frame.result, depth_encoding) for frame in self._frames]
        outputs = (*self._topics.values(), KNOWN)
        self._contents = Contents((result, output) for result in self._results for output in outputs)
        self._host = HostFrames([result.frame for result in self._results] if whole else [])

    def arrived(self) -> Batch:
        """The batch with everything on the host; waits for it."""
        self._contents.wait()
        for frame, result in zip(self._frames, self._results, strict=True):
            for topic, output in self._topics.items():
                message = empty(output.kind, frame.header)
                self._contents.fill(message, output, result)
                frame.messages[topic] = output.kind, message
            frame.known, frame.result = self._contents.known(result), None
        for frame, host in zip(self._frames, self._host.frames(), strict=False):
            frame.result = host
        return self._batch


def encode(
    frame: BagFrame, topics: dict[str, Output], depth_encoding: str, obstacles: ObstacleSource | None = None
) -> Iterator[tuple[str, memoryview]]:
    """(topic, bytes) of every message of a frame, which are those that the nodes publish.

    A frame without alignment has no messages of it.
    """
    sources = {True: frame.aligned, False: frame.result}
    results = {key: _result(frame, source, depth_encoding, obstacles) for key, source in sources.items() if source}
    for topic, output in topics.items():
        result = results.get("aligned" in output.options)
        kind, message = frame.messages.pop(topic, ("", None))
        if message is None and result is not None:
            kind, message = output.kind, empty(output.kind, frame.header)
            if not Contents([(result, output)]).fill(message, output, result):
                continue
        if message is not None:
            yield topic, TYPES.serialize_cdr(message, kind)


def _result(
    frame: BagFrame, source: Frame | None, depth_encoding: str, obstacles: ObstacleSource | None = None
) -> Result:
    assert source is not None
    found = Finding(obstacles, source, frame.header) if obstacles is not None else None
    return Result(source, frame.header, frame.camera_info, depth_encoding, POINT_FIELD, obstacles=found)


def _device(frame: BagFrame) -> str:
    return "cpu" if frame.result is None else frame.result.device.type
