# SPDX-License-Identifier: Apache-2.0
"""The numbers that ship are those of the authors' code, and this machine gives them.

`python test/models/parity/test_parity.py` writes authors.json anew from the files `authors.npz` of the families' tests,
which say how the authors' code was run, and from that of this folder: every 20th row and column of the depth of
`pattern_image(640, 360)`, given by

- `metric3d_v2`: the small network of github.com/YvanYin/Metric3D (commit eb5b6fa, CPU, torch 2.13.0, OpenCV 4.14.0)
  with the steps of its hubconf.py, at 336x196, with a focal length of 700 px; parameters by `parity.metric3d.weight`.
- `prompt_depth_anything`: as in ../families/prompt_depth_anything, of `pattern_image(518, 518)` with the prompt of
  `parity.families.of_prompt_depth_anything`.
- the others: transformers 5.23.0 with its own processors, as in ../families/transformers_models/by_transformers.py, of
  what `parity.transformers_checkpoints.save` writes. Depth Pro guessed a focal length of 62076.28 px.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mono_depth_ros.models.loading import FAMILIES
from mono_depth_ros.models.parity import check as module
from mono_depth_ros.models.parity.check import check, stored
from mono_depth_ros.models.parity.families import FAMILIES as WITH_NUMBERS

TESTS = Path(__file__).parents[1] / "families"
TARGET = Path(module.__file__).with_name("authors.json")
BY = {
    "depth_anything_v2": "github.com/DepthAnything/Depth-Anything-V2, commit a561b84",
    "depth_anything_3": "github.com/ByteDance-Seed/Depth-Anything-3, commit 2c21ea8",
    "moge_2": "github.com/microsoft/MoGe, commit 0744441",
    "unidepth_v2": "github.com/lpiccinelli-eth/UniDepth, commit 8d8cfe4",
    "metric3d_v2": "github.com/YvanYin/Metric3D, commit eb5b6fa",
    "prompt_depth_anything": "github.com/DepthAnything/PromptDA, commit b05523c",
    **dict.fromkeys(("zoedepth", "dpt", "glpn", "depth_pro"), "transformers 5.23.0"),
}
KEYS = {  # of authors.npz, with the step of the pixels there
    "depth_anything_v2": {"relative": ("relative_pattern_640x360", 20), "metric": ("metric_pattern_640x360", 20)},
    "depth_anything_3": {"depth": ("depth_pattern_640x360", 14), "sky": ("sky_pattern_640x360", 14)},
    "moge_2": {
        "z": ("points_pattern_640x360", 20),
        "mask": ("mask_pattern_640x360", 20),
        "scale": ("scale_pattern_640x360", 1),
    },
    "unidepth_v2": {"depth": ("depth_pattern_640x360", 20)},
    **{
        name: {"depth": (name, 20)}
        for name in ("metric3d_v2", "prompt_depth_anything", "zoedepth", "dpt", "glpn", "depth_pro")
    },
}
EVERY = 3  # of these pixels ships


def authors() -> dict[str, Any]:
    """What authors.json should hold."""
    found: dict[str, Any] = {}
    for family, keys in KEYS.items():
        own = Path(__file__).with_name("authors.npz")
        arrays = np.load(own if family in np.load(own) else TESTS / family / "authors.npz")
        found[family] = {"by": BY[family], "outputs": {}}
        for name, (key, step) in keys.items():
            values = arrays[key][..., 2] if arrays[key].ndim == 3 else np.atleast_2d(arrays[key])
            rows = [[float(f"{value:.7g}") for value in row] for row in values[::EVERY, ::EVERY]]
            found[family]["outputs"][name] = {"step": step * EVERY if step > 1 else 1, "values": rows}
    return found


def test_the_numbers_that_ship_are_the_authors() -> None:
    assert stored() == authors(), "python test/models/parity/test_parity.py writes them anew"
    assert set(stored()) == set(WITH_NUMBERS) <= set(FAMILIES)


@pytest.mark.parametrize("family", WITH_NUMBERS)
def test_this_machine_gives_them(family: str) -> None:
    found = check(family, torch.device("cpu"))
    assert {item.output for item in found} == set(KEYS[family])
    assert all(item.right and item.pixels for item in found), found


def test_other_numbers_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    other = stored()
    values = other["depth_anything_3"]["outputs"]["depth"]["values"]
    values[2][3] *= 1.002
    other["depth_anything_3"]["outputs"]["sky"]["values"].pop()
    monkeypatch.setattr(module, "stored", lambda: other)
    depth, sky = check("depth_anything_3", torch.device("cpu"))
    assert not depth.right and depth.largest == pytest.approx(2e-3, rel=0.05)
    assert not sky.right and not sky.pixels


if __name__ == "__main__":
    TARGET.write_text(json.dumps(authors(), separators=(",", ":")).replace('"outputs"', '\n"outputs"') + "\n", "utf-8")
