# SPDX-License-Identifier: Apache-2.0
"""cv_bridge and sensor_msgs_py, used where they are installed and work, probed once per process."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import subprocess
import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

_logger = logging.getLogger(__name__)

_UNUSABLE = (ImportError, AttributeError, SystemError, RuntimeError, TypeError)

_TRIAL = """
from types import SimpleNamespace as Message
from cv_bridge import CvBridge
message = Message(width=2, height=2, step=6, encoding="bgr8", is_bigendian=0, data=bytes(12))
assert CvBridge().imgmsg_to_cv2(message, "rgb8").shape == (2, 2, 3)
"""


@lru_cache(maxsize=1)
def cv_bridge() -> Any | None:
    """A working CvBridge, or None where cv_bridge is absent or broken.

    A cv_bridge compiled for NumPy 1 imports under NumPy 2 and then ends the process with a segmentation fault in the
    first conversion. So, under NumPy 2, another process converts first: about half a second, once.
    """
    if importlib.util.find_spec("cv_bridge") is None:
        return None
    try:
        if int(np.__version__.partition(".")[0]) >= 2:
            _try_elsewhere()
        return importlib.import_module("cv_bridge").CvBridge()
    except _UNUSABLE as error:
        _logger.warning("cv_bridge is installed but does not work here and is not used: %s", error)
        return None


def _try_elsewhere() -> None:
    try:
        trial = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"its trial did not run: {error}") from error
    if trial.returncode != 0:
        said = "compiled using NumPy 1" in trial.stderr.decode(errors="replace")
        cause = "it was compiled for NumPy 1" if said else f"its trial ended with {trial.returncode}"
        raise RuntimeError(f"{cause}, and NumPy is {np.__version__}")


@lru_cache(maxsize=1)
def point_cloud2() -> ModuleType | None:
    """The module sensor_msgs_py.point_cloud2, or None where it is absent or broken."""
    try:
        module = importlib.import_module("sensor_msgs_py.point_cloud2")
        _ = module.read_points, module.PointCloud2
    except ModuleNotFoundError as error:
        _logger.debug("sensor_msgs_py is not used: %s", error)
        return None
    except _UNUSABLE as error:
        _logger.warning("sensor_msgs_py is installed but does not work here and is not used: %s", error)
        return None
    return module
