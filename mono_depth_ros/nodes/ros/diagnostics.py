# SPDX-License-Identifier: Apache-2.0
"""The monitor's figures and the health sentence on /diagnostics."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from mono_depth_ros.errors import SENTENCE, shown
from mono_depth_ros.nodes.ros.qos import OUTPUT
from mono_depth_ros.nodes.ros.timers import every
from mono_depth_ros.streams.monitor import Monitor, Snapshot

_VALUE = 300  # characters


@dataclass(frozen=True)
class Report:
    """What is to be told of one camera at this moment.

    Attributes:
        name: "" for the only one. monitor: its counts.
        judge: (snapshot now, snapshot at the last report) -> (level, sentence).
        figures: more key-value pairs, told before the monitor's.
    """

    name: str
    monitor: Monitor
    judge: Callable[[Snapshot, Snapshot], tuple[int, str]]
    figures: Mapping[str, str] = field(default_factory=dict)


class Diagnostics:
    """Publishes a DiagnosticStatus for each camera every `period_s`; says a new sentence that is no good news once.

    Args:
        reports: one for each camera.
        labels: key-value pairs that all have in common, such as the model and the device.
    """

    def __init__(
        self,
        node: Node,
        period_s: float,
        reports: Callable[[], Sequence[Report]],
        labels: Callable[[], dict[str, str]],
    ) -> None:
        self._node, self._reports, self._labels = node, reports, labels
        self._before: dict[Monitor, Snapshot] = {report.monitor: report.monitor.snapshot() for report in reports()}
        self._said: dict[str, str] = {}
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", OUTPUT)
        self._timer = every(node, period_s, self.report)

    def report(self) -> None:
        """Publish once."""
        before, self._before = self._before, {}
        message = DiagnosticArray()
        for report in self._reports():
            now = self._before[report.monitor] = report.monitor.snapshot()
            message.status.append(self._status(report, now, before.get(report.monitor, now)))
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _status(self, report: Report, now: Snapshot, before: Snapshot) -> DiagnosticStatus:
        level, sentence = report.judge(now, before)
        sentence = shown(sentence, SENTENCE)
        self._log_once(report.name, level, sentence)
        name = self._node.get_fully_qualified_name().lstrip("/") + (f": {report.name}" if report.name else "")
        pairs = {**self._labels(), **report.figures, **_figures(now)}
        return DiagnosticStatus(
            level=bytes([level]),
            name=name,
            message=sentence,
            hardware_id="mono_depth_ros",
            values=[KeyValue(key=shown(key), value=shown(value, _VALUE)) for key, value in pairs.items()],
        )

    def _log_once(self, camera: str, level: int, sentence: str) -> None:
        # Numbers in a sentence change every second; the same complaint is not new because its number is.
        kind = re.sub(r"\d[\d.]*", "N", sentence.split(":")[0])
        if level > 0 and kind != self._said.get(camera, ""):
            self._node.get_logger().warning(f"{camera}: {sentence}" if camera else sentence)
        self._said[camera] = kind if level > 0 else ""


def _figures(now: Snapshot) -> dict[str, str]:
    figures = {
        "images received": str(now.received),
        "results published": str(now.published),
        "images lost on the way": str(now.loss.lost),
        "lost of the last 10 s (%)": f"{100 * now.recent_loss.fraction:.1f}",
        "of these replaced by newer ones before they were taken": str(now.recent_loss.late),
        "dropped": str(now.dropped),
        "rate in (Hz)": f"{now.rate_in_hz:.2f}",
        "rate out (Hz)": f"{now.rate_out_hz:.2f}",
        "latency p50 (ms)": f"{now.latency_p50_ms:.1f}",
        "latency p99 (ms)": f"{now.latency_p99_ms:.1f}",
        "age p50 (ms)": f"{now.age_p50_ms:.1f}",
    }
    figures |= {f"dropped: {reason}": str(count) for reason, count in sorted(now.drops.items())}
    figures |= {f"stage {name} p50 (ms)": f"{time:.2f}" for name, time in now.stages_ms.items()}
    return figures
