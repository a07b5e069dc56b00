# SPDX-License-Identifier: Apache-2.0
"""One plain sentence on how a node is doing, above all when nothing comes out. No ROS here."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.streams.loss import Loss
from mono_depth_ros.streams.monitor import EXPECTED, Snapshot

OK, WARN, ERROR = 0, 1, 2
"""The levels of diagnostic_msgs/DiagnosticStatus."""

NOT_ACTIVE = "not active: waiting for a lifecycle manager to configure and activate the node"

_LOSSY = 0.05  # of the messages: below that a gap is bad luck, above it the transport is at fault
_FEW = 3  # lost messages that nothing is said of


def configuring(progress: str) -> str:
    """The sentence while a node gets itself ready; `progress` says what it is at, or ""."""
    return f"configuring: {progress or 'opening its topics'}"


def internal_errors(kind: str, count: int) -> str:
    """A sentence on errors of callbacks that should not be: a bug of ours, which the node survives."""
    return f"{count} internal error{'s' * (count > 1)}, the newest kind {kind}: the node goes on; please report it"


def same_name(name: str) -> str:
    """A sentence on two nodes with one name, in the log."""
    return (
        f"another node is called {name} too: parameters, services and /diagnostics of the two mix; rename one with "
        "-r __node:=NAME or -r __ns:=/NAMESPACE"
    )


def untrusted(abs_rel: float, max_abs_rel: float, kept: str = "") -> str:
    """A sentence on an alignment whose held-out error is too large; `kept`: what is done about it, as a clause."""
    return (
        f"held-out AbsRel {abs_rel:.3f} exceeds max_abs_rel, {max_abs_rel:g}{kept}: are extrinsics and time stamps "
        "right, and does the reference see what the camera sees?"
    )


def no_obstacles(why: str) -> str:
    """A sentence on obstacles that somebody subscribes to and the last image has none of."""
    return f"no obstacles: {why}"


def missed(latency_s: float, target_s: float, size: str) -> str:
    """A sentence on a latency that no input size holds; `size`: the smallest."""
    return (
        f"the latency, {latency_s * 1e3:.0f} ms, misses target_latency, {target_s * 1e3:.0f} ms, at the smallest input "
        f"size too, {size}: choose a smaller model, a faster device or a smaller min_input_size"
    )


@dataclass(frozen=True)
class Feed:
    """How an input is doing.

    Attributes:
        topics: where it is expected, in words; "" where nothing is. publishers: how many it has there.
        silent_s: for how long no message has come. conflict: why a publisher's QoS does not match, or "".
        heard: whether any message has come since it was subscribed to.
        hint: where nothing publishes it, what there is instead and how to get it, as a clause, or "".
    """

    topics: str = ""
    publishers: int = 0
    silent_s: float = 0.0
    conflict: str = ""
    heard: bool = False
    hint: str = ""

    def silence(self, what: str, timeout_s: float, lost: int = 0) -> str:
        """A sentence where nothing comes, such as "no image: nothing publishes /image"; "" else."""
        if self.topics and self.publishers == 0:
            return f"no {what}: nothing publishes {self.topics}" + (f", but {self.hint}" if self.hint else "")
        if not self.topics or self.silent_s <= timeout_s:
            return ""
        if lost:
            return f"no {what}: {self.topics} is lost on the way ({lost} messages), nothing for {self.silent_s:.1f} s"
        if self.heard:
            return f"no {what}: {self.topics} has paused, nothing has arrived for {self.silent_s:.1f} s"
        return f"no {what}: {self.topics} is advertised but nothing has arrived for {self.silent_s:.1f} s"


def all_dropped(what: str, now: Snapshot, before: Snapshot) -> str:
    """A sentence where messages came between two snapshots and every one was dropped for a fault; "" else."""
    faults = any(n > before.drops.get(reason, 0) for reason, n in now.drops.items() if reason not in EXPECTED)
    idle = now.received == before.received or now.published > before.published
    return "" if idle or not faults else f"every {what} is dropped: {now.last_drop}"


def many_lost(what: str, loss: Loss, remedy: str) -> str:
    """A sentence where many messages were lost lately, and what to do about it; "" else."""
    if loss.lost < _FEW or loss.fraction <= _LOSSY:
        return ""
    count = f"{loss.lost} of {loss.lost + loss.taken} {what}"
    if 2 * loss.late > loss.lost:
        return f"{count} were replaced by newer ones before this node took them: the machine is too busy"
    return f"{count} were lost on the way: {remedy}"


@dataclass(frozen=True)
class Facts:
    """What the depth node's sentence is made from, beside the counts of the Monitor since the previous report.

    Attributes:
        image, camera_info: the inputs. image_name: of the topic before remapping.
        qos_conflict, camera_problem: a sentence, or "". relative: the topic of depth without metres, or "".
        remedy: what to do that large images arrive. no_depth, concern: of `Usable`, a sentence or "". late: likewise,
            of `InputSize`.
        no_obstacles: why there are none though somebody subscribes. obstacle_concern: what is doubtful about them.
    """

    image: Feed
    image_name: str
    camera_info: Feed
    camera_info_known: bool
    camera_problem: str
    qos_conflict: str
    subscribers: int
    lazy: bool
    timeout_s: float
    relative: str
    remedy: str = ""
    no_depth: str = ""
    concern: str = ""
    no_obstacles: str = ""
    obstacle_concern: str = ""
    late: str = ""


def judge(facts: Facts, now: Snapshot, before: Snapshot) -> tuple[int, str]:
    """The diagnostic level and the sentence for one camera of an active depth node, by what hinders most."""
    if facts.qos_conflict:
        return ERROR, facts.qos_conflict
    if silence := facts.image.silence("image", facts.timeout_s, now.lost_since_last):
        return WARN, silence + _silence_remedy(facts, now.lost_since_last)
    if facts.lazy and facts.subscribers == 0:
        return OK, "idle: nobody subscribes to an output, so nothing is computed"
    if not facts.camera_info_known:
        return WARN, (
            f"no camera_info: nothing has arrived on {facts.camera_info.topics}; a calibrated camera driver publishes "
            "it beside the image"
        )
    if facts.camera_problem:
        return ERROR, facts.camera_problem
    published = now.published > before.published
    if dropped := all_dropped("frame", now, before):
        return ERROR, dropped
    # What was wrong with the latest images is so until there are better ones, also between two of a slow camera.
    if facts.no_depth:
        return ERROR, facts.no_depth
    if facts.no_obstacles:
        return ERROR, no_obstacles(facts.no_obstacles)
    if facts.obstacle_concern or facts.concern:
        return WARN, facts.obstacle_concern or facts.concern
    if facts.relative and now.published:
        return WARN, (
            f"relative model: {facts.relative} has no metres; align it with a reference or choose a metric model"
        )
    if now.received > before.received and not published:
        return OK, "working on the first frames" if not now.published else "working: slower than the report period"
    if facts.late:
        return WARN, facts.late
    if lost := many_lost("images", now.recent_loss, facts.remedy):
        return WARN, lost
    return OK, f"publishing {now.rate_out_hz:.1f} Hz, latency p50 {now.latency_p50_ms:.0f} ms"


def _silence_remedy(facts: Facts, lost: int) -> str:
    if not facts.image.publishers:
        return "" if facts.image.hint else f"; remap it with -r {facts.image_name}:=TOPIC"
    # A driver that sends camera_info sends images too: what is missing is large.
    sends = facts.camera_info.heard and facts.camera_info.silent_s <= facts.timeout_s
    if lost:
        return f": {facts.remedy}"
    return f", while its camera_info comes; if its images are large, {facts.remedy}" if sends else ""
