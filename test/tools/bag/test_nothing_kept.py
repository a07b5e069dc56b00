# SPDX-License-Identifier: Apache-2.0
"""Nothing is kept alive: the arrays of a conversion whose images are good and refused, counted without a collector."""

from __future__ import annotations

import gc
import weakref

import pytest

from mono_depth_ros.bags.reader import BagReader
from mono_depth_ros.geometry.camera import Camera

FEW = 12  # read ahead, in the network, waiting to be written


@pytest.mark.parametrize("kind", ["good", "of another size", "broken"])
def test_images_of_a_conversion(tmp_path, maker, use, kit, monkeypatch, kind):
    model, most, seen = use(), [], []
    decode = BagReader.decode

    def watched(message):
        found = decode(message)
        if hasattr(found, "encoding"):
            if kind == "broken":
                found.encoding = "yuv999"
            seen.append(weakref.ref(found.data))
            most.append(sum(ref() is not None for ref in seen))
        return found

    monkeypatch.setattr(BagReader, "decode", staticmethod(watched))
    if kind == "of another size":
        monkeypatch.setattr(kit, "CAMERA", Camera(8, 6, 20.0, 20.0, 3.5, 2.5), raising=False)
        monkeypatch.setitem(maker.frames.__globals__, "CAMERA", kit.CAMERA)
    maker.frames(30).write(tmp_path / "in.mcap")
    gc.collect()
    gc.disable()
    try:
        assert kit.bag(tmp_path / "in.mcap", "--out", tmp_path / "out.mcap") == (0 if kind == "good" else 1)
    finally:
        gc.enable()
    assert len(seen) >= 30 and max(most) <= FEW, most
    assert (len(model.batches) > 25) == (kind == "good")
