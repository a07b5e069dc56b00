# SPDX-License-Identifier: Apache-2.0
"""The machine and the versions that a proof holds for."""

from __future__ import annotations

from importlib import metadata

import torch

from mono_depth_ros.tools.demo.environment import facts

_PACKAGES = ("transformers", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt")


def machine() -> dict[str, str]:
    """Versions and hardware, name to value."""
    found = {name: value for name, value in facts().items() if name != "ROS 2"}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {**found, "GPU": ", ".join(gpus) or "none that torch can use"}
