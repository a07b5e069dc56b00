# SPDX-License-Identifier: Apache-2.0
"""config/sros2_policy.xml allows each node exactly what it uses, by the graph: `python THIS_FILE` writes it anew.

Names are those of nodes that are started as they are, without namespace and remappings.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.nodes.alignment.node import AlignmentNode
from mono_depth_ros.nodes.depth.node import DepthNode
from mono_depth_ros.nodes.sources.camera_node import CameraNode
from mono_depth_ros.nodes.sources.world_node import WorldNode
from mono_depth_ros.streams.outputs import DEPTH_TOPICS, OUTPUTS
from mono_depth_ros.streams.references import REFERENCES

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "config" / "sros2_policy.xml"
HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- SPDX-License-Identifier: Apache-2.0
     What each node of mono_depth_ros uses, and nothing else; docs/ros2.md#with-sros-2 says how to take it. Nodes are
     here without namespace and with the names of their inputs as they are: write your own topics for image,
     camera_info and the references, and your namespace for ns. A test compares this file with the running nodes. -->
"""
SETTLED_S, TIMEOUT_S = 1.0, 20.0
SERVICES = {
    *("~/describe_parameters", "~/get_parameters", "~/get_parameter_types", "~/list_parameters"),
    *("~/set_parameters", "~/set_parameters_atomically", "~/get_type_description"),
}
"""Of every node; the last since Jazzy."""


class Use(NamedTuple):
    """Names of what a node publishes, subscribes to and serves, as in a policy."""

    publish: frozenset[str] = frozenset()
    subscribe: frozenset[str] = frozenset()
    reply: frozenset[str] = frozenset()

    def __or__(self, other: Any) -> Use:
        return Use(*(mine | theirs for mine, theirs in zip(self, other, strict=True)))


def use(*, publish: str = "", subscribe: str = "", reply: str = "") -> Use:
    return Use(*(frozenset(text.split()) for text in (publish, subscribe, reply)))


TF2 = use(subscribe="/tf /tf_static", reply="tf2_frames")
BOND = use(publish="bond", subscribe="bond")
NOT_HERE = {
    "depth": TF2 | BOND | use(subscribe="image/compressed"),
    "alignment": TF2 | BOND | use(subscribe="image/compressed"),
    "world": use(publish="/tf /tf_static"),
}
"""Where tf2_ros, tf2_msgs and bond are installed, which the wheels are not, and with image_transport:=compressed."""


def seen(graph: Node, name: str) -> Use:
    """What the graph knows of a node."""
    asked = (
        graph.get_publisher_names_and_types_by_node,
        graph.get_subscriber_names_and_types_by_node,
        graph.get_service_names_and_types_by_node,
    )
    return Use(*(frozenset(written(item, name) for item, _ in ask(name, "/")) for ask in asked))


def written(topic: str, node: str) -> str:
    """A resolved name as in a policy: ~ for the node, relative, or absolute where ROS has it so."""
    if topic.startswith(f"/{node}/"):
        own = topic.removeprefix(f"/{node}/")
        if own in ("transition_event",) or f"~/{own}" in SERVICES or own in LIFECYCLE or own in ALIGNMENT:
            return f"~/{own}"
    fixed = ("/rosout", "/parameter_events", "/diagnostics", "/clock", "/tf", "/tf_static")
    return topic if topic in fixed else topic.removeprefix("/")


LIFECYCLE = ("change_state", "get_state", "get_available_states", "get_available_transitions", "get_transition_graph")
ALIGNMENT = ("reset", "freeze", "load", "save")


def given(**values: Any) -> list[Parameter]:
    return [Parameter(name, value=value) for name, value in {"use_sim_time": True, **values}.items()]


