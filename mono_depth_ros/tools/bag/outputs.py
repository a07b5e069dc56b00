# SPDX-License-Identifier: Apache-2.0
"""Frames as serialised messages of the topics that a conversion writes."""

from __future__ import annotations

from collections.abc import Iterator

from mono_depth_ros.bags.messages import POINT_FIELD, empty
from mono_depth_ros.bags.reader import TYPES
from mono_depth_ros.config import BagConfig
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.streams.outputs import OUTPUTS, Output, Result, is_metric
from mono_depth_ros.tools.bag.frames import BagFrame


def written_topics(config: BagConfig, spec: ModelSpec) -> dict[str, Output]:
    """What a conversion writes, by topic.

    Raises:
        ConfigError: an output that the model cannot give: relative depth never becomes metres by itself.
    """
    metric, wanted = is_metric(spec), config.wanted
    if "confidence" in wanted and not spec.confidence:
        raise ConfigError(f"outputs holds confidence, which the model {spec.name} does not give")
    if not metric and "points" in wanted and "aligned" not in wanted:
        raise ConfigError(f"{spec.name} gives relative depth: points need --align-topic or a metric model")
    if not metric and "normals" in wanted and not spec.normals:
        raise ConfigError(f"{spec.name} gives relative depth and no normals: expected a metric model")
    prefix = f"/{name}/" if (name := config.namespace.strip("/")) else "/"
    chosen = [output for output in OUTPUTS if set(output.options) <= set(wanted) and output.given_by(spec)]
    return {prefix + output.topic: output for output in chosen}


def encode(frame: BagFrame, topics: dict[str, Output], depth_encoding: str) -> Iterator[tuple[str, memoryview]]:
    """(topic, bytes) of every message of a frame, which are those that the nodes publish.

    A frame without alignment has no messages of it.
    """
    for topic, output in topics.items():
        source = frame.aligned if "aligned" in output.options else frame.result
        if source is not None:
            message = empty(output.kind, frame.header)
            output.fill(message, Result(source, frame.header, frame.camera_info, depth_encoding, POINT_FIELD))
            yield topic, TYPES.serialize_cdr(message, output.kind)
