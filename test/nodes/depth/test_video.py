# SPDX-License-Identifier: Apache-2.0
"""A video model in the depth node: one memory a camera, begun anew where time jumps, and said on /diagnostics."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from mono_depth_ros.messages.depth import decode_depth

FAR_NS = 100 * 10**9


def test_a_stream_that_jumps_begins_anew_and_says_so(ros, rig, counting_model):
    r = rig(counting_model, diagnostics_period=0.1)
    depths, status = ros.listen(Image, "/depth/image"), ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: depths, poll=r.send)

    def told(key: str) -> str:
        return {pair.key: pair.value for item in status[-1:] for pair in item.status[0].values}.get(key, "")

    def last() -> float:
        return float(decode_depth(depths[-1])[5, 5])

    ros.wait(lambda: last() >= 5, poll=r.send)
    ros.wait(lambda: told("memory begun anew") == "0" and told("memory was begun anew because") == "never")
    r.ahead_ns = -FAR_NS
    ros.wait(lambda: last() < 5, poll=r.send)  # the first image of the past is dropped, as it always was
    ros.wait(lambda: told("memory begun anew") == "1")
    assert told("memory was begun anew because").startswith("time jumped back by ")
    ros.wait(lambda: last() >= 5, poll=r.send)
    r.ahead_ns = 0
    ros.wait(lambda: last() < 5, poll=r.send)
    ros.wait(lambda: told("memory begun anew") == "2")
    assert told("memory was begun anew because").startswith("no image was estimated for ")
    assert int(told("images since the memory began")) > 0
