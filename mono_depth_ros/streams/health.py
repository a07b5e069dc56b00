# SPDX-License-Identifier: Apache-2.0
"""One plain sentence on how a node is doing, above all when nothing comes out. No ROS here."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.streams.monitor import Snapshot

OK, WARN, ERROR = 0, 1, 2
"""The levels of diagnostic_msgs/DiagnosticStatus."""

LOSSY = 0.05  # of the messages: below that a gap is bad luck, above it the transport is at fault


@dataclass(frozen=True)
class Facts:
    """What the sentence is made from, beside the counts of the Monitor since the previous report."""

    active: bool
    image_name: str
    image_topic: str
    image_publishers: int
    qos_conflict: str
    camera_info_topic: str
    camera_info_known: bool
    camera_problem: str
    subscribers: int
    lazy: bool
    timeout_s: float
    relative_only: str


def judge(facts: Facts, now: Snapshot, before: Snapshot) -> tuple[int, str]:
    """The diagnostic level and the sentence, by what hinders most."""
    received, published = now.received - before.received, now.published - before.published
    lost = now.lost - before.lost
    if not facts.active:
        return WARN, "not active: waiting for a lifecycle manager to configure and activate the node"
    if facts.qos_conflict:
        return ERROR, facts.qos_conflict
    if facts.image_publishers == 0:
        return WARN, f"no image: nothing publishes {facts.image_topic}; remap it with -r {facts.image_name}:=TOPIC"
    if now.since_received_s > facts.timeout_s:
        return WARN, (
            f"no image: {facts.image_topic} is advertised but nothing has arrived for {now.since_received_s:.1f} s"
        )
    if facts.lazy and facts.subscribers == 0:
        return OK, "idle: nobody subscribes to an output, so nothing is computed"
    if not facts.camera_info_known:
        return WARN, (
            f"no camera_info: nothing has arrived on {facts.camera_info_topic}; a calibrated camera driver publishes "
            "it beside the image"
        )
    if facts.camera_problem:
        return ERROR, facts.camera_problem
    if facts.relative_only and published:
        return WARN, facts.relative_only
    if received and not published:
        # A slow network has simply not finished; anything else dropped the frames for a reason.
        reasons = {reason: count - before.drops.get(reason, 0) for reason, count in now.drops.items()}
        if any(count for reason, count in reasons.items() if reason != "superseded"):
            return ERROR, f"every frame is dropped: {now.last_drop}"
        return OK, "working on the first frames" if not now.published else "working: slower than the report period"
    if lost > LOSSY * max(received, 1):
        return WARN, (
            f"{lost} of {received + lost} images were lost on the way: start the camera driver with this package's "
            "config/fastdds.xml as FASTRTPS_DEFAULT_PROFILES_FILE"
        )
    return OK, f"publishing {now.rate_out_hz:.1f} Hz, latency p50 {now.latency_p50_ms:.0f} ms"
