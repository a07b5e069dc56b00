# SPDX-License-Identifier: Apache-2.0
"""No extra for GPUs brings the wheel for CPUs, which would write itself over the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import setuptools

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def extras() -> dict[str, list[str]]:
    """`extras_require` of setup.py."""
    found: dict[str, list[str]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(setuptools, "setup", lambda **given: found.update(given["extras_require"]))
        source = (ROOT / "setup.py").read_text(encoding="utf-8")
        exec(compile(source, str(ROOT / "setup.py"), "exec"), {"__file__": str(ROOT / "setup.py"), "__name__": "setup"})
    return found


def test_one_onnxruntime_an_extra(extras: dict[str, list[str]]) -> None:
    names = {key: {re.split(r"[<>=~! ]", item)[0] for item in items} for key, items in extras.items()}
    assert {key for key, found in names.items() if "onnxruntime-gpu" in found} == {"onnx-gpu"}
    assert {key for key, found in names.items() if "onnxruntime" in found} == {"onnx", "dev"}
    assert names["onnx-gpu"] - {"onnxruntime-gpu"} == names["onnx"] - {"onnxruntime"}
