# SPDX-License-Identifier: Apache-2.0
"""A GPU that fails for good ends the process of the node with a sentence and a code of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mono_depth_ros.errors import DeviceLostError
from mono_depth_ros.nodes.depth import session

ILLEGAL = "CUDA error: an illegal memory access was encountered"


def test_the_process_ends_and_says_why():
    script = Path(__file__).with_name("broken_gpu.py")
    found = subprocess.run(
        [sys.executable, str(script), "--ros-args", "-p", "lazy:=false"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    log = found.stdout + found.stderr
    assert found.returncode == DeviceLostError.exit_code == 3, log
    assert f"the device is lost: {ILLEGAL}; start the process again" in log and "Traceback" not in log
    assert "dropped (internal_error): RuntimeError: CUDA error" in log


@pytest.fixture
def ended(monkeypatch):
    """The errors for which the process would have been ended."""
    errors = []
    monkeypatch.setattr(session, "end_process", lambda _, error: errors.append(error))
    monkeypatch.setattr(session, "_LOST", [])
    return errors


def failing(plane_model, errors):
    """A model that raises these, image by image; where there is none it works."""

    class Failing(plane_model):
        def predict(self, rgb, cameras):
            result = super().predict(rgb, cameras)
            if errors:
                raise errors.pop(0)
            return result

    return Failing()


def test_nothing_is_computed_on_a_lost_device(ros, rig, plane_model, ended):
    r = rig(failing(plane_model, [RuntimeError(ILLEGAL)]), lazy=False)
    ros.wait(lambda: r.drops().get("device_lost"), poll=r.send)
    ros.wait(lambda: r.drops()["device_lost"] > 2, poll=r.send)
    assert r.model.calls == 1 and len(ended) == 1 and r.drops()["internal_error"] == 1
    assert [r.node.session.pipeline] == session._LOST


def test_other_errors_of_the_device_end_it_only_in_a_row(ros, rig, plane_model, ended):
    errors = [RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED") for _ in range(4)]
    r = rig(failing(plane_model, errors), lazy=False)
    ros.wait(lambda: r.node.monitors[""].snapshot().published, poll=r.send)
    errors += [RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED") for _ in range(4)]
    ros.wait(lambda: r.drops()["internal_error"] == 8, poll=r.send)
    assert not ended
    errors += [RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED") for _ in range(5)]
    ros.wait(lambda: ended, poll=r.send)
    assert str(ended[0]).startswith("the device failed 5 times in a row: cuDNN error")


def test_out_of_memory_drops_images_and_ends_nothing(ros, rig, plane_model, ended):
    errors = [torch.cuda.OutOfMemoryError("CUDA out of memory.") for _ in range(12)]
    r = rig(failing(plane_model, errors), lazy=False)
    ros.wait(lambda: r.node.monitors[""].snapshot().published, poll=r.send)
    assert r.drops()["internal_error"] == 12 and not ended
