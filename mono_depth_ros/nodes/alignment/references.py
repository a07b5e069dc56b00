# SPDX-License-Identifier: Apache-2.0
"""A reference of `streams.references`, or several, in a node: topics subscribed to, transforms by tf2."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from rclpy.node import Node

from mono_depth_ros.config import AlignmentNodeConfig, GroundConfig, MotionConfig
from mono_depth_ros.errors import SENTENCE, ConfigError, shown
from mono_depth_ros.geometry.rigid import rigid_from_text
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.subscribing import Input
from mono_depth_ros.nodes.ros.topics import message_class, sibling_info
from mono_depth_ros.nodes.ros.transforms import TransformLookup, tf2_module
from mono_depth_ros.streams.health import Feed
from mono_depth_ros.streams.references import make_reference
from mono_depth_ros.streams.references.base import Context, Reference, ReferenceMatch, View
from mono_depth_ros.streams.references.base import Input as ReferenceInput
from mono_depth_ros.streams.references.poses import Posed
from mono_depth_ros.streams.references.several import Several


class Source:
    """The reference of a node's configuration; it is silent until `listen(True)`.

    Args:
        config: names it; not `none`. options: the node's.

    Attributes:
        transforms: by tf2; None where nothing has to be asked for, or tf2_ros is not installed.

    Raises:
        ConfigError: its extrinsics are missing or no rotation, or the floor's height is not known.
    """

    def __init__(self, node: Node, config: AlignmentNodeConfig, options: Parameters) -> None:
        given = _parsed(config.cam_from_reference)
        self.transforms: TransformLookup | None = None
        # Another reference may be elsewhere, and poses are of another frame.
        alone = given is not None and len(config.references) == 1 and not options.get(MotionConfig).fuse
        ground = options.get(GroundConfig)
        if tf2_module() is not None and not (alone and (ground.base_from_camera or not ground.base_frame)):
            self.transforms = TransformLookup(node, config.tf_timeout)
        self._inputs: dict[str, Input] = {}
        context = Context(
            options=options.get,
            given=given,
            transform=self.transforms.lookup if self.transforms is not None else None,
            topic=lambda name: self._inputs[name].topic,
            published=lambda name: self._inputs[name].feed.publishers > 0,
            patience_s=config.tf_timeout,
            tell=lambda sentence: node.get_logger().info(shown(sentence, SENTENCE)),
        )
        try:
            self.reference = make_reference(config.references, context)
            for item in self.reference.inputs:
                message, *others = (message_class(kind) for kind in (item.kind, *item.others))
                if message is None:
                    raise ConfigError(f"{item.kind} is not installed, which reference {config.reference} is made of")
                topic = sibling_info(node, item.info_of, item.name) if item.info_of else item.name
                add = partial(self.reference.add, item.name)
                known = [other for other in others if other is not None]
                self._inputs[item.name] = Input(node, message, topic, add, item.depth, others=known)
        except ConfigError:
            self.close()
            raise

    def samples(self, view: View) -> ReferenceMatch | None:
        """Of an image; as of `Reference`, in the worker's thread."""
        return self.reference.samples(view)

    @property
    def problem(self) -> str:
        """A sentence where some of several references gave nothing for the last image, though others did; "" else."""
        return self._inner.problem if isinstance(self._inner, Several) else ""

    @property
    def _inner(self) -> Reference:
        return self.reference.reference if isinstance(self.reference, Posed) else self.reference

    def figures(self) -> dict[str, str]:
        """Key-value pairs: of several references, for how many images each gave nothing, and why lately."""
        if not isinstance(self._inner, Several):
            return {}
        missing = self._inner.missing
        return {
            f"images without {name}": f"{count}{': ' * (name in missing)}{missing.get(name, '')}"
            for name, count in self._inner.without.items()
        }

    def listen(self, wanted: bool) -> None:
        """Subscribe, or stop: nobody decodes a lidar's messages for no use."""
        for item in self._inputs.values():
            if wanted:
                item.open()
            else:
                item.close()

    def topics(self) -> list[str]:
        """The resolved topics, the reference's own first."""
        return [item.topic for item in self._inputs.values()]

    def feed(self) -> Feed:
        """How the topics are doing that it needs: those that nobody publishes, if there are such.

        Of several references that of the one that hinders most.
        """
        parts = self._inner.parts.values() if isinstance(self._inner, Several) else (self._inner,)
        found = [self._feed(part.inputs) for part in parts if part.inputs]
        return max(found, key=lambda feed: (bool(feed.conflict), feed.publishers == 0, feed.silent_s), default=Feed())

    def _feed(self, inputs: Sequence[ReferenceInput]) -> Feed:
        feeds = {item.name: self._inputs[item.name].feed for item in inputs}
        needed = [feeds[item.name] for item in inputs if item.needed]
        missing = [feed for feed in needed if feed.publishers == 0]
        return Feed(
            topics=", ".join(feed.topics for feed in missing or needed),
            publishers=min((feed.publishers for feed in needed), default=0),
            silent_s=next((feed.silent_s for feed in feeds.values()), 0.0),
            heard=any(feed.heard for feed in needed),
            hint=next((feed.hint for feed in missing if feed.hint), ""),
            conflict=next((feed.conflict for feed in feeds.values() if feed.conflict), ""),
        )

    def close(self) -> None:
        """Let go of everything."""
        self.listen(False)
        if self.transforms is not None:
            self.transforms.close()


def _parsed(text: str) -> np.ndarray | None:
    try:
        return rigid_from_text(text) if text.strip() else None
    except ConfigError as error:
        raise ConfigError(f"cam_from_reference: {error}") from error