def uses(folder: Path) -> dict[str, Use]:
    """Starts the nodes, with everything on that this machine has, and asks the graph."""
    cv2.imwrite(str(folder / "a.png"), np.zeros((48, 64, 3), np.uint8))
    graph, executor = rclpy.create_node("graph"), SingleThreadedExecutor()
    base = {"camera_height": 0.3, "pitch_deg": "10"}
    started: list[Any] = [
        DepthNode(parameter_overrides=given(model="tiny", rectify=True, obstacles=True, lazy=False, **base)),
        CameraNode(parameter_overrides=given(source=str(folder), hfov=60.0, transport="both", loop=True)),
        WorldNode(parameter_overrides=given(scene="room", transport="both", loop=True)),
    ]
    place = {"cam_from_reference": "0 0 0 0.5 -0.5 0.5 0.5"}
    for reference in REFERENCES:
        words = ["--ros-args", "-r", f"__node:={'alignment' if reference == 'lidar' else f'aligned_by_{reference}'}"]
        own = {"reference": reference, "lazy": False, "obstacles": True}
        own |= {"camera_height": 0.3} if reference == "ground" else place
        started.append(AlignmentNode(parameter_overrides=given(**own), cli_args=words))
    for node in started:
        executor.add_node(node)
        if isinstance(node, DepthNode | AlignmentNode):
            assert node.trigger_configure().name == node.trigger_activate().name == "SUCCESS"
    names, found = [node.get_name() for node in started], dict[str, Use]()
    since = began = time.monotonic()
    try:
        # Inputs open one after the other: until nothing has been new for a while.
        while time.monotonic() < min(since + SETTLED_S, began + TIMEOUT_S):
            executor.spin_once(timeout_sec=0.02)
            before, found = found, {name: seen(graph, name) for name in names}
            started_all = all(len(found[name].subscribe) > 1 for name in ("depth", *names[3:]))
            since = since if found == before and started_all else time.monotonic()
    finally:
        for node in [*started, graph]:
            node.destroy_node()
        executor.shutdown()
    inputs = frozenset().union(*(found.pop(name).subscribe for name in names[4:]))
    found["alignment"] |= Use(subscribe=inputs)
    return {name: found[name] for name in ("depth", "alignment", "camera", "world")}


def expected(found: dict[str, Use]) -> dict[str, Use]:
    """What the policy has to allow: what was seen, and what this machine or this model does not have."""
    spec = load_model(ModelConfig("tiny", "cpu", "torch")).spec
    others = {
        output.topic for output in OUTPUTS if not output.given_by(spec) and not output.topic.startswith("aligned")
    }
    found = {name: use | NOT_HERE.get(name, Use()) for name, use in found.items()}
    return found | {"depth": found["depth"] | Use(publish=frozenset(others))}


def policy(allowed: dict[str, Use]) -> str:
    """The text of the file."""
    lines = ['<policy version="0.2.0">', "  <enclaves>"]
    for name, item in allowed.items():
        lines += [f'    <enclave path="/mono_depth_ros/{name}">', "      <profiles>"]
        lines += [f'        <profile ns="/" node="{name}">']
        kinds = (("topic", "publish", item.publish), ("topic", "subscribe", item.subscribe))
        for kind, rule, names in (*kinds, ("service", "reply", item.reply)):
            lines += [f'          <{kind}s {rule}="ALLOW">']
            lines += [f"            <{kind}>{text}</{kind}>" for text in sorted(names)]
            lines += [f"          </{kind}s>"]
        lines += ["        </profile>", "      </profiles>", "    </enclave>"]
    return HEAD + "\n".join([*lines, "  </enclaves>", "</policy>", ""])


def read(text: str) -> dict[str, Use]:
    """Of a policy, by node."""
    found = {}
    for profile in ElementTree.fromstring(text).iter("profile"):
        rules = (("topics", "publish"), ("topics", "subscribe"), ("services", "reply"))
        names = [
            frozenset(item.text or "" for part in profile.findall(kind) if part.get(rule) == "ALLOW" for item in part)
            for kind, rule in rules
        ]
        found[profile.attrib["node"]] = Use(*names)
    return found


def test_each_node_may_do_what_it_does_and_nothing_else(ros: Any, tmp_path: Path) -> None:
    allowed = expected(uses(tmp_path))
    there = read(POLICY.read_text(encoding="utf-8"))
    for name, item in allowed.items():
        assert there[name] == item, f"of {name} write it anew: python {__file__}"
    assert POLICY.read_text(encoding="utf-8") == policy(allowed)


def test_every_output_and_reference_is_in_the_policy() -> None:
    there = read(POLICY.read_text(encoding="utf-8"))
    outputs = {output.topic for output in OUTPUTS}
    assert {topic for name in ("depth", "alignment") for topic in there[name].publish} > outputs
    topics = {item.name for reference in REFERENCES.values() for item in getattr(reference, "inputs", ())}
    assert there["alignment"].subscribe > {*topics, "imu", *DEPTH_TOPICS.values()}


if __name__ == "__main__":
    import tempfile

    rclpy.init()
    with tempfile.TemporaryDirectory() as scratch:
        POLICY.write_text(policy(expected(uses(Path(scratch)))), encoding="utf-8")
    rclpy.try_shutdown()
