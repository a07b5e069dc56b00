# SPDX-License-Identifier: Apache-2.0
"""What `transformers` makes of an image with its own processor, and how ours is compared with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.runtime.engine import EngineOptions

CPU = EngineOptions(torch.device("cpu"), "torch", "fp32")


def by_transformers(directory: Path, image: np.ndarray) -> torch.Tensor:
    """(H, W) float32: what `transformers` with its own processor makes of an (H, W, 3) uint8 image."""
    network = transformers.AutoModelForDepthEstimation.from_pretrained(directory).eval()
    if network.config.model_type == "depth_pro":
        return depth_pro_by_transformers(network, directory, image)[0]
    name = {"zoedepth": "ZoeDepth", "dpt": "DPT", "glpn": "GLPN"}[network.config.model_type]
    processor = getattr(transformers, f"{name}ImageProcessorPil").from_pretrained(directory)
    with torch.inference_mode():
        outputs = network(**processor(images=Image.fromarray(image), return_tensors="pt"))
        sizes = {"source_sizes" if name == "ZoeDepth" else "target_sizes": [image.shape[:2]]}
        (result,) = processor.post_process_depth_estimation(outputs, **sizes)
    return result["predicted_depth"]


def depth_pro_by_transformers(network: Any, directory: Path, image: np.ndarray) -> tuple[torch.Tensor, float]:
    """The depth (H, W) and the focal length in pixels that Depth Pro predicts.

    Its processor exists on top of torchvision only; these are its steps: `image_processing_depth_pro.py`, `_preprocess`
    and `post_process_depth_estimation`.
    """
    values = json.loads((directory / "preprocessor_config.json").read_text())
    height, width = image.shape[:2]
    pixels = (torch.tensor(image).permute(2, 0, 1)[None].float() / 255 - values["image_mean"]) / values["image_std"]
    size = (values["size"]["height"], values["size"]["width"])
    with torch.inference_mode():
        outputs = network(torch.nn.functional.interpolate(pixels, size, mode="bilinear", antialias=False))
    focal = 0.5 * width / torch.tan(0.5 * torch.deg2rad(outputs.field_of_view[0]))
    inverse = (outputs.predicted_depth * width / focal)[None]
    inverse = torch.nn.functional.interpolate(inverse, (height, width), mode="bilinear")[0, 0]
    return 1 / inverse.clamp(min=1e-4, max=1e4), float(focal)


def pattern_image(width: int, height: int) -> np.ndarray:
    """(H, W, 3) uint8 with smooth and fine structure, from integers alone, so that every machine has the same."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    return np.stack([(x * 7 + y * 3) // 8, (x * y) >> 8, (x ^ y) + (x // 40 + y // 30) % 2 * 60], axis=-1).astype(
        np.uint8
    )


def predict(model: Any, *images: np.ndarray, hfov_deg: float = 60) -> list[torch.Tensor]:
    """Our (H, W) values of images of one size."""
    height, width = images[0].shape[:2]
    cameras = [Camera.from_fov((width, height), hfov_deg)] * len(images)
    predictions = model.predict(torch.from_numpy(np.stack(images)), cameras)
    assert all(p.values.shape == (height, width) and p.kind is model.spec.kind for p in predictions)
    return [prediction.values for prediction in predictions]


def assert_same(found: torch.Tensor, expected: torch.Tensor, largest: float = 1e-3, mean: float = 1e-4) -> None:
    """Relative differences within the project's limits, of values that are not all the same."""
    assert expected.std() > 1e-3 * expected.abs().mean()
    difference = (found - expected).abs() / expected.abs()
    assert difference.max() <= largest and difference.mean() <= mean, (difference.max(), difference.mean())
