# SPDX-License-Identifier: Apache-2.0
"""What `target_latency` costs and gains: the time of each input size, the error of `tiny` there, a step as alignment
sees it.

Depth Anything V2 small has random weights, which its time does not depend on. Steps are seen by the alignment on
synthetic drives, whose size falls in the middle, beside the same drives at either size throughout.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from common import run
from models import depth_anything, interleaved, random_state
from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.engine_model import EngineModel
from mono_depth_ros.models.families.tiny import TinyModel
from mono_depth_ros.models.runtime.engine import EngineOptions
from mono_depth_ros.models.stepped import SteppedModel
from mono_depth_ros.world import World
from sequences import drive

TORCH = EngineOptions(torch.device("cpu"), "torch", "fp32")
CAMERA = Camera.from_fov((640, 480), 70.0)
VIEWS = [(kind, seed) for kind in ("room", "corridor", "warehouse", "street") for seed in range(31_000, 31_004)]
VIEWS_OF_EACH = 4
DRIVES = [(kind, 32_000) for kind in ("room", "corridor", "warehouse")]
IMAGES, STEP, RATE_HZ, SAMPLES = 60, 30, 10.0, 500


def times(model: EngineModel) -> dict[str, float]:
    """Milliseconds of an image of 640x480 at each size, preprocessing and upsampling included."""
    stepped = SteppedModel(model)
    stepped.prepare(CAMERA.width, CAMERA.height)
    rgb = torch.randint(0, 256, (1, CAMERA.height, CAMERA.width, 3), dtype=torch.uint8)
    models = {
        _text(item.reads(CAMERA.width, CAMERA.height)): item for item in stepped.sizes(CAMERA.width, CAMERA.height)
    }
    works: dict[str, Callable[[], Any]] = {size: partial(item.predict, rgb, [CAMERA]) for size, item in models.items()}
    return {size: round(ms, 1) for size, ms in interleaved(works).items()}


def errors(model: EngineModel) -> dict[str, Any]:
    """AbsRel at each size as it is and after the best scale, and how a size changes the depth of the own size."""
    stepped = SteppedModel(model)
    found: dict[int, list[tuple[float, float, float]]] = {}
    own: np.ndarray | None
    for kind, seed in VIEWS:
        world = World.generate(kind, seed)
        path = world.path()
        for index in range(VIEWS_OF_EACH):
            seen = world.render(CAMERA, path.pose(1.7 * index), normals=False)
            own = None
            for level in range(len(stepped.sizes(CAMERA.width, CAMERA.height))):
                depth = _predict(stepped, level, seen.rgb).numpy()
                own = depth if own is None else own
                known = np.isfinite(seen.depth) & (seen.depth > 0) & np.isfinite(depth) & np.isfinite(own)
                ratio = depth[known] / seen.depth[known]
                change = float(np.median(depth[known] / own[known]))
                scaled = np.abs(ratio / np.median(ratio) - 1).mean()
                found.setdefault(level, []).append((float(np.abs(ratio - 1).mean()), float(scaled), change))
    rows = {}
    for level, values in found.items():
        raw, best, changes = (np.array(item) for item in zip(*values, strict=True))
        rows[_text(stepped.reads(CAMERA.width, CAMERA.height, level))] = {
            "abs_rel": round(float(raw.mean()), 4),
            "abs_rel_scaled": round(float(best.mean()), 4),
            "depth_of_own_size": round(float(np.median(changes)), 3),
            "depth_of_own_size_5_95_percent": [round(float(v), 3) for v in np.percentile(changes, [5, 95])],
        }
    return {"views": len(values), "sizes": rows}


def across(model: EngineModel, local: bool) -> dict[str, Any]:
    """AbsRel of aligned depth before a step from the own size to the smallest, and in the images after it."""
    stepped = SteppedModel(model)
    smallest = len(stepped.sizes(CAMERA.width, CAMERA.height)) - 1
    levels = {
        "largest": [0] * IMAGES,
        "smallest": [smallest] * IMAGES,
        "step": [0] * STEP + [smallest] * (IMAGES - STEP),
    }
    found: dict[str, list[list[float]]] = {name: [] for name in levels}
    unaligned = 0
    for kind, seed in DRIVES:
        images = list(drive(kind, seed, CAMERA, RATE_HZ, IMAGES))
        for name, ladder in levels.items():
            aligner, random = Aligner(), np.random.default_rng(0)
            row = []
            for level, image in zip(ladder, images, strict=True):
                prediction = stepped.sizes(CAMERA.width, CAMERA.height)[level].predict(
                    torch.from_numpy(image.rgb)[None], [CAMERA]
                )[0]
                known = np.isfinite(image.truth) & (image.truth > 0)
                rows, columns = np.nonzero(known)
                picked = random.choice(len(rows), SAMPLES, replace=False)
                rows, columns = rows[picked], columns[picked]
                depth = image.truth[rows, columns] * (1 + 0.01 * random.standard_normal(SAMPLES))
                samples = Samples(rows, columns, depth.astype(np.float32), known.shape)
                stamp_ns = round(image.stamp_s * 1e9)
                guide = torch.from_numpy(image.rgb)
                aligned = aligner.update(prediction, samples, stamp_ns, guide=guide, local=local).prediction
                if aligned is None:
                    unaligned += 1
                    continue
                values = aligned.values.numpy()
                known &= np.isfinite(values)
                row.append(float(np.abs(values[known] / image.truth[known] - 1).mean()))
            found[name].append(row)
    parts = {"before": slice(STEP - 10, STEP), "first": slice(STEP, STEP + 1), "to_5": slice(STEP, STEP + 5)}
    parts |= {"6_to_10": slice(STEP + 5, STEP + 10), "20_to_30": slice(STEP + 20, IMAGES)}
    means = {
        name: {part: round(statistics.mean(statistics.mean(row[at]) for row in rows), 4) for part, at in parts.items()}
        for name, rows in found.items()
    }
    return {"local": local, "drives": len(DRIVES), "unaligned": unaligned, "abs_rel": means}


@torch.inference_mode()
def _predict(stepped: SteppedModel, level: int, rgb: np.ndarray) -> torch.Tensor:
    stepped.level = level
    return stepped.predict(torch.from_numpy(rgb)[None], [CAMERA])[0].values


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def input_size() -> dict[str, Any]:
    """The measurement, as plain values."""
    tiny = TinyModel(TORCH)
    small = depth_anything("small", random_state("small"), 20.0, TORCH)
    return {
        "ms_640x480": {"tiny, torch fp32": times(tiny), "depth_anything_v2_small, torch fp32": times(small)},
        "tiny_on_synthetic_views": errors(tiny),
        "tiny_aligned_across_a_step": [across(tiny, local) for local in (True, False)],
    }


def main(argv: Sequence[str] | None = None) -> int:
    return run(__file__, lambda _: input_size(), argv)


if __name__ == "__main__":
    sys.exit(main())
