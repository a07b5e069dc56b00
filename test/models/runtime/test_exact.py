# SPDX-License-Identifier: Apache-2.0
"""TF32 is off in fp32, whoever has put it on and with which API, and on again afterwards. The flags need no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from mono_depth_ros.models.runtime import exact as module
from mono_depth_ros.models.runtime.exact import exact

# Each caller in a process of its own: torch remembers which of the two APIs was used.
SCRIPT = """
import os, sys, warnings
warnings.simplefilter("ignore")
import torch
from mono_depth_ros.models.runtime.exact import exact
matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
while len(sys.argv) > 2:
    child = os.fork()
    if not child:
        break
    if os.waitpid(child, 0)[1]:
        sys.exit(f"failed for {sys.argv[1]!r}")
    del sys.argv[1]
exec(sys.argv[1])
def state():
    found = [cudnn.benchmark]
    for read in (lambda: matmul.allow_tf32, lambda: cudnn.allow_tf32, torch.get_float32_matmul_precision,
                 lambda: matmul.fp32_precision, lambda: cudnn.conv.fp32_precision, lambda: cudnn.rnn.fp32_precision):
        try:
            found.append(read())
        except (RuntimeError, AttributeError) as error:
            found.append(type(error).__name__)
    return found
before = state()
for _ in range(2):
    with exact():
        assert matmul.fp32_precision != "tf32" and cudnn.conv.fp32_precision == "ieee" and not cudnn.benchmark, state()
        assert matmul.allow_tf32 is False
        torch.nn.functional.conv2d(torch.ones(1, 3, 8, 8), torch.ones(2, 3, 3, 3))
    assert state() == before, (before, state())
print(before)
"""


@pytest.mark.skipif(not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="torch before 2.9")
@pytest.mark.parametrize("override", ["0", "1"])
def test_whoever_has_put_it_on(override: str) -> None:
    callers = (
        "",
        "torch.set_float32_matmul_precision('high'); cudnn.benchmark = True",
        "torch.set_float32_matmul_precision('medium')",
        "matmul.allow_tf32 = True; cudnn.allow_tf32 = False",
        "torch.backends.fp32_precision = 'tf32'",
        "matmul.fp32_precision = 'tf32'; cudnn.conv.fp32_precision = 'tf32'",
    )
    environment = {**os.environ, "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": override}
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, *callers],
        capture_output=True,
        text=True,
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert found.returncode == 0, found.stderr


def test_torch_before_2_9(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    set_to = []
    matmul = SimpleNamespace(allow_tf32=True)
    cudnn = SimpleNamespace(allow_tf32=True, benchmark=True)
    monkeypatch.setattr(torch.backends.cuda, "matmul", matmul)
    monkeypatch.setattr(torch.backends, "cudnn", cudnn)
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "high")
    monkeypatch.setattr(torch, "set_float32_matmul_precision", set_to.append)
    with exact():
        assert (matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark) == (False, False, False)
    assert set_to == ["high"] and cudnn.allow_tf32 and cudnn.benchmark and not caplog.text


def test_an_override_that_cannot_be_lifted_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Forced:
        allow_tf32 = property(lambda _: True, lambda *_: None)

    monkeypatch.setattr(torch.backends.cuda, "matmul", Forced())
    monkeypatch.setattr(torch.backends, "cudnn", SimpleNamespace(allow_tf32=True, benchmark=False))
    module._say_forced.cache_clear()
    for _ in range(2):
        with exact():
            pass
    assert len(caplog.records) == 1 and "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE forces TF32" in caplog.text
