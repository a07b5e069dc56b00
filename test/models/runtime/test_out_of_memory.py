# SPDX-License-Identifier: Apache-2.0
"""Out of GPU memory in one sentence, with the smaller model; the errors are raised by hand."""

from __future__ import annotations

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.runtime import device
from mono_depth_ros.models.runtime.device import memory_explained, smaller_model

CUDA = torch.device("cuda", 0)
GIB = 2**30


@pytest.fixture(autouse=True)
def two_gib_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "free_memory", lambda _: (2 * GIB, 8 * GIB))


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0"), "20.00 MiB"),
        (RuntimeError("BFCArena: Failed to allocate memory for requested buffer of size 1048576000"), "1000 MiB"),
        (RuntimeError("CUDA failure 2: out of memory ; GPU=0"), None),
    ],
)  # fmt: skip
def test_one_sentence_says_how_much_and_what_fits(error: Exception, asked: str | None) -> None:
    with pytest.raises(ModelError) as raised, memory_explained("depth_anything_v2_metric_indoor_large", CUDA):
        raise error
    more = f" {asked} more were asked for," if asked else ""
    assert str(raised.value) == (
        "depth_anything_v2_metric_indoor_large does not fit into the memory of cuda:0:"
        f"{more} 2048 of 8192 MiB are free; model:=depth_anything_v2_metric_indoor_base is smaller"
    )


def test_out_of_memory_inside_an_engines_error() -> None:
    with pytest.raises(ModelError, match="does not fit"), memory_explained("tiny", CUDA):
        try:
            raise RuntimeError("CUDA out of memory")
        except RuntimeError as error:
            raise ModelError("engine 'onnxruntime' cannot run inputs of (1, 3)") from error


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match=r"^something else$"), memory_explained("tiny", CUDA):
        raise RuntimeError("something else")


def test_smaller_models() -> None:
    assert smaller_model("depth_anything_v2_large", 64 * GIB) == "depth_anything_v2_base"
    assert smaller_model("depth_anything_v2_large", GIB // 2) == "depth_anything_v2_small"
    assert smaller_model("depth_anything_v2_large", 0) == "depth_anything_v2_small"  # nothing fits: the least
    assert smaller_model("depth_anything_v2_metric_outdoor_base", GIB) == "depth_anything_v2_metric_outdoor_small"
    assert smaller_model("depth_anything_v2_small", GIB) is None
    assert smaller_model("a/path", GIB) is None


def test_without_a_smaller_one() -> None:
    with (
        pytest.raises(ModelError, match=r"are free; expected more memory, or device:=cpu$"),
        memory_explained("x", CUDA),
    ):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
