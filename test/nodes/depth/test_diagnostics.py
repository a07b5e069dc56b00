# SPDX-License-Identifier: Apache-2.0
"""What the depth node says on /diagnostics, above all when nothing comes out."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image


def test_diagnostics_say_idle_when_nobody_subscribes_and_figures_when_somebody_does(ros, rig):
    r = rig(diagnostics_period=0.1)
    status = ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: any("nobody subscribes" in s.status[0].message for s in status), poll=r.send)
    ros.listen(Image, "/depth/image")
    ros.wait(lambda: any("publishing" in s.status[0].message for s in status), poll=r.send)
    values = {pair.key: pair.value for pair in status[-1].status[0].values}
    assert values["model"] == "plane" and values["device"] == "cpu" and status[-1].status[0].name == "depth"
    assert float(values["latency p50 (ms)"]) > 0 and float(values["latency p99 (ms)"]) > 0
    assert {"stage decode p50 (ms)", "stage estimate p50 (ms)", "stage depth/image p50 (ms)"} <= set(values)


def test_diagnostics_say_when_nothing_publishes_the_image(ros, rig):
    r = rig(diagnostics_period=0.1)
    status = ros.listen(DiagnosticArray, "/diagnostics")
    ros.outsider.destroy_publisher(r.images)
    ros.wait(lambda: any("nothing publishes /cam/image_raw" in s.status[0].message for s in status))


def test_diagnostics_say_when_a_subscriber_asks_for_too_much(ros, rig):
    r = rig(diagnostics_period=0.1)
    status = ros.listen(DiagnosticArray, "/diagnostics")
    latched = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ros.listen(Image, "/depth/image", latched)
    ros.wait(lambda: any("QoS mismatch" in s.status[0].message for s in status), poll=r.send)
    assert any("depth/image" in s.status[0].message for s in status)


def test_diagnostics_say_when_the_qos_overrides_ask_for_more_than_the_camera_offers(ros, rig):
    override = {"qos_overrides./cam/image_raw.subscription.reliability": "reliable"}
    rig(matched=False, diagnostics_period=0.1, **override)
    status = ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: any("QoS mismatch: a publisher of /cam/image_raw" in s.status[0].message for s in status))
