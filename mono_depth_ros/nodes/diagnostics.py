# SPDX-License-Identifier: Apache-2.0
"""The monitor's figures and the health sentence on /diagnostics."""

from __future__ import annotations

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from mono_depth_ros.nodes.health import Facts, judge
from mono_depth_ros.nodes.monitor import Monitor, Snapshot
from mono_depth_ros.nodes.qos import OUTPUT


class Diagnostics:
    """Publishes one DiagnosticStatus every `period_s`; says a new sentence in the log once, when it is no good news.

    Args:
        facts: what the sentence needs to know at this moment.
        labels: constant key-value pairs, such as the model and the device.
    """

    def __init__(
        self,
        node: Node,
        monitor: Monitor,
        period_s: float,
        facts: Callable[[], Facts],
        labels: Callable[[], dict[str, str]],
    ) -> None:
        self._node, self._monitor, self._facts, self._labels = node, monitor, facts, labels
        self._before = monitor.snapshot()
        self._said = ""
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", OUTPUT)
        self._timer = node.create_timer(period_s, self.report)

    def report(self) -> None:
        now = self._monitor.snapshot()
        level, sentence = judge(self._facts(), now, self._before)
        self._before = now
        self._log_once(level, sentence)
        status = DiagnosticStatus(level=bytes([level]), name=self._node.get_fully_qualified_name().lstrip("/"))
        status.message, status.hardware_id = sentence, "mono_depth_ros"
        pairs = {**self._labels(), **_figures(now)}
        status.values = [KeyValue(key=key, value=value) for key, value in pairs.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _log_once(self, level: int, sentence: str) -> None:
        # Numbers in a sentence change every second; the same complaint is not new because its number is.
        kind = sentence.split(":")[0]
        if level > 0 and kind != self._said:
            self._node.get_logger().warning(sentence)
        self._said = kind if level > 0 else ""


def _figures(now: Snapshot) -> dict[str, str]:
    figures = {
        "images received": str(now.received),
        "results published": str(now.published),
        "images lost on the way": str(now.lost),
        "dropped": str(sum(now.drops.values())),
        "rate in (Hz)": f"{now.rate_in_hz:.2f}",
        "rate out (Hz)": f"{now.rate_out_hz:.2f}",
        "latency p50 (ms)": f"{now.latency_p50_ms:.1f}",
        "latency p99 (ms)": f"{now.latency_p99_ms:.1f}",
        "age p50 (ms)": f"{now.age_p50_ms:.1f}",
    }
    figures |= {f"dropped: {reason}": str(count) for reason, count in sorted(now.drops.items())}
    figures |= {f"stage {name} p50 (ms)": f"{time:.2f}" for name, time in now.stages_ms.items()}
    return figures
