# SPDX-License-Identifier: Apache-2.0
"""Contracts of the networks that this package exports itself, so that their graphs can be loaded by path."""

from __future__ import annotations

from mono_depth_ros.models.contract import ModelSpec
from mono_depth_ros.models.onnx.contract import OnnxContract
from mono_depth_ros.models.onnx.parts import InputContract, OutputsContract, SizeRule
from mono_depth_ros.prediction import DepthKind

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def depth_anything_v2(spec: ModelSpec, image: str = "image", depth: str = "depth") -> OnnxContract:
    """The contract of Depth Anything V2, with its authors' processing; `image` and `depth` are names in the graph."""
    metric = spec.kind is DepthKind.METRIC
    return OnnxContract(
        kind="metric" if metric else "inverse_affine",
        input=InputContract(
            name=image,
            size=SizeRule(shorter_side=518, multiple=14),
            resample="cubic",
            range=1,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
        ),
        outputs=OutputsContract(
            depth=depth, resize="corners", range_m=(0.0, spec.max_depth_m) if spec.max_depth_m else None
        ),
        family=spec.family,
        licence=spec.licence,
    )
