# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mono_depth_ros.messages import bridge

WORKS = """
import numpy
class CvBridge:
    def imgmsg_to_cv2(self, message, encoding):
        return numpy.zeros((message.height, message.width, 3))
"""
CRASHES = """
import os, signal
class CvBridge:
    def imgmsg_to_cv2(self, message, encoding):
        os.kill(os.getpid(), signal.SIGSEGV)
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for packages that shadow the installed ones, here and in child processes."""
    saved = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in NAMES}
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.syspath_prepend(tmp_path)
    bridge.cv_bridge.cache_clear()
    bridge.point_cloud2.cache_clear()
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] in NAMES]:
        del sys.modules[name]
    sys.modules.update(saved)
    bridge.cv_bridge.cache_clear()
    bridge.point_cloud2.cache_clear()


NAMES = ("cv_bridge", "sensor_msgs_py")


def test_cv_bridge_that_works(packages: Path) -> None:
    (packages / "cv_bridge.py").write_text(WORKS)
    assert type(bridge.cv_bridge()).__name__ == "CvBridge"


def test_cv_bridge_that_would_crash_the_process(packages: Path, caplog: pytest.LogCaptureFixture, monkeypatch) -> None:
    monkeypatch.setattr(bridge.np, "__version__", "2.0.0")
    (packages / "cv_bridge.py").write_text(CRASHES)
    with caplog.at_level(logging.WARNING):
        assert bridge.cv_bridge() is None
    assert "its trial ended with -11" in caplog.text


@pytest.mark.parametrize("problem", ["raise ImportError('no boost')", "import numpy; numpy.no_such_thing"])
def test_broken_packages_are_not_used(packages: Path, problem: str) -> None:
    (packages / "cv_bridge.py").write_text(problem)
    (packages / "sensor_msgs_py").mkdir()
    (packages / "sensor_msgs_py" / "__init__.py").write_text("")
    (packages / "sensor_msgs_py" / "point_cloud2.py").write_text(problem)
    assert bridge.cv_bridge() is None
    assert bridge.point_cloud2() is None
